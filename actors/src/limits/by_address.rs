//! A limit for each address, in the memory of this node: it costs no round trip, so it may stand before everything else.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::address_rate::AddressRate;
use crate::domain::client::network_bits;
use crate::domain::clock::Clock;
use crate::domain::limit::{Budget, Rate};

/// In how many parts the addresses are kept, so that threads seldom wait for each other.
const PARTS: usize = 16;
/// How many addresses each part remembers: together 8 MB at most.
const MOST: usize = 8_192;

/// A limit for each address. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AddressLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Vec<Mutex<AddressRate>>,
    hasher: RandomState,
    rate: Rate,
    clock: Arc<dyn Clock>,
}

impl AddressLimit {
    /// `rate` for each address: an IPv4 address, or a /64.
    pub fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::new(AddressRate::new(rate, MOST))).collect();
        Self(Arc::new(Inner { parts, hasher: RandomState::new(), rate, clock }))
    }

    /// Admits a request from `address`.
    ///
    /// # Errors
    /// What is left of the limit: nothing, and when there is.
    pub fn admit(&self, address: IpAddr) -> Result<(), Budget> {
        let Inner { parts, hasher, rate, clock } = &*self.0;
        let hash = usize::try_from(hasher.hash_one(network_bits(address)) % 64).unwrap_or_default();
        let Some(part) = parts.get(hash % PARTS) else { return Ok(()) };
        let now = clock.now().timestamp_micros();
        let outcome = part.lock().unwrap_or_else(PoisonError::into_inner).admit(address, now);
        outcome.map_err(|wait| {
            let reset = Duration::from_micros(u64::try_from(wait).unwrap_or_default());
            Budget { limit: rate.count, remaining: 0, reset }
        })
    }
}
