//! Sessions of browsers: the tokens are in cookies that no script can read.

use civiclens::config::{SameSite, Settings};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Browser, PASSWORD, story, story_with};

const PHONE: &str = "98765 43210";
const ACCESS: &str = "__Host-civiclens_session";
const REFRESH: &str = "__Host-civiclens_refresh";
const CSRF: &str = "__Host-civiclens_csrf";
const DEVICE: &str = "__Host-civiclens_device";

#[actix::test]
async fn a_browser_gets_its_tokens_in_cookies() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let (browser, answer) = Browser::of(app, PHONE).await;
        for field in ["access_token", "refresh_token"] {
            assert_eq!(answer.body.get(field), None, "no script sees it: {answer:?}");
        }
        assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("bearer"), &json!(86_400)));
        assert_eq!(answer.header("cache-control"), Some("no-store"));

        let days = |days: i64| days * 24 * 3600;
        for (name, hidden, same_site, age) in [
            (ACCESS, true, "SameSite=Lax", days(1)),
            (REFRESH, true, "SameSite=Strict", days(30)),
            (CSRF, false, "SameSite=Strict", days(30)),
            (DEVICE, true, "SameSite=Lax", days(365)),
        ] {
            let cookie = answer.cookie(name);
            assert_eq!(cookie.has("HttpOnly"), hidden, "{cookie:?}");
            assert!(cookie.has("Secure") && cookie.has("Path=/") && cookie.has(same_site), "{cookie:?}");
            assert!(!cookie.attributes.iter().any(|text| text.starts_with("Domain")), "{cookie:?}");
            assert_eq!(cookie.max_age(), age, "{cookie:?}");
            assert!(cookie.length < 4096, "{cookie:?}");
        }
        assert_eq!(answer.cookies().len(), 4);
        assert_eq!(answer.cookie(CSRF).value, answer.text("csrf_token"));
        let who = browser.whoami().await.ok();
        assert_eq!(who.body["session_id"], answer.body["session_id"]);
        browser.gets("/api/v1/users/me").await.ok();
        let changed = browser.posts("/api/v1/auth/logout-others", None).await.ok();
        assert!(changed.cookies().is_empty(), "{changed:?}");
    })
    .await;
}

#[actix::test]
async fn a_portal_asks_with_a_header_and_others_get_no_cookies() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let body = json!({ "phone": PHONE, "password": PASSWORD });
        let login = |path: &str| app.http.post(app.at(path)).json(&body);
        let portal = Answer::of(login("/api/v1/auth/login").header("X-Portal", "citizen")).await.ok();
        assert!(portal.body.get("access_token").is_none() && portal.cookies().len() == 4, "{portal:?}");
        for path in ["/api/v1/auth/login", "/api/v1/auth/login?cookies=false", "/api/v1/auth/login?x=cookies=true"] {
            let plain = Answer::of(login(path)).await.ok();
            assert!(plain.cookies().is_empty() && plain.body["access_token"].is_string(), "{plain:?}");
            assert_eq!(plain.body.get("csrf_token"), None);
        }
        // A code by SMS is another way in, with the same rule.
        let meera = app.citizen("98765 43211");
        let code = meera.gets_code().await;
        let body = json!({ "phone": "98765 43211", "otp": code });
        let answer = Answer::of(app.http.post(app.at("/api/v1/auth/verify-otp?cookies=true")).json(&body)).await.ok();
        assert!(answer.body.get("access_token").is_none() && answer.cookies().len() == 4, "{answer:?}");
    })
    .await;
}

#[actix::test]
async fn a_browser_refreshes_with_its_cookies() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let (mut browser, login) = Browser::of(app, PHONE).await;
        let first = browser.clone();
        let id = login.body["session_id"].as_i64().unwrap();
        for token in [None, Some("nonsense")] {
            let mut request = browser.asks(Method::POST, "/api/v1/auth/refresh-token");
            if let Some(token) = token {
                request = request.header("X-CSRF-Token", token);
            }
            browser.sends(request).await.refused(403, "csrf_invalid");
        }
        assert_eq!(app.audited_about("session.refreshed", id).await, 0);

        app.minutes_pass(60);
        let answer = browser.posts("/api/v1/auth/refresh-token", None).await.ok();
        assert!(answer.body.get("access_token").is_none() && answer.body.get("refresh_token").is_none(), "{answer:?}");
        assert_eq!(answer.cookies().len(), 3);
        assert_ne!(answer.cookie(ACCESS).value, login.cookie(ACCESS).value);
        assert_ne!(answer.cookie(REFRESH).value, login.cookie(REFRESH).value);
        let left = 30 * 24 * 3600 - 3600;
        assert!(
            (left - 1..=left).contains(&answer.cookie(REFRESH).max_age()),
            "no longer than the session: {answer:?}"
        );
        browser.csrf = answer.text("csrf_token");
        browser.whoami().await.ok();
        // The answer was lost: the same successor again.
        let again = first.posts("/api/v1/auth/refresh-token", None).await.ok();
        assert_eq!(again.cookie(REFRESH).value, answer.cookie(REFRESH).value);
        // The access cookie is gone long before the refresh cookie.
        browser.loses(ACCESS);
        browser.whoami().await.refused(401, "unauthenticated");
        browser.posts("/api/v1/auth/refresh", None).await.ok();
        browser.whoami().await.ok();

        let bare = Browser::new(app);
        bare.posts("/api/v1/auth/refresh-token", None).await.refused(401, "refresh_token_invalid");
        // A foreign refresh cookie with one's own CSRF token.
        app.signs_up("98765 43211").await;
        let (meera, _) = Browser::of(app, "98765 43211").await;
        meera.sets(REFRESH, &browser.cookie(REFRESH).unwrap());
        meera.posts("/api/v1/auth/refresh-token", None).await.refused(403, "csrf_invalid");
    })
    .await;
}

#[actix::test]
async fn logging_out_takes_the_cookies_away() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let mut others = vec!["/api/v1/auth/logout", "/api/v1/auth/logout-all"];
        let path = |id: i64| format!("/api/v1/auth/sessions/{id}");
        let (browser, login) = Browser::of(app, PHONE).await;
        let own = path(login.body["session_id"].as_i64().unwrap());
        let request = browser.asks(Method::DELETE, &own).header("X-CSRF-Token", &browser.csrf);
        let mut answers = vec![(browser.clone(), browser.sends(request).await.ok())];
        for path in others.drain(..) {
            let (browser, _) = Browser::of(app, PHONE).await;
            let kept = browser.clone();
            answers.push((kept, browser.posts(path, None).await.ok()));
            assert_eq!([ACCESS, REFRESH, CSRF].map(|name| browser.cookie(name)), [None, None, None]);
            assert!(browser.cookie(DEVICE).is_some(), "the browser stays known");
        }
        for (kept, answer) in answers {
            for name in [ACCESS, REFRESH, CSRF] {
                let cookie = answer.cookie(name);
                assert_eq!((cookie.value.as_str(), cookie.max_age()), ("", 0), "{cookie:?}");
                // A browser takes away only what has the same place.
                assert!(cookie.has("Secure") && cookie.has("Path=/"), "{cookie:?}");
            }
            let cleared = answer.header("clear-site-data").unwrap();
            assert!(cleared.contains("\"cache\"") && cleared.contains("\"storage\""), "{cleared}");
            kept.whoami().await.refused(401, "unauthenticated");
            kept.posts("/api/v1/auth/refresh-token", None).await.refused(401, "refresh_token_invalid");
        }
        // Who ends another session keeps their own cookies.
        let (here, (_, there)) = (Browser::of(app, PHONE).await.0, Browser::of(app, PHONE).await);
        let there = path(there.body["session_id"].as_i64().unwrap());
        let request = here.asks(Method::DELETE, &there).header("X-CSRF-Token", &here.csrf);
        let answer = here.sends(request).await.ok();
        assert!(answer.cookies().is_empty() && answer.header("clear-site-data").is_none(), "{answer:?}");
        let plain = app.enters(PHONE).await.logs_out().await.ok();
        assert!(plain.cookies().is_empty() && plain.header("clear-site-data").is_none(), "{plain:?}");
    })
    .await;
}

#[actix::test]
async fn a_header_counts_more_than_a_cookie() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let (browser, login) = Browser::of(app, PHONE).await;
        let meera = app.signs_up("98765 43211").await;
        let who = browser.sends(browser.asks(Method::GET, "/api/v1/auth/whoami").bearer_auth(&meera.token)).await.ok();
        assert_eq!(who.body["session_id"], meera.id());
        // A header that is no good is not made good by a cookie.
        for header in ["Bearer nonsense", "Bearer", "Basic eDp5", ""] {
            let request = browser.asks(Method::GET, "/api/v1/auth/whoami").header("Authorization", header);
            browser.sends(request).await.refused(401, "unauthenticated");
        }
        // It needs no CSRF token: no other site can send it.
        let evil = browser.on("https://evil.example");
        let answer = evil.sends(evil.asks(Method::POST, "/api/v1/auth/logout").bearer_auth(&meera.token)).await.ok();
        assert!(answer.cookies().is_empty(), "{answer:?}");
        meera.whoami().await.refused(401, "unauthenticated");
        assert_eq!(browser.whoami().await.ok().body["session_id"], login.body["session_id"]);
    })
    .await;
}

#[actix::test]
async fn the_csrf_token_can_be_asked_for() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let (mut browser, _) = Browser::of(app, PHONE).await;
        // A page that was loaded anew knows no token any more.
        browser.loses(CSRF);
        let answer = browser.gets("/api/v1/auth/csrf").await.ok();
        let cookie = answer.cookie(CSRF);
        assert_eq!(cookie.value, answer.text("csrf_token"));
        assert!(
            cookie.has("Secure") && cookie.has("Path=/") && cookie.has("SameSite=Strict") && !cookie.has("HttpOnly")
        );
        browser.csrf = answer.text("csrf_token");
        browser.posts("/api/v1/auth/logout-others", None).await.ok();
        app.gets("/api/v1/auth/csrf").await.refused(401, "unauthenticated");
        session.whoami().await.refused(401, "unauthenticated");
        let bearer = app.enters(PHONE).await;
        let answer = app.gets_as(&bearer.token, "/api/v1/auth/csrf").await.ok();
        assert!(answer.cookies().is_empty() && !answer.text("csrf_token").is_empty());
    })
    .await;
}

#[actix::test]
async fn a_browser_is_known_again_by_its_device_cookie() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let (browser, login) = Browser::of(app, PHONE).await;
        let devices = app.count("SELECT count(*) FROM known_devices").await;
        let body = json!({ "phone": PHONE, "password": PASSWORD });
        let login_again = browser.asks(Method::POST, "/api/v1/auth/login?cookies=true").json(&body);
        let again = browser.sends(login_again).await.ok();
        assert_eq!(again.cookies().len(), 3, "it has its name already: {again:?}");
        assert_eq!(app.count("SELECT count(*) FROM known_devices").await, devices);
        // One that was not made here names nothing, and is replaced.
        let forged = Browser::new(app);
        forged.sets(DEVICE, &format!("A{}", &login.cookie(DEVICE).value[1..]));
        let request = forged.asks(Method::POST, "/api/v1/auth/login?cookies=true").json(&body);
        let answer = forged.sends(request).await.ok();
        assert!(answer.cookies().len() == 4 || login.cookie(DEVICE).value.starts_with('A'), "{answer:?}");
    })
    .await;
}

#[actix::test]
async fn on_the_way_through_a_second_step_cookies_stay_asked_for() {
    story(async |app| {
        app.has_admin(PHONE).await;
        app.admin_signs_in(PHONE).await;
        let browser = Browser::new(app);
        let body = json!({ "phone": PHONE, "password": PASSWORD });
        let step = browser.sends(browser.asks(Method::POST, "/api/v1/auth/login?cookies=true").json(&body)).await;
        let step = step.asks_for_more();
        let names: Vec<String> = step.cookies().into_iter().map(|cookie| cookie.name).collect();
        assert_eq!(names, [DEVICE], "half a login opens nothing");
        browser.whoami().await.refused(401, "unauthenticated");
    })
    .await;
}

#[actix::test]
async fn a_page_of_a_listed_origin_may_use_the_session_and_no_other() {
    let ours = "https://app.civiclens.example";
    let listed = |settings: &mut Settings| settings.server.cors_origins = vec![ours.to_owned()];
    story_with(listed, async |app| {
        app.signs_up(PHONE).await;
        let (browser, _) = Browser::of(app, PHONE).await;
        let page = browser.on(ours).gets("/api/v1/auth/whoami").await.ok();
        assert_eq!(page.header("access-control-allow-origin"), Some(ours));
        assert_eq!(page.header("access-control-allow-credentials"), Some("true"));
        assert!(page.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")), "{page:?}");
        let asks = browser.on(ours).asks(Method::OPTIONS, "/api/v1/auth/logout");
        let preflight = asks
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type,x-csrf-token");
        let preflight = Answer::of(preflight).await.ok();
        assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));
        let headers = preflight.header("access-control-allow-headers").unwrap().to_lowercase();
        assert!(headers.contains("x-csrf-token"), "{headers}");
        for origin in ["https://evil.example", "null", "https://app.civiclens.example.evil.example"] {
            let foreign = browser.on(origin);
            let answer = foreign.gets("/api/v1/auth/whoami").await;
            let asks = foreign.asks(Method::OPTIONS, "/api/v1/auth/logout");
            let preflight = Answer::of(asks.header("Access-Control-Request-Method", "POST")).await;
            for answer in [answer, preflight] {
                assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}: {answer:?}");
            }
        }
    })
    .await;
}

#[actix::test]
async fn how_cookies_are_set_can_be_configured() {
    let strict = |settings: &mut Settings| settings.cookie.same_site = SameSite::Strict;
    story_with(strict, async |app| {
        app.signs_up(PHONE).await;
        assert!(Browser::of(app, PHONE).await.1.cookie(ACCESS).has("SameSite=Strict"));
        // A development environment has no TLS. No other may do without: `config` refuses it.
        let plain = app.replica_with(|settings| settings.cookie.secure = false).await;
        let (browser, answer) = Browser::of(&plain, PHONE).await;
        for name in ["civiclens_session", "civiclens_refresh", "civiclens_csrf", "civiclens_device"] {
            let cookie = answer.cookie(name);
            assert!(!cookie.has("Secure") && cookie.has("Path=/"), "{cookie:?}");
        }
        browser.whoami().await.ok();
        browser.posts("/api/v1/auth/logout-others", None).await.ok();
        // The two kinds of node do not take each other's cookies.
        browser.through(app).whoami().await.refused(401, "unauthenticated");
        plain.stop().await;
        let mut insecure = app.settings.clone();
        insecure.cookie.secure = false;
        assert!(insecure.validate(true).to_string().contains("cookie.secure"));
    })
    .await;
}
