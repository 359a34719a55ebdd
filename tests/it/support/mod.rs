//! What the stories are told with.

mod answer;
mod app;
mod citizen;
mod dump;
mod events;
mod quiet;
mod stack;
mod twilio;

pub(crate) use self::answer::Answer;
pub(crate) use self::app::{TestApp, eventually, story, story_on, story_with};
pub(crate) use self::citizen::{Citizen, Session, wrong};
pub(crate) use self::events::names;
pub(crate) use self::quiet::Quiet;
pub(crate) use self::stack::OwnStack;
pub(crate) use self::twilio::Reply;
