//! Electronic mail to send.

mod v1;

pub use v1::EmailJobV1;
