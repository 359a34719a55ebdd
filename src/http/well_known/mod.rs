//! What other services look for at places that standards fix (RFC 8615).

pub(super) mod jwks;
