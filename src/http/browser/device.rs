//! The device that signs in: known by the token that was issued to it, in the body or in its browser's cookie, and described
//! by the client.

use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::client::Device;
use civiclens_actors::domain::device_token::DeviceId;
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Browser, Kind, wants_cookies};
use crate::http::ApiError;

/// A device: a bare name, or what it was issued and what it calls itself.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum DeviceBody {
    /// A name a person would recognise.
    Name(DeviceLabel),
    /// Token, id and name.
    Described {
        /// The `device_token` of an earlier answer: what makes the device known.
        #[schema(value_type = Option<String>, max_length = 256)]
        token: Option<Secret>,
        /// The client's own id for the device, a label.
        #[schema(min_length = 16, max_length = 128, pattern = "^[ -~]*$")]
        id: Option<String>,
        /// A name a person would recognise.
        name: Option<DeviceLabel>,
    },
}

/// A name of a device, on one line.
#[derive(Deserialize, ToSchema)]
#[schema(max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
pub(in crate::http) struct DeviceLabel(String);

/// What a client says of its device.
#[derive(Default)]
struct Described {
    token: Option<Secret>,
    id: Option<String>,
    name: Option<String>,
}

impl From<DeviceBody> for Described {
    fn from(body: DeviceBody) -> Self {
        let (token, id, name) = match body {
            DeviceBody::Name(name) => (None, None, Some(name)),
            DeviceBody::Described { token, id, name } => (token, id, name),
        };
        let said = |text: &String| !text.trim().is_empty();
        Self { token, id: id.filter(said), name: name.map(|DeviceLabel(name)| name).filter(said) }
    }
}

impl Browser {
    /// The device that sends a request. One without a token of ours is drawn a new id; nobody holds its token yet.
    pub(in crate::http) fn device(&self, request: &HttpRequest, body: Option<DeviceBody>) -> Result<Device, ApiError> {
        let Described { token, id, name } = body.map(Described::from).unwrap_or_default();
        let given = token.and_then(|token| DeviceId::verify(&self.key, token.expose()));
        if let Some(issued) = given.or_else(|| self.device_of_cookie(request)) {
            return Ok(Device { issued, returned: true, id, name });
        }
        let issued = DeviceId::draw(&self.key, &*self.entropy).map_err(|error| ApiError::internal(&error))?;
        Ok(Device { issued, returned: false, id, name })
    }

    pub(in crate::http) fn device_of_cookie(&self, request: &HttpRequest) -> Option<DeviceId> {
        let cookie = self.cookie(request, Kind::Device)?;
        DeviceId::verify(&self.key, cookie.value())
    }

    /// The token that a client is answered for its body. `None` where a cookie keeps it.
    pub(in crate::http) fn device_token(&self, request: &HttpRequest, device: &DeviceId) -> Option<Secret> {
        (!wants_cookies(request).unwrap_or_default()).then(|| device.token(&self.key))
    }

    /// Gives its cookie to a browser that asks for cookies or has one that the previous key signed, unless it has this one.
    pub(in crate::http) fn name_device(&self, request: &HttpRequest, response: &mut HttpResponse, device: &DeviceId) {
        let cookie = self.cookie(request, Kind::Device);
        let token = device.token(&self.key);
        let has_it = cookie.as_ref().is_some_and(|cookie| cookie.value() == token.expose());
        let is_renewed = self.device_of_cookie(request).as_ref() == Some(device);
        if !has_it && (is_renewed || wants_cookies(request).unwrap_or_default()) {
            self.keep_device(response, &token);
        }
    }
}
