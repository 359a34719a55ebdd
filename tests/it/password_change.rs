//! Changing a password, and giving it again.

use futures::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Session, TestApp, eventually, story};

const PHONE: &str = "98765 43210";
const NEW: &str = "Quartz-Lantern-7";
const WRONG: &str = "Wrong-Guess-99";
const CHANGE: &str = "/api/v1/auth/change-password";
const VERIFY: &str = "/api/v1/auth/verify-password";

fn change(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "new_password": new })
}

async fn refreshes(app: &TestApp, answer: &Answer) -> Answer {
    let body = json!({ "refresh_token": answer.body["refresh_token"] });
    app.posts("/api/v1/auth/refresh-token", body).await
}

#[actix::test]
async fn a_new_password_ends_every_other_session_and_every_older_token() {
    story(async |app| {
        let other = app.signs_up(PHONE).await;
        let session = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
        app.proves_email(session.user_id(), "ravi@example.org").await;
        let answer = app.posts_as(&session.token, CHANGE, change(PASSWORD, NEW)).await.ok();
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        other.whoami().await.refused(401, "unauthenticated");
        session.whoami().await.refused(401, "unauthenticated");
        refreshes(app, &other.answer).await.refused(401, "refresh_token_invalid");
        assert!(answer.body["message"].is_string(), "{answer:?}");
        let renewed = Session::of(app, answer);
        // The refresh token that the session had is good until its successor, which was answered, is used.
        let again = refreshes(app, &session.answer).await.ok();
        assert_eq!(again.body["refresh_token"], renewed.answer.body["refresh_token"]);
        assert_eq!(renewed.id(), session.id());
        renewed.whoami().await.ok();
        let next = Session::of(app, refreshes(app, &renewed.answer).await.ok());
        next.me().await.ok();
        app.logs_in(PHONE, PASSWORD).await.refused(401, "credentials_invalid");
        Session::of(app, app.logs_in(PHONE, NEW).await.ok());

        let all = app.everything_announced().await;
        let changed: Vec<_> = all.iter().filter(|e| e.name() == "event.security.password_changed").collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].body["type"], "in.civiclens.identity.security.password_changed.v1");
        assert_eq!(changed[0].body["subject"], session.user_id().to_string());
        assert_eq!(changed[0].body["data"]["via"], "change");
        let ended: Vec<_> = all.iter().filter(|e| e.name() == "event.session.revoked").collect();
        assert_eq!(ended.len(), 1, "this one goes on");
        assert_eq!(ended[0].body["data"]["session_id"], other.id());
        assert_eq!(ended[0].body["data"]["reason"], "password_changed");
        app.hears("+919876543210", "Your CivicLens password was changed").await;
        app.jobs_are_done().await;
        let subjects: Vec<_> = app.mail.messages_to("ravi@example.org").into_iter().map(|mail| mail.subject).collect();
        assert_eq!(subjects, ["Your CivicLens password was changed"]);
    })
    .await;
}

#[actix::test]
async fn another_replica_refuses_the_older_tokens_too() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let replica = app.replica().await;
        session.through(&replica).gets("/api/v1/auth/whoami").await.ok();
        let renewed = Session::of(app, app.posts_as(&session.token, CHANGE, change(PASSWORD, NEW)).await.ok());
        let refused = async || {
            let status = session.through(&replica).gets("/api/v1/auth/whoami").await.status;
            (status == 401).then_some(())
        };
        eventually("the older token to be refused", refused).await;
        renewed.through(&replica).gets("/api/v1/auth/whoami").await.ok();
        replica.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_password_that_is_wrong_weak_or_the_same_changes_nothing() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let asks = async |old: &str, new: &str| app.posts_as(&session.token, CHANGE, change(old, new)).await;
        for new in [NEW, "weak"] {
            asks(WRONG, new).await.refused(422, "password_wrong").blames("old_password", "password_wrong");
        }
        asks(PASSWORD, PASSWORD).await.refused(422, "invalid").blames("new_password", "password_unchanged");
        for weak in ["Short-1", "no-upper-case-1", "No-digit-here", "Password1", "Kumar-Ravi-98765"] {
            let refused = asks(PASSWORD, weak).await.refused(422, "invalid");
            assert_eq!(refused.body["errors"][0]["field"], "new_password", "{weak}: {refused:?}");
            assert!(!refused.body.to_string().contains(weak), "{refused:?}");
        }
        app.posts_as(&session.token, CHANGE, json!({ "new_password": NEW })).await.refused(422, "invalid");
        app.posts(CHANGE, change(PASSWORD, NEW)).await.refused(401, "unauthenticated");
        session.whoami().await.ok();
        Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'password.changed'").await, 0);
    })
    .await;
}

#[actix::test]
async fn of_two_changes_at_once_one_wins() {
    story(async |app| {
        let first = app.signs_up(PHONE).await;
        let second = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
        let others = ["Quartz-Lantern-7", "Velvet-Comet-12"];
        let asks = [(&first, others[0]), (&second, others[1])];
        // Both have shown the old password before either has set a new one.
        let mut held = app.db.begin().await.unwrap();
        sqlx::query("SELECT id FROM users FOR UPDATE").execute(&mut *held).await.unwrap();
        let changes = join_all(asks.map(|(session, new)| app.posts_as(&session.token, CHANGE, change(PASSWORD, new))));
        let release = async {
            let waiting =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            eventually("both to wait", async || (app.count(waiting).await == 2).then_some(())).await;
            held.rollback().await.unwrap();
        };
        let (answers, ()) = join(changes, release).await;
        let won: Vec<_> = answers.iter().map(|answer| answer.status == 200).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{answers:?}");
        app.logs_in(PHONE, PASSWORD).await.refused(401, "credentials_invalid");
        for ((answer, password), (session, _)) in answers.into_iter().zip(others).zip(asks) {
            session.whoami().await.refused(401, "unauthenticated");
            if answer.status == 200 {
                app.gets_as(answer.body["access_token"].as_str().unwrap(), "/api/v1/auth/whoami").await.ok();
                app.logs_in(PHONE, password).await.ok();
            } else {
                answer.refused(409, "conflict");
                app.logs_in(PHONE, password).await.refused(401, "credentials_invalid");
            }
        }
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'password.changed'").await, 1);
    })
    .await;
}

#[actix::test]
async fn who_has_no_password_sets_one_by_a_reset_and_not_by_a_change() {
    story(async |app| {
        let session = app.citizen(PHONE).signs_in().await;
        app.posts_as(&session.token, CHANGE, change("", NEW)).await.refused(409, "conflict");
        app.posts_as(&session.token, CHANGE, change(WRONG, NEW)).await.refused(409, "conflict");
        let body = json!({ "password": WRONG });
        app.posts_as(&session.token, VERIFY, body).await.refused(422, "password_wrong");
        app.logs_in(PHONE, NEW).await.refused(401, "credentials_invalid");
    })
    .await;
}

#[actix::test]
async fn somebody_says_their_password_again() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let says = async |password: &str| app.posts_as(&session.token, VERIFY, json!({ "password": password })).await;
        let right = says(PASSWORD).await.ok();
        assert_eq!(right.body["verified"], true);
        assert!(right.body["message"].is_string());
        let wrong = says(WRONG).await.refused(422, "password_wrong").blames("password", "password_wrong");
        assert_eq!(wrong.body["verified"], Value::Null);
        app.posts(VERIFY, json!({ "password": PASSWORD })).await.refused(401, "unauthenticated");
    })
    .await;
}

#[actix::test]
async fn guessing_with_a_stolen_token_locks_that_session_and_nobody_else() {
    story(async |app| {
        let (stolen, own) = (app.signs_up(PHONE).await, app.logs_in(PHONE, PASSWORD).await.ok());
        let own = Session::of(app, own);
        for round in 0..5 {
            let (path, body) =
                if round < 3 { (VERIFY, json!({ "password": WRONG })) } else { (CHANGE, change(WRONG, NEW)) };
            app.posts_as(&stolen.token, path, body).await.refused(422, "password_wrong");
        }
        for _ in 0..2 {
            app.posts_as(&stolen.token, VERIFY, json!({ "password": PASSWORD })).await.refused(429, "account_locked");
        }
        app.posts_as(&stolen.token, CHANGE, change(PASSWORD, NEW)).await.refused(429, "account_locked");
        let disable = json!({ "password": PASSWORD });
        app.sets_up_totp(&own).await;
        stolen.whoami().await.refused(401, "unauthenticated");
        app.posts_as(&own.token, VERIFY, disable).await.ok();
        app.first_step(PHONE).await;
        app.posts_as(&own.token, CHANGE, change(PASSWORD, NEW)).await.ok();

        // The account was never locked, and nobody is told that it was.
        let all = app.everything_announced().await;
        assert!(all.iter().all(|event| event.name() != "event.security.account_locked"));
        app.jobs_are_done().await;
        let told = app.twilio.messages_to("+919876543210");
        assert!(told.iter().all(|sms| !sms.body.contains("locked")), "{told:?}");
    })
    .await;
}

#[actix::test]
async fn who_passes_over_the_new_tokens_goes_on_with_the_one_they_have() {
    story(async |app| {
        let first = app.signs_up(PHONE).await;
        // A client that never keeps the successor, but for its access token.
        let second = Session::of(app, refreshes(app, &first.answer).await.ok());
        let changed = app.posts_as(&second.token, CHANGE, change(PASSWORD, NEW)).await.ok();
        second.whoami().await.refused(401, "unauthenticated");
        for answer in [&first.answer, &second.answer] {
            Session::of(app, refreshes(app, answer).await.ok()).whoami().await.ok();
        }
        Session::of(app, refreshes(app, &changed).await.ok()).whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn the_token_of_a_new_password_ends_those_before_once_it_is_used() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let changed = app.posts_as(&session.token, CHANGE, change(PASSWORD, NEW)).await.ok();
        Session::of(app, refreshes(app, &changed).await.ok()).whoami().await.ok();
        refreshes(app, &session.answer).await.refused(401, "refresh_token_invalid");
        refreshes(app, &changed).await.refused(401, "refresh_token_invalid");
    })
    .await;
}
