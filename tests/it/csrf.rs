//! Another site cannot make a signed-in browser do anything.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Browser, TestApp, eventually, story, story_with};
use crate::token_kinds::endpoints;

const PHONE: &str = "98765 43210";
const LOGOUT: &str = "/api/v1/auth/logout";
const LOGOUT_OTHERS: &str = "/api/v1/auth/logout-others";
const CSRF_COOKIE: &str = "__Host-civiclens_csrf";

async fn browser<'a>(app: &'a TestApp, phone: &str) -> Browser<'a> {
    app.signs_up(phone).await;
    Browser::of(app, phone).await.0
}

async fn posts_with(browser: &Browser<'_>, path: &str, token: &str) -> Answer {
    browser.sends(browser.asks(Method::POST, path).header("X-CSRF-Token", token)).await
}

#[actix::test]
async fn a_change_by_cookie_needs_the_token_of_its_session_twice() {
    story(async |app| {
        let ravi = browser(app, PHONE).await;
        let meera = browser(app, "98765 43211").await;
        ravi.whoami().await.ok();
        let without = ravi.sends(ravi.asks(Method::POST, LOGOUT)).await.refused(403, "csrf_invalid");
        let flipped = if ravi.csrf.starts_with('A') { "B" } else { "A" };
        let wrong = [String::new(), "nonsense".to_owned(), format!("{flipped}{}", &ravi.csrf[1..]), ravi.csrf.to_uppercase()];
        for token in &wrong {
            // In both places, so that only what it says is wrong.
            let forged = ravi.clone();
            forged.sets(CSRF_COOKIE, token);
            posts_with(&forged, LOGOUT, token).await.refused(403, "csrf_invalid");
            posts_with(&ravi, LOGOUT, token).await.refused(403, "csrf_invalid");
        }
        // Good for another session is no good for this one, not even of the same person.
        let second = Browser::of(app, PHONE).await.0;
        for foreign in [&meera, &second] {
            let mixed = ravi.clone();
            mixed.sets(CSRF_COOKIE, &foreign.csrf);
            posts_with(&mixed, LOGOUT, &foreign.csrf).await.refused(403, "csrf_invalid");
        }
        // The cookie must be there and say the same.
        let bare = ravi.clone();
        bare.loses(CSRF_COOKIE);
        posts_with(&bare, LOGOUT, &ravi.csrf).await.refused(403, "csrf_invalid");
        let again = ravi.gets("/api/v1/auth/csrf").await.ok().text("csrf_token");
        assert_ne!(again, ravi.csrf);
        posts_with(&ravi, LOGOUT, &ravi.csrf).await.refused(403, "csrf_invalid");
        // In the query or the body it does not count.
        let in_query = format!("{LOGOUT}?csrf_token={again}&X-CSRF-Token={again}");
        ravi.sends(ravi.asks(Method::POST, &in_query)).await.refused(403, "csrf_invalid");
        ravi.whoami().await.ok();
        posts_with(&ravi, LOGOUT_OTHERS, &again).await.ok();
        ravi.whoami().await.ok();

        let id = without.header("x-request-id").unwrap();
        let row = format!(
            "SELECT count(*) FROM audit_log WHERE action = 'auth.denied' AND request_id = '{id}' AND actor_id IS NOT NULL
             AND details->>'code' = 'csrf_invalid' AND details->>'route' = '{LOGOUT}'"
        );
        eventually("the audit row", async || (app.number(row.as_str()).await == 1).then_some(())).await;
    })
    .await;
}

#[actix::test]
async fn every_endpoint_that_changes_something_is_guarded() {
    story(async |app| {
        let ravi = browser(app, PHONE).await;
        let sessions = "SELECT string_agg(s::text, '' ORDER BY id) FROM sessions s";
        let users = "SELECT string_agg(u::text, '' ORDER BY id) FROM users u";
        let before = (app.text(sessions).await, app.text(users).await);
        let refreshing = "/api/v1/auth/refresh-token";
        let mut guarded = 0;
        for endpoint in endpoints() {
            if endpoint.method.is_safe() || !(endpoint.authenticated || endpoint.path == refreshing) {
                continue;
            }
            guarded += 1;
            let asks = |browser: &Browser<'_>| {
                let request = browser.asks(endpoint.method.clone(), &endpoint.path);
                match endpoint.body.as_ref().filter(|_| endpoint.path != refreshing) {
                    Some(body) => request.json(body),
                    None => request,
                }
            };
            let answer = ravi.sends(asks(&ravi)).await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (403, &json!("csrf_invalid")),
                "{endpoint:?}: {answer:?}"
            );
            let evil = ravi.on("https://evil.example");
            let answer = ravi.sends(asks(&evil).header("X-CSRF-Token", &ravi.csrf)).await;
            assert_eq!((answer.status, &answer.body["code"]), (403, &json!("origin_not_allowed")), "{endpoint:?}");
        }
        assert!(guarded >= 15, "{guarded}");
        ravi.posts("/api/v1/auth/refresh", None).await.ok();
        let after = (app.text(sessions).await, app.text(users).await);
        assert_eq!(before.1, after.1);
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await, 0);
        assert_eq!(app.count("SELECT max(refresh_generation)::bigint FROM sessions").await, 1);
    })
    .await;
}

#[actix::test]
async fn a_change_must_come_from_a_page_that_may_ask_for_it() {
    let listed = |settings: &mut civiclens::config::Settings| {
        settings.server.cors_origins = vec!["https://app.civiclens.example".to_owned()];
        settings.server.public_url = Some("https://id.civiclens.example/some/path".parse().unwrap());
    };
    story_with(listed, async |app| {
        let ravi = browser(app, PHONE).await;
        let own = app.at("");
        for origin in ["https://app.civiclens.example", "https://id.civiclens.example", own.as_str()] {
            ravi.on(origin).posts(LOGOUT_OTHERS, None).await.ok();
        }
        let port = own.rsplit(':').next().unwrap();
        for origin in [
            "https://evil.example",
            "null",
            "",
            "https://app.civiclens.example.evil.example",
            "https://app-civiclens.example",
            "https://xapp.civiclens.example",
            "http://app.civiclens.example",
            "https://app.civiclens.example:8443",
            "https://civiclens.example",
            "https://127.0.0.1",
            &format!("http://127.0.0.1.evil.example:{port}"),
            &format!("http://localhost:{port}"),
            &format!("{own}/"),
            &format!("{own}@evil.example"),
        ] {
            let page = ravi.on(origin);
            page.posts(LOGOUT_OTHERS, None).await.refused(403, "origin_not_allowed");
            page.posts("/api/v1/auth/refresh-token", None).await.refused(403, "origin_not_allowed");
        }
        // A browser that does not name the page still says whether it is ours.
        for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)] {
            let request = ravi.asks(Method::POST, LOGOUT_OTHERS).header("X-CSRF-Token", &ravi.csrf);
            assert_eq!(ravi.sends(request.header("Sec-Fetch-Site", site)).await.status, status, "{site}");
        }
        ravi.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn another_site_cannot_sign_a_browser_in() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let body = json!({ "phone": PHONE, "password": crate::support::PASSWORD });
        for path in ["/api/v1/auth/login?cookies=true", "/api/v1/auth/login"] {
            for origin in ["https://evil.example", "null"] {
                let page = Browser::new(app).on(origin);
                let request = page.asks(Method::POST, path).header("X-Portal", "citizen").json(&body);
                let answer = page.sends(request).await.refused(403, "origin_not_allowed");
                assert!(answer.cookies().is_empty(), "{answer:?}");
            }
        }
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 1);
        let page = Browser::new(app).on(&app.at(""));
        page.sends(page.asks(Method::POST, "/api/v1/auth/login?cookies=true").json(&body)).await.ok();
        page.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn asking_changes_nothing() {
    story(async |app| {
        let ravi = browser(app, PHONE).await;
        app.jobs_are_done().await;
        let unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        eventually("an empty outbox", async || (app.count(unpublished).await == 0).then_some(())).await;
        let before = app.database_dump().await;
        // What is for administrators is refused to others, and that is recorded.
        let others = endpoints().into_iter().filter(|endpoint| !endpoint.path.starts_with("/api/v1/admin/"));
        for endpoint in others {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                let answer = ravi.sends(ravi.asks(method.clone(), &endpoint.path)).await;
                let read = endpoint.method == Method::GET && method != Method::OPTIONS;
                assert_eq!(answer.status, if read { 200 } else { 405 }, "{method} {}: {answer:?}", endpoint.path);
            }
        }
        assert_eq!(app.database_dump().await, before);
    })
    .await;
}
