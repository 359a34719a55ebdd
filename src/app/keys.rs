//! The signing keys: those of this process, and the commands of operators.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use civiclens_actors::domain::clock::{Clock, SystemClock};
use civiclens_actors::domain::entropy::{Entropy, SystemEntropy};
use civiclens_actors::domain::keys::Sealer;
use civiclens_actors::domain::token::{self, Tokens};
use civiclens_actors::sessions::{KeyRing, KeyRingParts, ListedKey};
use civiclens_actors::store::Db;

use crate::config::{Secrets, Settings, Token};

/// Seals keys, secrets and jobs.
pub(super) fn sealer(secrets: &Secrets) -> anyhow::Result<Arc<Sealer>> {
    let mut sealer = Sealer::new(&secrets.sealing_key_id, &secrets.sealing_key).context("secrets.sealing_key")?;
    if let Some(id) = &secrets.previous_sealing_key_id {
        let previous = &secrets.previous_sealing_key;
        sealer = sealer.with_previous(id, previous).context("secrets.previous_sealing_key")?;
    }
    Ok(Arc::new(sealer))
}

/// Tokens as configured, without keys.
pub(super) fn tokens(token: &Token) -> Arc<Tokens> {
    Arc::new(Tokens::new(token::Config {
        algorithm: token.algorithm.into(),
        secret: token.secret.clone(),
        issuer: token.issuer.clone(),
        audience: token.audience.clone(),
        citizen_life: chrono::Duration::hours(i64::from(token.citizen_expire_hours)),
        officer_life: chrono::Duration::hours(i64::from(token.admin_expire_hours)),
    }))
}

/// The keys, for a command.
fn ring(settings: &Settings, db: &Db) -> anyhow::Result<KeyRing> {
    Ok(KeyRing::new(KeyRingParts {
        db: db.clone(),
        sealer: sealer(&settings.secrets)?,
        tokens: tokens(&settings.token),
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        entropy: Arc::new(SystemEntropy::default()) as Arc<dyn Entropy>,
    }))
}

/// Makes a new signing key, which begins to sign after `overlap`.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn keys_rotate(settings: Settings, overlap: std::time::Duration) -> anyhow::Result<ExitCode> {
    let db = super::lifecycle::command_database(&settings)?;
    let made = ring(&settings, &db)?.rotate(chrono::Duration::from_std(overlap)?).await?;
    db.close().await;
    let (kid, algorithm) = (made.kid, made.algorithm.as_str());
    print(&format!("{kid} ({algorithm}) begins to sign at {}\n", time(Some(made.active_from))));
    Ok(ExitCode::SUCCESS)
}

/// Ends a key that only verifies.
///
/// # Errors
/// When the key signs or will, is not there, or PostgreSQL cannot be reached.
pub async fn keys_retire(settings: Settings, kid: &str) -> anyhow::Result<ExitCode> {
    let db = super::lifecycle::command_database(&settings)?;
    ring(&settings, &db)?.retire(kid).await?;
    db.close().await;
    print(&format!("{kid} is retired: nodes refuse what it signed from their next re-read on\n"));
    Ok(ExitCode::SUCCESS)
}

/// Prints every signing key and what it does.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn keys_list(settings: Settings) -> anyhow::Result<ExitCode> {
    let db = super::lifecycle::command_database(&settings)?;
    let keys = ring(&settings, &db)?.list().await?;
    db.close().await;
    print(&table(&keys));
    Ok(ExitCode::SUCCESS)
}

fn table(keys: &[ListedKey]) -> String {
    let mut table = String::new();
    let mut line = |cells: [&str; 6]| {
        let [kid, algorithm, state, made, signs, verifies] = cells;
        let _infallible = writeln!(table, "{kid:<43}  {algorithm:<9}  {state:<9}  {made:<20}  {signs:<20}  {verifies}");
    };
    line(["KID", "ALGORITHM", "STATE", "MADE", "SIGNS FROM", "VERIFIES UNTIL"]);
    for key in keys {
        let (made, signs, verifies) = (time(key.created_at), time(key.active_from), time(key.verifies_until));
        line([&key.kid, key.algorithm.as_str(), key.state.as_str(), &made, &signs, &verifies]);
    }
    table
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[expect(clippy::print_stdout, reason = "what the command has to say to the person who typed it")]
pub(super) fn print(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use civiclens_actors::domain::token::{Algorithm, State};

    use super::*;

    #[test]
    fn keys_stand_in_columns() {
        let key = ListedKey {
            kid: "0123456789ab".to_owned(),
            algorithm: Algorithm::Hs256,
            state: State::Signing,
            created_at: None,
            active_from: DateTime::from_timestamp(1_790_000_000, 0),
            verifies_until: None,
        };
        let table = table(&[key]);
        let columns = table.lines().map(|line| line.split_whitespace().count()).collect::<Vec<_>>();
        assert_eq!(columns, [8, 6]);
        assert!(table.ends_with("HS256      signing    -                     2026-09-21T14:13:20Z  -\n"), "{table}");
    }
}
