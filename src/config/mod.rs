//! Configuration: one file a section, every default beside its key.
//!
//! [`load()`] reads a TOML file and the environment, [`Settings::validate`] judges the result. Both name every problem
//! they find, not only the first.

mod account;
mod address;
mod browser;
mod check;
mod database;
mod email;
mod human;
mod load;
mod log;
mod nats;
mod otp;
mod password;
mod problem;
mod rate_limit;
mod redis;
mod report;
mod secrecy;
mod secrets;
mod server;
mod session;
mod sms;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod two_factor;

pub use self::account::{Account, PasswordPolicy, SensitiveActs};
pub use self::browser::{Cookie, Csrf, SameSite};
pub use self::check::Checks;
pub use self::database::Database;
pub use self::email::Email;
pub use self::load::{Loaded, Sources, load, load_from_process};
pub use self::log::{Format, Log};
pub use self::nats::{Nats, Outbox};
pub use self::otp::Otp;
pub use self::password::Password;
pub use self::problem::{Problem, Problems};
pub use self::rate_limit::RateLimit;
pub use self::redis::Redis;
pub use self::report::in_force;
pub use self::secrets::Secrets;
pub use self::server::{ForwardedHeader, Server};
#[cfg(test)]
pub(crate) use self::server::{MAX_DELAY_AND_REQUEST, MAX_STOP_DELAY};
pub use self::session::Session;
pub use self::sms::Sms;
pub use self::token::{Algorithm, Token};
pub use self::two_factor::TwoFactor;

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

/// Where the service runs; decides what is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real people depend on it.
    #[default]
    Production,
    /// Somebody works on it.
    Development,
}

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the service runs.
    pub environment: Environment,
    /// How HTTP is answered.
    pub server: Server,
    /// `PostgreSQL`.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// NATS.
    pub nats: Nats,
    /// What waits to be published.
    pub outbox: Outbox,
    /// Access and refresh tokens.
    pub token: Token,
    /// One-time codes.
    pub otp: Otp,
    /// How often something may be asked for.
    pub rate_limit: RateLimit,
    /// When an account locks, and what a password must be.
    pub account: Account,
    /// What hashing a password costs.
    pub password: Password,
    /// How long a session goes on.
    pub session: Session,
    /// Who needs a second factor.
    pub two_factor: TwoFactor,
    /// The cookies of browsers.
    pub cookie: Cookie,
    /// The guard of requests that come with cookies.
    pub csrf: Csrf,
    /// Who carries text messages.
    pub sms: Sms,
    /// Who carries electronic mail.
    pub email: Email,
    /// Keys that belong to no single component.
    pub secrets: Secrets,
    /// What is written about the work.
    pub log: Log,
}

/// The keys whose values are never shown, each also accepted as `<key>_file`.
pub(crate) const SECRET_KEYS: &[&str] = &[
    "database.url",
    "redis.url",
    "nats.url",
    "token.secret",
    "otp.secret",
    "otp.previous_secret",
    "csrf.secret",
    "csrf.previous_secret",
    "email.smtp_url",
    "sms.api_key",
    "sms.api_secret",
    "secrets.sealing_key",
    "secrets.previous_sealing_key",
    "secrets.hash_key",
    "secrets.previous_hash_key",
    "secrets.password_pepper",
    "secrets.previous_password_pepper",
];

impl Settings {
    /// Every secret that keys something, by its key in the configuration.
    fn keying_secrets(&self) -> [(&'static str, &Secret); 11] {
        let Secrets {
            sealing_key,
            previous_sealing_key,
            hash_key,
            previous_hash_key,
            password_pepper,
            previous_password_pepper,
            ..
        } = &self.secrets;
        [
            ("token.secret", &self.token.secret),
            ("otp.secret", &self.otp.secret),
            ("otp.previous_secret", &self.otp.previous_secret),
            ("csrf.secret", &self.csrf.secret),
            ("csrf.previous_secret", &self.csrf.previous_secret),
            ("secrets.sealing_key", sealing_key),
            ("secrets.previous_sealing_key", previous_sealing_key),
            ("secrets.hash_key", hash_key),
            ("secrets.previous_hash_key", previous_hash_key),
            ("secrets.password_pepper", password_pepper),
            ("secrets.previous_password_pepper", previous_password_pepper),
        ]
    }

    /// Objects to a secret that is also another one, however it is written.
    fn check_distinct_secrets(&self, checks: &mut Checks) {
        let secrets = self.keying_secrets();
        for (index, (key, secret)) in secrets.iter().enumerate().filter(|(_, (_, secret))| !secret.is_empty()) {
            let same = |other: &&(&str, &Secret)| secrecy::are_equal(other.1.expose(), secret.expose());
            if let Some((first, _)) = secrets.iter().take(index).find(same) {
                checks.require(key, false, &format!("must not be the same as {first}"));
            }
        }
    }

    /// Whether this is a production environment.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// Judges every value; empty when all is well. `production` refuses what only helps development.
    pub fn validate(&self, production: bool) -> Problems {
        let mut checks = Checks::new(production);
        self.server.check(&mut checks, production);
        self.database.check(&mut checks);
        self.redis.check(&mut checks);
        self.nats.check(&mut checks);
        self.outbox.check(&mut checks);
        self.token.check(&mut checks);
        self.otp.check(&mut checks, production);
        self.rate_limit.check(&mut checks);
        self.account.check(&mut checks, production);
        self.password.check(&mut checks, production);
        self.session.check(&mut checks);
        self.two_factor.check(&mut checks);
        self.cookie.check(&mut checks, production);
        self.csrf.check(&mut checks);
        self.sms.check(&mut checks, production);
        self.email.check(&mut checks, production);
        self.secrets.check(&mut checks);
        self.log.check(&mut checks);
        self.check_distinct_secrets(&mut checks);
        checks.into_problems()
    }
}
