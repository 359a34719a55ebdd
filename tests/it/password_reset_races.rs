//! Resets at once, and resets while servers are away.

use civiclens::embedded::Service;
use futures::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Answer, OwnStack, PASSWORD, TestApp, eventually, story, story_on};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";
const EMAIL: &str = "asha.919876543210@example.org";
const NEW: &str = "Quartz-Lantern-7";
const FORGOT: &str = "/api/v1/auth/forgot-password";
const RESET: &str = "/api/v1/auth/reset-password";

async fn code(app: &TestApp) -> Value {
    let sent = app.twilio.messages_to(E164).len();
    app.posts(FORGOT, json!({ "phone": PHONE })).await.ok();
    json!({ "phone": PHONE, "reset_token": app.code_after(E164, sent).await, "new_password": NEW })
}

/// An administrator with an authenticator app, so that the phone may reset the password.
async fn has_admin_with_app(app: &TestApp) {
    app.has_admin(PHONE).await;
    app.admin_signs_in(PHONE).await;
}

async fn token(app: &TestApp, to: &str) -> Value {
    let links = || {
        let mail = app.mail.messages_to(to).into_iter();
        let texts = mail.filter_map(|mail| mail.text.split_once("#token=").map(|(_, rest)| rest.to_owned()));
        texts.collect::<Vec<_>>()
    };
    let read = links().len();
    app.posts(FORGOT, json!({ "email": to })).await.ok();
    let text = eventually("a link", async || links().get(read).cloned()).await;
    json!({ "reset_token": text.split_whitespace().next().unwrap(), "new_password": NEW })
}

fn weak(body: &Value) -> Value {
    let mut body = body.clone();
    body["new_password"] = "weak".into();
    body
}

/// One was let through and the others were told that there is nothing.
fn one_won(answers: &[Answer]) {
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    let lost = answers.iter().filter(|answer| answer.status != 200);
    assert!(lost.into_iter().all(|answer| answer.status == 401), "{answers:?}");
}

#[actix::test]
async fn of_five_resets_with_one_code_or_one_link_one_wins() {
    story(async |app| {
        has_admin_with_app(app).await;
        let older = token(app, EMAIL).await;
        for by_code in [true, false] {
            let body = if by_code { code(app).await } else { token(app, EMAIL).await };
            one_won(&join_all((0..5).map(|_| app.posts(RESET, body.clone()))).await);
            app.posts(RESET, body).await.refused(401, "reset_token_invalid");
            // What was sent before the password was set is worthless.
            app.posts(RESET, older.clone()).await.refused(401, "reset_token_invalid");
        }
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'password.reset'").await, 2);
    })
    .await;
}

#[actix::test]
async fn a_weak_password_uses_nothing_up_and_brings_nothing_back() {
    story(async |app| {
        has_admin_with_app(app).await;
        for by_code in [true, false] {
            let body = if by_code { code(app).await } else { token(app, EMAIL).await };
            for _ in 0..2 {
                app.posts(RESET, weak(&body)).await.refused(422, "invalid");
            }
            app.posts(RESET, body).await.ok();
        }
        // While one is used, others offer it with a weak password until they hear that it is gone.
        for _ in 0..3 {
            app.minutes_pass(61);
            let body = token(app, EMAIL).await;
            let tries = (0..4).map(async |_| {
                for _ in 0..100 {
                    if app.posts(RESET, weak(&body)).await.status == 401 {
                        break;
                    }
                }
            });
            let (answer, _) = join(app.posts(RESET, body.clone()), join_all(tries)).await;
            answer.ok();
            app.posts(RESET, body).await.refused(401, "reset_token_invalid");
        }
    })
    .await;
}

#[actix::test]
async fn while_a_server_is_away_nothing_is_reset_and_nothing_is_lost() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        app.signs_up(PHONE).await;
        let session = app.signs_up("98765 43211").await;
        app.has_admin("98765 43212").await;
        let email = "asha.919876543212@example.org";
        let bodies = [code(app).await, token(app, email).await];
        let away = |answer: Answer| answer.refused(503, "dependency_unavailable");

        stack.loses(Service::Postgres).await;
        let asked = [json!({ "phone": "98765 43211" }), json!({ "email": email })];
        let (resets, asks) = join(
            join_all(bodies.iter().map(|body| app.posts(RESET, body.clone()))),
            join_all(asked.iter().map(|body| app.posts(FORGOT, body.clone()))),
        )
        .await;
        resets.into_iter().chain(asks).map(away).for_each(drop);
        stack.regains(Service::Postgres).await;
        app.becomes_ready().await;
        // What was not done used nothing up.
        let [by_code, by_link] = bodies;
        app.posts(RESET, by_code).await.ok();
        app.posts(RESET, by_link.clone()).await.ok();
        app.posts(RESET, by_link).await.refused(401, "reset_token_invalid");
        // And what nobody could send cost nothing: of three an hour one was used before, by e-mail.
        for (body, left) in asked.into_iter().zip([3, 2]) {
            for _ in 0..left {
                app.posts(FORGOT, body.clone()).await.ok();
            }
            app.posts(FORGOT, body).await.refused(429, "rate_limited");
        }

        stack.loses(Service::Redis).await;
        away(app.posts(FORGOT, json!({ "phone": "98765 43211" })).await);
        away(app.posts(FORGOT, json!({ "email": "nobody@example.org" })).await);
        away(app.posts(RESET, json!({ "reset_token": "x".repeat(43), "new_password": NEW })).await);
        let change = json!({ "old_password": PASSWORD, "new_password": NEW });
        away(app.posts_as(&session.token, "/api/v1/auth/change-password", change).await);
        session.whoami().await.ok();
    })
    .await;
    stack.ends().await;
}
