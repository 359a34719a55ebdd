//! Officers, administrators and auditors: who was made one.

mod v1;

pub use v1::CreatedV1;
