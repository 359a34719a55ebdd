//! The whole service over real servers: HTTP goes in, SMS and events come out.
//!
//! One private stack of PostgreSQL, Redis and NATS serves the run; each story has a database, a Redis prefix and a NATS
//! prefix of its own. Outages have a stack of their own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

mod admission;
mod audit;
mod breaker;
mod delivery;
mod email;
mod first_login;
mod history;
mod http_rules;
mod keys;
mod officers;
mod outages;
mod password_change;
mod password_reset;
mod password_reset_races;
mod passwords;
mod replicas;
mod request_otp;
mod second_factor;
mod second_step;
mod secrets;
mod sessions;
mod sms_factor;
mod verify_otp;
