//! Notifications: messages to people, from a job on NATS to a provider.
//!
//! Owns: the consumer loop of each channel. Bound: the loop's permits. A provider's passing failure is retried with growing
//! pauses, a lasting one goes to the dead letters. May touch: NATS, providers, the store (languages). A change that
//! somebody must hear of puts its job into the outbox, with [`jobs`].

mod actor;
mod delivery;
pub mod email;
pub mod inbox;
pub mod jobs;
pub mod notices;
pub mod sms;
pub mod templates;

use uuid::Uuid;

pub use self::actor::Handle;
pub use self::delivery::ProviderError;

/// The place a job's secret is sealed to: this job, this receiver. A sealed code moved into another job does not open.
pub fn sealing_place(job: Uuid, receiver: &str) -> String {
    format!("{job}:{receiver}")
}
