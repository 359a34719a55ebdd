//! What the identity service says over NATS, and how it is said.
//!
//! The event contract of the service, and the only crate a downstream service written in Rust needs: wire types
//! frozen per version, the envelope, the subjects, the streams and consumers, and helpers to publish and to consume.
//! It depends on nothing of ours, reads no clock and draws no random number: ids and times are handed in.
//!
//! - [`envelope`], [`wire`]: `CloudEvents` around a payload, and what a payload must be;
//! - [`events`], [`jobs`], [`broadcast`]: the frozen payloads;
//! - [`subjects`], [`streams`], [`consumers`]: every name in NATS, built in one place from one prefix;
//! - [`client`], [`reconcile`]: connecting, and bringing the server in line with the definitions here;
//! - [`publish`], [`consume`], [`dead_letter`], [`lag`]: moving messages;
//! - [`asyncapi`]: the document that describes all of it, generated from the above.

pub mod asyncapi;
pub mod backoff;
pub mod broadcast;
pub mod client;
pub mod consume;
pub mod consumers;
pub mod dead_letter;
mod delivery;
pub mod envelope;
pub mod events;
pub mod jobs;
pub mod lag;
pub mod publish;
pub mod reconcile;
mod schema;
pub mod streams;
pub mod subjects;
#[cfg(test)]
mod testing;
pub mod wire;
