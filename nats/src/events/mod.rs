//! What happened in this service, for whoever wants to know. One folder per aggregate, one file per version.
//!
//! An event states a fact that is committed; its id is its identity. A file `vN.rs` is frozen once released: a breaking
//! change is a new file beside it, and both are published until nobody reads the old one. Kinds and roles travel as
//! `snake_case` texts, not as enums: a consumer built today must be able to read a role that is added tomorrow.

pub mod officer;
pub mod security;
pub mod session;
pub mod user;
