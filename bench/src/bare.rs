//! What the service is measured against: handlers that do nothing else than the thing itself.

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, get};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::TOKEN_SECRET;

/// Where they listen.
pub(crate) const ADDRESS: &str = "127.0.0.1:18181";

/// What the handler that verifies reads in a token, and answers.
#[derive(Serialize, Deserialize)]
struct Claims {
    user_id: i64,
    role: String,
    sid: i64,
    amr: Vec<String>,
    auth_time: i64,
    exp: i64,
}

struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// Answers until it is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["civiclens"]);
    validation.set_issuer(&["civiclens"]);
    let verifier = Data::new(Verifier { key: DecodingKey::from_secret(TOKEN_SECRET.as_bytes()), validation });
    let app = move || {
        let json = || async { HttpResponse::Ok().json(json!({ "message": "ok" })) };
        App::new().app_data(verifier.clone()).route("/", get().to(json)).route("/verify", get().to(verify))
    };
    HttpServer::new(app).workers(2).bind(ADDRESS)?.run().await?;
    Ok(())
}

async fn verify(verifier: Data<Verifier>, request: HttpRequest) -> HttpResponse {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let claims =
        token.and_then(|token| jsonwebtoken::decode::<Claims>(token, &verifier.key, &verifier.validation).ok());
    claims.map_or_else(|| HttpResponse::Unauthorized().finish(), |data| HttpResponse::Ok().json(data.claims))
}
