//! What the clients that exist rely on: bodies that may be left out, the health they ask for, and cookies that go when they
//! are of no more use.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::{Answer, Browser, TestApp, story, story_with};

const PHONE: &str = "98765 43210";
const ORIGIN: &str = "https://app.example.org";

/// Every way in which clients send nothing: no body at all, or an empty object, with and without a content type.
fn nothing_in_every_form(request: impl Fn() -> RequestBuilder) -> Vec<RequestBuilder> {
    let json = "application/json";
    vec![
        request(),
        request().header(CONTENT_TYPE, json),
        request().header(CONTENT_TYPE, json).body("{}"),
        request().header(CONTENT_TYPE, "application/json; charset=UTF-8").body(" { } "),
        request().header(CONTENT_TYPE, "text/plain;charset=UTF-8").body("{}"),
        request().header(CONTENT_TYPE, "application/x-www-form-urlencoded"),
        request().body("{}"),
    ]
}

#[actix::test]
async fn routes_that_need_no_body_take_none_and_an_empty_one() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let forms = nothing_in_every_form(|| app.http.get(app.at("/"))).len();
        for path in ["/api/v1/auth/logout-others", "/api/v1/auth/logout-all", "/api/v1/auth/logout"] {
            for form in 0..forms {
                let session = app.enters(PHONE).await;
                let request = || app.http.post(app.at(path)).bearer_auth(&session.token);
                let request = nothing_in_every_form(request).swap_remove(form);
                Answer::of(request).await.ok();
            }
        }
        let here = app.enters(PHONE).await;
        for form in 0..forms {
            let other = app.enters(PHONE).await;
            let path = app.at(&format!("/api/v1/auth/sessions/{}", other.id()));
            let request = || app.http.delete(&path).bearer_auth(&here.token);
            Answer::of(nothing_in_every_form(request).swap_remove(form)).await.ok();
        }
    })
    .await;
}

#[actix::test]
async fn clients_hear_that_the_service_is_there_whatever_has_become_of_its_stores() {
    let with_pages = |settings: &mut civiclens::config::Settings| {
        settings.server.cors_origins = vec![ORIGIN.to_owned()];
    };
    story_with(with_pages, async |app| {
        for path in ["/health", "/api/v1/health", "/api/v1/health/"] {
            let answer = Answer::of(app.http.get(app.at(path)).header("Origin", ORIGIN)).await.ok();
            assert_eq!(answer.body["status"], "healthy");
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            assert_eq!(Answer::of(app.http.head(app.at(path))).await.status, 200);
        }
    })
    .await;
}

async fn logs_out_with(app: &TestApp, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    Answer::of(app.http.post(app.at("/api/v1/auth/logout")).json(&body)).await
}

#[actix::test]
async fn a_refresh_token_signs_out_too() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let token = session.answer.text("refresh_token");
        logs_out_with(app, "not-a-token").await.refused(401, "refresh_token_invalid");
        let mut changed = token.clone();
        changed.replace_range(20..21, if token[20..21] == *"A" { "B" } else { "A" });
        logs_out_with(app, &changed).await.refused(401, "refresh_token_invalid");
        session.whoami().await.ok();
        logs_out_with(app, &token).await.ok();
        session.whoami().await.refused(401, "unauthenticated");
        logs_out_with(app, &token).await.refused(401, "refresh_token_invalid");
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_reason = 'logout'").await, 1);

        // Also where the access token that comes with it is of no more use, and with a token that was used.
        let session = app.enters(PHONE).await;
        let token = session.answer.text("refresh_token");
        app.posts("/api/v1/auth/refresh-token", json!({ "refresh_token": token })).await.ok();
        let body = json!({ "refresh_token": token });
        Answer::of(app.http.post(app.at("/api/v1/auth/logout")).bearer_auth("expired").json(&body)).await.ok();
        session.whoami().await.refused(401, "unauthenticated");
    })
    .await;
}

/// The names of the cookies that an answer takes away.
fn taken_away(answer: &Answer) -> Vec<String> {
    let gone = answer.cookies().into_iter().filter(|cookie| cookie.max_age() == 0);
    gone.map(|cookie| cookie.name.trim_start_matches("__Host-civiclens_").to_owned()).collect()
}

#[actix::test]
async fn a_browser_with_nothing_but_its_refresh_cookie_signs_out() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let (browser, _) = Browser::of(app, PHONE).await;
        browser.loses("__Host-civiclens_session");
        // Another site cannot make it.
        let foreign = browser.sends(browser.asks(Method::POST, "/api/v1/auth/logout")).await;
        foreign.refused(403, "csrf_invalid");
        let answer = browser.posts("/api/v1/auth/logout", Some(json!({}))).await.ok();
        assert_eq!(taken_away(&answer), ["session", "refresh", "csrf"]);
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_reason = 'logout'").await, 1);
        session.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn a_browser_refreshes_with_an_empty_object() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let (mut browser, _) = Browser::of(app, PHONE).await;
        for body in [Some(json!({})), None, Some(json!({ "refresh_token": null }))] {
            browser.csrf = browser.posts("/api/v1/auth/refresh-token", body).await.ok().text("csrf_token");
        }
        browser.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn a_401_takes_dead_cookies_away_and_leaves_the_others() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let (browser, _) = Browser::of(app, PHONE).await;
        let copy = browser.through(app);
        // A worthless access token says nothing of the refresh token beside it.
        browser.sets("__Host-civiclens_session", "worthless");
        let answer = browser.whoami().await.refused(401, "unauthenticated");
        assert_eq!(taken_away(&answer), ["session"]);
        let refreshed = browser.posts("/api/v1/auth/refresh-token", None).await.ok();
        assert_eq!(taken_away(&refreshed), Vec::<String>::new());
        // With a header nobody asked the cookies.
        let answer = Answer::of(browser.asks(Method::GET, "/api/v1/auth/whoami").bearer_auth("worthless")).await;
        assert_eq!(taken_away(&answer.refused(401, "unauthenticated")), Vec::<String>::new());

        app.posts_as(&session.token, "/api/v1/auth/logout-others", json!({})).await.ok();
        let answer = browser.whoami().await.refused(401, "unauthenticated");
        assert_eq!(taken_away(&answer), ["session", "refresh", "csrf"]);
        let answer = copy.posts("/api/v1/auth/refresh-token", None).await.refused(401, "refresh_token_invalid");
        assert_eq!(taken_away(&answer), ["session", "refresh", "csrf"]);
        // A token in the body that is refused has nothing to do with the cookies.
        let (browser, _) = Browser::of(app, PHONE).await;
        let body = json!({ "refresh_token": "nonsense" });
        let answer = browser.posts("/api/v1/auth/refresh-token", Some(body)).await;
        assert_eq!(taken_away(&answer.refused(401, "refresh_token_invalid")), Vec::<String>::new());
    })
    .await;
}

#[actix::test]
async fn what_is_wrong_stands_in_the_detail() {
    story(async |app| {
        let bodies = [
            json!({}),
            json!({ "phone": 5 }),
            json!({ "phone": "12" }),
            json!({ "phone": PHONE, "full_name": "Asha Rao", "password": "short" }),
            json!({ "phone": PHONE, "full_name": "", "password": "Zebra-Quartz-41" }),
        ];
        for body in bodies {
            let answer = app.posts("/api/v1/auth/signup", body).await.refused(422, "invalid");
            let sentences: Vec<&str> = answer.body["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| error["message"].as_str().unwrap())
                .collect();
            assert_eq!(answer.body["detail"], sentences.join(" "));
            for sentence in sentences {
                assert!(sentence.ends_with('.') && !sentence.starts_with("this "), "{sentence}");
            }
        }
        for path in ["/api/v1/auth/forgot-password", "/api/v1/auth/request-password-reset"] {
            let answer = app.posts(path, json!({ "email": "nobody@example.org" })).await.ok();
            assert_eq!(answer.body["expires_in_minutes"], 15);
        }
        assert_eq!(
            app.posts("/api/v1/auth/forgot-password", json!({ "phone": PHONE })).await.ok().body["expires_in_minutes"],
            15
        );
    })
    .await;
}
