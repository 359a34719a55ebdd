//! The sending of one-time codes: the command of operators.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use civiclens_actors::domain::clock::{Clock, SystemClock};
use civiclens_actors::otp;
use civiclens_actors::short_memory::{Config, ShortMemory};

use crate::config::Settings;

/// How long Redis may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Lifts what the send breaker paused: a block of numbers, or everything.
///
/// # Errors
/// When Redis cannot be reached.
pub async fn otp_resume(settings: Settings, block: Option<String>) -> anyhow::Result<ExitCode> {
    let config = Config {
        url: settings.redis.url.clone(),
        prefix: settings.redis.prefix.clone(),
        timeout: ANSWER,
        refuse_eviction: false,
    };
    let memory = ShortMemory::new(&config).context("redis.url")?;
    let now = SystemClock.now();
    otp::resume(&memory, block.as_deref(), settings.otp.breaker_window, now).await?;
    super::keys::print(&format!("codes are sent again: {}\n", block.as_deref().unwrap_or("everything")));
    Ok(ExitCode::SUCCESS)
}
