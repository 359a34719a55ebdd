//! Work for the notification workers. One folder per channel, one file per version.
//!
//! A job is an order, not a fact: it is done once and then gone. Its file is frozen like that of an event, because jobs
//! wait in the stream while a new release is rolled out.

pub mod email;
pub mod sms;
