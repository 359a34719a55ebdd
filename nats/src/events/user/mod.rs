//! People: who registered.

mod v1;

pub use v1::RegisteredV1;
