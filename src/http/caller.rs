//! Extractor for who is at the other end.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use civiclens_actors::domain::client::{Client, Device};
use civiclens_actors::domain::code::Code;

use super::browser::DeviceBody;
use super::request_context::RequestContext;
use super::{ApiError, ApiState, language};

/// The most characters of a `User-Agent` that are kept.
const USER_AGENT_CHARS: usize = 256;

/// The client of a request: its address, program and language.
#[derive(Debug)]
pub struct Caller(pub Client);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl Caller {
    /// The same client, on the device that a body describes.
    pub(super) fn on(self, device: &Device) -> Client {
        Client { device: device.proven().cloned().or(self.0.device), ..self.0 }
    }

    /// The same client, on the device that a body describes if it describes one.
    pub(super) fn described(
        self,
        state: &ApiState,
        request: &HttpRequest,
        device: Option<DeviceBody>,
    ) -> Result<Client, ApiError> {
        match device {
            None => Ok(self.0),
            Some(body) => Ok(self.on(&state.browser.device(request, Some(body))?)),
        }
    }

    /// Reads who is at the other end.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let context = context.ok_or_else(|| ApiError::new(Code::Internal))?;
        // Browsers of other countries write other bytes than ASCII: what is no UTF-8 among them is replaced, the rest kept.
        let agent = request.headers().get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let state = request.app_data::<Data<ApiState>>();
        Ok(Self(Client {
            ip: context.ip,
            user_agent: agent.map(|agent| agent.chars().take(USER_AGENT_CHARS).collect()),
            request_id: Some(context.id.as_ref().to_owned()),
            language: language::asked_for(request),
            device: state.and_then(|state| state.browser.device_of_cookie(request)),
        }))
    }
}
