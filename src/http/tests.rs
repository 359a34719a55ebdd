//! What can be seen of the API without its components; the rest is tested on the running service.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use civiclens_actors::domain::code::{Code, Coded, FieldError};
use civiclens_actors::domain::limit::Budget;

use super::{ApiError, Surface, openapi, problem, routes};

#[derive(Debug, thiserror::Error)]
#[error("the pool at db-7 is exhausted")]
struct Down;

impl Coded for Down {
    fn code(&self) -> Code {
        Code::DependencyUnavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(1_500))
    }

    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

async fn body(error: &ApiError) -> (actix_web::HttpResponse, serde_json::Value) {
    let response = problem::response(error, Some("request-1"));
    let (head, body) = response.into_parts();
    let bytes = actix_web::body::to_bytes(body).await.unwrap();
    (head.set_body(actix_web::body::BoxBody::new(())), serde_json::from_slice(&bytes).unwrap())
}

#[actix_web::test]
async fn a_cause_is_never_told() {
    let (head, body) = body(&ApiError::from(Down)).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(head.headers().get("content-type").unwrap(), problem::MEDIA_TYPE);
    assert_eq!(head.headers().get("retry-after").unwrap(), "2");
    assert_eq!(body["code"], "dependency_unavailable");
    assert_eq!(body["type"], "urn:civiclens:problem:dependency_unavailable");
    assert_eq!(body["retry_after"], 2);
    assert_eq!(body["request_id"], "request-1");
    assert!(!body.to_string().contains("db-7"));
}

#[actix_web::test]
async fn an_error_says_in_headers_what_http_asks_for() {
    let (head, _) = body(&ApiError::new(Code::Unauthenticated)).await;
    assert_eq!(head.headers().get("www-authenticate").unwrap(), "Bearer");
    let budget = Budget { limit: 3, remaining: 0, reset: Duration::from_mins(1) };
    let (head, body) = body(&ApiError::new(Code::RateLimited).budget(Some(budget))).await;
    assert_eq!(head.headers().get("ratelimit-limit").unwrap(), "3");
    assert_eq!(head.headers().get("ratelimit-remaining").unwrap(), "0");
    assert_eq!(head.headers().get("ratelimit-reset").unwrap(), "60");
    assert!(body.get("errors").is_none());
}

#[actix_web::test]
async fn a_field_at_fault_is_named() {
    let (head, body) = body(&ApiError::invalid("phone", "phone_invalid", "no")).await;
    assert_eq!(head.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0], serde_json::json!({"field": "phone", "code": "phone_invalid", "message": "no"}));
}

#[test]
fn a_foreign_status_gets_a_code_of_ours() {
    for (status, code) in [
        (400, "malformed_request"),
        (404, "not_found"),
        (401, "unauthenticated"),
        (418, "malformed_request"),
        (502, "internal"),
    ] {
        assert_eq!(problem::from_status(StatusCode::from_u16(status).unwrap()).code.as_str(), code);
    }
}

#[test]
fn the_committed_document_is_the_one_the_code_makes() {
    let committed = include_str!("../../docs/openapi.json");
    assert!(committed == openapi(), "run: cargo run -- openapi > docs/openapi.json");
}

#[actix_web::test]
async fn everything_documented_is_there() {
    let app = init_service(actix_web::App::new().configure(|config| routes::add(config, Surface::All, true))).await;
    let document: serde_json::Value = serde_json::from_str(&openapi()).unwrap();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = TestRequest::default().method(method.clone()).uri(path).to_request();
            let status = call_service(&app, request).await.status();
            // Without components an endpoint fails; what matters is that it is found.
            let found = status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED;
            assert!(found, "{method} {path}: {status}");
            seen += 1;
        }
    }
    assert!(seen >= 9);
}

#[actix_web::test]
async fn a_path_without_the_method_names_the_methods() {
    let app = init_service(actix_web::App::new().configure(|config| routes::add(config, Surface::Public, false))).await;
    let answer = async |method, path| {
        let response = call_service(&app, TestRequest::default().method(method).uri(path).to_request()).await;
        let allow = response.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), allow)
    };
    assert_eq!(answer(Method::GET, "/api/v1/auth/request-otp").await, (405, Some("POST".to_owned())));
    assert_eq!(answer(Method::DELETE, "/healthz").await, (405, Some("GET, HEAD".to_owned())));
    assert_eq!(answer(Method::HEAD, "/healthz").await, (200, None));
    for elsewhere in ["/metrics", "/docs", "/dev/inbox", "/nothing"] {
        assert_eq!(answer(Method::GET, elsewhere).await, (404, None), "{elsewhere}");
    }
}
