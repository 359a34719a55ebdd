//! What the stories are told with.

mod account;
mod answer;
mod app;
mod citizen;
mod dump;
mod events;
mod factor;
mod jobs;
mod logs;
mod smtp;
mod stack;
mod twilio;

pub(crate) use self::account::{PASSWORD, totp};
pub(crate) use self::answer::Answer;
pub(crate) use self::app::{TestApp, eventually, story, story_on, story_with};
pub(crate) use self::citizen::{Citizen, Session, wrong};
pub(crate) use self::events::names;
pub(crate) use self::factor::backup_codes;
pub(crate) use self::logs::Logs;
pub(crate) use self::smtp::{Mail, MailReply};
pub(crate) use self::stack::OwnStack;
pub(crate) use self::twilio::Reply;
