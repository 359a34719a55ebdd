//! Sessions: opened and revoked.

mod v1;

pub use v1::{OpenedV1, RevokedV1};
