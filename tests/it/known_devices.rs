//! A device from which its owner came in before has a budget of its own: strangers cannot lock the owner out.

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestApp, WRONG, story, story_with};

const RAVI: &str = "98765 43210";

#[actix::test]
async fn strangers_do_not_lock_the_owner_out() {
    story(async |app| {
        app.signs_up(RAVI).await;
        app.signs_up("98765 43211").await;
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.ok();
        app.logs_in_on(json!({ "id": "tablet-of-ravi-04be", "name": "Tablet" }), RAVI, PASSWORD).await.ok();
        app.logs_in_on(json!("phone-of-meera"), "98765 43211", PASSWORD).await.ok();
        app.guesses(RAVI, 5).await;
        for stranger in
            [json!("phone-of-meera"), json!("phone"), json!({ "name": "phone-of-ravi-7f3a91c2" }), json!(null)]
        {
            app.logs_in_on(stranger, RAVI, PASSWORD).await.refused(429, "account_locked");
        }
        for _ in 0..3 {
            app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.ok();
        }
        app.logs_in(RAVI, PASSWORD).await.refused(429, "account_locked");

        // Its own failures lock it, and no other device of the owner.
        for _ in 0..5 {
            app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, WRONG).await.refused(401, "credentials_invalid");
        }
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.refused(429, "account_locked");
        app.logs_in_on(json!({ "id": "tablet-of-ravi-04be" }), RAVI, PASSWORD).await.ok();
        assert_eq!(app.audited("auth.account_locked").await.len(), 2);
        let known = app.database_dump().await;
        assert!(
            known.contains("known_devices") && !known.contains("tablet-of-ravi-04be"),
            "a device's id is kept as a hash"
        );
    })
    .await;
}

#[actix::test]
async fn nor_do_they_use_up_the_budget_of_its_devices() {
    let patient = |settings: &mut civiclens::config::Settings| settings.account.max_login_attempts = 100;
    story_with(patient, async |app| {
        app.signs_up(RAVI).await;
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.ok();
        app.guesses(RAVI, 5).await;
        app.logs_in(RAVI, PASSWORD).await.refused(429, "rate_limited");
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.ok();
        for _ in 0..5 {
            app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, WRONG).await.refused(401, "credentials_invalid");
        }
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.refused(429, "rate_limited");
    })
    .await;
}

#[actix::test]
async fn a_code_can_be_entered_there_as_well() {
    story(async |app| {
        app.signs_up(RAVI).await;
        app.logs_in_on(json!("phone-of-ravi-7f3a91c2"), RAVI, PASSWORD).await.ok();
        app.guesses(RAVI, 5).await;
        let ravi = app.citizen(RAVI);
        ravi.sms().await;
        let code = ravi.gets_code().await;
        let on = async |device: &str| {
            let body = json!({ "phone": RAVI, "otp": code, "device": device });
            app.posts("/api/v1/auth/verify-otp", body).await
        };
        on("another-phone").await.refused(429, "otp_attempts_exceeded");
        on("phone-of-ravi-7f3a91c2").await.ok();
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
