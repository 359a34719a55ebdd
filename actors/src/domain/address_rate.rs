//! How often each address may ask, kept in bounded memory.
//!
//! The generic cell rate algorithm: of an address only the time is kept at which all that it asked for is paid off. An address
//! that asks no more than the rate allows is never refused; at once it may ask for as many as the rate has in a window.

use std::collections::HashMap;
use std::net::IpAddr;

use super::client::network_bits;
use super::limit::Rate;

/// How often each address may ask. Times are microseconds of any clock.
#[derive(Debug)]
pub struct AddressRate {
    /// What one request costs.
    each: i64,
    /// How much may be owed.
    window: i64,
    /// How many addresses are remembered.
    most: usize,
    /// When all that an address asked for is paid off.
    paid: HashMap<u128, i64>,
}

impl AddressRate {
    /// `rate` for each address, of which `most` are remembered: where more ask at once, those who asked least are forgotten.
    pub fn new(rate: Rate, most: usize) -> Self {
        let window = i64::try_from(rate.window.as_micros()).unwrap_or(i64::MAX / 4).max(1);
        let each = (window / i64::from(rate.count.max(1))).max(1);
        Self { each, window, most: most.max(2), paid: HashMap::new() }
    }

    /// Admits a request from `address` at `now`.
    ///
    /// # Errors
    /// In how many microseconds the next one would be admitted.
    pub fn admit(&mut self, address: IpAddr, now: i64) -> Result<(), i64> {
        let key = network_bits(address);
        if self.paid.len() >= self.most && !self.paid.contains_key(&key) {
            self.make_room(now);
        }
        let paid = self.paid.entry(key).or_insert(now);
        // A clock that was set back must not shut anybody out.
        let owed = (*paid - now).clamp(0, self.window);
        if owed + self.each > self.window {
            *paid = now + owed;
            return Err(owed + self.each - self.window);
        }
        *paid = now + owed + self.each;
        Ok(())
    }

    /// Forgets who owes nothing, and if that is not enough, the half that owes least.
    fn make_room(&mut self, now: i64) {
        self.paid.retain(|_, paid| *paid > now);
        if self.paid.len() < self.most {
            return;
        }
        let mut times: Vec<i64> = self.paid.values().copied().collect();
        let (_, middle, _) = times.select_nth_unstable(self.most / 2);
        let middle = *middle;
        self.paid.retain(|_, paid| *paid > middle);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn ten_a_minute(most: usize) -> AddressRate {
        AddressRate::new(Rate { count: 10, window: Duration::from_mins(1) }, most)
    }

    #[test]
    fn as_many_as_a_window_holds_then_one_after_the_other() {
        let mut rate = ten_a_minute(8);
        assert!((0..10).all(|_| rate.admit(address(1), 0).is_ok()));
        assert_eq!(rate.admit(address(1), 0), Err(6 * SECOND));
        assert_eq!(rate.admit(address(1), 2 * SECOND), Err(4 * SECOND));
        assert_eq!(rate.admit(address(2), 0), Ok(()));
        assert_eq!(rate.admit(address(1), 6 * SECOND), Ok(()));
        assert_eq!(rate.admit(address(1), 6 * SECOND), Err(6 * SECOND));
        // A clock set back by a day.
        assert_eq!(rate.admit(address(1), -86_400 * SECOND), Err(6 * SECOND));
        assert_eq!(rate.admit(address(1), -86_394 * SECOND), Ok(()));
    }

    #[test]
    fn a_subscriber_of_ipv6_has_one_limit() {
        let mut rate = ten_a_minute(8);
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!((0..10).all(|host| rate.admit(of(&format!("2001:db8:1:2::{host}")), 0).is_ok()));
        assert!(rate.admit(of("2001:db8:1:2:ffff::1"), 0).is_err());
        assert!(rate.admit(of("2001:db8:1:3::1"), 0).is_ok());
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_who_keeps_to_the_rate_is_admitted(
            others in prop::collection::vec((0u32..5_000, 0i64..SECOND), 1..400),
        ) {
            let (mut rate, mut now) = (ten_a_minute(64), 0);
            let mut next = 0;
            for (other, pause) in others {
                now += pause;
                let _ = rate.admit(address(10 + other), now);
                if now >= next {
                    prop_assert_eq!(rate.admit(address(1), now), Ok(()));
                    next = now + 6 * SECOND;
                }
                prop_assert!(rate.paid.len() <= 64);
            }
        }

        #[test]
        fn nobody_gets_more_than_twice_the_rate(pauses in prop::collection::vec(0i64..3 * SECOND, 1..200)) {
            let (mut rate, mut now, mut admitted) = (ten_a_minute(4), 0, Vec::new());
            for pause in pauses {
                now += pause;
                if rate.admit(address(1), now).is_ok() {
                    admitted.push(now);
                }
                let window = admitted.iter().filter(|at| **at > now - 60 * SECOND).count();
                prop_assert!(window <= 20, "{window}");
            }
        }
    }
}
