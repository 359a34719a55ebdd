//! Messages reach the provider, once.

use std::time::Duration;

use civiclens_nats::subjects::StreamKind;

use crate::support::{Folder, Process, Reply, eventually, story, story_without_workers};

#[actix::test]
async fn a_provider_that_is_busy_or_broken_is_asked_again() {
    story(async |app| {
        app.twilio.will(&[Reply::TooMany, Reply::Broken]);
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        assert_eq!(app.twilio.posts(), 3);
        assert_eq!(app.twilio.messages_to("+919876543210").len(), 1);
        assert!(!app.twilio.messages_to("+919876543210")[0].sid.is_empty());
        ravi.enters(&code).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_message_whose_answer_was_lost_is_not_sent_twice() {
    story(async |app| {
        app.twilio.will(&[Reply::TakeAndHangUp]);
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        let looked = async || (app.twilio.looks() > 0).then_some(());
        eventually("a look for the lost message", looked).await;
        let done = async || app.on_stream(StreamKind::Notify, 0).await.is_empty().then_some(());
        eventually("the job to be done", done).await;
        assert_eq!(app.twilio.messages_to("+919876543210").len(), 1);
        assert_eq!(app.twilio.posts(), 1);
        ravi.enters(&code).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_message_that_can_never_arrive_is_kept_with_why() {
    story(async |app| {
        app.twilio.will(&[Reply::BadNumber]);
        let ravi = app.citizen("98765 43210");
        let request = ravi.requests_code().await.ok();
        let letter = app.dead_letters(1).await.remove(0);
        assert_eq!(letter.name(), "notify_dead.sms");
        assert_eq!(letter.body["code"], "twilio_21211");
        assert_eq!(letter.body["attempts"], 1);
        assert_eq!(letter.body["message"]["type"], "in.civiclens.identity.notify.sms.v1");
        assert_eq!(letter.body["message"]["data"]["to"], "+919876543210");
        assert_eq!(letter.body["message"]["requestid"].as_str(), request.header("x-request-id"));
        assert_eq!(app.twilio.posts(), 1);
    })
    .await;
}

#[actix::test]
async fn a_message_is_sent_once_although_its_worker_was_killed_after_sending() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let worker = async || {
                let process = Process::start(app.command(&folder, &["worker", "sms"]));
                process.says("worker started").await;
                process
            };
            // It dies after the provider took the message and before it says so.
            let dying = worker().await;
            app.twilio.will(&[Reply::TakeAndStall]);
            let ravi = app.citizen("98765 43210");
            ravi.requests_code().await.ok();
            let code = ravi.code_from_sms().await;
            dying.gets_signal("KILL");
            drop(dying);
            let mut other = worker().await;
            app.jobs_come_again_after(Duration::from_millis(500)).await;
            let looked = async || (app.twilio.looks() > 0).then_some(());
            eventually("a look for the message", looked).await;
            eventually("no jobs", async || app.on_stream(StreamKind::Notify, 0).await.is_empty().then_some(())).await;
            assert_eq!((app.twilio.messages_to("+919876543210").len(), app.twilio.posts()), (1, 1));
            ravi.enters(&code).await.ok();
            other.gets_signal("TERM");
            assert_eq!(other.ends().await, Some(0));
        },
    )
    .await;
}
