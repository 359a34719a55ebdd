//! Refresh tokens: each gives a successor, the same one until that is used; after that the session is over.

use std::collections::BTreeSet;

use civiclens::embedded::Service;
use futures::future::join_all;

use crate::support::{Answer, OwnStack, eventually, story, story_on};

const PHONE: &str = "98765 43210";

#[actix::test]
async fn a_refresh_gives_new_tokens_of_the_same_session() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.minutes_pass(10);
        let answer = app.refreshes(session.refresh_token()).await.ok();
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        for (field, as_before) in
            [("session_id", true), ("user_id", true), ("role", true), ("access_token", false), ("refresh_token", false)]
        {
            assert_eq!(answer.body[field] == session.answer.body[field], as_before, "{field}: {answer:?}");
        }
        assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&"bearer".into(), &86_400.into()));
        assert_eq!(answer.body["is_new_user"], false);
        for token in [&session.token, &answer.text("access_token")] {
            assert_eq!(app.whoami(token).await.ok().body["session_id"], session.id());
        }
        // The other path is the same thing.
        let body = serde_json::json!({ "refresh_token": answer.text("refresh_token") });
        let next = app.posts("/api/v1/auth/refresh", body).await.ok();
        app.whoami(&next.text("access_token")).await.ok();
        assert_eq!(app.audited_about("session.refreshed", session.id()).await, 2);
    })
    .await;
}

#[actix::test]
async fn who_lost_the_answer_gets_the_same_one_again() {
    story(async |app| {
        let other = app.replica().await;
        let session = app.signs_up(PHONE).await;
        let first = session.refresh_token();
        let lost = app.refreshes(first).await.ok().text("refresh_token");
        for node in [app, &other, app] {
            let again = node.refreshes(first).await.ok();
            assert_eq!(again.text("refresh_token"), lost);
            other.whoami(&again.text("access_token")).await.ok();
        }
        assert_eq!(
            app.audited_about("session.refreshed", session.id()).await,
            1,
            "one rotation, however often it is told"
        );
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn of_many_refreshes_at_once_all_get_one_successor() {
    story(async |app| {
        let other = app.replica().await;
        let session = app.signs_up(PHONE).await;
        let mut token = session.refresh_token().to_owned();
        for _ in 0..3 {
            let nodes = (0..20).map(|number| if number % 2 == 0 { app } else { &other });
            let answers: Vec<Answer> = join_all(nodes.map(|node| node.refreshes(&token))).await;
            let successors: BTreeSet<String> =
                answers.into_iter().map(|answer| answer.ok().text("refresh_token")).collect();
            assert_eq!(successors.len(), 1, "{successors:?}");
            token = successors.into_iter().next().unwrap();
        }
        let answers = join_all((0..20).map(|_| app.refreshes(&token))).await;
        let checks = answers.iter().map(async |answer| app.whoami(&answer.text("access_token")).await.ok());
        assert_eq!(join_all(checks).await.len(), 20);
        assert_eq!(app.number("SELECT refresh_generation::bigint FROM sessions").await, 4);
        assert_eq!(app.audited_about("session.refreshed", session.id()).await, 4);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_token_whose_successor_was_used_ends_the_session_everywhere() {
    story(async |app| {
        let other = app.replica().await;
        let session = app.signs_up(PHONE).await;
        app.runs("UPDATE users SET email = 'ravi@example.org', email_verified = true").await;
        let bystander = app.enters(PHONE).await;
        let stolen = session.refresh_token();
        let second = app.refreshes(stolen).await.ok();
        let third = app.refreshes(&second.text("refresh_token")).await.ok();
        let refused = app.refreshes(stolen).await.refused(401, "refresh_token_invalid");

        let tokens = [&session.token, &second.text("access_token"), &third.text("access_token")];
        for token in tokens {
            app.whoami(token).await.refused(401, "unauthenticated");
            let took = other.refuses_soon(token).await;
            assert!(took.as_secs() < 2, "{took:?}: a second by contract; the rest is for a busy machine");
        }
        for token in [stolen, &second.text("refresh_token"), &third.text("refresh_token")] {
            other.refreshes(token).await.refused(401, "refresh_token_invalid");
        }
        bystander.whoami().await.ok();
        assert_eq!(app.end_of(session.id()).await, "refresh_reused");

        let events = app.events(5).await;
        let event = |name: &str| events.iter().filter(|event| event.name() == name).cloned().collect::<Vec<_>>();
        let reused = event("event.security.refresh_reused");
        assert_eq!(reused.len(), 1, "{events:?}");
        assert_eq!(reused[0].body["data"]["session_id"], session.id());
        assert_eq!(reused[0].body["subject"], session.user_id().to_string());
        assert_eq!(Some(reused[0].request_id.as_str()), refused.header("x-request-id"));
        assert_eq!(event("event.session.revoked")[0].body["data"]["reason"], "refresh_reused");
        assert_eq!(app.audited_about("auth.refresh_reused", session.id()).await, 1);
        let row =
            "SELECT count(*) FROM audit_log WHERE action = 'auth.refresh_reused' AND actor_id IS NULL AND user_id =";
        assert_eq!(app.number(format!("{row} {}", session.user_id())).await, 1, "nobody proved to be the user");
        let mails = eventually("a notice", async || {
            let mails = app.mail.messages_to("ravi@example.org");
            mails.iter().any(|mail| mail.subject.contains("ended a session")).then_some(mails)
        });
        assert_eq!(mails.await.iter().filter(|mail| mail.subject.contains("ended a session")).count(), 1);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn who_has_no_proven_address_is_not_written_to() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.runs("UPDATE users SET email = 'ravi@example.org', email_verified = false").await;
        let first = session.refresh_token();
        let (second, sms) = (app.refreshes(first).await.ok(), app.twilio.posts());
        app.refreshes(&second.text("refresh_token")).await.ok();
        app.refreshes(first).await.refused(401, "refresh_token_invalid");
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE subject LIKE '%.notify.email'").await, 0);
        assert_eq!(app.twilio.posts(), sms);
    })
    .await;
}

#[actix::test]
async fn a_token_from_long_before_ends_the_session_too() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let mut token = session.refresh_token().to_owned();
        for _ in 0..5 {
            token = app.refreshes(&token).await.ok().text("refresh_token");
        }
        app.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
        session.whoami().await.refused(401, "unauthenticated");
        app.refreshes(&token).await.refused(401, "refresh_token_invalid");
    })
    .await;
}

#[actix::test]
async fn a_client_that_always_sends_its_first_token_goes_on_for_the_whole_session() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        // Every 13 hours, so that each access token is renewed before it ends, to the end of the 30 days.
        for round in 0..55 {
            let answer = app.refreshes(session.refresh_token()).await.ok();
            let token = answer.text("access_token");
            let seconds = answer.body["expires_in"].as_i64().unwrap();
            assert!(seconds > 12 * 3600 || round > 53, "{round}: {seconds}");
            app.whoami(&token).await.ok();
            app.minutes_pass(13 * 60);
            if seconds > 13 * 3600 {
                app.whoami(&token).await.ok();
            }
        }
    })
    .await;
}

#[actix::test]
async fn what_is_not_a_refresh_token_of_ours_is_refused_and_harms_nobody() {
    story(async |app| {
        let (ravi, meera) = (app.signs_up(PHONE).await, app.signs_up("98765 43211").await);
        let token = ravi.refresh_token();
        let (ours, theirs) = (decoded(token), decoded(meera.refresh_token()));
        let generation = |number: u32| [&ours[..8], &number.to_be_bytes(), &ours[12..]].concat();
        let forged = [
            // The head of one session with the tag of another, both ways.
            encoded(&[&ours[..12], &theirs[12..]].concat()),
            encoded(&[&theirs[..12], &ours[12..]].concat()),
            // Another generation.
            encoded(&generation(1)),
            encoded(&generation(7)),
            encoded(&generation(u32::MAX)),
            // No session, and one that was never opened.
            encoded(&[&0_i64.to_be_bytes(), &ours[8..]].concat()),
            encoded(&[&i64::MAX.to_be_bytes(), &ours[8..]].concat()),
            // Cut, doubled, padded, and no token at all.
            token[..token.len() - 4].to_owned(),
            token.repeat(2),
            format!("{token}="),
            String::new(),
            "null".to_owned(),
            "x".repeat(5_000),
        ];
        for text in &forged {
            app.refreshes(text).await.refused(401, "refresh_token_invalid");
        }
        for session in [&ravi, &meera] {
            session.whoami().await.ok();
            app.refreshes(session.refresh_token()).await.ok();
        }
        // The same once a generation is known to Redis, and the row says that it was given out.
        for text in &forged {
            app.refreshes(text).await.refused(401, "refresh_token_invalid");
        }
        ravi.whoami().await.ok();
        meera.whoami().await.ok();
        app.posts("/api/v1/auth/refresh-token", serde_json::json!({})).await.refused(422, "invalid");
        assert_eq!(app.number("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await, 0);
    })
    .await;
}

fn decoded(token: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[actix::test]
async fn an_emptied_redis_logs_nobody_out() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let first = session.refresh_token();
        let second = app.refreshes(first).await.ok();
        app.redis_forgets().await;
        session.whoami().await.ok();
        app.whoami(&second.text("access_token")).await.ok();
        assert_eq!(app.refreshes(first).await.ok().text("refresh_token"), second.text("refresh_token"));
        app.redis_forgets().await;
        let third = app.refreshes(&second.text("refresh_token")).await.ok();
        app.whoami(&third.text("access_token")).await.ok();
        app.redis_forgets().await;
        app.refreshes(first).await.refused(401, "refresh_token_invalid");
    })
    .await;
}

#[actix::test]
async fn a_token_used_again_and_again_is_answered_without_writing_or_redis() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let (first, id) = (session.refresh_token(), session.id());
        let second = app.refreshes(first).await.ok().text("refresh_token");
        assert!(!app.redis_dump().await.contains(&format!("refresh:{id}")), "Redis has no part in it");
        let before = app.row_of(id).await;
        for _ in 0..3 {
            let again = app.refreshes(first).await.ok();
            assert_eq!(again.text("refresh_token"), second);
            app.whoami(&again.text("access_token")).await.ok();
        }
        assert_eq!(app.row_of(id).await, before, "nobody wrote to the row");
        // An access token of which less than half is left is renewed: until when it lives is noted in the row.
        app.clock.advance(chrono::Duration::hours(13));
        let later = app.refreshes(first).await.ok();
        assert_eq!(later.text("refresh_token"), second);
        assert_ne!(app.row_of(id).await, before);
        app.clock.advance(chrono::Duration::hours(23));
        app.whoami(&later.text("access_token")).await.ok();
    })
    .await;
}

/// Redis goes back to what it was a moment ago, as after a fail-over to a replica that lagged.
#[actix::test]
async fn a_redis_that_lost_a_moment_hides_no_reuse() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let first = session.refresh_token();
        let mut tokens = vec![first.to_owned()];
        let mut snapshots = Vec::new();
        for _ in 0..3 {
            tokens.push(app.refreshes(tokens.last().unwrap()).await.ok().text("refresh_token"));
            // Both ways of using one again, before the state is kept.
            app.refreshes(&tokens[tokens.len() - 2]).await.ok();
            snapshots.push(app.redis_snapshot().await);
        }
        app.redis_goes_back_to(&snapshots[0]).await;
        app.refreshes(&tokens[0]).await.refused(401, "refresh_token_invalid");
        app.redis_goes_back_to(&snapshots[1]).await;
        for token in &tokens {
            app.refreshes(token).await.refused(401, "refresh_token_invalid");
        }
        app.refuses_soon(&session.token).await;
        assert_eq!(app.audited("auth.refresh_reused").await.len(), 1);
        assert_eq!(app.events_of("event.security.refresh_reused", 1).await.len(), 1);
    })
    .await;
}

#[actix::test]
async fn refreshing_needs_postgres_and_does_without_redis() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let session = app.signs_up(PHONE).await;
        let first = session.refresh_token();
        stack.loses(Service::Redis).await;
        let second = app.refreshes(first).await.ok();
        assert_eq!(app.refreshes(first).await.ok().text("refresh_token"), second.text("refresh_token"));
        app.whoami(&second.text("access_token")).await.ok();
        stack.regains(Service::Redis).await;
        app.becomes_ready().await;
        stack.loses(Service::Postgres).await;
        let second = second.text("refresh_token");
        app.refreshes(&second).await.refused(503, "dependency_unavailable");
        app.refreshes(&second).await.refused(503, "dependency_unavailable");
        session.whoami().await.ok();
        stack.regains(Service::Postgres).await;
        app.becomes_ready().await;
        let third = app.refreshes(&second).await.ok();
        app.whoami(&third.text("access_token")).await.ok();
        stack.loses(Service::Redis).await;
        session.logs_out().await.ok();
        session.whoami().await.refused(401, "unauthenticated");
        app.refreshes(&second).await.refused(401, "refresh_token_invalid");
        app.refreshes(&third.text("refresh_token")).await.refused(401, "refresh_token_invalid");
        stack.regains(Service::Redis).await;
    })
    .await;
    stack.ends().await;
}
