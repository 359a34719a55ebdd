//! How many codes were sent and how many of them were entered, counted in Redis by time of issue.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::breaker::Funnel;

/// The length of a bucket.
const BUCKET_SECONDS: i64 = 300;

/// The bucket of codes issued at `time`.
pub(super) fn bucket(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(BUCKET_SECONDS)
}

/// The buckets whose codes can no longer be entered at `now`, back to the start of `window`.
pub(super) fn settled(now: DateTime<Utc>, lifetime: Duration, window: Duration) -> std::ops::Range<i64> {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX / 2);
    let end = (now.timestamp() - seconds(lifetime)).div_euclid(BUCKET_SECONDS);
    end - (seconds(window) / BUCKET_SECONDS).max(1)..end
}

/// Adds one bucket's counters to the totals by block.
pub(super) fn add(totals: &mut HashMap<String, Funnel>, counters: HashMap<String, i64>) {
    for (field, count) in counters {
        let count = u32::try_from(count).unwrap_or_default();
        match field.rsplit_once(':') {
            Some((block, "sent")) => totals.entry(block.to_owned()).or_default().sent += count,
            Some((block, "entered")) => totals.entry(block.to_owned()).or_default().entered += count,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buckets_that_are_over_are_judged() {
        let now = DateTime::from_timestamp(1_000_000 * BUCKET_SECONDS + 10, 0).unwrap_or_default();
        let range = settled(now, Duration::from_mins(5), Duration::from_hours(1));
        // Codes of bucket 999 999 may have been issued up to 10 s ago; those of 999 998 are over.
        assert_eq!(range, 999_987..999_999);
    }

    #[test]
    fn counters_add_up_by_block() {
        let mut totals = HashMap::new();
        add(&mut totals, HashMap::from([("+91987:sent".into(), 3), ("+91987:entered".into(), 1)]));
        add(&mut totals, HashMap::from([("+91987:sent".into(), 2), ("odd".into(), 9)]));
        assert_eq!(totals, HashMap::from([("+91987".to_owned(), Funnel { sent: 5, entered: 1 })]));
    }
}
