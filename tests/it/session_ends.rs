//! How long sessions go on, and how many there may be.

use civiclens_actors::domain::clock::Clock;
use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Session, TestApp, eventually, story, story_with, totp};

const PHONE: &str = "98765 43210";
const DAY: i64 = 24 * 60;

/// Another session of an administrator, with the app that they set up.
async fn admin_enters<'a>(app: &'a TestApp, secret: &str) -> Session<'a> {
    let step = app.logs_in(PHONE, PASSWORD).await.asks_for_more();
    let code = totp(secret, app.clock.now());
    let body = json!({ "mfa_token": step.text("mfa_token"), "method": "totp", "code": code });
    Session::of(app, app.posts("/api/v1/auth/verify-2fa", body).await.ok())
}

/// How each of the ended sessions ended, by id.
async fn ends(session: &Session<'_>, app: &TestApp) -> Vec<(i64, String)> {
    let history = app.gets_as(&session.token, "/api/v1/auth/sessions/history").await.ok();
    let ended = history.body["data"].as_array().unwrap().iter();
    ended.map(|row| (row["id"].as_i64().unwrap(), row["end_reason"].as_str().unwrap().to_owned())).collect()
}

#[actix::test]
async fn a_session_ends_after_thirty_days_whatever_is_done_with_it() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let first = session.refresh_token();
        app.minutes_pass(29 * DAY);
        let answer = app.refreshes(first).await.ok();
        assert_eq!(answer.body["expires_in"], DAY * 60);
        app.minutes_pass(DAY / 2);
        let answer = app.refreshes(&answer.text("refresh_token")).await.ok();
        assert_eq!(answer.body["expires_in"], DAY / 2 * 60, "a token never outlives its session");
        let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
        let until = app.whoami(&access).await.ok().text("expires_at");
        let row =
            app.text("SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM sessions");
        assert_eq!(until, row.await);

        app.minutes_pass(DAY / 2 - 1);
        app.whoami(&access).await.ok();
        app.minutes_pass(1);
        app.whoami(&access).await.refused(401, "unauthenticated");
        for token in [first, &refresh] {
            app.refreshes(token).await.refused(401, "refresh_token_invalid");
        }
        let next = app.enters(PHONE).await;
        assert_eq!(ends(&next, app).await, [(session.id(), "expired".to_owned())]);
        let listed = app.gets_as(&next.token, "/api/v1/auth/sessions").await.ok();
        assert_eq!((&listed.body["total"], &listed.body["sessions"][0]["id"]), (&json!(1), &json!(next.id())));
    })
    .await;
}

#[actix::test]
async fn an_officer_is_signed_out_after_eight_hours() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let (session, _) = app.admin_signs_in(PHONE).await;
        assert_eq!(session.answer.body["expires_in"], 8 * 3600);
        let mut refresh = session.refresh_token().to_owned();
        // They work all day: idleness is not what ends it.
        for round in 1..=9 {
            app.minutes_pass(50);
            let answer = app.refreshes(&refresh).await.ok();
            assert_eq!(answer.body["expires_in"], (480 - round * 50) * 60);
            refresh = answer.text("refresh_token");
        }
        app.minutes_pass(29);
        let last = app.refreshes(&refresh).await.ok();
        session.whoami().await.ok();
        app.minutes_pass(1);
        for token in [&session.token, &last.text("access_token")] {
            app.whoami(token).await.refused(401, "unauthenticated");
        }
        app.refreshes(&last.text("refresh_token")).await.refused(401, "refresh_token_invalid");
    })
    .await;
}

#[actix::test]
async fn an_officer_who_leaves_the_desk_is_signed_out_after_an_hour() {
    story(async |app| {
        let other = app.replica().await;
        let user = app.has_admin(PHONE).await;
        let (session, secret) = app.admin_signs_in(PHONE).await;
        app.minutes_pass(59);
        session.whoami().await.ok();
        eventually("the use to be written", async || {
            let used = "SELECT count(*) FROM sessions WHERE last_activity = created_at + interval '59 minutes'";
            (app.count(used).await == 1).then_some(())
        })
        .await;
        // That was a use, so the hour begins anew.
        app.minutes_pass(59);
        session.whoami().await.ok();
        let refresh = app.refreshes(session.refresh_token()).await.ok().text("refresh_token");

        app.minutes_pass(60);
        // Nobody asks: asking is not what ends it, and asking too late does not keep it alive.
        eventually("the end", async || (app.end_of(session.id()).await == "idle").then_some(())).await;
        for node in [app, &other] {
            node.refuses_soon(&session.token).await;
            node.refreshes(&refresh).await.refused(401, "refresh_token_invalid");
        }
        let next = admin_enters(app, &secret).await;
        assert_eq!(ends(&next, app).await, [(session.id(), "idle".to_owned())]);
        let about = format!("action = 'session.ended' AND user_id = {user} AND details->>'reason' = 'idle'");
        assert_eq!(app.number(format!("SELECT count(*) FROM audit_log WHERE {about}")).await, 1);
        let event = eventually("the event", async || {
            app.events(0).await.into_iter().find(|event| event.name() == "event.session.revoked")
        });
        assert_eq!(event.await.body["data"]["reason"], "idle");
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn whoever_comes_back_too_late_finds_the_session_ended() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let (session, secret) = app.admin_signs_in(PHONE).await;
        app.minutes_pass(60);
        // The token itself is good for hours. It may open something until the sweep, and does not keep the session alive.
        session.whoami().await;
        app.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
        session.whoami().await.refused(401, "unauthenticated");
        let next = admin_enters(app, &secret).await;
        assert_eq!(ends(&next, app).await, [(session.id(), "idle".to_owned())]);
    })
    .await;
}

#[actix::test]
async fn a_use_keeps_a_session_alive_also_when_it_is_written_at_the_end() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let (session, _) = app.admin_signs_in(PHONE).await;
        let other = app.replica().await;
        app.minutes_pass(30);
        other.whoami(&session.token).await.ok();
        // A node that stops writes what it noted.
        other.stop().await;
        let used = "SELECT count(*) FROM sessions WHERE last_activity = created_at + interval '30 minutes'";
        assert_eq!(app.count(used).await, 1);
        app.minutes_pass(45);
        app.refreshes(session.refresh_token()).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_citizen_may_leave_the_phone_in_the_drawer() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.minutes_pass(23 * 60);
        session.whoami().await.ok();
        app.minutes_pass(28 * DAY);
        app.refreshes(session.refresh_token()).await.ok();
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE idle_seconds IS NULL").await, 1);
    })
    .await;
}

#[actix::test]
async fn idleness_can_end_the_sessions_of_citizens_too() {
    let short = |settings: &mut civiclens::config::Settings| {
        settings.session.idle = std::time::Duration::from_hours(2);
    };
    story_with(short, async |app| {
        let session = app.signs_up(PHONE).await;
        app.minutes_pass(119);
        let second = app.refreshes(session.refresh_token()).await.ok();
        app.minutes_pass(119);
        // Also who sends the first token each time is there.
        app.refreshes(session.refresh_token()).await.ok();
        app.minutes_pass(119);
        app.refreshes(session.refresh_token()).await.ok();
        app.minutes_pass(120);
        app.refreshes(&second.text("refresh_token")).await.refused(401, "refresh_token_invalid");
        assert_eq!(app.end_of(session.id()).await, "idle");
    })
    .await;
}

#[actix::test]
async fn the_fourth_session_ends_the_oldest() {
    story(async |app| {
        let other = app.replica().await;
        let mut sessions = vec![app.signs_up(PHONE).await];
        for _ in 0..3 {
            app.minutes_pass(1);
            sessions.push(app.enters(PHONE).await);
        }
        let oldest = &sessions[0];
        oldest.whoami().await.refused(401, "unauthenticated");
        other.refuses_soon(&oldest.token).await;
        for node in [app, &other] {
            node.refreshes(oldest.refresh_token()).await.refused(401, "refresh_token_invalid");
            for session in &sessions[1..] {
                node.whoami(&session.token).await.ok();
            }
        }
        assert_eq!(ends(&sessions[3], app).await, [(oldest.id(), "session_limit".to_owned())]);
        assert_eq!(app.audited_about("session.ended", oldest.id()).await, 1);
        let event = eventually("the event", async || {
            app.events(0).await.into_iter().find(|event| event.name() == "event.session.revoked")
        });
        let event = event.await;
        assert_eq!(
            (&event.body["data"]["session_id"], &event.body["data"]["reason"]),
            (&json!(oldest.id()), &json!("session_limit"))
        );
        // One that has ended leaves its place to another.
        sessions[1].logs_out().await.ok();
        app.enters(PHONE).await;
        sessions[2].whoami().await.ok();
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn of_many_logins_at_once_three_stay() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let logins = join_all((0..5).map(|_| app.logs_in(PHONE, PASSWORD))).await;
        let tokens = logins.into_iter().map(|answer| answer.ok().text("access_token"));
        let answers: Vec<Answer> = join_all(tokens.map(async |token| app.whoami(&token).await)).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3, "{answers:?}");
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").await, 3);
    })
    .await;
}

#[actix::test]
async fn how_many_sessions_there_may_be_depends_on_the_role() {
    let numbers = |settings: &mut civiclens::config::Settings| {
        settings.session.max_live = 2;
        settings.session.max_live_by_role = vec!["contributor=1".to_owned(), "moderator=4".to_owned()];
    };
    story_with(numbers, async |app| {
        let user = app.signs_up(PHONE).await.user_id();
        for (role, most) in [("citizen", 2), ("contributor", 1), ("moderator", 4)] {
            app.runs(format!("UPDATE users SET role = '{role}' WHERE id = {user}")).await;
            for _ in 0..5 {
                app.enters(PHONE).await;
            }
            assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").await, most, "{role}");
        }
    })
    .await;
}
