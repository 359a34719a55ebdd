//! A password is forgotten, and set again by code or by link.

use civiclens::config::Settings;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Session, TestApp, eventually, story, story_with, wrong};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";
const EMAIL: &str = "asha.919876543210@example.org";
const NEW: &str = "Quartz-Lantern-7";
const FORGOT: &str = "/api/v1/auth/forgot-password";
const RESET: &str = "/api/v1/auth/reset-password";

fn public(settings: &mut Settings) {
    settings.server.public_url = Some(url::Url::parse("https://id.civiclens.example/people/").unwrap());
}

fn with_code(code: &str, password: &str) -> Value {
    json!({ "phone": PHONE, "reset_token": code, "new_password": password })
}

fn with_token(token: &str, password: &str) -> Value {
    json!({ "reset_token": token, "new_password": password })
}

/// Asks for a reset by phone and reads the code.
async fn code(app: &TestApp) -> String {
    let sent = app.twilio.messages_to(E164).len();
    app.posts(FORGOT, json!({ "phone": PHONE })).await.ok();
    app.code_after(E164, sent).await
}

/// The text of the next mail with a link, and the token in it.
async fn link(app: &TestApp, to: &str, read: usize) -> (String, String) {
    let text = eventually("a link", async || {
        let mail = app.mail.messages_to(to).into_iter().filter(|mail| mail.text.contains("reset-password"));
        mail.map(|mail| mail.text).nth(read)
    })
    .await;
    let token = text.split_once("#token=").unwrap().1.split_whitespace().next().unwrap().to_owned();
    (text, token)
}

/// What an answer tells of whom it is about: everything but its own id and time.
fn told(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status, answer.body.clone(), headers)
}

#[actix::test]
async fn a_code_by_sms_sets_a_new_password_once_and_ends_every_session() {
    story(async |app| {
        let (first, second) = (app.signs_up(PHONE).await, app.logs_in(PHONE, PASSWORD).await.ok());
        let second = Session::of(app, second);
        let code = code(app).await;
        let text = app.hears(E164, "set a new password").await;
        assert!(text.contains("15 minutes"), "{text}");
        app.posts(RESET, with_code(&wrong(&code), NEW)).await.refused(401, "reset_token_invalid");
        app.minutes_pass(14);
        let answer = app.posts(RESET, with_code(&code, NEW)).await.ok();
        assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["message"]);
        assert_eq!(answer.header("set-cookie"), None);
        for session in [&first, &second] {
            session.whoami().await.refused(401, "unauthenticated");
            let body = json!({ "refresh_token": session.answer.body["refresh_token"] });
            app.posts("/api/v1/auth/refresh-token", body).await.refused(401, "refresh_token_invalid");
        }
        assert_eq!(app.live_sessions().await, 0);
        app.posts(RESET, with_code(&code, "Velvet-Comet-12")).await.refused(401, "reset_token_invalid");
        app.logs_in(PHONE, PASSWORD).await.refused(401, "credentials_invalid");
        Session::of(app, app.logs_in(PHONE, NEW).await.ok());

        app.hears(E164, "Your CivicLens password was changed").await;
        let all = app.everything_announced().await;
        let changed: Vec<_> = all.iter().filter(|e| e.name() == "event.security.password_changed").collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].body["data"]["via"], "reset");
        let ended: Vec<_> = all.iter().filter(|e| e.name() == "event.session.revoked").collect();
        assert_eq!(ended.len(), 2);
        assert!(ended.iter().all(|event| event.body["data"]["reason"] == "password_reset"));
    })
    .await;
}

#[actix::test]
async fn a_code_and_a_link_live_a_quarter_of_an_hour() {
    story_with(public, async |app| {
        let session = app.signs_up(PHONE).await;
        app.proves_email(session.user_id(), EMAIL).await;
        let code = code(app).await;
        app.minutes_pass(16);
        app.posts(RESET, with_code(&code, NEW)).await.refused(401, "reset_token_invalid");
        app.posts(FORGOT, json!({ "email": EMAIL })).await.ok();
        let (_, token) = link(app, EMAIL, 0).await;
        app.minutes_pass(16);
        app.posts(RESET, with_token(&token, NEW)).await.refused(401, "reset_token_invalid");
        app.posts(FORGOT, json!({ "email": EMAIL })).await.ok();
        let (_, token) = link(app, EMAIL, 1).await;
        app.minutes_pass(14);
        app.posts(RESET, with_token(&token, NEW)).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_code_is_of_one_phone_and_of_one_purpose() {
    story(async |app| {
        app.signs_up(PHONE).await;
        app.signs_up("98765 43211").await;
        let sent = app.twilio.messages_to(E164).len();
        app.citizen(PHONE).requests_code().await.ok();
        let login = app.code_after(E164, sent).await;
        app.posts(RESET, with_code(&login, NEW)).await.refused(401, "reset_token_invalid");
        let code = code(app).await;
        let other = json!({ "phone": "98765 43211", "reset_token": code, "new_password": NEW });
        app.posts(RESET, other).await.refused(401, "reset_token_invalid");
        app.posts(RESET, with_token(&code, NEW)).await.refused(401, "reset_token_invalid");
        app.citizen(PHONE).enters(&code).await.refused(401, "otp_invalid");
        app.posts(RESET, with_code(&code, NEW)).await.ok();
    })
    .await;
}

#[actix::test]
async fn five_wrong_guesses_kill_a_code() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let code = code(app).await;
        for _ in 0..5 {
            app.posts(RESET, with_code(&wrong(&code), NEW)).await.refused(401, "reset_token_invalid");
        }
        app.posts(RESET, with_code(&code, NEW)).await.refused(401, "reset_token_invalid");
        // The guesses count against the account, and a new code does not change that.
        let code = self::code(app).await;
        app.posts(RESET, with_code(&code, NEW)).await.refused(429, "otp_attempts_exceeded");
        // They lock nobody out of logging in, and nobody is told so.
        app.logs_in(PHONE, PASSWORD).await.ok();
        assert_eq!(app.audited("auth.account_locked").await, []);
        app.posts(RESET, with_code(&code, NEW)).await.refused(429, "otp_attempts_exceeded");
        app.minutes_pass(31);
        let code = self::code(app).await;
        app.posts(RESET, with_code(&code, NEW)).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_reset_forgets_the_wrong_guesses_before_it() {
    story(async |app| {
        app.signs_up(PHONE).await;
        for new in [NEW, "Harbour-Lantern-58"] {
            let code = code(app).await;
            for _ in 0..3 {
                app.posts(RESET, with_code(&wrong(&code), new)).await.refused(401, "reset_token_invalid");
            }
            app.posts(RESET, with_code(&code, new)).await.ok();
            app.minutes_pass(2);
        }
    })
    .await;
}

#[actix::test]
async fn a_link_goes_to_an_officer_under_our_own_name_whatever_the_request_says() {
    story_with(public, async |app| {
        app.has_admin(PHONE).await;
        let (session, _) = app.admin_signs_in(PHONE).await;
        let request = app.http.post(app.at("/api/v1/auth/request-password-reset"));
        let request = request
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "http")
            .header("Forwarded", "host=evil.example")
            .header("Origin", "https://evil.example");
        Answer::of(request.json(&json!({ "email": EMAIL.to_uppercase() }))).await.ok();
        let (text, token) = link(app, EMAIL, 0).await;
        assert!(!text.contains("evil"), "{text}");
        let start = "https://id.civiclens.example/people/reset-password#token=";
        assert!(text.lines().any(|line| line == format!("{start}{token}")), "{text}");
        assert!(token.len() >= 43, "256 bits: {token}");
        assert_eq!(app.twilio.messages_to(E164).iter().filter(|sms| sms.body.contains("new password")).count(), 0);

        app.posts(RESET, with_token(&token, "weak"))
            .await
            .refused(422, "invalid")
            .blames("new_password", "password_too_short");
        app.posts(RESET, with_token(&token, NEW)).await.ok();
        app.posts(RESET, with_token(&token, NEW)).await.refused(401, "reset_token_invalid");
        session.whoami().await.refused(401, "unauthenticated");
        // The second factor is asked for all the same.
        app.logs_in(PHONE, NEW).await.asks_for_more();
        app.everything_announced().await;
        app.jobs_are_done().await;
        let subjects: Vec<_> = app.mail.messages_to(EMAIL).into_iter().map(|mail| mail.subject).collect();
        assert!(subjects.contains(&"Your CivicLens password was changed".to_owned()), "{subjects:?}");
    })
    .await;
}

#[actix::test]
async fn a_link_goes_only_to_an_address_that_its_owner_proved() {
    story_with(public, async |app| {
        let session = app.signs_up(PHONE).await;
        let update = "UPDATE users SET email = 'ravi@example.org', email_verified = false";
        sqlx::query(update).execute(&app.db).await.unwrap();
        let unproved = app.posts(FORGOT, json!({ "email": "ravi@example.org" })).await.ok();
        let unknown = app.posts(FORGOT, json!({ "email": "nobody@example.org" })).await.ok();
        assert_eq!(told(&unproved), told(&unknown));
        app.jobs_are_done().await;
        assert_eq!(app.mail.receivers(), 0);
        app.proves_email(session.user_id(), "ravi@example.org").await;
        let proved = app.posts(FORGOT, json!({ "email": "Ravi@Example.org" })).await.ok();
        assert_eq!(proved.body, unknown.body);
        let (_, token) = link(app, "ravi@example.org", 0).await;
        app.posts(RESET, with_token(&token, NEW)).await.ok();
        Session::of(app, app.logs_in(PHONE, NEW).await.ok());
    })
    .await;
}

#[actix::test]
async fn nobody_learns_who_has_an_account() {
    story_with(public, async |app| {
        app.has_admin(PHONE).await;
        app.has_admin("98765 43219").await;
        let suspend = "UPDATE users SET is_active = false WHERE phone = '+919876543219'";
        sqlx::query(suspend).execute(&app.db).await.unwrap();
        let ravi = app.signs_up("98765 43217").await;
        app.proves_email(ravi.user_id(), "ravi@example.org").await;
        let sent = app.twilio.messages_to("+919876543217").len();
        // An officer, a citizen, nobody, and one who is suspended.
        let phones = [PHONE, "98765 43217", "98765 43218", "98765 43219"];
        let emails = [EMAIL, "ravi@example.org", "nobody@example.org", "asha.919876543219@example.org"];
        let by_phone = phones.map(|phone| json!({ "phone": phone }));
        let by_email = emails.map(|to| json!({ "email": to }));
        for (asked_by, bodies) in [("phone", by_phone), ("email", by_email)] {
            let mut answers = Vec::new();
            for body in bodies {
                answers.push(app.posts(FORGOT, body).await.ok());
            }
            for answer in &answers {
                assert_eq!(told(answer), told(&answers[0]));
                let recorded = app.recorded(answer).await;
                let actions: Vec<_> = recorded.iter().map(|row| row.action.as_str()).collect();
                assert_eq!(actions, ["password.reset_requested"]);
                assert_eq!(recorded[0].details, json!({ "asked_by": asked_by }));
            }
        }
        app.code_after("+919876543217", sent).await;
        link(app, "ravi@example.org", 0).await;
        let links = [link(app, EMAIL, 0).await.1, link(app, EMAIL, 1).await.1];
        app.everything_announced().await;
        app.jobs_are_done().await;
        // The officer, whose phone alone must not be enough, was sent links, whichever way they were asked for.
        for phone in [E164, "+919876543218", "+919876543219"] {
            assert_eq!(app.twilio.messages_to(phone).len(), 0, "{phone}");
        }
        assert_eq!(app.twilio.messages_to("+919876543217").len(), sent + 1);
        assert_eq!((app.mail.messages_to(EMAIL).len(), app.mail.messages_to("ravi@example.org").len()), (2, 1));
        assert_eq!(app.mail.receivers(), 3);
        for body in [json!({}), json!({ "phone": PHONE, "email": EMAIL }), json!({ "email": "no address" })] {
            app.posts(FORGOT, body).await.refused(422, "invalid");
        }
        // One is enough, and makes the other one worthless.
        app.posts(RESET, with_token(&links[0], NEW)).await.ok();
        app.posts(RESET, with_token(&links[1], NEW)).await.refused(401, "reset_token_invalid");
    })
    .await;
}

#[actix::test]
async fn who_was_suspended_after_asking_gets_no_new_password() {
    story_with(public, async |app| {
        app.has_admin(PHONE).await;
        // With an authenticator app, an officer gets codes too.
        app.admin_signs_in(PHONE).await;
        let code = code(app).await;
        app.posts(FORGOT, json!({ "email": EMAIL })).await.ok();
        let (_, token) = link(app, EMAIL, 0).await;
        sqlx::query("UPDATE users SET is_active = false").execute(&app.db).await.unwrap();
        app.posts(RESET, with_token(&token, NEW)).await.refused(401, "reset_token_invalid");
        app.posts(RESET, with_code(&code, NEW)).await.refused(401, "reset_token_invalid");
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'password.reset'").await, 0);
        // Nothing else was wrong with the link.
        sqlx::query("UPDATE users SET is_active = true").execute(&app.db).await.unwrap();
        app.posts(RESET, with_token(&token, NEW)).await.ok();
    })
    .await;
}

#[actix::test]
async fn three_resets_an_hour_for_one_person_and_so_many_from_one_address() {
    let narrow = |settings: &mut Settings| {
        settings.rate_limit.password_reset_per_address.count = 7;
    };
    story_with(narrow, async |app| {
        app.signs_up(PHONE).await;
        for body in [json!({ "phone": PHONE }), json!({ "email": "nobody@example.org" })] {
            for left in [2, 1, 0] {
                let answer = app.posts(FORGOT, body.clone()).await.ok();
                assert_eq!((answer.number("ratelimit-limit"), answer.number("ratelimit-remaining")), (3, left));
            }
            let refused = app.posts(FORGOT, body).await.refused(429, "rate_limited");
            assert_eq!(refused.number("ratelimit-remaining"), 0);
        }
        app.posts(FORGOT, json!({ "email": "NOBODY@example.org" })).await.refused(429, "rate_limited");
        app.posts(FORGOT, json!({ "phone": "+91 98765-43210" })).await.refused(429, "rate_limited");
        // What was refused cost the address nothing: one is left.
        app.posts(FORGOT, json!({ "email": "other@example.org" })).await.ok();
        app.posts(FORGOT, json!({ "email": "third@example.org" })).await.refused(429, "rate_limited");
        app.posts(FORGOT, json!({ "phone": "98765 43212" })).await.refused(429, "rate_limited");
        app.minutes_pass(61);
        app.posts(FORGOT, json!({ "phone": PHONE })).await.ok();
    })
    .await;
}

#[actix::test]
async fn who_only_ever_had_codes_sets_a_first_password() {
    story(async |app| {
        let session = app.citizen(PHONE).signs_in().await;
        let code = code(app).await;
        app.posts(RESET, with_code(&code, NEW)).await.ok();
        session.whoami().await.refused(401, "unauthenticated");
        let session = Session::of(app, app.logs_in(PHONE, NEW).await.ok());
        app.sets_up_sms(&session, E164).await;
    })
    .await;
}

#[actix::test]
async fn the_second_factor_is_asked_for_after_a_reset_too() {
    story(async |app| {
        let factor = app.sets_up_totp(&app.signs_up(PHONE).await).await;
        let code = code(app).await;
        app.posts(RESET, with_code(&code, PASSWORD)).await.ok();
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &factor.code(app, 0), None).await.ok();
    })
    .await;
}

#[actix::test]
async fn what_is_no_code_is_counted_for_nobody() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let code = code(app).await;
        for text in ["12345", "hello", "1234567", "½23456", ""].repeat(2) {
            let refused = app.posts(RESET, with_code(text, NEW)).await.refused(422, "invalid");
            refused.blames("reset_token", "otp_malformed");
        }
        // However it was copied, a code is one.
        let copied = format!("\u{202a}{}\u{2011}{}\u{202c}\n", &code[..3], &code[3..]);
        app.posts(RESET, with_code(&copied, NEW)).await.ok();
    })
    .await;
}
