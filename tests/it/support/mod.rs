//! What the stories are told with.

mod account;
mod answer;
mod app;
mod browser;
mod citizen;
mod contract;
mod dump;
mod events;
mod factor;
mod hung_up;
mod jobs;
mod logs;
mod process;
mod proxy;
mod quiet;
mod records;
mod smtp;
mod stack;
mod staff;
mod tokens;
mod twilio;
mod workshop;

pub(crate) use self::account::{PASSWORD, totp};
pub(crate) use self::answer::Answer;
pub(crate) use self::app::{TestApp, eventually, story, story_on, story_with, story_without_workers};
pub(crate) use self::browser::Browser;
pub(crate) use self::citizen::{Citizen, Session, wrong};
pub(crate) use self::events::{Event, names};
pub(crate) use self::factor::backup_codes;
pub(crate) use self::hung_up::RawRequest;
pub(crate) use self::logs::Logs;
pub(crate) use self::process::{Ended, Folder, Process, civiclens, is_alive};
#[expect(unused_imports, reason = "stories")]
pub(crate) use self::proxy::Proxy;
pub(crate) use self::quiet::Quiet;
pub(crate) use self::records::Record;
pub(crate) use self::smtp::{Mail, MailReply};
pub(crate) use self::stack::{OwnStack, unused_database};
pub(crate) use self::staff::{WRONG, officer};
pub(crate) use self::twilio::Reply;
pub(crate) use self::workshop::{Ground, Workshop};
