//! Text messages to send.

mod v1;

pub use v1::SmsJobV1;
