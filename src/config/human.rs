//! Durations written as people write them: `15s`, `5m`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes a duration in its human form.
pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    const DAY: u64 = 86_400;
    let seconds = value.as_secs();
    // Not as months: nobody wrote 90 days as "2months 29days 2h 52m 48s".
    if seconds > 0 && seconds.is_multiple_of(DAY) && value.subsec_nanos() == 0 {
        return serializer.collect_str(&format_args!("{}days", seconds / DAY));
    }
    serializer.collect_str(&humantime::format_duration(*value))
}

/// Reads a duration from its human form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| D::Error::custom("expected a duration such as \"15s\", \"5m\" or \"7d\""))
}
