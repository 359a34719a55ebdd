//! The whole service over real servers: HTTP goes in, SMS and events come out.
//!
//! One private stack of PostgreSQL, Redis and NATS serves the run; each story has a database, a Redis prefix and a NATS
//! prefix of its own. Outages have a stack of their own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

mod breaker;
mod delivery;
mod first_login;
mod history;
mod http_rules;
mod migrate;
mod officers;
mod outages;
mod outbox;
mod replicas;
mod request_otp;
mod secrets;
mod sessions;
mod stop;
mod surfaces;
mod topology;
mod verify_otp;
