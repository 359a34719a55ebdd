//! What the send breaker decided: counts by hour, rule, country and network.

use chrono::{DateTime, Utc};

use super::{Db, Error};

/// How often the breaker decided alike within an hour.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decision {
    /// The hour.
    pub hour: DateTime<Utc>,
    /// The rule that refused.
    pub rule: &'static str,
    /// Whether it was refused; otherwise it was only recorded.
    pub enforced: bool,
    /// The country of the number (ISO 3166).
    pub country: String,
    /// The network that asked.
    pub network: String,
}

impl Db {
    /// Adds to the counts of decisions, in one statement; `decisions` must be in order and each there once.
    pub async fn add_otp_decisions(&self, decisions: &[(Decision, i64)]) -> Result<(), Error> {
        let column =
            |of: fn(&Decision) -> String| decisions.iter().map(|(decision, _)| of(decision)).collect::<Vec<_>>();
        let hours: Vec<DateTime<Utc>> = decisions.iter().map(|(decision, _)| decision.hour).collect();
        let enforced: Vec<bool> = decisions.iter().map(|(decision, _)| decision.enforced).collect();
        let counts: Vec<i64> = decisions.iter().map(|(_, count)| *count).collect();
        sqlx::query!(
            "INSERT INTO otp_decisions AS d (hour, rule, enforced, country, network, count)
             SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::bool[], $4::text[], $5::text[], $6::bigint[])
             ON CONFLICT (hour, rule, enforced, country, network) DO UPDATE SET count = d.count + excluded.count",
            &hours,
            &column(|decision| decision.rule.to_owned()),
            &enforced,
            &column(|decision| decision.country.clone()),
            &column(|decision| decision.network.clone()),
            &counts
        )
        .execute(self)
        .await?;
        Ok(())
    }

    /// Removes the counts of hours before `before`. Answers how many.
    pub async fn clean_otp_decisions(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        let done = sqlx::query!("DELETE FROM otp_decisions WHERE hour < $1", before).execute(self).await?;
        Ok(done.rows_affected())
    }
}
