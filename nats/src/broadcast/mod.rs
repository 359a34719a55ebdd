//! What every node must hear at once, over plain NATS. Nothing is kept: who misses it re-reads the database.

mod v1;
mod v2;

pub use v1::RevocationV1;
pub use v2::RevocationV2;
