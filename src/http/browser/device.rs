//! The device that signs in: as the client describes it, or as its browser's cookie names it.

use actix_web::HttpRequest;
use civiclens_actors::domain::client::Device;
use civiclens_actors::domain::device_cookie;
use civiclens_actors::domain::entropy::Exhausted;
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Browser, Kind, wants_cookies};

/// A device: a text that is both its id and its name, or one of each.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum DeviceBody {
    /// The client's own name for the device, by which it is also known again.
    Id(DeviceLabel),
    /// Id and name.
    Described {
        /// The client's own id for the device: hard to guess, and the same each time.
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

impl From<DeviceBody> for Device {
    fn from(body: DeviceBody) -> Self {
        let (id, name) = match body {
            DeviceBody::Id(DeviceLabel(text)) => (Some(text.clone()), Some(text)),
            DeviceBody::Described { id, name } => (id, name.map(|DeviceLabel(name)| name)),
        };
        Self { id: id.filter(|id| !id.trim().is_empty()), name }
    }
}

impl Browser {
    /// The device that signs in, and the value of the cookie that will name it if it is a browser that has
    /// none, or one that the previous key signed.
    pub(in crate::http) fn device(
        &self,
        request: &HttpRequest,
        body: Option<DeviceBody>,
    ) -> Result<(Option<Device>, Option<Secret>), Exhausted> {
        let given = body.map(Device::from);
        if given.as_ref().is_some_and(|device| device.id.is_some()) {
            return Ok((given, None));
        }
        let name = given.and_then(|device| device.name);
        let named = |id| Device { id: Some(id), name: name.clone() };
        let cookie = self.cookie(request, Kind::Device);
        if let Some(cookie) = cookie
            && let Some(id) = device_cookie::verify(&self.key, cookie.value())
        {
            return Ok((Some(named(id)), device_cookie::renew(&self.key, cookie.value())));
        }
        if wants_cookies(request).unwrap_or_default() {
            let issued = device_cookie::issue(&self.key, &*self.entropy)?;
            return Ok((Some(named(issued.id)), Some(issued.value)));
        }
        Ok((name.map(|name| Device { id: None, name: Some(name) }), None))
    }
}
