//! A device from which its owner came in before has a budget of its own: strangers cannot lock the owner out.

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, WRONG, story, story_with};

const RAVI: &str = "98765 43210";

/// The token of a device on which somebody signed in, as it is sent back.
async fn device_of(app: &TestApp, phone: &str) -> Value {
    json!({ "token": app.logs_in(phone, PASSWORD).await.ok().text("device_token") })
}

#[actix::test]
async fn strangers_do_not_lock_the_owner_out() {
    story(async |app| {
        app.signs_up(RAVI).await;
        app.signs_up("98765 43211").await;
        let (phone, tablet) = (device_of(app, RAVI).await, device_of(app, RAVI).await);
        let other = device_of(app, "98765 43211").await;
        app.logs_in_on(json!("Samsung Galaxy S23 Ultra"), RAVI, PASSWORD).await.ok();
        app.logs_in_on(json!({ "id": "phone-of-ravi-7f3a91c2", "name": "Galaxy" }), RAVI, PASSWORD).await.ok();
        app.guesses(RAVI, 5).await;
        let mut forged = phone["token"].as_str().unwrap().to_owned();
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'B' } else { 'A' });
        let bare = phone["token"].as_str().unwrap().split_once('.').unwrap().0;
        for stranger in [
            // Names and ids are labels, whatever they say and whoever used them before.
            json!("Samsung Galaxy S23 Ultra"),
            json!({ "id": "phone-of-ravi-7f3a91c2", "name": "Galaxy" }),
            json!({ "id": bare }),
            json!({ "id": phone["token"] }),
            json!({ "token": forged }),
            json!({ "token": bare }),
            json!({ "token": "" }),
            other,
            json!(null),
        ] {
            app.logs_in_on(stranger, RAVI, PASSWORD).await.refused(429, "account_locked");
        }
        for _ in 0..3 {
            let answer = app.logs_in_on(phone.clone(), RAVI, PASSWORD).await.ok();
            assert_eq!(answer.body["device_token"], phone["token"], "it stays the same device");
        }
        app.logs_in(RAVI, PASSWORD).await.refused(429, "account_locked");

        // Its own failures lock it, and no other device of the owner.
        for _ in 0..5 {
            app.logs_in_on(phone.clone(), RAVI, WRONG).await.refused(401, "credentials_invalid");
        }
        app.logs_in_on(phone.clone(), RAVI, PASSWORD).await.refused(429, "account_locked");
        app.logs_in_on(tablet.clone(), RAVI, PASSWORD).await.ok();
        assert_eq!(app.audited("auth.account_locked").await.len(), 2);
        let known = app.database_dump().await;
        let kept = |device: &Value| known.contains(device["token"].as_str().unwrap().split_once('.').unwrap().0);
        assert!(known.contains("known_devices") && !kept(&tablet), "a device's token is kept as a hash");
    })
    .await;
}

#[actix::test]
async fn nor_do_they_use_up_the_budget_of_its_devices() {
    let patient = |settings: &mut civiclens::config::Settings| settings.account.max_login_attempts = 100;
    story_with(patient, async |app| {
        app.signs_up(RAVI).await;
        let device = device_of(app, RAVI).await;
        app.guesses(RAVI, 5).await;
        app.logs_in(RAVI, PASSWORD).await.refused(429, "rate_limited");
        app.logs_in_on(device.clone(), RAVI, PASSWORD).await.ok();
        for _ in 0..5 {
            app.logs_in_on(device.clone(), RAVI, WRONG).await.refused(401, "credentials_invalid");
        }
        app.logs_in_on(device, RAVI, PASSWORD).await.refused(429, "rate_limited");
    })
    .await;
}

#[actix::test]
async fn a_code_can_be_entered_there_as_well() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let device = device_of(app, RAVI).await;
        app.guesses(RAVI, 5).await;
        let ravi = app.citizen(RAVI);
        ravi.sms().await;
        let code = ravi.gets_code().await;
        let on = async |device: &Value| {
            let body = json!({ "phone": RAVI, "otp": code, "device": device });
            app.posts("/api/v1/auth/verify-otp", body).await
        };
        on(&json!("another-phone")).await.refused(429, "otp_attempts_exceeded");
        on(&device).await.ok();
    })
    .await;
}

#[actix::test]
async fn what_a_device_is_called_is_checked() {
    story(async |app| {
        app.signs_up(RAVI).await;
        for (device, field) in [
            (json!("n".repeat(65)), "device"),
            (json!({ "name": "n".repeat(65) }), "device.name"),
            (json!({ "id": "fifteen-letters" }), "device.id"),
            (json!({ "id": "i".repeat(129) }), "device.id"),
            (json!({ "id": "sixteen\ncharacters" }), "device.id"),
        ] {
            let answer = app.logs_in_on(device.clone(), RAVI, PASSWORD).await.refused(422, "invalid");
            assert_eq!(answer.body["errors"][0]["field"], field, "{device}: {answer:?}");
        }
        for device in [json!("n".repeat(64)), json!({ "id": "sixteen-letters-", "name": "ਮੇਰਾ ਫ਼ੋਨ" }), json!({})]
        {
            app.logs_in_on(device, RAVI, PASSWORD).await.ok();
        }
    })
    .await;
}

/// Signs in with headers and a device.
async fn signs_in(app: &TestApp, user_agent: &str, device: &Value) -> Value {
    let request = app.http.post(app.at("/api/v1/auth/login")).header("User-Agent", user_agent);
    let answer = Answer::of(request.json(&json!({ "phone": RAVI, "password": PASSWORD, "device": device }))).await.ok();
    json!({ "token": answer.text("device_token") })
}

#[actix::test]
async fn a_sign_in_from_a_new_device_is_told_once() {
    story(async |app| {
        let told =
            async || app.count("SELECT count(*) FROM outbox WHERE payload::text LIKE '%security.new_device.v1%'").await;
        app.signs_up(RAVI).await;
        // A client that sends no token back is known by its kind only.
        for _ in 0..3 {
            signs_in(app, "curl/8.5.0", &json!(null)).await;
        }
        assert_eq!(told().await, 1);
        let device = signs_in(app, "Wget/1.2", &json!(null)).await;
        assert_eq!(told().await, 2);
        for agent in ["Wget/1.2", "Wget/1.3", "curl/8.5.0"] {
            signs_in(app, agent, &device).await;
        }
        assert_eq!(told().await, 2, "it is known by its token, whatever it says that it is");
        // Who knows what the owner's device calls itself is still told of.
        signs_in(app, "Wget/1.2", &json!(null)).await;
        assert_eq!(told().await, 3);
        // A token of somebody else's device is no old one here.
        app.signs_up("98765 43211").await;
        let other = device_of(app, "98765 43211").await;
        let before = told().await;
        signs_in(app, "Wget/1.2", &other).await;
        assert_eq!(told().await, before + 1);
    })
    .await;
}

#[actix::test]
async fn a_device_that_returns_is_not_pushed_out_by_those_that_do_not() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let device = device_of(app, RAVI).await;
        signs_in(app, "curl/8.5.0", &device).await;
        for number in 0..30 {
            signs_in(app, &format!("curl/8.{number}"), &json!({ "name": format!("Computer {number}") })).await;
        }
        let kept = app.count("SELECT count(*) FROM known_devices WHERE user_id = (SELECT max(id) FROM users)").await;
        assert!(kept <= 23, "{kept}");
        app.guesses(RAVI, 5).await;
        app.logs_in_on(device, RAVI, PASSWORD).await.ok();
    })
    .await;
}

/// Asks for a code on a device.
async fn asks(app: &TestApp, path: &str, device: &Value) -> Answer {
    let mut body = json!({ "phone": RAVI });
    if !device.is_null() {
        body["device"] = device.clone();
    }
    app.posts(&format!("/api/v1/auth/{path}"), body).await
}

#[actix::test]
async fn strangers_use_up_neither_the_codes_of_a_device_nor_its_budget() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let device = device_of(app, RAVI).await;
        let ravi = app.citizen(RAVI);
        ravi.code_from_sms().await;
        asks(app, "request-otp", &device).await.ok();
        let code = ravi.code_from_sms().await;
        while asks(app, "request-otp", &json!(null)).await.status == 200 {
            ravi.code_from_sms().await;
        }
        asks(app, "request-otp", &json!("Samsung Galaxy S23 Ultra")).await.refused(429, "rate_limited");
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let enters = async |code: &str, device: &Value| {
            let body = json!({ "phone": RAVI, "otp": code, "device": device });
            app.posts("/api/v1/auth/verify-otp", body).await
        };
        enters(wrong, &json!("Another")).await.refused(401, "otp_invalid");
        enters(&code, &device).await.ok();
        for _ in 0..2 {
            asks(app, "request-otp", &device).await.ok();
        }
        asks(app, "request-otp", &device).await.refused(429, "rate_limited");

        // The same of resets.
        asks(app, "forgot-password", &device).await.ok();
        for _ in 0..3 {
            asks(app, "forgot-password", &json!(null)).await.ok();
        }
        asks(app, "forgot-password", &json!(null)).await.refused(429, "rate_limited");
        asks(app, "forgot-password", &device).await.ok();
    })
    .await;
}

#[actix::test]
async fn what_an_address_did_refuses_neither_a_known_device_nor_its_code() {
    let narrow = |settings: &mut civiclens::config::Settings| {
        settings.rate_limit.login_per_address = "6/15minutes".parse().unwrap();
    };
    story_with(narrow, async |app| {
        app.signs_up(RAVI).await;
        let device = device_of(app, RAVI).await;
        let other = app.citizen("98765 43211");
        for number in 0..6 {
            app.logs_in(&format!("98765 4400{number}"), WRONG).await.refused(401, "credentials_invalid");
        }
        app.logs_in(RAVI, PASSWORD).await.refused(429, "rate_limited");
        app.logs_in_on(device.clone(), RAVI, PASSWORD).await.ok();
        // Somebody new, with the token of somebody else's device: known to nobody there, but the one that asked for the code.
        let body = json!({ "phone": "98765 43211", "device": device });
        app.posts("/api/v1/auth/request-otp", body).await.ok();
        let code = other.code_from_sms().await;
        other.enters(&code).await.refused(429, "rate_limited");
        let body = json!({ "phone": "98765 43211", "otp": code, "device": device });
        app.posts("/api/v1/auth/verify-otp", body).await.ok();
    })
    .await;
}

/// Signs in as a browser that sends this cookie.
async fn browses(app: &TestApp, cookie: &str, password: &str) -> Answer {
    let request = app.http.post(app.at("/api/v1/auth/login?cookies=true")).header(COOKIE, cookie);
    Answer::of(request.json(&json!({ "phone": RAVI, "password": password }))).await
}

/// The cookie that names the browser from now on.
fn named(answer: &Answer) -> Option<String> {
    let mut cookies = answer.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("__Host-civiclens_device="))?;
    assert!(cookie.contains("HttpOnly") && cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().map(str::to_owned)
}

#[actix::test]
async fn a_browser_is_known_by_its_cookie() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let cookie = named(&browses(app, "a=b", PASSWORD).await.ok()).unwrap();
        assert_eq!(named(&browses(app, &cookie, PASSWORD).await.ok()), None, "it has a name already");
        app.guesses(RAVI, 5).await;
        let mut forged = cookie.clone();
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'B' } else { 'A' });
        for stranger in ["a=b", forged.as_str(), "__Host-civiclens_device=phone-of-ravi-7f3a91c2"] {
            browses(app, stranger, PASSWORD).await.refused(429, "account_locked");
        }
        browses(app, &cookie, PASSWORD).await.ok();
        for _ in 0..5 {
            browses(app, &cookie, WRONG).await.refused(401, "credentials_invalid");
        }
        browses(app, &cookie, PASSWORD).await.refused(429, "account_locked");
    })
    .await;
}
