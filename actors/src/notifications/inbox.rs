//! The development inbox: what was sent, as its receiver would see it. Kept in Redis, so that a worker in another process
//! writes into the same one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ProviderError;
use crate::short_memory::{ShortMemory, Unavailable};

/// How many messages are kept.
const KEPT: isize = 200;

/// A message that was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InboxMessage {
    /// The job's id.
    pub id: String,
    /// `sms`, `email` or `push`.
    pub channel: String,
    /// The receiver.
    pub to: String,
    /// The subject of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// The page of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

/// The inbox. Only development environments have one.
#[derive(Clone, Debug)]
pub struct Inbox {
    memory: ShortMemory,
}

impl Inbox {
    /// An inbox in `memory`.
    pub fn new(memory: ShortMemory) -> Self {
        Self { memory }
    }

    fn key(&self) -> String {
        self.memory.key(&["dev", "inbox"])
    }

    /// Adds a message; the oldest beyond the number kept goes.
    pub async fn add(&self, message: &InboxMessage) -> Result<(), Unavailable> {
        let text = serde_json::to_string(message).unwrap_or_default();
        let mut commands = redis::pipe();
        commands.lpush(self.key(), text).ignore().ltrim(self.key(), 0, KEPT - 1).ignore();
        self.memory.pipeline(&commands).await
    }

    /// The messages, newest first.
    pub async fn messages(&self) -> Result<Vec<InboxMessage>, Unavailable> {
        let mut command = redis::cmd("LRANGE");
        let texts: Vec<String> = self.memory.command(command.arg(self.key()).arg(0).arg(KEPT - 1)).await?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Whether the message of this job is there.
    pub async fn has(&self, id: &str) -> Result<bool, Unavailable> {
        Ok(self.messages().await?.iter().any(|message| message.id == id))
    }
}

impl From<Unavailable> for ProviderError {
    fn from(error: Unavailable) -> Self {
        Self::Transient { code: "inbox_unavailable".to_owned(), reason: error.to_string(), after: None }
    }
}
