//! Runs what the command line asks for.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::admin::NewAdmin;
use super::{
    AdminCommand, Cli, Command, ConfigCommand, EventsCommand, KeysCommand, OtpCommand, SecretsCommand, config,
};
use crate::app;
use crate::config::{Environment, Format, Log, Settings, load_from_process};
use crate::telemetry::start_logs;

/// Runs `cli` to its end.
///
/// # Errors
/// When the command could not do its work; the error is for a person to read.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let file = cli.config;
    let settings = || -> anyhow::Result<Settings> {
        // Before anything is judged: that a node cannot start is a log line like every other.
        let loaded = load_from_process(file.clone());
        let log = loaded.as_ref().map(|loaded| loaded.settings.log.clone()).unwrap_or_default();
        if start_logs(&log).is_err() {
            start_logs(&Log { format: log.format, ..Log::default() })?;
        }
        Ok(loaded?.validated()?)
    };
    // An operator's command is not held up by settings that it does not use.
    let some_settings = |used: &[&str]| -> anyhow::Result<Settings> {
        let settings = load_from_process(file.clone())?.validated_for(used)?;
        start_logs(&Log { format: Format::Pretty, ..settings.log.clone() })?;
        Ok(settings)
    };
    match cli.command {
        Command::Serve { no_workers } => block_on(app::serve(settings()?, !no_workers)),
        Command::Worker { channels } => block_on(app::worker(settings()?, channels)),
        Command::Migrate => block_on(app::migrate(some_settings(&["database."])?)),
        Command::Events(EventsCommand::Replay { since }) => {
            let settings = some_settings(&["database."])?;
            block_on(app::replay_events(settings, since))
        }
        Command::Otp(OtpCommand::Resume { block }) => {
            let settings = some_settings(&["redis.", "otp.breaker_window"])?;
            block_on(app::otp_resume(settings, block))
        }
        Command::Secrets(SecretsCommand::Generate) => print(&config::generate()?),
        Command::Secrets(SecretsCommand::Reseal) => block_on(app::secrets_reseal(some_settings(&[
            "database.",
            "secrets.sealing_key",
            "secrets.previous_sealing_key",
        ])?)),
        Command::Keys(command) => {
            let settings =
                some_settings(&["database.", "token.", "secrets.sealing_key", "secrets.previous_sealing_key"])?;
            match command {
                KeysCommand::Rotate { overlap } => block_on(app::keys_rotate(settings, overlap)),
                KeysCommand::List => block_on(app::keys_list(settings)),
                KeysCommand::Retire { kid } => block_on(app::keys_retire(settings, &kid)),
            }
        }
        Command::Admin(AdminCommand::Create(given)) => {
            let settings =
                some_settings(&["account.password_policy", "database.", "password.cost", "secrets.password_pepper"])?;
            block_on(app::admin_create(settings, NewAdmin::try_from(given)?))
        }
        Command::Dev { data_dir, listen } => {
            // What `dev` starts itself it also fills in, so the settings are judged there and not here.
            let loaded = load_from_process(file.clone())?;
            let given = |key: &str| loaded.origins.contains_key(key);
            let (second_factor, secure) = (given("two_factor.enforced_roles"), given("cookie.secure"));
            let stop_delay = given("server.stop_delay");
            let mut settings = loaded.parsed()?;
            settings.environment = Environment::Development;
            if !second_factor {
                settings.two_factor.enforced_roles.clear();
            }
            // Nobody's load balancer looks here.
            if !stop_delay {
                settings.server.stop_delay = Duration::ZERO;
            }
            // The API listens without TLS here.
            settings.cookie.secure &= secure;
            settings.server.listen = listen.unwrap_or(settings.server.listen);
            start_logs(&Log { format: Format::Pretty, ..settings.log.clone() })?;
            block_on(app::dev(settings, data_dir))
        }
        Command::Config(ConfigCommand::Check) => Ok(config::check(&load_from_process(file.clone())?)),
        Command::Openapi => print(&crate::http::openapi()),
        Command::Version => print(concat!("civiclens ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Runs a command on an actor system of its own.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    actix::System::new().block_on(command)
}

/// Prints a document. A reader that went away, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
