//! What the Otp actor is asked, and what it answers.

use std::time::Duration;

use actix::Message;
use uuid::Uuid;

use super::Error;
use crate::domain::client::Client;
use crate::domain::limit::Budget;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::limits::Subject;
use crate::store::outbox;

/// Issue a code and send it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Requested, Error>")]
pub struct RequestOtp {
    /// For whom.
    pub phone: Phone,
    /// What for.
    pub purpose: Purpose,
    /// Asked by whom.
    pub client: Client,
}

/// Issue a code, and leave it to the asker to send it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Issued, Error>")]
pub struct IssueOtp(pub RequestOtp);

/// A code was issued, and its message is ready to be sent with something else.
#[derive(Debug)]
pub struct Issued {
    /// What the client is told.
    pub requested: Requested,
    /// The job, for the outbox.
    pub message: outbox::Message,
    pub(super) withdrawal: Withdrawal,
}

/// What it takes to take a code back.
#[derive(Debug)]
pub(super) struct Withdrawal {
    pub(super) keys: [String; 3],
    pub(super) id: String,
    pub(super) path: String,
    pub(super) places: String,
}

/// A code was issued.
#[derive(Debug)]
pub struct Requested {
    /// How long it lives.
    pub expires_in: Duration,
    /// When asking again makes sense.
    pub resend_after: Duration,
    /// What is left of the phone's budget.
    pub budget: Budget,
    /// The code itself, in development only.
    pub exposed_code: Option<OtpCode>,
}

/// Spend a code.
#[derive(Debug, Message)]
#[rtype(result = "Result<SpentCode, Error>")]
pub struct VerifyOtp {
    /// Of whom.
    pub phone: Phone,
    /// What it was issued for.
    pub purpose: Purpose,
    /// The code as entered.
    pub code: OtpCode,
    /// Whose failures a wrong code is counted with.
    pub subject: Subject,
    /// Who enters it.
    pub client: Client,
}

/// Proof that the holder of a phone entered its live code, which is spent now.
#[derive(Debug)]
pub struct SpentCode {
    /// The phone.
    pub phone: Phone,
    /// Failures of the account so far, for whoever lets the user in to forgive.
    pub failed: u32,
    /// Whether it was spent before, by somebody who knew it.
    pub again: Option<Again>,
    /// Which code it was.
    pub code: CodeRef,
}

/// A code that was spent before is entered again.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// Whether it is known that nobody got the answer.
    pub lost: bool,
}

/// One issued code, after it was spent.
#[derive(Clone, Debug)]
pub struct CodeRef {
    /// Its id: what it opens or changes is done once for it.
    pub id: Uuid,
    pub(super) key: String,
}

/// Stop after what is queued.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// Judge the funnels again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct JudgeFunnels;
