//! Secrets are replaced while people are in the middle of things.

use civiclens::config::Settings;
use civiclens_actors::domain::secret::Secret;
use serde_json::{Value, json};

use crate::support::{Browser, PASSWORD, TestApp, eventually, story};

const PHONE: &str = "98765 43210";
const DEVICE: &str = "__Host-civiclens_device";

/// Another text of the same length.
fn other(secret: &Secret) -> Secret {
    Secret::from(secret.expose().chars().rev().collect::<String>())
}

/// Replaces everything that can be replaced, and keeps what was before.
fn replaces(settings: &mut Settings) {
    settings.token.secret = other(&settings.token.secret);
    let Settings { otp, csrf, secrets, .. } = settings;
    for (present, previous) in [
        (&mut otp.secret, &mut otp.previous_secret),
        (&mut csrf.secret, &mut csrf.previous_secret),
        (&mut secrets.hash_key, &mut secrets.previous_hash_key),
    ] {
        *previous = std::mem::replace(present, other(present));
    }
}

/// Ends the time in which what was before is accepted.
fn drops_the_previous(settings: &mut Settings) {
    replaces(settings);
    let Settings { otp, csrf, secrets, .. } = settings;
    for previous in [&mut otp.previous_secret, &mut csrf.previous_secret, &mut secrets.previous_hash_key] {
        *previous = Secret::from("");
    }
}

/// What is under way for different people when the secrets change.
struct UnderWay {
    session: (String, String),
    code: String,
    mfa_token: String,
    backup_code: String,
    reset_token: String,
}

async fn begins_everything(app: &TestApp) -> UnderWay {
    let session = app.signs_up(PHONE).await;
    let code = app.citizen("98765 43211").gets_code().await;
    let factor = app.sets_up_totp(&app.signs_up("98765 43212").await).await;
    let mfa_token = app.first_step("98765 43212").await;
    let email = "asha.919876543213@example.org";
    app.proves_email(app.signs_up("98765 43213").await.user_id(), email).await;
    app.posts("/api/v1/auth/forgot-password", json!({ "email": email })).await.ok();
    let reset_token = eventually("a link", async || {
        let mail = app.mail.messages_to(email).into_iter().find(|mail| mail.text.contains("#token="))?;
        Some(mail.text.split_once("#token=")?.1.split_whitespace().next()?.to_owned())
    })
    .await;
    UnderWay {
        session: (session.token.clone(), session.refresh_token().to_owned()),
        code,
        mfa_token,
        backup_code: factor.backup_codes[0].clone(),
        reset_token,
    }
}

fn reset(token: &str) -> Value {
    json!({ "reset_token": token, "new_password": "Quartz-Lantern-7" })
}

#[actix::test]
async fn replacing_the_token_secret_ends_access_tokens_and_nothing_else() {
    story(async |app| {
        let under_way = begins_everything(app).await;
        let (browser, _) = Browser::of(app, PHONE).await;
        let devices = app.count("SELECT count(*) FROM known_devices").await;

        let after = app.replica_with(|settings| settings.token.secret = other(&settings.token.secret)).await;
        after.whoami(&under_way.session.0).await.refused(401, "unauthenticated");
        let first = after.refreshes(&under_way.session.1).await.ok();
        after.whoami(&first.text("access_token")).await.ok();
        after.citizen("98765 43211").enters(&under_way.code).await.ok();
        after.second_step(&under_way.mfa_token, &under_way.backup_code, Some("backup_code")).await.ok();
        after.posts("/api/v1/auth/reset-password", reset(&under_way.reset_token)).await.ok();
        let there = browser.through(&after);
        there.whoami().await.refused(401, "unauthenticated");
        there.posts("/api/v1/auth/refresh-token", None).await.ok();
        there.whoami().await.ok();
        let body = json!({ "phone": PHONE, "password": PASSWORD });
        there.posts("/api/v1/auth/login?cookies=true", Some(body)).await.ok();
        assert_eq!(
            app.count("SELECT count(*) FROM known_devices").await,
            devices + 3,
            "of the citizen and of the second step"
        );
        after.stop().await;
    })
    .await;
}

#[actix::test]
async fn what_previous_keys_hashed_and_signed_is_good_as_long_as_they_are_configured() {
    story(async |app| {
        let under_way = begins_everything(app).await;
        let (browser, _) = Browser::of(app, PHONE).await;
        let cookie = browser.cookie(DEVICE).unwrap();
        let devices = app.count("SELECT count(*) FROM known_devices").await;

        // Who has the new keys alone knows nothing of all this, and spends nothing of it.
        let alone = app.replica_with(drops_the_previous).await;
        alone.refreshes(&under_way.session.1).await.refused(401, "refresh_token_invalid");
        alone
            .second_step(&under_way.mfa_token, &under_way.backup_code, Some("backup_code"))
            .await
            .refused(401, "mfa_token_invalid");
        alone
            .posts("/api/v1/auth/reset-password", reset(&under_way.reset_token))
            .await
            .refused(401, "reset_token_invalid");
        let there = browser.through(&alone);
        there.posts("/api/v1/auth/refresh-token", None).await.refused(403, "csrf_invalid");
        alone.stop().await;

        let both = app.replica_with(replaces).await;
        both.whoami(&under_way.session.0).await.refused(401, "unauthenticated");
        let (once, again) =
            (both.refreshes(&under_way.session.1).await.ok(), both.refreshes(&under_way.session.1).await);
        assert_eq!(again.text("refresh_token"), once.text("refresh_token"));
        let newest = both.refreshes(&once.text("refresh_token")).await.ok();
        both.citizen("98765 43211").enters(&under_way.code).await.ok();
        both.second_step(&under_way.mfa_token, &under_way.backup_code, Some("backup_code")).await.ok();
        both.second_step(&under_way.mfa_token, &under_way.backup_code, Some("backup_code"))
            .await
            .refused(401, "mfa_token_invalid");
        both.posts("/api/v1/auth/reset-password", reset(&under_way.reset_token)).await.ok();
        both.posts("/api/v1/auth/reset-password", reset(&under_way.reset_token))
            .await
            .refused(401, "reset_token_invalid");
        let mut there = browser.through(&both);
        there.posts("/api/v1/auth/refresh-token", None).await.ok();
        let body = json!({ "phone": PHONE, "password": PASSWORD });
        let login = there.posts("/api/v1/auth/login?cookies=true", Some(body.clone())).await.ok();
        there.csrf = login.text("csrf_token");
        assert_ne!(there.cookie(DEVICE).unwrap(), cookie, "signed anew");
        assert_eq!(
            app.count("SELECT count(*) FROM known_devices").await,
            devices + 3,
            "of the citizen and of the second step"
        );

        // What was used since goes on without the previous keys.
        let later = both.replica_with(|settings| {
            settings.otp.previous_secret = Secret::from("");
            settings.csrf.previous_secret = Secret::from("");
            settings.secrets.previous_hash_key = Secret::from("");
        });
        let later = later.await;
        later.refreshes(&newest.text("refresh_token")).await.ok();
        let there = there.through(&later);
        there.posts("/api/v1/auth/refresh-token", None).await.ok();
        there.posts("/api/v1/auth/login?cookies=true", Some(body)).await.ok();
        assert_eq!(app.count("SELECT count(*) FROM known_devices").await, devices + 3);
        later.stop().await;
        both.stop().await;
    })
    .await;
}
