//! What the pools are asked. Each message says until when its answer is of use; later it is not worked on.

use std::time::{Duration, Instant};

use actix::Message;

use super::Error;
use crate::domain::password::{About, Fault, Strength, Verdict};
use crate::domain::secret::Secret;

/// Hash a password.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, Error>")]
pub struct HashPassword {
    /// The password.
    pub password: Secret,
    /// Until when.
    pub deadline: Instant,
}

/// Compare a password with a stored hash.
#[derive(Debug, Message)]
#[rtype(result = "Result<Verdict, Error>")]
pub struct VerifyPassword {
    /// The password.
    pub password: Secret,
    /// The stored hash; `None` for an account that is not there.
    pub stored: Option<Secret>,
    /// Until when.
    pub deadline: Instant,
}

/// Hold a password against the policy.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Fault>, Error>")]
pub struct CheckPassword {
    /// The password.
    pub password: Secret,
    /// Whose it is to be.
    pub about: About,
    /// Until when.
    pub deadline: Instant,
}

/// Rate a password.
#[derive(Debug, Message)]
#[rtype(result = "Result<Strength, Error>")]
pub struct RateStrength {
    /// The password.
    pub password: Secret,
    /// Whose it is to be.
    pub about: About,
    /// Until when.
    pub deadline: Instant,
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
