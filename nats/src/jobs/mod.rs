//! Work for the notification workers. One folder per channel, one file per version.
//!
//! A job is an order, not a fact: it is done once and then gone. The fields of its file are frozen like those of an event,
//! because jobs wait in the stream while a new release is rolled out. The list of templates grows.

pub mod email;
pub mod sms;
