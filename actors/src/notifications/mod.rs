//! Notifications: messages to people, from a job on NATS to a provider.
//!
//! Owns: the consumer loop of each channel. Bound: the loop's permits. A provider's passing failure is retried with growing
//! pauses, a lasting one goes to the dead letters. May touch: NATS, providers, the store (languages).

mod actor;
pub mod inbox;
pub mod notices;
pub mod sms;
pub mod templates;

use uuid::Uuid;

pub use self::actor::Handle;

/// The place a job's secret is sealed to: this job, this receiver. A sealed code moved into another job does not open.
pub fn sealing_place(job: Uuid, receiver: &str) -> String {
    format!("{job}:{receiver}")
}
