//! What can be seen of the API without its components; the rest is tested on the running service.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Data};
use civiclens_actors::domain::clock::SystemClock;
use civiclens_actors::domain::code::{Code, Coded, FieldError};
use civiclens_actors::domain::limit::{Budget, Rate};
use civiclens_actors::limits::AddressLimit;
use civiclens_actors::supervision::LoopState;

use super::tasks::IfUndelivered;
use super::{ApiError, BoxFuture, Check, NodeState, Readiness, Surface, Tasks, openapi, problem, routes, server};
use crate::config::Settings;
use crate::telemetry::start_metrics;

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

async fn body(error: &ApiError) -> (HttpResponse, serde_json::Value) {
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
    assert_eq!(body["detail"], "No.");
    assert_eq!(body["errors"][0], serde_json::json!({"field": "phone", "code": "phone_invalid", "message": "No."}));
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

struct Always;

impl Readiness for Always {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }

    fn loops(&self) -> Vec<LoopState> {
        Vec::new()
    }
}

const ORIGIN: &str = "https://app.example.org";

fn node(configure: impl FnOnce(&mut Settings)) -> NodeState {
    let mut settings = Settings::default();
    settings.server.cors_origins = vec![ORIGIN.to_owned()];
    configure(&mut settings);
    NodeState {
        readiness: Arc::new(Always),
        metrics: start_metrics().unwrap(),
        settings: Arc::new(settings),
        request_ids: Arc::new(|| "request-1".to_owned()),
        requests: AddressLimit::new(Rate { count: 1_000, window: Duration::from_mins(1) }, Arc::new(SystemClock)),
        tasks: Tasks::default(),
        api_elsewhere: None,
    }
}

fn refused(code: Code) -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(code))
}

/// What a browser at [`ORIGIN`] gets, also where the service itself fails.
async fn get<R, S, B>(app: &S, request: R) -> (u16, HeaderMap, serde_json::Value)
where
    S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    let response = match app.call(request).await {
        Ok(response) => response.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default();
    (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[actix_web::test]
async fn an_answer_of_any_kind_can_be_read_by_the_browsers_that_may() {
    let node = node(|settings| settings.server.request_timeout = Duration::from_millis(50));
    let metrics = node.metrics.clone();
    let app = init_service(server::layered(Data::new(node), &|config| {
        config
            .route("/of-tests/fine", web::get().to(HttpResponse::Ok))
            .route("/of-tests/refused", web::get().to(async || refused(Code::RateLimited)))
            .route("/of-tests/foreign", web::get().to(HttpResponse::BadGateway))
            .route("/of-tests/sleeps", web::get().to(std::future::pending::<HttpResponse>))
            .route(
                "/of-tests/panics/{id}",
                web::get().to(async || -> HttpResponse { std::panic::resume_unwind(Box::new("a test")) }),
            )
            .default_service(web::to(async || refused(Code::NotFound)));
    }))
    .await;
    for (path, expected, code) in [
        ("/of-tests/fine", 200, None),
        ("/of-tests/nothing", 404, Some("not_found")),
        ("/of-tests/refused", 429, Some("rate_limited")),
        ("/of-tests/foreign", 500, Some("internal")),
        ("/of-tests/sleeps", 408, Some("request_timeout")),
        ("/of-tests/panics/7", 500, Some("internal")),
    ] {
        let (status, headers, body) =
            get(&app, TestRequest::get().uri(path).insert_header(("Origin", ORIGIN)).to_request()).await;
        assert_eq!((status, body["code"].as_str()), (expected, code), "{path}");
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert_eq!(header("access-control-allow-origin"), ORIGIN, "{path}");
        assert!(header("access-control-expose-headers").to_ascii_lowercase().contains("retry-after"), "{path}");
        assert!(header("vary").to_ascii_lowercase().contains("origin"), "{path}");
        assert_eq!((header("x-request-id"), header("x-content-type-options")), ("request-1", "nosniff"), "{path}");
        if code.is_some() {
            assert_eq!((header("content-type"), &body["request_id"]), (problem::MEDIA_TYPE, &"request-1".into()));
        }
    }
    let counted = metrics.render();
    for (route, status) in [("/of-tests/sleeps", 408), ("/of-tests/panics/{id}", 500), ("unmatched", 404)] {
        let series = format!("civiclens_http_requests_total{{method=\"GET\",route=\"{route}\",status=\"{status}\"}}");
        assert!(counted.contains(&series), "{series} in {counted}");
    }
}

#[actix_web::test]
async fn a_preflight_that_is_refused_has_our_form_too() {
    let app = init_service(server::layered(Data::new(node(|_| {})), &|_| {})).await;
    let preflight = TestRequest::default()
        .method(Method::OPTIONS)
        .insert_header(("Origin", "https://elsewhere.example.org"))
        .insert_header(("Access-Control-Request-Method", "POST"));
    let response = call_service(&app, preflight.to_request()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers().get("content-type").unwrap(), problem::MEDIA_TYPE);
    assert!(response.headers().get("access-control-allow-origin").is_none());
    assert!(response.headers().get("x-request-id").is_some());
}

/// What an endpoint of these tests does: waits, then says that it came to its end.
async fn ends_late(done: Data<tokio::sync::Notify>) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(100)).await;
    done.notify_one();
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn what_may_change_something_goes_on_to_its_end_whoever_listens() {
    let node = node(|settings| settings.server.request_timeout = Duration::from_millis(50));
    let (tasks, done) = (node.tasks.clone(), Data::new(tokio::sync::Notify::new()));
    let given = done.clone();
    let app = init_service(server::layered(Data::new(node), &move |config| {
        config
            .app_data(given.clone())
            .route("/of-tests/late", web::route().to(ends_late))
            .route(
                "/of-tests/panics",
                web::post().to(async || -> HttpResponse { std::panic::resume_unwind(Box::new("a test")) }),
            )
            .route("/of-tests/reads", web::post().to(async |body: web::Bytes| body));
    }))
    .await;
    let ended = async || tokio::time::timeout(Duration::from_secs(1), done.notified()).await.is_ok();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = TestRequest::with_uri("/of-tests/late").method(method.clone());
        assert_eq!(get(&app, request.to_request()).await.0, 408, "{method}");
        assert!(ended().await, "{method}: given up");
        let hung_up = TestRequest::with_uri("/of-tests/late").method(method.clone()).to_request();
        assert!(tokio::time::timeout(Duration::from_millis(10), get(&app, hung_up)).await.is_err());
        assert!(ended().await, "{method}: hung up");
    }
    let read_only = TestRequest::get().uri("/of-tests/late").to_request();
    assert_eq!(get(&app, read_only).await.0, 408);
    assert!(!ended().await, "nobody waits for what changes nothing");
    let panicked = get(&app, TestRequest::post().uri("/of-tests/panics").to_request()).await;
    assert_eq!((panicked.0, panicked.2["code"].as_str()), (500, Some("internal")));
    let read = app.call(TestRequest::post().uri("/of-tests/reads").set_payload("the body").to_request()).await.unwrap();
    assert_eq!(actix_web::body::to_bytes(read.into_body()).await.ok().as_deref(), Some(b"the body".as_slice()));
    // A stop waits for what nobody listens to.
    let hung_up = TestRequest::post().uri("/of-tests/late").to_request();
    assert!(tokio::time::timeout(Duration::from_millis(10), get(&app, hung_up)).await.is_err());
    tasks.wait(Duration::from_secs(1)).await;
    assert!(tokio::time::timeout(Duration::ZERO, done.notified()).await.is_ok(), "it was waited for");
}

#[actix_web::test]
async fn an_answer_that_nobody_took_is_known_to_its_endpoint() {
    let node = node(|settings| settings.server.request_timeout = Duration::from_millis(50));
    let (tasks, lost) = (node.tasks.clone(), Arc::new(tokio::sync::Notify::new()));
    let given = (node.tasks.clone(), Arc::clone(&lost));
    let app = init_service(server::layered(Data::new(node), &move |config| {
        let (tasks, lost) = given.clone();
        let answer = move |pause: web::Path<u64>| {
            let (tasks, lost) = (tasks.clone(), Arc::clone(&lost));
            async move {
                tokio::time::sleep(Duration::from_millis(pause.into_inner())).await;
                let mut response = HttpResponse::Ok().finish();
                let act = async move { lost.notify_one() };
                response.extensions_mut().insert(IfUndelivered::new(&tasks, act));
                response
            }
        };
        config.route("/of-tests/after/{pause}", web::post().to(answer));
    }))
    .await;
    let is_lost = async || tokio::time::timeout(Duration::from_millis(300), lost.notified()).await.is_ok();
    let request = |path: &str| TestRequest::post().uri(path).to_request();
    assert_eq!(get(&app, request("/of-tests/after/0")).await.0, 200);
    assert!(!is_lost().await);
    assert_eq!(get(&app, request("/of-tests/after/70")).await.0, 408);
    assert!(is_lost().await);
    let hung_up = get(&app, request("/of-tests/after/40"));
    assert!(tokio::time::timeout(Duration::from_millis(10), hung_up).await.is_err());
    assert!(is_lost().await);
    tasks.wait(Duration::from_secs(1)).await;
}
