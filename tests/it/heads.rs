//! What is read beside the body: the address of a client, its program and language, its query; and how much of it.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use civiclens::config::{ForwardedHeader, Settings};

use crate::support::{Answer, TestApp, story, story_with};

const ADMIN: &str = "98765 43299";
const PHONE: &str = "98765 43210";
const WHERE: &str = "/api/v1/admin/client-address";

fn behind_a_proxy(settings: &mut Settings) {
    settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
}

fn behind_another(settings: &mut Settings) {
    behind_a_proxy(settings);
    settings.server.forwarded = ForwardedHeader::Forwarded;
}

async fn asks_where(app: &TestApp, token: &str, header: &str, line: &[u8]) -> Answer {
    let line = HeaderValue::from_bytes(line).unwrap();
    Answer::of(app.http.get(app.at(WHERE)).bearer_auth(token).header(header, line)).await.ok()
}

#[actix::test]
async fn administrators_see_from_where_they_came_and_why() {
    story_with(behind_a_proxy, async |app| {
        app.has_admin(ADMIN).await;
        let (session, _) = app.admin_signs_in(ADMIN).await;
        for (line, address, entry, place, ended) in [
            (&b"\xff, 203.0.113.9"[..], "203.0.113.9", json!("203.0.113.9"), json!(1), "not_a_trusted_proxy"),
            (b"203.0.113.9,, 10.0.0.7 ,", "203.0.113.9", json!("203.0.113.9"), json!(2), "not_a_trusted_proxy"),
            (b"203.0.113.9, \xff", "127.0.0.1", json!(null), json!(null), "entry_is_no_address"),
            (b"203.0.113.9, \xff, 10.0.0.7", "10.0.0.7", json!("10.0.0.7"), json!(1), "entry_is_no_address"),
            (b"[2001:db8::9]:443", "2001:db8::9", json!("[2001:db8::9]:443"), json!(1), "not_a_trusted_proxy"),
            (b"", "127.0.0.1", json!(null), json!(null), "no_further_entry"),
        ] {
            let answer = asks_where(app, &session.token, "x-forwarded-for", line).await.body;
            let expected = json!({
                "address": address, "peer": "127.0.0.1", "peer_is_trusted": true, "header": "x-forwarded-for",
                "entry": entry, "entry_from_right": place, "ended_by": ended,
            });
            assert_eq!(answer, expected, "{}", String::from_utf8_lossy(line));
        }
        // The other header is nobody's.
        let answer = asks_where(app, &session.token, "forwarded", b"for=203.0.113.9").await;
        assert_eq!(answer.body["address"], "127.0.0.1");
        // And what was found out is what is recorded.
        let line = HeaderValue::from_bytes(b"\xff, 203.0.113.77").unwrap();
        app.signs_up(PHONE).await;
        let body = json!({ "phone": PHONE, "password": "wrong-Password-1" });
        let request = app.http.post(app.at("/api/v1/auth/login")).header("x-forwarded-for", line).json(&body);
        Answer::of(request).await.refused(401, "credentials_invalid");
        let recorded = "SELECT count(*) FROM audit_log WHERE ip_address = '203.0.113.77'";
        assert!(app.count(recorded).await >= 1);

        let citizen = app.enters(PHONE).await;
        app.gets_as(&citizen.token, WHERE).await.refused(403, "forbidden");
        app.gets(WHERE).await.refused(401, "unauthenticated");
    })
    .await;
}

#[actix::test]
async fn a_proxy_may_speak_rfc_7239() {
    story_with(behind_another, async |app| {
        app.has_admin(ADMIN).await;
        let (session, _) = app.admin_signs_in(ADMIN).await;
        for (line, address) in [
            (&b"for=1.1.1.1, For=\"[2001:db8::9]:443\";proto=https;by=10.0.0.7"[..], "2001:db8::9"),
            (b"for=\xff, for=203.0.113.9", "203.0.113.9"),
            (b"for=\"1.1.1.1, for=203.0.113.9, for=10.0.0.7", "203.0.113.9"),
            (b"for=203.0.113.9, for=unknown", "127.0.0.1"),
        ] {
            let answer = asks_where(app, &session.token, "forwarded", line).await;
            assert_eq!((&answer.body["address"], &answer.body["header"]), (&json!(address), &json!("forwarded")));
        }
        let answer = asks_where(app, &session.token, "x-forwarded-for", b"203.0.113.9").await;
        assert_eq!(answer.body["address"], "127.0.0.1");
    })
    .await;
}

#[actix::test]
async fn a_program_that_does_not_write_ascii_is_kept() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        for (sent, kept) in [
            ("CivicApp/2 (सैमसंग Galaxy)".as_bytes(), "CivicApp/2 (सैमसंग Galaxy)"),
            (b"CivicApp/2 (caf\xe9)", "CivicApp/2 (caf\u{fffd})"),
        ] {
            let body = json!({ "phone": PHONE, "password": crate::support::PASSWORD });
            let agent = HeaderValue::from_bytes(sent).unwrap();
            let request = app.http.post(app.at("/api/v1/auth/login")).header("User-Agent", agent).json(&body);
            Answer::of(request).await.ok();
            let seen = app.gets_as(&session.token, "/api/v1/auth/sessions").await.ok();
            let seen = seen.body["sessions"].as_array().unwrap();
            assert!(seen.iter().any(|row| row["user_agent"] == kept), "{kept}: {seen:?}");
        }
    })
    .await;
}

#[actix::test]
async fn a_message_is_in_the_language_that_is_asked_for() {
    story(async |app| {
        let ravi = app.citizen("98765 43221").speaking("HI-IN");
        ravi.requests_code().await.ok();
        let hindi = ravi.sms().await;
        assert!(hindi.chars().any(|letter| ('\u{900}'..='\u{97f}').contains(&letter)), "{hindi}");
        let meera = app.citizen("98765 43222").speaking("hi;q=0, en");
        meera.requests_code().await.ok();
        let english = meera.sms().await;
        assert!(english.is_ascii(), "{english}");
    })
    .await;
}

#[actix::test]
async fn a_body_in_another_charset_is_refused() {
    story(async |app| {
        for (kind, status) in [
            ("application/json; charset=utf-16", 415),
            ("application/json;charset=\"iso-8859-1\"", 415),
            ("application/json; charset=UTF-8", 200),
            ("Application/JSON", 200),
            ("application/json; charset=\"utf-8\"; version=1", 200),
            ("application/jsonx", 415),
            ("application/json, text/plain", 415),
        ] {
            let request = app.http.post(app.at("/api/v1/auth/password-strength")).header(CONTENT_TYPE, kind);
            let answer = Answer::of(request.body("{\"password\":\"Zebra-Quartz-41\"}")).await;
            assert_eq!(answer.status, status, "{kind}: {answer:?}");
        }
        let twice = app.http.post(app.at("/api/v1/auth/password-strength")).header(CONTENT_TYPE, "application/json");
        let twice = twice.header(CONTENT_TYPE, "text/plain").body("{\"password\":\"Zebra-Quartz-41\"}");
        Answer::of(twice).await.refused(415, "unsupported_media_type");
    })
    .await;
}

#[actix::test]
async fn what_a_query_asks_for_is_understood_or_refused_before_anything_is_done() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let body = json!({ "phone": PHONE, "password": crate::support::PASSWORD });
        let sessions = "SELECT count(*) FROM sessions";
        let before = app.count(sessions).await;
        for query in ["cookies=maybe", "cookies", "cookies=TRUE", "cookies=1"] {
            let answer = app.posts(&format!("/api/v1/auth/login?{query}"), body.clone()).await;
            answer.refused(422, "invalid").blames("cookies", "invalid_value");
            let refresh = json!({ "refresh_token": session.answer.text("refresh_token") });
            let answer = app.posts(&format!("/api/v1/auth/refresh-token?{query}"), refresh).await;
            answer.refused(422, "invalid").blames("cookies", "invalid_value");
        }
        let twice = app.posts("/api/v1/auth/login?cookies=true&cookies=false", body.clone()).await;
        twice.refused(400, "malformed_request");
        assert_eq!(app.count(sessions).await, before);
        let answer = app.posts("/api/v1/auth/login?%63ookies=tru%65", body.clone()).await.ok();
        assert!(answer.body.get("access_token").is_none() && answer.cookies().len() >= 3, "{answer:?}");
        app.posts("/api/v1/auth/login?cookies=false", body).await.ok().text("access_token");
    })
    .await;
}

#[actix::test]
async fn a_head_that_is_too_long_is_refused_in_our_form() {
    story(async |app| {
        let with = async |name: &str, length: usize| {
            Answer::of(app.http.get(app.at("/healthz")).header(name, "x".repeat(length))).await
        };
        for name in ["x-anything", "cookie", "authorization"] {
            with(name, 16_000).await.refused(431, "headers_too_large");
            with(name, 16_384).await.refused(431, "headers_too_large");
            with(name, 4_096).await.ok();
        }
        let many = (0..40).fold(app.http.get(app.at("/healthz")), |request, place| {
            request.header(format!("x-{place}"), "x".repeat(500))
        });
        Answer::of(many).await.refused(431, "headers_too_large");
        let long = app.gets(&format!("/healthz?{}", "x".repeat(9_000))).await;
        long.refused(414, "uri_too_long");
    })
    .await;
}

#[actix::test]
async fn no_spelling_of_a_path_lets_an_answer_be_kept() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        for path in
            ["/%61pi/v1/users/me", "/api/v1/users/%6de", "/api/%76%31/users/me", "/api/v1/users/me/", "/api/v1/nothing"]
        {
            let answer = app.gets_as(&session.token, path).await;
            assert!(matches!(answer.status, 200 | 404), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}: {answer:?}");
        }
        assert_eq!(app.gets_as(&session.token, "/%61pi/v1/users/me").await.status, 200);
        for path in ["/healthz", "/readyz", "/version", "/api/v1/openapi.json"] {
            assert_eq!(app.gets(path).await.header("cache-control"), Some("no-store"), "{path}");
        }
        let keys = app.gets("/.well-known/jwks.json").await.ok();
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    })
    .await;
}

#[actix::test]
async fn the_document_is_sent_once() {
    story(async |app| {
        let path = app.at("/api/v1/openapi.json");
        let first = Answer::of(app.http.get(&path)).await.ok();
        let tag = first.header("etag").unwrap().to_owned();
        let again = Answer::of(app.http.get(&path).header("If-None-Match", &tag)).await;
        assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
        let packed = Answer::of(app.http.get(&path).header("Accept-Encoding", "gzip")).await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
        assert_eq!(Answer::of(app.http.request(Method::HEAD, &path)).await.status, 200);
    })
    .await;
}

#[actix::test]
async fn a_connection_that_is_not_used_is_closed_without_a_word() {
    story(async |app| {
        let address = app.at("").trim_start_matches("http://").to_owned();
        let mut unused = TcpStream::connect(&address).await.unwrap();
        // One that is used stays, although nothing comes for a while.
        let mut used = TcpStream::connect(&address).await.unwrap();
        used.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut begun = TcpStream::connect(&address).await.unwrap();
        begun.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        let since = Instant::now();
        let mut heard = Vec::new();
        unused.read_to_end(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), "");
        assert!((3..10).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
        // Who began is told that it took too long.
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), begun.read_to_end(&mut heard)).await.unwrap();
        assert!(heard.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&heard));
        used.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut heard = String::new();
        used.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 2, "{heard}");
    })
    .await;
}
