//! The registry of error codes: what a client may branch on, and the HTTP status each one means.

use std::time::Duration;

use super::limit::Budget;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// A stable, machine-readable error code. Codes are never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as clients see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// A short title for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// The request could not be parsed.
    MalformedRequest = "malformed_request", 400, "The request could not be read";
    /// No valid access token came with the request.
    Unauthenticated = "unauthenticated", 401, "Sign in first";
    /// The one-time code is wrong, expired, spent, exhausted or was never issued.
    OtpInvalid = "otp_invalid", 401, "The code is not valid";
    /// Phone and password do not belong together, or there is no such account.
    CredentialsInvalid = "credentials_invalid", 401, "The phone or the password is wrong";
    /// The refresh token is wrong, expired, used, or its session has ended.
    RefreshTokenInvalid = "refresh_token_invalid", 401, "The refresh token is not valid";
    /// The second step's token is wrong or expired, or was used.
    MfaTokenInvalid = "mfa_token_invalid", 401, "Start signing in again";
    /// The second factor is wrong or was used before, in the second step of a sign-in.
    SecondFactorInvalid = "second_factor_invalid", 401, "The second factor is not valid";
    /// The same, entered by somebody who holds a session: a 401 would mean that the access token is not valid.
    SecondFactorWrong = "second_factor_invalid", 422, "The second factor is not valid";
    /// What was shown is right, and another step is needed. Comes with the token that opens that step.
    MfaRequired = "mfa_required", 401, "A second step is needed";
    /// What was shown is right, and the account must set up a second factor first. Comes with a token for that.
    MfaEnrolmentRequired = "mfa_enrolment_required", 401, "A second factor must be set up";
    /// The reset token is wrong, expired or used.
    ResetTokenInvalid = "reset_token_invalid", 401, "The reset token is not valid";
    /// The token of an invitation is wrong, expired or used.
    InvitationInvalid = "invitation_invalid", 401, "The invitation is not valid";
    /// This needs a more recent proof of who is asking.
    StepUpRequired = "step_up_required", 403, "Confirm that it is you";
    /// The password that goes with the account of a session's holder is another one.
    PasswordWrong = "password_wrong", 422, "The password is wrong";
    /// The password was chosen by an administrator and was not replaced in time.
    PasswordExpired = "password_expired", 403, "The temporary password has expired";
    /// A request that came with cookies lacks the token of its session.
    CsrfInvalid = "csrf_invalid", 403, "The CSRF token is missing or wrong";
    /// A browser sent this from a page that may not.
    OriginNotAllowed = "origin_not_allowed", 403, "Not from this page";
    /// This role must have a second factor.
    TwoFactorEnforced = "two_factor_enforced", 403, "The second factor cannot be turned off";
    /// The second factor is turned off for the whole service.
    TwoFactorDisabled = "two_factor_disabled", 403, "The second factor is not available";
    /// This account does not belong at this portal.
    WrongPortal = "wrong_portal", 403, "This account signs in elsewhere";
    /// The caller is known but may not do this.
    Forbidden = "forbidden", 403, "Not allowed";
    /// The account is suspended.
    AccountSuspended = "account_suspended", 403, "The account is suspended";
    /// Nothing is here, or nothing the caller may know of.
    NotFound = "not_found", 404, "Not found";
    /// The path exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The request took too long to arrive or to answer.
    RequestTimeout = "request_timeout", 408, "The request took too long";
    /// The request contradicts what is already there.
    Conflict = "conflict", 409, "Conflict";
    /// The body is larger than allowed.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large";
    /// The address is longer than allowed.
    UriTooLong = "uri_too_long", 414, "The address is too long";
    /// The body is of a type that is not understood.
    UnsupportedMediaType = "unsupported_media_type", 415, "The content type is not supported";
    /// The request is well-formed, but a value is not acceptable.
    Invalid = "invalid", 422, "The request is not valid";
    /// The headers are longer than allowed.
    HeadersTooLarge = "headers_too_large", 431, "The headers are too long";
    /// A limit was reached.
    RateLimited = "rate_limited", 429, "Too many requests";
    /// Too many wrong codes were entered for this account.
    OtpAttemptsExceeded = "otp_attempts_exceeded", 429, "Too many wrong codes";
    /// Too many failed logins: the account refuses them for a while.
    AccountLocked = "account_locked", 429, "The account is locked";
    /// Something went wrong inside.
    Internal = "internal", 500, "Something went wrong";
    /// A part this request needs cannot be reached.
    DependencyUnavailable = "dependency_unavailable", 503, "Temporarily unavailable";
    /// More work is waiting than may wait.
    Overloaded = "overloaded", 503, "Overloaded";
    /// Sending codes is paused because too few are being entered.
    OtpSendingPaused = "otp_sending_paused", 503, "Sending codes is paused";
}

/// What was wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field, as a path.
    pub field: String,
    /// A stable code.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
}

impl FieldError {
    /// A field's fault. `message` never repeats the value.
    pub fn new(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), code: code.to_owned(), message: message.into() }
    }
}

/// An error that a client is answered with.
pub trait Coded: std::error::Error {
    /// The stable code.
    fn code(&self) -> Code;

    /// A sentence for a person. Holds nothing internal.
    fn detail(&self) -> String {
        self.code().title().to_owned()
    }

    /// When to try again, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        (self.code().status() == 503).then(|| Duration::from_secs(5))
    }

    /// What is left of the limit that was reached or drawn on.
    fn budget(&self) -> Option<Budget> {
        None
    }

    /// The fields at fault.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_and_errors() {
        // One text may stand for two statuses: on a route that needs a session a 401 means the access token alone.
        let texts: HashSet<_> = Code::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
            assert!((400..600).contains(&code.status()), "{code:?}");
        }
    }
}
