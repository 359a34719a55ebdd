//! Officers, administrators and auditors: who was made one, and who was invited.

mod v1;

pub use v1::{CreatedV1, InvitedV1};
