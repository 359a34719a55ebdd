//! What must not be readable where it lies.

use civiclens::config::{Algorithm, Settings};
use civiclens_actors::domain::clock::Clock;
use civiclens_nats::subjects::StreamKind;
use serde_json::json;

use crate::support::{Answer, Logs, MailReply, PASSWORD, Reply, Session, TestApp, eventually, story, story_with, totp};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";

/// Everything that must be readable nowhere, by what it is.
#[derive(Default)]
struct Secrets {
    texts: Vec<(&'static str, String)>,
    codes: Vec<(&'static str, String)>,
}

impl Secrets {
    fn text(&mut self, name: &'static str, secret: &str) {
        assert!(secret.len() >= 8, "{name}: {secret}");
        self.texts.push((name, secret.to_owned()));
    }

    fn code(&mut self, name: &'static str, code: &str) {
        self.codes.push((name, code.to_owned()));
    }

    /// What an answer or its cookies hold.
    fn answer(&mut self, answer: &Answer) {
        for name in ["access_token", "refresh_token", "mfa_token", "csrf_token", "secret", "otpauth_uri"] {
            if let Some(secret) = answer.body.get(name).and_then(|value| value.as_str()) {
                self.text(name, secret);
            }
        }
        for code in answer.body["backup_codes"].as_array().into_iter().flatten() {
            let code = code.as_str().unwrap();
            self.text("backup code", code);
            self.text("backup code", &code.replace('-', ""));
        }
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.text("cookie", pair.split_once('=').unwrap().1);
        }
    }

    fn of(&mut self, session: &Session<'_>) {
        self.answer(&session.answer);
    }

    /// Looks for all of them.
    fn are_nowhere_in(&self, place: &str, dump: &str) {
        for (name, secret) in &self.texts {
            assert!(!dump.contains(secret.as_str()), "{place} holds a {name}: {}", around(dump, secret));
        }
        let words: std::collections::HashSet<&str> =
            dump.split(|character: char| !character.is_ascii_alphanumeric()).collect();
        for (name, code) in &self.codes {
            assert!(!words.contains(code.as_str()), "{place} holds a {name}: {}", around(dump, code));
        }
    }
}

/// Where it stands.
fn around<'a>(dump: &'a str, secret: &str) -> &'a str {
    let line = dump.lines().find(|line| line.contains(secret)).unwrap_or_default();
    line.get(..line.len().min(400)).unwrap_or(line)
}

/// Every place where something stays.
async fn places(app: &TestApp, logs: Logs) -> Vec<(&'static str, String)> {
    let mut places = vec![("Redis", app.redis_dump().await), ("the database", app.database_dump().await)];
    for kind in StreamKind::ALL {
        places.push(("NATS", format!("{:?}", app.on_stream(kind, 0).await)));
    }
    places.push(("the log", logs.read()));
    places
}

/// Signs up, in and out, with everything that goes with it.
async fn signs_in_every_way(app: &TestApp, secrets: &mut Secrets) {
    let session = app.citizen("98765 43211").signs_in().await;
    secrets.of(&session);
    app.logs_in(PHONE, "Wrong-Guess-99").await.refused(401, "credentials_invalid");
    let session = app.signs_up(PHONE).await;
    secrets.of(&session);
    let by_cookie =
        app.posts("/api/v1/auth/login?cookies=true", json!({ "phone": PHONE, "password": PASSWORD })).await.ok();
    secrets.answer(&by_cookie);
    let cookies: Vec<_> = by_cookie
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned())
        .collect();
    let refresh = app.http.post(app.at("/api/v1/auth/refresh-token")).header("Cookie", cookies.join("; "));
    let csrf = by_cookie.body["csrf_token"].as_str().unwrap();
    secrets.answer(&Answer::of(refresh.header("X-CSRF-Token", csrf)).await.ok());
    let body = json!({ "refresh_token": session.answer.body["refresh_token"] });
    for _ in 0..2 {
        secrets.answer(&app.posts("/api/v1/auth/refresh-token", body.clone()).await.ok());
    }
    // One who does not finish.
    let sent = app.twilio.messages_to("+919876543213").len();
    let body = json!({ "phone": "98765 43213", "full_name": "Meera Iyer", "password": "Kestrel-Orbit-63" });
    assert_eq!(app.posts("/api/v1/auth/signup", body).await.status, 201);
    secrets.code("sign-up code", &app.code_after("+919876543213", sent).await);
    for password in [PASSWORD, "Wrong-Guess-99", "Kestrel-Orbit-63"] {
        secrets.text("password", password);
    }
}

/// Sets up second factors, uses them, and leaves some in the middle.
async fn has_second_factors(app: &TestApp, secrets: &mut Secrets) {
    let session = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
    let enrol =
        async |body: serde_json::Value| app.posts_as(&session.token, "/api/v1/auth/enable-2fa", body).await.ok();
    let enrolment = enrol(json!({ "method": "totp" })).await;
    secrets.answer(&enrolment);
    let secret = enrolment.body["secret"].as_str().unwrap().to_owned();
    let raw = totp_rs::Secret::try_from_base32(&secret).unwrap();
    secrets.text("TOTP secret in hex", &hex::encode(raw.as_bytes()));
    let code = totp(&secret, app.clock.now());
    let confirmed = app.confirms(&session.token, &code).await.ok();
    secrets.code("TOTP code", &code);
    secrets.answer(&confirmed);
    let codes = crate::support::backup_codes(&confirmed);
    app.minutes_pass(1);
    let code = totp(&secret, app.clock.now());
    secrets.code("TOTP code", &code);
    secrets.answer(&enrol(json!({ "method": "totp", "code": code })).await);
    app.minutes_pass(1);
    let used = app.first_step(PHONE).await;
    secrets.text("mfa token", &used);
    let code = totp(&secret, app.clock.now());
    secrets.code("TOTP code", &code);
    app.second_step(&used, "AAAAA-AAAAA", Some("backup_code")).await.refused(401, "second_factor_invalid");
    secrets.answer(&app.second_step(&used, &code, None).await.ok());
    let live = app.first_step(PHONE).await;
    secrets.text("mfa token", &live);
    app.second_step(&live, &codes[0], Some("backup_code")).await.ok();
    secrets.text("mfa token", &app.first_step(PHONE).await);

    let other = app.signs_up("98765 43214").await;
    app.sets_up_sms(&other, "+919876543214").await;
    let step = app.first_step("98765 43214").await;
    let sent = app.twilio.messages_to("+919876543214").len();
    app.posts("/api/v1/auth/send-2fa-sms", json!({ "mfa_token": step })).await.ok();
    secrets.code("code of the second step", &app.code_after("+919876543214", sent).await);
}

/// Sets new passwords by change, code and link, and leaves some unused or undelivered.
async fn sets_passwords(app: &TestApp, secrets: &mut Secrets) {
    let (forgot, reset) = ("/api/v1/auth/forgot-password", "/api/v1/auth/reset-password");
    let session = app.signs_up("98765 43215").await;
    let change = json!({ "old_password": PASSWORD, "new_password": "Falcon-Prism-28" });
    secrets.answer(&app.posts_as(&session.token, "/api/v1/auth/change-password", change).await.ok());
    for used in [true, false] {
        let sent = app.twilio.messages_to("+919876543215").len();
        app.posts(forgot, json!({ "phone": "98765 43215" })).await.ok();
        let code = app.code_after("+919876543215", sent).await;
        secrets.code("reset code", &code);
        let body = json!({ "phone": "98765 43215", "reset_token": code, "new_password": "Garnet-Meadow-5" });
        if used {
            app.posts(reset, body).await.ok();
        }
    }
    app.has_admin("98765 43216").await;
    let email = "asha.919876543216@example.org";
    for used in [true, false] {
        let read = app.mail.messages_to(email).len();
        app.posts(forgot, json!({ "email": email })).await.ok();
        let mail = eventually("a link", async || app.mail.messages_to(email).get(read).cloned()).await;
        let token = mail.text.split_once("#token=").unwrap().1.split_whitespace().next().unwrap();
        secrets.text("reset token", token);
        let body = json!({ "reset_token": token, "new_password": "Harbour-Lotus-3" });
        if used {
            app.posts(reset, body).await.ok();
            eventually("the notice", async || (app.mail.messages_to(email).len() > read + 1).then_some(())).await;
        }
    }
    for password in ["Falcon-Prism-28", "Garnet-Meadow-5", "Harbour-Lotus-3"] {
        secrets.text("password", password);
    }
}

#[actix::test]
async fn what_people_prove_themselves_with_lies_nowhere_and_is_in_no_log() {
    let configure = |settings: &mut Settings| {
        settings.token.algorithm = Algorithm::EdDsa;
        settings.server.public_url = Some(url::Url::parse("https://id.civiclens.example/").unwrap());
    };
    story_with(configure, async |app| {
        let logs = Logs::record();
        let mut secrets = Secrets::default();
        signs_in_every_way(app, &mut secrets).await;
        has_second_factors(app, &mut secrets).await;
        sets_passwords(app, &mut secrets).await;
        // What cannot be delivered is kept, sealed.
        app.everything_announced().await;
        app.jobs_are_done().await;
        app.mail.will(&[MailReply::Refused]);
        app.posts("/api/v1/auth/forgot-password", json!({ "email": "asha.919876543216@example.org" })).await.ok();
        app.dead_letters(1).await;
        let asked = app.citizen("98765 43217").requests_code().await.ok();

        let keys = "SELECT count(*) FROM signing_keys";
        assert_eq!(app.count(keys).await, 1);
        let places = places(app, logs).await;
        let found = |text: &str| places.iter().any(|(_, dump)| dump.contains(text));
        for there in ["mfa:", "reset:", "otp:reset:+919876543215", E164, "two_factor_enrolments", "sealed"] {
            assert!(found(there), "the dumps show what is there: {there}");
        }
        let log = &places.last().unwrap().1;
        assert!(log.contains(asked.header("x-request-id").unwrap()), "the log shows what was done");
        for (place, dump) in &places {
            secrets.are_nowhere_in(place, dump);
        }
    })
    .await;
}

#[actix::test]
async fn no_code_and_no_token_lies_anywhere() {
    story(async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let session = ravi.signs_in().await;
        let refresh = session.answer.body["refresh_token"].as_str().unwrap();
        // One code that lives, and one in a job that nobody could deliver.
        let live = meera.gets_code().await;
        app.twilio.will(&[Reply::BadNumber]);
        app.citizen("98765 43212").requests_code().await.ok();
        app.dead_letters(1).await;
        app.events(2).await;

        let mut places = vec![("Redis", app.redis_dump().await), ("the database", app.database_dump().await)];
        for kind in StreamKind::ALL {
            let all = app.on_stream(kind, 0).await;
            places.push(("NATS", format!("{all:?}")));
        }
        assert!(places[0].1.contains("otp:login:+919876543211"), "the dump shows what is there: {}", places[0].1);
        assert!(places[1].1.contains("+919876543210"));
        for (place, dump) in places {
            for secret in [session.token.as_str(), refresh] {
                assert!(!dump.contains(secret), "{place}");
            }
            let words = dump.split(|character: char| !character.is_ascii_alphanumeric());
            assert!(!words.into_iter().any(|word| word == live), "{place} holds {live}");
        }
    })
    .await;
}
