//! What the Otp actor is asked, and what it answers.

use std::time::Duration;

use actix::Message;

use super::Error;
use crate::domain::client::Client;
use crate::domain::limit::Budget;
use crate::domain::otp::OtpCode;
use crate::domain::phone::Phone;

/// Issue a code and send it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Requested, Error>")]
pub struct RequestOtp {
    /// For whom.
    pub phone: Phone,
    /// Asked by whom.
    pub client: Client,
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
    /// The code as entered.
    pub code: OtpCode,
}

/// Proof that the holder of a phone entered its live code, which is spent now.
#[derive(Debug)]
pub struct SpentCode {
    /// The phone.
    pub phone: Phone,
    pub(super) mac: String,
    pub(super) record: Vec<String>,
}

/// Stop after what is queued.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// Judge the funnels again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct JudgeFunnels;
