//! The HTTP API: turns requests into calls of the components' handles and their answers into JSON.
//!
//! One endpoint a file, its path the URL. What every request goes through is in `middleware`.

mod auth;
mod bounds;
mod browser;
mod caller;
mod client_address;
mod dev_inbox;
mod error;
mod idle;
mod json;
mod language;
mod middleware;
mod openapi;
mod operators;
mod page;
mod problem;
mod query;
mod request_context;
mod routes;
mod security_headers;
mod server;
mod state;
mod tasks;
#[cfg(test)]
mod tests;
mod v1;
mod well_known;

pub use self::auth::{Administrator, Authenticated};
pub use self::browser::Browser;
pub use self::caller::Caller;
pub use self::error::{ApiError, NextStep};
pub use self::json::{OptionalJson, ValidJson};
pub use self::openapi::openapi;
pub use self::query::ValidQuery;
pub use self::routes::Surface;
pub(crate) use self::server::STOP_GRACE;
pub use self::server::run;
pub use self::state::{ApiState, BoxFuture, Check, InboxView, NodeState, Readiness};
pub use self::tasks::Tasks;
