//! First passwords of officers: an invitation by e-mail, or a password that works for some days only.

use civiclens::config::Settings;
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::role::Role;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Session, TestApp, WRONG, eventually, officer, story_with, totp};

const ACCEPT: &str = "/api/v1/auth/accept-invitation";
const FORGOT: &str = "/api/v1/auth/forgot-password";
const VIKRAM: &str = "98765 00002";
const MAILBOX: &str = "officer.9876500002@example.org";
const OWN: &str = "Velvet-Comet-12";

/// Officers need no second factor, so that these stories are about the first.
fn plain(settings: &mut Settings) {
    settings.two_factor.enforced_roles = vec![Role::Admin];
}

fn without_password(phone: &str, role: &str) -> Value {
    let mut body = officer(phone, role);
    body.as_object_mut().unwrap().remove("password");
    body
}

/// Has `admin` create Vikram without a password. Answers his id.
async fn invited(app: &TestApp, admin: &Session<'_>) -> i64 {
    let created = app.creates(admin, without_password(VIKRAM, "nodal_officer")).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.body["user_id"].as_i64().unwrap()
}

/// The text of the invitation after `read` others, and the token in it.
async fn invitation(app: &TestApp, to: &str, read: usize) -> (String, String) {
    let text = eventually("an invitation", async || {
        let mail = app.mail.messages_to(to).into_iter().filter(|mail| mail.text.contains("made a CivicLens account"));
        mail.map(|mail| mail.text).nth(read)
    })
    .await;
    let token = text.split_once("#token=").unwrap().1.split_whitespace().next().unwrap().to_owned();
    (text, token)
}

async fn accepts(app: &TestApp, token: &str, password: &str) -> Answer {
    app.posts(ACCEPT, json!({ "token": token, "password": password })).await
}

async fn invites(app: &TestApp, who: &Session<'_>, user: i64) -> Answer {
    app.posts_as(&who.token, &format!("/api/v1/admin/users/{user}/invite"), json!({})).await
}

#[actix::test]
async fn an_officer_chooses_the_first_password_with_the_letter() {
    let configure = |settings: &mut Settings| {
        plain(settings);
        settings.account.invitation_url = url::Url::parse("https://portal.civiclens.example/join?from=mail").ok();
    };
    story_with(configure, async |app| {
        let admin = app.admin().await;
        let id = invited(app, &admin).await;
        // Without a password nobody enters, and a stranger cannot tell such an account from none at all.
        let refused = app.logs_in(VIKRAM, PASSWORD).await.refused(401, "credentials_invalid");
        assert_eq!(refused.told(), app.logs_in("98765 00077", PASSWORD).await.told());
        let (text, token) = invitation(app, MAILBOX, 0).await;
        assert!(text.contains("https://portal.civiclens.example/join?from=mail#token="), "{text}");
        assert!(text.contains("within 72 hours"), "{text}");
        assert!(text.lines().any(|line| line == token), "the token as text: {text}");
        assert!(!app.database_dump().await.contains(&token));
        assert!(!app.redis_dump().await.contains(&token));

        for (password, code) in [("short", "password_too_short"), ("Vikramshah1", "password_about_account")] {
            accepts(app, &token, password).await.refused(422, "invalid").blames("password", code);
        }
        let session = Session::of(app, accepts(app, &token, OWN).await.ok());
        assert_eq!(session.user_id(), id);
        assert_eq!(session.answer.body.get("password_temporary"), None);
        let me = session.me().await.ok().body;
        assert_eq!((&me["role"], &me["email_verified"]), (&json!("nodal_officer"), &json!(true)));
        accepts(app, &token, "Quartz-Lantern-7").await.refused(401, "invitation_invalid");
        app.logs_in(VIKRAM, OWN).await.ok();

        let events = app.events_of("event.officer.invited", 1).await;
        let data = &events[0].body["data"];
        assert_eq!(
            (&data["user_id"], &data["role"], &data["invited_by"]),
            (&json!(id), &json!("nodal_officer"), &json!(admin.user_id()))
        );
        let changed = app.events_of("event.security.password_changed", 1).await;
        assert_eq!(changed[0].body["data"]["via"], "invitation");
        let records = app.audited("officer.invited").await;
        assert_eq!((records[0].user, records[0].actor), (Some(id), Some(admin.user_id())));
        assert_eq!(app.audited("invitation.accepted").await[0].actor, Some(id));
    })
    .await;
}

#[actix::test]
async fn an_invitation_ends_after_three_days_and_a_new_one_ends_the_old() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        let id = invited(app, &admin).await;
        let first = invitation(app, MAILBOX, 0).await.1;
        accepts(app, "not-a-token", OWN).await.refused(401, "invitation_invalid");
        app.minutes_pass(72 * 60);
        accepts(app, &first, OWN).await.refused(401, "invitation_invalid");

        app.has_admin("98765 00009").await;
        let admin = app.admin_signs_in("98765 00009").await.0;
        invites(app, &admin, id).await.ok();
        let second = invitation(app, MAILBOX, 1).await.1;
        invites(app, &admin, id).await.ok();
        let third = invitation(app, MAILBOX, 2).await.1;
        for dead in [&first, &second] {
            accepts(app, dead, OWN).await.refused(401, "invitation_invalid");
        }
        app.minutes_pass(72 * 60 - 1);
        let answer = accepts(app, &third, OWN).await.ok();
        assert_eq!(answer.body["user_id"], id);
        assert_eq!(app.count("SELECT count(*) FROM invitations").await, 0);
    })
    .await;
}

#[actix::test]
async fn of_ten_who_accept_at_once_one_does() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        invited(app, &admin).await;
        let token = invitation(app, MAILBOX, 0).await.1;
        let passwords: Vec<String> = (0..10).map(|number| format!("Velvet-Comet-1{number}")).collect();
        let answers = join_all(passwords.iter().map(|password| accepts(app, &token, password))).await;
        let mut won = Vec::new();
        for (answer, password) in answers.into_iter().zip(&passwords) {
            if answer.status == 200 {
                won.push(password);
            } else {
                answer.refused(401, "invitation_invalid");
            }
        }
        assert_eq!(won.len(), 1);
        app.logs_in(VIKRAM, won[0]).await.ok();
        assert_eq!(app.audited("invitation.accepted").await.len(), 1);
    })
    .await;
}

#[actix::test]
async fn a_temporary_password_works_until_it_is_changed_or_its_time_is_over() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        app.has(&admin, VIKRAM, "nodal_officer").await;
        app.has(&admin, "98765 00003", "auditor").await;
        let vikram = app.enters(VIKRAM).await;
        assert_eq!(vikram.answer.body["password_temporary"], true);
        let refreshed = app.refreshes(vikram.refresh_token()).await.ok();
        assert_eq!(refreshed.body["password_temporary"], true);
        let token = refreshed.body["access_token"].as_str().unwrap();
        let body = json!({ "old_password": PASSWORD, "new_password": OWN });
        let changed = app.posts_as(token, "/api/v1/auth/change-password", body).await.ok();
        assert_eq!(changed.body.get("password_temporary"), None);

        // A session that a temporary password opened does not outlive it.
        app.minutes_pass(72 * 60 - 30);
        let late = app.enters("98765 00003").await;
        assert_eq!(late.answer.body["expires_in"], 30 * 60);
        app.minutes_pass(30);
        late.whoami().await.refused(401, "unauthenticated");
        app.refreshes(late.refresh_token()).await.refused(401, "refresh_token_invalid");
        // Strangers learn nothing of it; who knows the password is told what to do.
        let wrong = app.logs_in("98765 00003", WRONG).await.refused(401, "credentials_invalid");
        let unknown = app.logs_in("98765 00077", WRONG).await.refused(401, "credentials_invalid");
        assert_eq!(wrong.body["detail"], unknown.body["detail"]);
        let expired = app.logs_in("98765 00003", PASSWORD).await.refused(403, "password_expired");
        assert!(expired.body["detail"].as_str().unwrap().contains("new invitation"), "{expired:?}");
        assert!(app.failures().await.contains(&"password_expired".to_owned()));
        app.logs_in(VIKRAM, OWN).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_reset_ends_that_a_password_is_temporary() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        app.has(&admin, VIKRAM, "nodal_officer").await;
        app.posts(FORGOT, json!({ "email": MAILBOX })).await.ok();
        let text = eventually("a link", async || {
            app.mail.messages_to(MAILBOX).into_iter().map(|mail| mail.text).find(|text| text.contains("reset-password"))
        })
        .await;
        let token = text.split_once("#token=").unwrap().1.split_whitespace().next().unwrap();
        assert!(text.lines().any(|line| line == token), "the token as text: {text}");
        let body = json!({ "reset_token": token, "new_password": OWN });
        app.posts("/api/v1/auth/reset-password", body).await.ok();
        app.minutes_pass(72 * 60);
        let answer = app.logs_in(VIKRAM, OWN).await.ok();
        assert_eq!(answer.body.get("password_temporary"), None);
    })
    .await;
}

#[actix::test]
async fn who_never_chose_a_password_in_time_waits_for_an_administrator() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        invited(app, &admin).await;
        app.has(&admin, "98765 00003", "auditor").await;
        invitation(app, MAILBOX, 0).await;
        app.minutes_pass(72 * 60);
        let asked = [
            app.posts(FORGOT, json!({ "email": MAILBOX })).await.ok(),
            app.posts(FORGOT, json!({ "email": "officer.9876500003@example.org" })).await.ok(),
            app.posts(FORGOT, json!({ "phone": VIKRAM })).await.ok(),
        ];
        let nobody = app.posts(FORGOT, json!({ "email": "nobody@example.org" })).await.ok();
        assert!(asked.iter().all(|answer| answer.body == nobody.body));
        app.everything_announced().await;
        app.jobs_are_done().await;
        assert_eq!(app.mail.messages_to(MAILBOX).len(), 1);
        assert_eq!(app.mail.messages_to("officer.9876500003@example.org").len(), 0);
    })
    .await;
}

#[actix::test]
async fn an_invitation_takes_the_place_of_a_temporary_password() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        let id = app.has(&admin, VIKRAM, "nodal_officer").await;
        let vikram = app.enters(VIKRAM).await;
        invites(app, &admin, id).await.ok();
        vikram.whoami().await.refused(401, "unauthenticated");
        app.refreshes(vikram.refresh_token()).await.refused(401, "refresh_token_invalid");
        app.logs_in(VIKRAM, PASSWORD).await.refused(401, "credentials_invalid");
        let token = invitation(app, MAILBOX, 0).await.1;
        let vikram = Session::of(app, accepts(app, &token, OWN).await.ok());

        let citizen = app.signs_up("98765 43210").await;
        for other in [&vikram, &citizen] {
            invites(app, other, id).await.refused(403, "forbidden");
        }
        invites(app, &admin, 999_999).await.refused(404, "not_found");
        let chosen = invites(app, &admin, id).await.refused(409, "conflict");
        assert!(chosen.body["detail"].as_str().unwrap().contains("password"), "{chosen:?}");
        invites(app, &admin, citizen.user_id()).await.refused(409, "conflict");
        vikram.whoami().await.ok();
        assert_eq!(app.audited("officer.invited").await.len(), 1);
    })
    .await;
}

#[actix::test]
async fn inviting_an_administrator_needs_a_recent_proof() {
    story_with(plain, async |app| {
        app.has_admin("98765 00001").await;
        let (admin, secret) = app.admin_signs_in("98765 00001").await;
        let created = app.creates(&admin, without_password(VIKRAM, "admin")).await;
        let id = created.body["user_id"].as_i64().unwrap();
        app.minutes_pass(6);
        invites(app, &admin, id).await.refused(403, "step_up_required");
        let first = invitation(app, MAILBOX, 0).await.1;
        let code = totp(&secret, app.clock.now());
        app.posts_as(&admin.token, "/api/v1/auth/step-up", json!({ "code": code })).await.ok();
        invites(app, &admin, id).await.ok();
        invitation(app, MAILBOX, 1).await;
        accepts(app, &first, OWN).await.refused(401, "invitation_invalid");
    })
    .await;
}

#[actix::test]
async fn an_invitation_skips_no_second_step_and_dies_with_the_account() {
    story_with(plain, async |app| {
        let admin = app.admin().await;
        let created = app.creates(&admin, without_password(VIKRAM, "admin")).await;
        let token = invitation(app, MAILBOX, 0).await.1;
        let id = created.body["user_id"].as_i64().unwrap();
        app.runs(format!("UPDATE users SET is_active = false WHERE id = {id}")).await;
        accepts(app, &token, OWN).await.refused(401, "invitation_invalid");
        app.runs(format!("UPDATE users SET is_active = true, email = 'other@example.org' WHERE id = {id}")).await;
        accepts(app, &token, OWN).await.refused(401, "invitation_invalid");
        app.runs(format!("UPDATE users SET email = '{MAILBOX}' WHERE id = {id}")).await;
        let answer = accepts(app, &token, OWN).await;
        assert!(answer.body["mfa_token"].is_string(), "{answer:?}");
        assert_eq!(answer.body.get("access_token"), None, "{answer:?}");
    })
    .await;
}
