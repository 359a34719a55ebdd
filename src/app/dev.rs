//! `civiclens dev`: the same service as `serve`, over servers of its own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use civiclens_actors::domain::entropy::{self, Entropy, SystemEntropy};
use civiclens_actors::domain::keys::opaque_token;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::lifecycle::{End, migrate_database, orderly, wait_for_end};
use super::{App, Overrides, RunningApp, admin};
use crate::cli::NewAdmin;
use crate::config::Settings;
use crate::embedded::{Binaries, Durability, Options, Stack};

/// The phone of the first administrator.
const ADMIN_PHONE: &str = "+919876500001";

/// What `dev` makes up once and keeps, so that tokens, codes and the administrator survive a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    token_secret: String,
    otp_secret: String,
    #[serde(default)]
    csrf_secret: String,
    #[serde(default)]
    hash_key: String,
    sealing_key: String,
    password_pepper: String,
    admin_password: String,
}

/// `dev.json`: where everything is.
#[derive(Serialize)]
struct Whereabouts<'a> {
    api_url: &'a str,
    database_url: &'a str,
    redis_url: &'a str,
    nats_url: &'a str,
    postgres_pid: u32,
    redis_pid: u32,
    nats_pid: u32,
    admin_phone: &'a str,
    admin_password: &'a str,
    inbox_url: &'a str,
}

/// Starts the servers, migrates, makes the first administrator, and runs the service until a signal.
///
/// # Errors
/// When a server or the service cannot start. Nothing that is in the data folder is destroyed.
pub async fn dev(settings: Settings, data_dir: PathBuf) -> anyhow::Result<ExitCode> {
    let options =
        Options { data_dir: data_dir.clone(), durability: Durability::Durable, binaries: Binaries::default() };
    // A `dev.json` that is there means that everything in it answers. One that a killed run left names dead processes.
    let silence = || {
        let _ = fs::remove_file(data_dir.join("dev.json"));
    };
    let mut stack = Stack::start_once_ours(options, silence).await?;
    let outcome = Box::pin(run(settings, &data_dir, &mut stack)).await;
    silence();
    stack.stop().await?;
    outcome
}

async fn run(mut settings: Settings, data_dir: &Path, stack: &mut Stack) -> anyhow::Result<ExitCode> {
    let kept = kept(&data_dir.join("secrets.json"))?;
    fill(&mut settings, &kept, stack);
    let problems = settings.validate(false);
    anyhow::ensure!(problems.is_empty(), "{problems}");
    migrate_database(&settings).await?;
    let app = App::start_without_readiness(settings.clone(), Overrides { clock: None, workers: true }).await?;
    let outcome = announce_and_wait(&app, &settings, &kept, data_dir, stack).await;
    match outcome {
        Ok(end) => orderly(app.stop(), end).await,
        Err(error) => {
            app.stop().await?;
            Err(error)
        }
    }
}

async fn announce_and_wait(
    app: &RunningApp,
    settings: &Settings,
    kept: &Kept,
    data_dir: &Path,
    stack: &mut Stack,
) -> anyhow::Result<End> {
    make_admin(app, settings, kept).await?;
    let inbox_url = format!("{}/dev/inbox", app.url());
    let whereabouts = Whereabouts {
        api_url: &app.url(),
        database_url: stack.database_url(),
        redis_url: stack.redis_url(),
        nats_url: stack.nats_url(),
        postgres_pid: stack.postgres_pid(),
        redis_pid: stack.redis_pid(),
        nats_pid: stack.nats_pid(),
        admin_phone: ADMIN_PHONE,
        admin_password: &kept.admin_password,
        inbox_url: &inbox_url,
    };
    write_private(&data_dir.join("dev.json"), &serde_json::to_string_pretty(&whereabouts)?)?;
    // Whoever waits for the node to be ready may read the file at once.
    app.complete_start();
    announce(&whereabouts, data_dir);
    let (crashed, logs) = (app.crashed(), data_dir.join("logs"));
    tokio::select! {
        end = wait_for_end(&crashed) => end,
        name = stack.child_died() => anyhow::bail!("{name} ended by itself; its log is in {}", logs.display()),
    }
}

/// Creates the first administrator unless the phone has an account already.
async fn make_admin(app: &RunningApp, settings: &Settings, kept: &Kept) -> anyhow::Result<()> {
    let phone = Phone::parse(ADMIN_PHONE)?;
    if app.accounts().find(&phone).await?.is_some() {
        return Ok(());
    }
    let new = first_admin(Secret::from(kept.admin_password.as_str()))?;
    admin::create(&app.accounts(), settings, new).await?;
    Ok(())
}

fn first_admin(password: Secret) -> anyhow::Result<NewAdmin> {
    Ok(NewAdmin {
        phone: Phone::parse(ADMIN_PHONE)?,
        full_name: "First Administrator".to_owned(),
        email: "admin@civiclens.localhost".to_owned(),
        employee_id: "EMP-DEV-1".to_owned(),
        password,
    })
}

/// Points the service at the private servers, and fills in the secrets that were not configured.
fn fill(settings: &mut Settings, kept: &Kept, stack: &Stack) {
    settings.database.url = Secret::from(stack.database_url());
    settings.redis.url = Secret::from(stack.redis_url());
    settings.nats.url = Secret::from(stack.nats_url());
    let or = |configured: &mut Secret, kept: &str| {
        if configured.is_empty() {
            *configured = Secret::from(kept);
        }
    };
    or(&mut settings.token.secret, &kept.token_secret);
    or(&mut settings.otp.secret, &kept.otp_secret);
    or(&mut settings.csrf.secret, &kept.csrf_secret);
    or(&mut settings.secrets.sealing_key, &kept.sealing_key);
    or(&mut settings.secrets.hash_key, &kept.hash_key);
    or(&mut settings.secrets.password_pepper, &kept.password_pepper);
}

/// The secrets of the last start, or new ones. A folder of an earlier version lacks some: they are made and kept, too.
fn kept(path: &Path) -> anyhow::Result<Kept> {
    let entropy = SystemEntropy::default();
    let token = || opaque_token(&entropy).map(|token| token.expose().to_owned());
    if path.exists() {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut kept: Kept = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let lacking: Vec<&mut String> =
            [&mut kept.csrf_secret, &mut kept.hash_key].into_iter().filter(|secret| secret.is_empty()).collect();
        if !lacking.is_empty() {
            for secret in lacking {
                *secret = token()?;
            }
            write_private(path, &serde_json::to_string_pretty(&kept)?)?;
        }
        return Ok(kept);
    }
    let kept = Kept {
        token_secret: token()?,
        otp_secret: token()?,
        csrf_secret: token()?,
        hash_key: token()?,
        sealing_key: hex::encode(entropy::bytes::<32>(&entropy)?),
        password_pepper: token()?,
        admin_password: admin_password(&entropy)?,
    };
    write_private(path, &serde_json::to_string_pretty(&kept)?)?;
    Ok(kept)
}

/// A password that any policy accepts, whatever the dice say.
fn admin_password(entropy: &dyn Entropy) -> anyhow::Result<String> {
    Ok(format!("Dev1-{}", opaque_token(entropy)?.expose().chars().take(16).collect::<String>()))
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[expect(clippy::print_stdout, reason = "what the command has to say to the person who typed it")]
fn announce(at: &Whereabouts<'_>, data_dir: &Path) {
    println!(
        "\nCivicLens Identity is ready.\n\n  API      {api}\n  Try it   {api}/docs\n  Inbox    {inbox}\n  \
         Admin    {phone}, password {password}\n  Details  {details}\n\nFirst steps:\n\n  \
         curl -s {api}/api/v1/auth/request-otp -H 'Content-Type: application/json' -d '{{\"phone\": \"98765 43210\"}}'\n  \
         curl -s {inbox}.json\n  \
         curl -s {api}/api/v1/auth/verify-otp -H 'Content-Type: application/json' \
         -d '{{\"phone\": \"98765 43210\", \"otp\": \"…\"}}'\n\nCtrl-C stops everything; the data stays in {data}.\n",
        api = at.api_url,
        inbox = at.inbox_url,
        phone = at.admin_phone,
        password = at.admin_password,
        details = data_dir.join("dev.json").display(),
        data = data_dir.display(),
    );
}

#[cfg(test)]
mod tests {
    use civiclens_actors::domain::password::{Policy, check};

    use super::*;

    #[test]
    fn the_first_administrator_has_an_acceptable_password() {
        for _ in 0..100 {
            let password = Secret::from(admin_password(&SystemEntropy::default()).unwrap());
            for policy in [Policy::Composition, Policy::Length] {
                assert_eq!(check(policy, &password, &first_admin(password.clone()).unwrap().about()), Ok(()));
            }
        }
    }
}
