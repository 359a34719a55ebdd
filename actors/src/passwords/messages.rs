//! What the pools are asked. Each message says until when its answer is of use; later it is not worked on.

use std::time::{Duration, Instant};

use actix::Message;

use super::Error;
use super::turns::Turn;
use crate::domain::password::{About, Fault, Strength, Verdict};
use crate::domain::secret::Secret;

/// Hash a password.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, Error>")]
pub(super) struct HashPassword {
    /// The password.
    pub(super) password: Secret,
    /// Until when.
    pub(super) deadline: Instant,
    /// The right to the thread, which ends with the work.
    pub(super) turn: Turn,
}

/// Compare a password with a stored hash.
#[derive(Debug, Message)]
#[rtype(result = "Result<Verdict, Error>")]
pub(super) struct VerifyPassword {
    /// The password.
    pub(super) password: Secret,
    /// The stored hash; `None` for an account that is not there.
    pub(super) stored: Option<Secret>,
    /// Until when.
    pub(super) deadline: Instant,
    /// The right to the thread, which ends with the work.
    pub(super) turn: Turn,
}

/// Hold a password against the policy.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Fault>, Error>")]
pub(super) struct CheckPassword {
    /// The password.
    pub(super) password: Secret,
    /// Whose it is to be.
    pub(super) about: About,
    /// Until when.
    pub(super) deadline: Instant,
    /// The right to the thread, which ends with the work.
    pub(super) turn: Turn,
}

/// Rate a password.
#[derive(Debug, Message)]
#[rtype(result = "Result<Strength, Error>")]
pub(super) struct RateStrength {
    /// The password.
    pub(super) password: Secret,
    /// Whose it is to be.
    pub(super) about: About,
    /// Until when.
    pub(super) deadline: Instant,
    /// The right to the thread, which ends with the work.
    pub(super) turn: Turn,
}

/// Hash something at the least cost, to show that a thread is there.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub(super) struct Probe {
    /// Until when.
    pub(super) deadline: Instant,
}

/// The moment after `patience`.
pub(super) fn due(patience: Duration) -> Instant {
    Instant::now() + patience
}
