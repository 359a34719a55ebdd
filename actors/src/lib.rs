//! The rules, the store and the actors of `CivicLens` Identity.
//!
//! Dependencies point one way: `domain` (pure rules) ← `store` (all SQL) ← a component's service ← its actor ← its
//! `Handle`, which is all that the rest of the program sees of a component. Nothing here knows HTTP.

pub mod accounts;
pub mod administration;
pub mod audit;
pub mod credentials;
pub mod domain;
pub mod events;
pub mod guard;
pub mod limits;
pub mod notifications;
pub mod otp;
pub mod outbox;
pub mod passwords;
pub mod resealing;
pub mod sessions;
mod settlement;
pub mod short_memory;
pub mod sign_in;
pub mod store;
pub mod supervision;
pub mod two_factor;
