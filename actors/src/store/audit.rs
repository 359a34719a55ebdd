//! The audit log: append-only, a month to a partition.

use chrono::{DateTime, Months, NaiveDate, Utc};

use super::{Db, Error, consequences};
use crate::domain::audit::Entry;

/// For how many months ahead there are partitions.
const MONTHS_AHEAD: u32 = 3;

impl Db {
    /// Appends entries that belong to no other change, in one transaction of their own.
    pub async fn append_audit(&self, entries: &[Entry], now: DateTime<Utc>) -> Result<(), Error> {
        consequences::insert(self, entries, &[], self.bell(), now).await
    }

    /// Makes the partitions of the month of `today` and of the `MONTHS_AHEAD` that follow, each in a transaction of its
    /// own and the coming ones first: a month that cannot be made keeps no other from it. Answers how many it made.
    ///
    /// # Errors
    /// The last failure, after every month was tried.
    pub async fn ensure_audit_partitions(&self, today: NaiveDate) -> Result<i32, Error> {
        let mut made = Ok(0);
        for ahead in (0..=MONTHS_AHEAD).rev() {
            let month = today.checked_add_months(Months::new(ahead)).unwrap_or(today);
            let one = sqlx::query_scalar!("SELECT ensure_audit_partitions($1, $2)", month, 0).fetch_one(self).await;
            match one {
                Ok(one) => made = made.map(|made| made + one.unwrap_or_default()),
                Err(error) => made = Err(error.into()),
            }
        }
        made
    }
}
