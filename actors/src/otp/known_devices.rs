//! Whether the client that asks for a code or enters one is a device that is known.

use super::service::Parts;
use crate::domain::client::Client;
use crate::domain::phone::Phone;

impl Parts {
    /// What keys call the device whose token a client sent.
    pub(super) fn device_of(&self, client: &Client) -> Option<String> {
        let hash = client.device.as_ref()?.hash(&self.device_key);
        // The first four bytes name the key.
        Some(hex::encode(hash.get(4..12)?))
    }

    /// Whether the client is a device from which the holder of `phone` signed in before. While PostgreSQL is away nobody is.
    pub(super) async fn is_known(&self, phone: &Phone, client: &Client) -> bool {
        let Some(device) = &client.device else { return false };
        let known = self.db.known_device(phone, &device.hashes(&self.device_key)).await;
        let found = known.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether a device is known could not be read");
            None
        });
        found.is_some()
    }
}
