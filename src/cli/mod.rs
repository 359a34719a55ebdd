//! The command line.

mod admin;
mod config;
mod run;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};

pub use self::admin::NewAdmin;
pub use self::run::run;

const ABOUT: &str = "The identity service of the CivicLens platform";
const CONFIG_HELP: &str = "The TOML file to read [default: what CIVICLENS_CONFIG names, else none]";
const CONFIGURATION: &str = "\
Configuration comes from a TOML file and from variables named CIVICLENS__SECTION__KEY, which win over
the file; a list is separated by commas. A secret can also be read from a file: CIVICLENS__TOKEN__SECRET_FILE.
\"civiclens config check\" shows what is in force and every problem.";

/// What was asked for on the command line.
#[derive(Debug, Parser)]
#[command(name = "civiclens", bin_name = "civiclens", version, about = ABOUT, long_about = ABOUT,
          after_help = CONFIGURATION, max_term_width = 100)]
pub struct Cli {
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer HTTP, and do the background work beside it
    Serve {
        /// Leave the sending of messages to `civiclens worker` processes
        #[arg(long)]
        no_workers: bool,
    },
    /// Send messages, without answering HTTP
    Worker {
        /// The channels to work on [default: all]
        #[arg(value_enum)]
        channels: Vec<Channel>,
    },
    /// Start everything a developer needs: databases of its own, the service, an inbox, an administrator
    Dev {
        /// Where to keep its data
        #[arg(long, value_name = "DIR", default_value = ".civiclens")]
        data_dir: PathBuf,
        /// Where to listen [default: server.listen]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Bring the database to the schema of this version
    Migrate,
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(about = "Print the OpenAPI document")]
    Openapi,
    /// Manage administrators
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Manage the keys that sign access tokens
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make secrets, and manage what is sealed in the database
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Manage the sending of one-time codes
    #[command(subcommand)]
    Otp(OtpCommand),
    /// Manage what was published
    #[command(subcommand)]
    Events(EventsCommand),
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum OtpCommand {
    /// Send codes again that the breaker refuses: what was sent until now counts no more, on every node within seconds
    Resume {
        /// The block of numbers, such as +91987, as the log names it [default: everything]
        #[arg(long, value_name = "BLOCK")]
        block: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Publish again what was published since a moment; consumers recognise what they had
    Replay {
        /// The moment, as RFC 3339: 2026-11-24T10:00:00Z
        #[arg(long)]
        since: DateTime<Utc>,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a new key of token.algorithm; the one before it verifies until its tokens have expired
    Rotate {
        /// How long the key is known before it begins to sign: nodes re-read within 10s, others cache keys for 5m
        #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = overlap)]
        overlap: Duration,
    },
    /// Print every key and what it does
    List,
    /// End a key that only verifies, one that leaked for example: what it signed is refused
    Retire {
        /// The key, as `keys list` names it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Print new random secrets for every key that needs one, as a part of the configuration file
    Generate,
    /// Seal under the present sealing key what is under the previous one; may be run again at any time
    Reseal,
}

/// The longest that a key may wait before it signs.
const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if overlap <= LONGEST_OVERLAP { Ok(overlap) } else { Err("at most 7d".to_owned()) }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print what is in force, secrets redacted, and name every problem
    Check,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Create an administrator; the password is read from a file or from standard input
    Create(CreateAdmin),
}

#[derive(Debug, Args)]
struct CreateAdmin {
    /// The phone, in any common spelling
    #[arg(long)]
    phone: String,
    /// The full name
    #[arg(long)]
    full_name: String,
    /// The e-mail address
    #[arg(long)]
    email: String,
    /// The employee id
    #[arg(long)]
    employee_id: String,
    /// The file that holds the password [default: read standard input]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// A channel messages are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Channel {
    /// Text messages.
    Sms,
    /// Electronic mail.
    Email,
}

impl From<Channel> for civiclens_nats::subjects::Channel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Sms => Self::Sms,
            Channel::Email => Self::Email,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_read() {
        let cli = Cli::try_parse_from(["civiclens", "dev", "--listen", "127.0.0.1:0", "--config", "c.toml"]).unwrap();
        assert_eq!(cli.config, Some(PathBuf::from("c.toml")));
        let Command::Dev { data_dir, listen } = cli.command else { panic!("not dev") };
        assert_eq!((data_dir, listen), (PathBuf::from(".civiclens"), "127.0.0.1:0".parse().ok()));
        let rotate = |overlap| Cli::try_parse_from(["civiclens", "keys", "rotate", "--overlap", overlap]).is_ok();
        assert!(rotate("0s") && rotate("7d") && !rotate("8d") && !rotate("soon"));
        // A thumbprint may begin with a dash.
        assert!(
            Cli::try_parse_from(["civiclens", "keys", "retire", "-Prk_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]).is_ok()
        );
        for channels in [&["sms"][..], &["email"], &["sms", "email"], &[]] {
            assert!(Cli::try_parse_from(["civiclens", "worker"].iter().chain(channels)).is_ok(), "{channels:?}");
        }
        assert!(Cli::try_parse_from(["civiclens", "worker", "pigeon"]).is_err());
    }
}
