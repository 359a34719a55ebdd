//! `CivicLens` Identity: who a person is, how they prove it, and what they may do.
//!
//! This crate is the program around the components of `civiclens_actors`: configuration, command line, HTTP, and the
//! wiring in [`app`].

pub mod app;
pub mod cli;
pub mod config;
pub mod embedded;
pub mod http;
pub mod telemetry;
