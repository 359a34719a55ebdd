//! The texts people get, in every language: one file for each kind of message, for the channels it is sent on.
//!
//! Sentences are constants. A value goes in after a sentence was chosen and is never read as a template; HTML is escaped
//! where it is written, in `letter.rs`. A test checks that each message exists in each language and holds what it must.

mod account_locked;
mod codes;
mod filling;
mod invitation;
mod letter;
mod new_device;
mod password_changed;
mod password_reset;
mod refresh_reused;
mod signup_contested;
#[cfg(test)]
mod tests;
mod two_factor_changed;
mod words;

use url::Url;

pub use self::codes::{Purpose, Readers};
pub use self::filling::{BadFilling, Filling};
pub use self::letter::Letter;
pub use self::two_factor_changed::Change;

/// The pages that links in letters lead to. From configuration: a request's `Host` would let a stranger choose where a token
/// goes.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Where a forgotten password is replaced.
    pub reset: Url,
    /// Where an invitation is accepted.
    pub invitation: Url,
}

/// Declares the templates of a channel with their names in jobs.
macro_rules! templates {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident = $text:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $variant_doc])+ $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in jobs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The template of this name. Returns `None` if there is none.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|template| template.as_str() == name)
            }
        }
    };
}

templates! {
    /// What is sent by SMS. A code is the job's sealed value.
    SmsTemplate {
        /// A code that signs in.
        LoginCode = "login_code",
        /// A code that shows whose phone this is.
        VerifyPhoneCode = "verify_phone_code",
        /// A code that permits a new password.
        ResetCode = "reset_code",
        /// A code for the second step.
        SecondFactorCode = "second_factor_code",
        /// The password is another one now.
        PasswordChanged = "password_changed",
        /// The second factor is; `change` says how: `enabled`, `disabled` or `backup_codes`.
        TwoFactorChanged = "two_factor_changed",
        /// The account is locked for `minutes`.
        AccountLocked = "account_locked",
        /// Somebody else signed up with this phone as well.
        SignupContested = "signup_contested",
    }
}

templates! {
    /// What is sent by e-mail. `time` is an RFC 3339 time, or absent for that of the job.
    EmailTemplate {
        /// A link that permits a new password; the token is the job's sealed value.
        PasswordReset = "password_reset",
        /// A link that sets the first password of an officer; the token is the job's sealed value.
        Invitation = "invitation",
        /// Somebody signed in on a `device` not seen before, from `ip`, at `time`.
        NewDevice = "new_device",
        /// The password is another one, since `time`.
        PasswordChanged = "password_changed",
        /// The second factor is, since `time`; `change` says how: `enabled`, `disabled` or `backup_codes`.
        TwoFactorChanged = "two_factor_changed",
        /// The account is locked for `minutes`, since `time`.
        AccountLocked = "account_locked",
        /// A session was ended at `time`, because its refresh token was used twice.
        RefreshReused = "refresh_reused",
    }
}

impl SmsTemplate {
    /// The text of the SMS.
    pub fn render(self, filling: &Filling<'_>, readers: Readers<'_>) -> Result<String, BadFilling> {
        match self {
            Self::LoginCode => codes::sms(Purpose::Login, filling, readers),
            Self::VerifyPhoneCode => codes::sms(Purpose::VerifyPhone, filling, readers),
            Self::ResetCode => codes::sms(Purpose::Reset, filling, readers),
            Self::SecondFactorCode => codes::sms(Purpose::SecondFactor, filling, readers),
            Self::PasswordChanged => Ok(password_changed::sms(filling.language)),
            Self::TwoFactorChanged => two_factor_changed::sms(filling),
            Self::AccountLocked => account_locked::sms(filling),
            Self::SignupContested => Ok(signup_contested::sms(filling.language)),
        }
    }
}

impl EmailTemplate {
    /// The e-mail. Links in it lead to `pages`.
    pub fn render(self, filling: &Filling<'_>, pages: &Pages) -> Result<Letter, BadFilling> {
        match self {
            Self::PasswordReset => password_reset::email(filling, &pages.reset),
            Self::Invitation => invitation::email(filling, &pages.invitation),
            Self::NewDevice => new_device::email(filling),
            Self::PasswordChanged => Ok(password_changed::email(filling)),
            Self::TwoFactorChanged => two_factor_changed::email(filling),
            Self::AccountLocked => account_locked::email(filling),
            Self::RefreshReused => Ok(refresh_reused::email(filling)),
        }
    }
}
