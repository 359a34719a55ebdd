//! Signing up with a password.

use civiclens::config::{PasswordPolicy, Settings};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Citizen, PASSWORD, Session, TestApp, story, story_with};

const RAVI: &str = "98765 43210";

/// Somebody signs up; `more` adds to what they give, or replaces it.
async fn signs_up(app: &TestApp, phone: &str, more: Value) -> Answer {
    let mut body = json!({ "phone": phone, "full_name": "Ravi Kumar", "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.posts("/api/v1/auth/signup", body).await
}

async fn verifies(app: &TestApp, phone: &str, code: &str) -> Answer {
    app.posts("/api/v1/auth/verify-phone", json!({ "phone": phone, "otp": code })).await
}

/// Somebody signs up and gets the code.
async fn begins(person: &Citizen<'_>, app: &TestApp, phone: &str, more: Value) -> String {
    let answer = signs_up(app, phone, more).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    person.code_from_sms().await
}

#[actix::test]
async fn before_the_phone_is_verified_there_is_nothing() {
    story(async |app| {
        let started = signs_up(app, RAVI, json!({ "email": "Ravi@Example.org" })).await;
        assert_eq!(started.status, 201, "{started:?}");
        assert_eq!(started.body["expires_in_minutes"], 5);
        assert_eq!((started.number("ratelimit-limit"), started.number("ratelimit-remaining")), (3, 2));
        assert!(started.body["message"].is_string() && started.body.get("otp").is_none(), "{started:?}");
        let ravi = app.citizen(RAVI);
        let code = ravi.code_from_sms().await;
        app.logs_in(RAVI, PASSWORD).await.refused(401, "credentials_invalid");
        ravi.enters(&code).await.refused(401, "otp_invalid");
        for count in ["SELECT count(*) FROM users", "SELECT count(*) FROM sessions", "SELECT count(*) FROM outbox"] {
            assert_eq!(app.count(count).await, 0, "{count}");
        }
        let kept = app.redis_dump().await + &app.database_dump().await;
        assert!(!kept.contains(PASSWORD), "a password is kept as a hash only");

        let session = Session::of(app, verifies(app, RAVI, &code).await.ok());
        assert_eq!(session.answer.body["is_new_user"], true);
        assert_eq!(session.user_id(), started.body["user_id"].as_i64().unwrap());
        let me = session.me().await.ok();
        assert_eq!((&me.body["full_name"], &me.body["email"]), (&json!("Ravi Kumar"), &json!("Ravi@Example.org")));
        assert_eq!((&me.body["phone_verified"], &me.body["email_verified"]), (&json!(true), &json!(false)));
        assert_eq!(me.body["account_created_via"], "password");
        verifies(app, RAVI, &code).await.refused(401, "otp_invalid");
        app.logs_in(RAVI, PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_code_for_one_thing_is_none_for_another() {
    story(async |app| {
        let ravi = app.citizen(RAVI);
        let login = ravi.gets_code().await;
        verifies(app, RAVI, &login).await.refused(401, "otp_invalid");
        ravi.enters(&login).await.ok();
        let signup = begins(&ravi, app, "98765 43210", json!({})).await;
        app.minutes_pass(5);
        verifies(app, RAVI, &signup).await.refused(401, "otp_invalid");
    })
    .await;
}

#[actix::test]
async fn a_phone_that_has_an_account_is_answered_like_any_other() {
    story(async |app| {
        let owner = app.signs_up(RAVI).await;
        let meera = app.citizen("98765 43212").signs_in().await;
        app.minutes_pass(61);
        let intruder = json!({ "password": "Other-Lantern-88", "full_name": "Somebody Else" });
        let [known, by_code, unknown] =
            [RAVI, "98765 43212", "98765 43211"].map(|phone| signs_up(app, phone, intruder.clone()));
        let mut answers = [known.await.told(), by_code.await.told(), unknown.await.told()];
        for (_, _, body) in &mut answers {
            assert!(body["user_id"].is_i64(), "{body}");
            body["user_id"] = json!(null);
        }
        assert_eq!(answers[0], answers[2]);
        assert_eq!(answers[1], answers[2]);
        // Whoever holds the phone comes in; what was given is forgotten.
        for (phone, session) in [(RAVI, &owner), ("98765 43212", &meera)] {
            let person = app.citizen(phone);
            person.sms().await;
            let entered = verifies(app, phone, &person.code_from_sms().await).await.ok();
            assert_eq!(entered.body["user_id"], session.user_id());
            assert_eq!(entered.body["is_new_user"], false);
            assert_eq!(entered.body["password_set"], false, "who holds the phone is told");
            app.logs_in(phone, "Other-Lantern-88").await.refused(401, "credentials_invalid");
        }
        assert_eq!(owner.me().await.ok().body["full_name"], "Ravi Kumar");
        assert_eq!(meera.me().await.ok().body["full_name"], json!(null));
        app.logs_in(RAVI, PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn the_phone_of_an_officer_opens_no_session_by_signing_up() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, "98765 00002", "nodal_officer").await;
        let vikram = app.citizen("98765 00002");
        let code = begins(&vikram, app, "98765 00002", json!({ "password": "Other-Lantern-88" })).await;
        let step = verifies(app, "98765 00002", &code).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["password"]));
        app.logs_in("98765 00002", PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn an_email_that_nobody_proved_is_nobodys() {
    story(async |app| {
        let phones: Vec<_> = (0..6).map(|number| format!("98765 1000{number}")).collect();
        let mut codes = Vec::new();
        for phone in &phones {
            let person = app.citizen(phone);
            codes.push(begins(&person, app, phone, json!({ "email": "family@example.org" })).await);
        }
        let verified = join_all(phones.iter().zip(&codes).map(|(phone, code)| verifies(app, phone, code))).await;
        for answer in verified {
            let me = Session::of(app, answer.ok()).me().await.ok();
            assert_eq!(me.body["email"], "family@example.org");
            assert_eq!(me.body["email_verified"], false);
        }
        // It lets nobody in, and keeps nobody from giving it to whose it is.
        app.posts("/api/v1/auth/forgot-password", json!({ "email": "family@example.org" })).await.ok();
        let admin = app.admin().await;
        let officer = json!({ "phone": "98765 00002", "email": "family@example.org", "full_name": "Vikram Shah",
                              "password": PASSWORD, "role": "nodal_officer" });
        assert_eq!(app.posts_as(&admin.token, "/api/v1/auth/create-officer", officer).await.status, 201);
        assert!(app.mail.messages_to("family@example.org").is_empty());
    })
    .await;
}

/// Signs up from an address, as a proxy tells it.
async fn signs_up_from(app: &TestApp, address: &str, password: &str) -> Answer {
    let request = app.http.post(app.at("/api/v1/auth/signup")).header("X-Forwarded-For", address);
    let body = json!({ "phone": RAVI, "full_name": "Ravi Kumar", "password": password });
    Answer::of(request.json(&body)).await
}

async fn verifies_from(app: &TestApp, address: &str, code: &str) -> Answer {
    let request = app.http.post(app.at("/api/v1/auth/verify-phone")).header("X-Forwarded-For", address);
    Answer::of(request.json(&json!({ "phone": RAVI, "otp": code }))).await
}

fn behind_a_proxy(settings: &mut Settings) {
    settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

#[actix::test]
async fn the_owner_of_a_phone_never_gets_the_password_of_a_stranger() {
    let (home, elsewhere, train) = ("203.0.113.7", "198.51.100.9", "192.0.2.44");
    // In whichever order they come, the live code was sent for the last of them.
    for owner_is_last in [false, true] {
        for from in [home, train] {
            story_with(behind_a_proxy, async |app| {
                let ravi = app.citizen(RAVI);
                let mut parties = [(home, PASSWORD), (elsewhere, "Other-Lantern-88")];
                if !owner_is_last {
                    parties.reverse();
                }
                let mut code = String::new();
                for (address, password) in parties.into_iter().rev() {
                    assert_eq!(signs_up_from(app, address, password).await.status, 201);
                    code = ravi.code_from_sms().await;
                }
                let entered = verifies_from(app, from, &code).await.ok();
                assert_eq!(entered.body["is_new_user"], true);
                assert_eq!(entered.body["password_set"], from == home, "{entered:?}");
                app.logs_in(RAVI, "Other-Lantern-88").await.refused(401, "credentials_invalid");
                assert_eq!(app.logs_in(RAVI, PASSWORD).await.status, if from == home { 200 } else { 401 });
                app.hears("+919876543210", "Somebody else signed up").await;
                assert_eq!(app.audited("auth.signup_contested").await.len(), 1);
            })
            .await;
        }
    }
}

#[actix::test]
async fn of_two_from_one_place_the_last_to_prove_the_phone_decides_and_is_told() {
    story(async |app| {
        let ravi = app.citizen(RAVI);
        begins(&ravi, app, RAVI, json!({ "password": "Other-Lantern-88" })).await;
        let code = begins(&ravi, app, RAVI, json!({})).await;
        let entered = verifies(app, RAVI, &code).await.ok();
        assert_eq!(entered.body["password_set"], true);
        app.logs_in(RAVI, PASSWORD).await.ok();
        app.logs_in(RAVI, "Other-Lantern-88").await.refused(401, "credentials_invalid");
        app.hears("+919876543210", "Somebody else signed up").await;

        // Who only asks again keeps what they gave.
        let meera = app.citizen("98765 43211");
        begins(&meera, app, "98765 43211", json!({})).await;
        let code = begins(&meera, app, "98765 43211", json!({ "full_name": "Meera Iyer" })).await;
        let entered = verifies(app, "98765 43211", &code).await.ok();
        assert_eq!(entered.body["password_set"], true);
        assert_eq!(app.audited("auth.signup_contested").await.len(), 1);
        app.logs_in("98765 43211", PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn twenty_who_enter_the_code_at_once_make_one_account() {
    story(async |app| {
        let code = begins(&app.citizen(RAVI), app, RAVI, json!({})).await;
        let answers = join_all((0..20).map(|_| verifies(app, RAVI, &code))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(app.count("SELECT count(*) FROM users").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 1);
    })
    .await;
}

/// The codes of everything that is wrong with the password.
fn faults(answer: Answer) -> Vec<String> {
    let answer = answer.refused(422, "invalid");
    let errors = answer.body["errors"].as_array().unwrap();
    assert!(errors.iter().all(|fault| fault["field"] == "password" && fault["message"].is_string()), "{answer:?}");
    errors.iter().map(|fault| fault["code"].as_str().unwrap().to_owned()).collect()
}

#[actix::test]
async fn a_weak_password_is_refused_with_everything_that_is_wrong() {
    story(async |app| {
        for (password, wrong) in [
            ("Zq7-mv", ["password_too_short"].as_slice()),
            ("zebra-quartz-41", &["password_no_upper_case"]),
            ("Zebra-Quartz", &["password_no_digit"]),
            ("zebra", &["password_too_short", "password_no_upper_case", "password_no_digit"]),
            ("Password123", &["password_blocklisted"]),
            ("P@ssw0rd1", &["password_blocklisted"]),
            ("Devadatta-7", &["password_about_account"]),
            ("Kulkarni2026", &["password_about_account"]),
            ("9876543210Aa", &["password_about_account"]),
            ("Sunflower.Fan9", &["password_about_account"]),
            ("Civiclens-2026", &["password_about_account"]),
        ] {
            let more = json!({ "password": password, "full_name": "Devadatta Kulkarni",
                               "email": "sunflower.fan@example.org" });
            let found = faults(signs_up(app, RAVI, more).await);
            assert!(wrong.iter().all(|code| found.iter().any(|one| one == code)), "{password}: {found:?}");
        }
        // Ten kilobytes are answered before anything is made of them, and no message was paid for.
        let long = "Zebra-Quartz-41 ".repeat(640);
        assert_eq!(faults(signs_up(app, RAVI, json!({ "password": long })).await), ["password_too_long"]);
        app.logs_in(RAVI, &long).await.refused(401, "credentials_invalid");
        assert_eq!(app.twilio.posts(), 0);
        assert_eq!(signs_up(app, RAVI, json!({})).await.number("ratelimit-remaining"), 2);
    })
    .await;
}

#[actix::test]
async fn what_else_is_given_must_make_sense() {
    story(async |app| {
        for (more, field, code) in [
            (json!({ "phone": "12" }), "phone", None),
            (json!({ "phone": "+44 7911 123456" }), "phone", Some("country_not_allowed")),
            (json!({ "full_name": "  " }), "full_name", Some("name_invalid")),
            (json!({ "full_name": "x".repeat(201) }), "full_name", Some("name_invalid")),
            (json!({ "full_name": "Ravi\nKumar" }), "full_name", Some("name_invalid")),
            (json!({ "email": "ravi@" }), "email", Some("email_invalid")),
            (json!({ "email": "ravi@example.org\r\nBcc: all@example.org" }), "email", Some("email_invalid")),
        ] {
            let answer = signs_up(app, RAVI, more).await.refused(422, "invalid");
            assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
            assert!(code.is_none_or(|code| answer.body["errors"][0]["code"] == code), "{answer:?}");
        }
        assert_eq!(app.twilio.posts(), 0);
    })
    .await;
}

#[actix::test]
async fn where_length_is_the_rule_nothing_else_is_asked_for() {
    let length = |settings: &mut Settings| settings.account.password_policy = PasswordPolicy::Length;
    story_with(length, async |app| {
        let short = signs_up(app, RAVI, json!({ "password": "Zebra-Quartz-4" })).await;
        assert_eq!(faults(short), ["password_too_short"]);
        let own = signs_up(app, RAVI, json!({ "password": "ravi kumar ravi kumar" })).await;
        assert_eq!(faults(own), ["password_about_account"]);
        let code = begins(&app.citizen(RAVI), app, RAVI, json!({ "password": "zebra quartz lantern" })).await;
        verifies(app, RAVI, &code).await.ok();
        app.logs_in(RAVI, "zebra quartz lantern").await.ok();
    })
    .await;
}

#[actix::test]
async fn a_password_is_the_same_however_a_keyboard_composes_it() {
    story(async |app| {
        let (composed, decomposed) = ("Caf\u{e9}-\u{f1}and\u{fa}-41", "Cafe\u{301}-n\u{303}andu\u{301}-41");
        let code = begins(&app.citizen(RAVI), app, RAVI, json!({ "password": decomposed })).await;
        verifies(app, RAVI, &code).await.ok();
        app.logs_in(RAVI, composed).await.ok();
        app.logs_in(RAVI, decomposed).await.ok();
        app.logs_in(RAVI, "Cafe-nandu-41").await.refused(401, "credentials_invalid");
        app.logs_in(RAVI, &format!(" {composed}")).await.refused(401, "credentials_invalid");
    })
    .await;
}

#[actix::test]
async fn every_character_of_a_long_password_counts() {
    story(async |app| {
        let long = format!("Zq7{}", "kite owl lantern mango ".repeat(5));
        assert!(long.len() > 72);
        let code = begins(&app.citizen(RAVI), app, RAVI, json!({ "password": long })).await;
        verifies(app, RAVI, &code).await.ok();
        app.logs_in(RAVI, &long[..72]).await.refused(401, "credentials_invalid");
        app.logs_in(RAVI, &format!("{}x", &long[..long.len() - 1])).await.refused(401, "credentials_invalid");
        app.logs_in(RAVI, &long).await.ok();
    })
    .await;
}
