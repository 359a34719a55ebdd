//! What a template is filled with.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};

use crate::domain::language::Language;
use crate::domain::secret::Secret;

/// The longest value shown; longer ones are cut.
const LONGEST: usize = 120;
/// India keeps one time, five and a half hours ahead of UTC.
const IST_SECONDS: i32 = 19_800;

/// What a template is filled with.
#[derive(Debug)]
pub struct Filling<'a> {
    /// The language to write in.
    pub language: Language,
    /// The code or token, if the job has one.
    pub secret: Option<&'a Secret>,
    /// Everything else.
    pub params: &'a BTreeMap<String, String>,
    /// When the job came to be.
    pub created_at: DateTime<Utc>,
    /// When the secret ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A value that the template needs is not there, or not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job's {0} is missing or unknown")]
pub struct BadFilling(pub &'static str);

impl Filling<'_> {
    pub(super) fn secret(&self, name: &'static str) -> Result<&str, BadFilling> {
        self.secret.map(Secret::expose).ok_or(BadFilling(name))
    }

    /// For how many minutes the secret lives, begun ones counted.
    pub(super) fn life(&self) -> Result<i64, BadFilling> {
        let end = self.expires_at.ok_or(BadFilling("expires_at"))?;
        Ok(((end - self.created_at).num_seconds() + 59) / 60)
    }

    /// For how many hours the secret lives, begun ones counted.
    pub(super) fn life_in_hours(&self) -> Result<i64, BadFilling> {
        Ok((self.life()? + 59) / 60)
    }

    /// The parameter `minutes`.
    pub(super) fn minutes(&self) -> Result<i64, BadFilling> {
        self.params.get("minutes").and_then(|text| text.parse().ok()).ok_or(BadFilling("minutes"))
    }

    /// A value that somebody else may have chosen: on one line, of a length that fits.
    pub(super) fn value(&self, name: &'static str) -> Result<String, BadFilling> {
        self.params.get(name).map(|text| one_line(text)).ok_or(BadFilling(name))
    }

    /// When it happened, as people in India write it. A time that cannot be read is shown as it is: a warning is not held
    /// back over it.
    pub(super) fn time(&self) -> String {
        let time = match self.params.get("time") {
            None => self.created_at,
            Some(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => time.with_timezone(&Utc),
                Err(_) => return one_line(text),
            },
        };
        match FixedOffset::east_opt(IST_SECONDS) {
            Some(india) => time.with_timezone(&india).format("%d-%m-%Y %H:%M IST").to_string(),
            None => time.format("%d-%m-%Y %H:%M UTC").to_string(),
        }
    }
}

/// Whether a character breaks a line, or turns the direction of what follows it.
fn is_unruly(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if is_unruly(character) { ' ' } else { character }).take(LONGEST).collect()
}
