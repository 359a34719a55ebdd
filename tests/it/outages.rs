//! A server goes away and comes back. Each story has servers of its own.

use civiclens::embedded::Service;
use civiclens_nats::subjects::StreamKind;

use crate::support::{OwnStack, Session, TestApp, eventually, names, story_on, wrong};

/// `/readyz` says that nothing but `dependency` is missing.
async fn readiness_blames(app: &TestApp, dependency: &str) {
    let only_it = async || {
        let answer = app.gets("/readyz").await;
        let checks = answer.body["checks"].as_object().unwrap();
        let failed: Vec<_> = checks.iter().filter(|(_, state)| *state != "ok").collect();
        let blamed = failed.len() == 1 && failed[0].0 == dependency && failed[0].1 == "failed";
        blamed.then_some(answer)
    };
    let answer = eventually(dependency, only_it).await;
    assert_eq!((answer.status, answer.body["status"].as_str()), (503, Some("not_ready")), "{answer:?}");
    assert!(answer.number("retry-after") > 0);
    let cause = answer.body.to_string();
    assert!(!cause.contains("127.0.0.1") && !cause.contains("refused"), "why it failed is for the log: {cause}");
}

#[actix::test]
async fn without_nats_people_get_in_and_the_rest_follows() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let code = ravi.gets_code().await;
        stack.loses(Service::Nats).await;
        readiness_blames(app, "nats").await;
        let session = Session::of(app, ravi.enters(&code).await.ok());
        session.whoami().await.ok();
        meera.requests_code().await.ok();
        assert_eq!(app.twilio.messages_to(&meera.e164()).len(), 0);
        stack.regains(Service::Nats).await;
        let code = meera.code_from_sms().await;
        meera.enters(&code).await.ok();
        let events = app.events(4).await;
        let each = ["event.user.registered", "event.session.opened"];
        assert_eq!(names(&events), [each, each].concat());
        assert_eq!(app.twilio.messages_to(&meera.e164()).len(), 1);
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn without_redis_nobody_gets_in_and_who_is_in_stays() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let session = ravi.signs_in().await;
        let code = meera.gets_code().await;
        stack.loses(Service::Redis).await;
        readiness_blames(app, "redis").await;
        meera.requests_code().await.refused(503, "dependency_unavailable");
        meera.enters(&code).await.refused(503, "dependency_unavailable");
        session.whoami().await.ok();
        session.me().await.ok();
        stack.regains(Service::Redis).await;
        app.becomes_ready().await;
        let back = async || (meera.requests_code().await.status == 200).then_some(());
        eventually("codes again", back).await;
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn without_postgres_a_code_is_not_lost() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let session = meera.signs_in().await;
        let code = ravi.gets_code().await;
        stack.loses(Service::Postgres).await;
        ravi.enters(&code).await.refused(503, "dependency_unavailable");
        ravi.enters(&code).await.refused(503, "dependency_unavailable");
        session.me().await.refused(503, "dependency_unavailable");
        session.whoami().await.ok();
        app.gets("/healthz").await.ok();
        readiness_blames(app, "postgres").await;
        stack.regains(Service::Postgres).await;
        app.becomes_ready().await;
        let answer = ravi.enters(&code).await.ok();
        assert_eq!(answer.body["is_new_user"], true);
        session.me().await.ok();
        app.events(4).await;
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn without_postgres_codes_go_out_and_a_wrong_one_is_never_right() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211").speaking("hi"));
        meera.signs_in().await;
        let code = ravi.gets_code().await;
        for _ in 0..4 {
            ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        }
        stack.loses(Service::Postgres).await;
        // Who asks now gets a code, in the language of their client: nobody else can say which they chose.
        let other = meera.gets_code().await;
        // A failure that cannot be recorded is not answered as if it were. It counts all the same: it was the fifth.
        ravi.enters(&wrong(&code)).await.refused(503, "dependency_unavailable");
        stack.regains(Service::Postgres).await;
        app.becomes_ready().await;
        ravi.enters(&code).await.refused(401, "otp_invalid");
        meera.enters(&other).await.ok();
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn a_code_that_expired_while_nats_was_away_is_not_sent() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        stack.loses(Service::Nats).await;
        let ravi = app.citizen("98765 43210");
        ravi.requests_code().await.ok();
        app.minutes_pass(6);
        stack.regains(Service::Nats).await;
        let code = ravi.gets_code().await;
        let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        eventually("an empty outbox", async || (app.count(waiting).await == 0).then_some(())).await;
        eventually("no jobs", async || app.on_stream(StreamKind::Notify, 0).await.is_empty().then_some(())).await;
        assert_eq!(app.twilio.messages_to(&ravi.e164()).len(), 1);
        ravi.enters(&code).await.ok();
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn a_code_that_nobody_can_send_costs_nothing() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        stack.loses(Service::Nats).await;
        stack.loses(Service::Postgres).await;
        let ravi = app.citizen("98765 43210");
        for _ in 0..2 {
            ravi.requests_code().await.refused(503, "dependency_unavailable");
        }
        stack.regains(Service::Postgres).await;
        stack.regains(Service::Nats).await;
        app.becomes_ready().await;
        for _ in 0..3 {
            ravi.requests_code().await.ok();
        }
        ravi.requests_code().await.refused(429, "rate_limited");
    })
    .await;
    stack.ends().await;
}
