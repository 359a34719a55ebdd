//! What the endpoints of signing in answer alike.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::backup_code::BackupCode;
use civiclens_actors::domain::client::Device;
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::device_token::DeviceId;
use civiclens_actors::domain::limit::Budget;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::sessions::Opened;
use civiclens_actors::sign_in::{Outcome, SecondStep, SignedIn};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::browser::{DeviceBody, wants_cookies};
use crate::http::problem::{put_budget, whole_seconds};
use crate::http::tasks::IfUndelivered;
use crate::http::{ApiError, ApiState, NextStep, NodeState};

/// A sentence for a person.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Message {
    /// The sentence.
    pub(in crate::http) message: &'static str,
}

/// An open session, called a token by the clients.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(in crate::http) struct OpenSession {
    /// Opens the API. Left out where it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Buys the next access token. Left out where it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// The user.
    user_id: i64,
    /// Their role.
    #[schema(example = "citizen")]
    role: &'static str,
    /// The session.
    session_id: i64,
    /// How much of their profile is there.
    #[schema(example = "minimal")]
    profile_completion: &'static str,
    /// Whether this made the account.
    is_new_user: bool,
    /// `true` if an administrator chose the password: it must be changed before it expires. Left out otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    password_temporary: bool,
    /// After a sign-up: whether the password that was given with it is in force. It is not if the phone had an account before,
    /// or if several people signed up with it and none is known to be this one: set one with `forgot-password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_set: Option<bool>,
    /// What to send in `X-CSRF-Token`; with cookies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
    /// A sentence for a person; where this is no sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    /// What makes the device known: send it as `device.token` from now on. Left out where it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
    /// Ten codes, each good once instead of the second factor; only where one was set up on the way in. Shown this once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backup_codes: Vec<String>,
}

/// How somebody is answered who signs in.
pub(super) struct Answering<'a> {
    pub(super) state: &'a ApiState,
    pub(super) request: &'a HttpRequest,
    /// Whether the session lived in cookies before.
    pub(super) by_cookie: bool,
}

impl<'a> Answering<'a> {
    pub(super) fn new(state: &'a ApiState, request: &'a HttpRequest) -> Self {
        Self { state, request, by_cookie: false }
    }

    /// The same for what may put tokens into cookies: then it must come from a page that may have them.
    pub(super) fn to_page(state: &'a ApiState, request: &'a HttpRequest) -> Result<Self, ApiError> {
        if wants_cookies(request)? {
            state.browser.check_origin(request)?;
        }
        Ok(Self::new(state, request))
    }

    /// The device that signs in.
    pub(super) fn device(&self, body: Option<DeviceBody>) -> Result<Device, ApiError> {
        self.state.browser.device(self.request, body)
    }

    /// Answers how a sign-in went on, and tells the device its token.
    pub(super) fn signed_in(&self, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
        let SignedIn { outcome, budget, code, step, device, backup_codes } = signed_in;
        let mut response = match outcome {
            Outcome::Session(opened) => self.token(&opened, device.as_ref(), &backup_codes)?,
            Outcome::SecondStep(step) => {
                let portal = self.state.settings.server.public_address();
                let detail = format!("This account needs a second step. Open {portal}/portal to sign in.");
                goes_on(Code::MfaRequired, detail, step, budget)
            }
            Outcome::Enrolment(step) => goes_on(Code::MfaEnrolmentRequired, ENROLMENT.to_owned(), step, budget),
        };
        if let Some(device) = device {
            self.state.browser.name_device(self.request, &mut response, &device);
        }
        if let Some(budget) = budget {
            put_budget(&mut response, budget);
        }
        if let Some(node) = self.request.app_data::<Data<NodeState>>() {
            let (otp, sign_in) = (self.state.otp.clone(), self.state.sign_in.clone());
            let note = async move {
                if let Some(code) = code {
                    otp.answer_was_lost(&code).await;
                }
                if let Some(step) = step {
                    sign_in.step_was_lost(step).await;
                }
            };
            response.extensions_mut().insert(IfUndelivered::new(&node.tasks, note));
        }
        Ok(response)
    }

    /// Answers the tokens of a session: in the body, or in cookies where those were asked for.
    pub(super) fn token(
        &self,
        opened: &Opened,
        device: Option<&DeviceId>,
        backup_codes: &[BackupCode],
    ) -> Result<HttpResponse, ApiError> {
        self.answer(opened, None, device, backup_codes)
    }

    /// The same, with a sentence for a person, for a session that goes on after a change.
    pub(super) fn renewed(
        &self,
        opened: &Opened,
        message: &'static str,
        backup_codes: &[BackupCode],
    ) -> Result<HttpResponse, ApiError> {
        self.answer(opened, Some(message), None, backup_codes)
    }

    fn answer(
        &self,
        opened: &Opened,
        message: Option<&'static str>,
        device: Option<&DeviceId>,
        backup_codes: &[BackupCode],
    ) -> Result<HttpResponse, ApiError> {
        let in_cookies = self.by_cookie || wants_cookies(self.request)?;
        let browser = &self.state.browser;
        let csrf = in_cookies.then(|| browser.csrf_token(opened.session_id)).transpose();
        let csrf = csrf.map_err(|error| ApiError::internal(&error))?;
        let in_body = |token: &Secret| (!in_cookies).then(|| token.expose().to_owned());
        let mut response = HttpResponse::Ok().json(OpenSession {
            access_token: in_body(&opened.access_token),
            token_type: "bearer",
            expires_in: whole_seconds(opened.expires_in),
            refresh_token: in_body(&opened.refresh_token),
            user_id: opened.user_id.get(),
            role: opened.role.as_str(),
            session_id: opened.session_id.get(),
            profile_completion: opened.profile_completion.as_str(),
            is_new_user: opened.is_new_user,
            password_temporary: opened.password_temporary,
            password_set: opened.password_set,
            csrf_token: csrf.as_ref().map(|csrf| csrf.expose().to_owned()),
            message,
            device_token: device
                .and_then(|device| browser.device_token(self.request, device))
                .map(|token| token.expose().to_owned()),
            backup_codes: shown(backup_codes),
        });
        if let Some(csrf) = csrf {
            browser.keep(&mut response, opened, &csrf);
        }
        Ok(response)
    }

    /// Answers a sentence, and takes the cookies of an ended session away.
    pub(super) fn signed_out(&self, message: &'static str) -> HttpResponse {
        let mut response = HttpResponse::Ok().json(Message { message });
        if self.by_cookie {
            self.state.browser.forget(&mut response);
        }
        response
    }
}

/// What an account is told that must set up a second factor before it signs in.
const ENROLMENT: &str = "This account must set up a second factor before it can sign in. With the mfa_token: POST \
                         /api/v1/auth/enable-2fa, then POST /api/v1/auth/verify-2fa with a code of it.";

/// Answers that a sign-in is not complete, and with what it goes on. A 200 of a sign-in always carries tokens, so that a client
/// that knows no second step takes this for a failure and shows the sentence.
fn goes_on(code: Code, detail: String, step: SecondStep, budget: Option<Budget>) -> HttpResponse {
    let SecondStep { mfa_token, methods, expires_in } = step;
    let next_step = Some(Box::new(NextStep { mfa_token, methods, expires_in }));
    HttpResponse::from_error(ApiError { next_step, ..ApiError::with_detail(code, detail).budget(budget) })
}

/// Backup codes as people read them.
pub(super) fn shown(codes: &[BackupCode]) -> Vec<String> {
    codes.iter().map(BackupCode::expose).collect()
}
