//! What is sealed in the database: the command of operators.

use std::process::ExitCode;
use std::sync::Arc;

use civiclens_actors::domain::clock::SystemClock;
use civiclens_actors::resealing::{Outcome, Resealing};

use crate::config::Settings;

/// How many places a message names at most.
const NAMED: usize = 10;

/// Seals under the present sealing key what is not, and prints how much that was.
///
/// # Errors
/// When something is left that is not under the present key, or PostgreSQL cannot be reached.
pub async fn secrets_reseal(settings: Settings) -> anyhow::Result<ExitCode> {
    let db = super::lifecycle::command_database(&settings)?;
    let sealer = super::keys::sealer(&settings.secrets)?;
    let outcome = Resealing { db: db.clone(), sealer, clock: Arc::new(SystemClock) }.run().await?;
    db.close().await;
    super::keys::print(&format!(
        "sealed anew under the key {}: {}\n",
        settings.secrets.sealing_key_id, outcome.resealed
    ));
    match left(&outcome) {
        None => Ok(ExitCode::SUCCESS),
        Some(left) => anyhow::bail!(left),
    }
}

/// Says what is not under the present key. Returns `None` if everything is.
fn left(outcome: &Outcome) -> Option<String> {
    let mut left = Vec::new();
    if !outcome.locked.is_empty() {
        let more = if outcome.locked.len() > NAMED { ", …" } else { "" };
        let named: Vec<_> = outcome.locked.iter().take(NAMED).map(String::as_str).collect();
        let (count, named) = (outcome.locked.len(), named.join(", "));
        left.push(format!("no configured key opens {count} of them, which stay as they are: {named}{more}"));
    }
    if outcome.busy > 0 {
        left.push(format!("{} were in use all the time: run this again", outcome.busy));
    }
    (!left.is_empty()).then(|| left.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_told_what_is_left() {
        let locked = |count: usize| (0..count).map(|id| format!("totp:{id}")).collect();
        assert_eq!(left(&Outcome { resealed: 7, ..Outcome::default() }), None);
        let said = left(&Outcome { resealed: 0, locked: locked(12), busy: 3 }).unwrap_or_default();
        for part in ["opens 12 of them", "totp:9, …;", "; 3 were in use"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = left(&Outcome { locked: locked(1), ..Outcome::default() }).unwrap_or_default();
        assert!(said.ends_with("as they are: totp:0"), "{said}");
    }
}
