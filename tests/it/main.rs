//! The whole service over real servers: HTTP goes in, SMS and events come out.
//!
//! One private stack of PostgreSQL, Redis and NATS serves the run; each story has a database, a Redis prefix and a NATS
//! prefix of its own. Outages have a stack of their own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

mod admission;
mod audit;
mod bounds;
mod breaker;
mod browsers;
mod clients;
mod commands;
mod connections;
mod contacts;
mod creating_officers;
mod csrf;
mod delivery;
mod dev;
mod development;
mod drift;
mod email;
mod failures_in_a_row;
mod fair_logins;
mod first_login;
mod heads;
mod history;
mod http_rules;
mod hung_up;
mod interleavings;
mod invitations;
mod jobs;
mod key_changes;
mod keys;
mod known_devices;
mod lock_order;
mod lockout;
mod log_lines;
mod login;
mod login_limits;
mod migrate;
mod officers;
mod operators;
mod outages;
mod outbox;
mod password_change;
mod password_reset;
mod password_reset_races;
mod passwords;
mod peers;
mod pgbouncer;
mod recent_proof;
mod redis_late;
mod refresh;
mod refusal_records;
mod relay;
mod replicas;
mod request_otp;
mod revocation;
mod second_factor;
mod second_step;
mod secrets;
mod session_ends;
mod session_list;
mod sessions;
mod shutdown;
mod signup;
mod silence;
mod sms_factor;
mod stop;
mod surfaces;
mod token_kinds;
mod topology;
mod verify_otp;
