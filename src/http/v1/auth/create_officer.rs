//! `POST /api/v1/auth/create-officer`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use civiclens_actors::administration::Officer;
use civiclens_actors::domain::contact;
use civiclens_actors::domain::role::Role;
use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::verify_otp::mobile;
use crate::http::problem::Problem;
use crate::http::{Administrator, ApiError, ApiState, Caller, ValidJson};

/// An officer, administrator or auditor to create.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct CreateOfficer {
    /// The phone, in any common spelling.
    #[schema(example = "+919876543210", max_length = 32)]
    phone: String,
    /// The e-mail.
    #[schema(example = "officer@example.org", max_length = 254)]
    email: String,
    /// The full name.
    #[schema(example = "Asha Rao", max_length = 200)]
    full_name: String,
    /// A first password, which works for some days only. Without one an invitation to choose it is sent by e-mail.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, max_length = 128)]
    password: Option<Secret>,
    /// `nodal_officer`, `admin` or `auditor`.
    #[schema(value_type = String, example = "nodal_officer", max_length = 32)]
    role: Role,
    /// The employee id; `EMP-<year>-<six digits>` where none is given.
    #[serde(default)]
    #[schema(max_length = 64)]
    employee_id: Option<String>,
    /// The department.
    #[serde(default)]
    #[schema(minimum = 1)]
    department_id: Option<i64>,
}

/// The officer exists.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct OfficerCreated {
    /// A sentence for a person.
    message: &'static str,
    /// The new user.
    user_id: i64,
    /// Their role.
    #[schema(example = "nodal_officer")]
    role: &'static str,
    /// How much of their profile is there.
    #[schema(example = "basic")]
    profile_completion: &'static str,
    /// Their employee id, given or made up.
    #[schema(example = "EMP-2026-000004")]
    employee_id: String,
}

impl CreateOfficer {
    fn officer(self) -> Result<Officer, ApiError> {
        let refused = |fault| ApiError::fields(vec![fault]);
        let employee_id = self.employee_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let employee_id =
            employee_id.map(|id| contact::employee_id("employee_id", &id)).transpose().map_err(refused)?;
        Ok(Officer {
            phone: mobile(&self.phone)?,
            email: contact::email("email", &self.email).map_err(refused)?,
            full_name: contact::full_name("full_name", &self.full_name).map_err(refused)?,
            password: self.password,
            role: self.role,
            employee_id,
            department_id: self.department_id,
        })
    }
}

/// Creates an officer, administrator or auditor. For administrators.
///
/// A phone, e-mail or employee id that belongs to an account is 409, and nothing is created.
#[utoipa::path(post, path = "/api/v1/auth/create-officer", operation_id = "create_officer", tag = "administration",
               security(("bearer" = [])), request_body = CreateOfficer,
               responses((status = 201, body = OfficerCreated),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    admin: Administrator,
    caller: Caller,
    body: ValidJson<CreateOfficer>,
) -> Result<HttpResponse, ApiError> {
    let officer = body.0.officer()?;
    let role = officer.role.as_str();
    let created = state.administration.create_officer(&admin.0, officer, &caller.0).await?;
    let message = if created.invited {
        "An invitation to choose a password is on its way by e-mail."
    } else {
        "The officer can sign in with this temporary password, and must change it soon."
    };
    let (user_id, profile_completion, employee_id) = (created.user_id.get(), "basic", created.employee_id);
    Ok(HttpResponse::Created().json(OfficerCreated { message, user_id, role, profile_completion, employee_id }))
}
