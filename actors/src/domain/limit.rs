//! Limits: "N in any window", written `3/hour` or `5/15minutes`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// At most `count` in any `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In any stretch of this length.
    pub window: Duration,
}

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is written like \"3/hour\" or \"5/15minutes\"")]
pub struct BadRate;

const UNITS: [(&str, u64); 4] = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];

impl FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let (count, window) = text.split_once('/').ok_or(BadRate)?;
        let count: u32 = count.trim().parse().map_err(|_| BadRate)?;
        let window = window.trim();
        let digits = window.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = window.split_at(digits);
        let number: u64 = if number.is_empty() { 1 } else { number.parse().map_err(|_| BadRate)? };
        let unit = unit.trim().trim_end_matches('s');
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).ok_or(BadRate)?.1;
        let seconds = number.checked_mul(seconds).filter(|s| (1..=31 * 86_400).contains(s)).ok_or(BadRate)?;
        if count == 0 {
            return Err(BadRate);
        }
        Ok(Self { count, window: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let (unit, length) =
            UNITS.iter().rev().find(|(_, length)| seconds.is_multiple_of(*length)).copied().unwrap_or(("second", 1));
        match seconds / length {
            1 => write!(f, "{}/{unit}", self.count),
            many => write!(f, "{}/{many}{unit}s", self.count),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is left of a limit, for the `RateLimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many the limit allows in a window.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// Until one more is free; zero while some remain.
    pub reset: Duration,
}

impl Budget {
    /// The budget once the last that was taken is back.
    #[must_use]
    pub fn given_back(self) -> Self {
        Self { remaining: self.remaining.saturating_add(1).min(self.limit), reset: Duration::ZERO, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_read_as_operators_write_them() {
        for (text, count, seconds) in
            [("3/hour", 3, 3600), ("5/15minutes", 5, 900), ("1/second", 1, 1), ("10 / 2 days", 10, 172_800)]
        {
            assert_eq!(text.parse(), Ok(Rate { count, window: Duration::from_secs(seconds) }), "{text}");
        }
        for text in ["", "3", "0/hour", "x/hour", "3/fortnight", "3/0hours", "-1/hour", "3/99999999999999999days"] {
            assert_eq!(text.parse::<Rate>(), Err(BadRate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_round_trips(count in 1u32.., seconds in 1u64..=31 * 86_400) {
            let rate = Rate { count, window: Duration::from_secs(seconds) };
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }
}
