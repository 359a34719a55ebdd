//! The send breaker: codes that nobody enters stop being sent, first to those who do not enter them.

use std::cell::Cell;

use civiclens::config::Settings;
use civiclens_actors::domain::breaker::Mode;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, eventually, story_with};

fn suspicious(settings: &mut Settings) {
    settings.otp.breaker_min_sent = 5;
    settings.otp.breaker_min_entered_percent = 50;
    settings.otp.breaker_address_unanswered = 4;
    settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

async fn asks(app: &TestApp, address: &str, phone: &str, device: Option<&Value>) -> Answer {
    let request = app.http.post(app.at("/api/v1/auth/request-otp")).header("X-Forwarded-For", address);
    let mut body = json!({ "phone": phone });
    if let Some(device) = device {
        body["device"] = device.clone();
    }
    Answer::of(request.json(&body)).await
}

#[actix::test]
async fn an_address_that_enters_no_codes_is_refused_first() {
    story_with(suspicious, async |app| {
        app.signs_up("98765 43210").await;
        let device = json!({ "token": app.logs_in("98765 43210", PASSWORD).await.ok().text("device_token") });
        for number in 0..4 {
            asks(app, "203.0.113.9", &format!("98765 4400{number}"), None).await.ok();
        }
        let refused = asks(app, "203.0.113.9", "98765 44009", None).await.refused(429, "rate_limited");
        assert!((3000..=3900).contains(&refused.number("retry-after")), "{refused:?}");
        asks(app, "203.0.113.10", "98765 44009", None).await.ok();
        asks(app, "203.0.113.9", "98765 43210", Some(&device)).await.ok();
        let kept = async || {
            let rows = "SELECT coalesce(sum(count), 0)::bigint FROM otp_decisions WHERE rule = 'address' AND enforced
                        AND country = 'IN' AND network = '203.0.113.0/24'";
            (app.count(rows).await == 1).then_some(())
        };
        eventually("the decision is kept", kept).await;
        app.minutes_pass(80);
        asks(app, "203.0.113.9", "98765 44009", None).await.ok();
    })
    .await;
}

#[actix::test]
async fn who_enters_codes_may_ask_for_more() {
    story_with(suspicious, async |app| {
        for number in 0..3 {
            app.citizen(&format!("98765 4400{number}")).signs_in().await;
        }
        for number in 3..9 {
            app.citizen(&format!("98765 4400{number}")).requests_code().await.ok();
        }
    })
    .await;
}

#[actix::test]
async fn a_block_is_paused_by_many_networks_for_callers_of_whom_nothing_is_known() {
    story_with(suspicious, async |app| {
        app.signs_up("98765 43210").await;
        let device = json!({ "token": app.logs_in("98765 43210", PASSWORD).await.ok().text("device_token") });
        for number in 0..6 {
            asks(app, &format!("10.{number}.0.1"), &format!("98765 4400{number}"), None).await.ok();
        }
        // The codes can no longer be entered, so the share is known.
        app.minutes_pass(15);
        let next = Cell::new(0_u32);
        let refused = eventually("a pause", async || {
            let number = next.replace(next.get() + 1);
            let address = format!("10.{}.{}.2", 20 + number % 200, number / 200);
            let answer = asks(app, &address, &format!("98765 {}", 10_000 + number), None).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        let refused = refused.refused(503, "otp_sending_paused");
        assert!((1..=3900).contains(&refused.number("retry-after")), "{refused:?}");
        let metrics = app.gets("/metrics").await.ok();
        assert!(metrics.body.as_str().unwrap().contains("\nciviclens_otp_paused_total "), "{metrics:?}");
        asks(app, "192.0.2.1", "99000 44010", None).await.ok();
        asks(app, "192.0.2.1", "98765 43210", Some(&device)).await.ok();
        app.minutes_pass(80);
        let back = async || (asks(app, "192.0.2.9", "98765 44099", None).await.status == 200).then_some(());
        eventually("sending again", back).await;
    })
    .await;
}

#[actix::test]
async fn it_can_only_record_and_offices_can_be_exempt() {
    let recording = |settings: &mut Settings| {
        suspicious(settings);
        settings.otp.breaker_mode = Mode::Record;
    };
    story_with(recording, async |app| {
        for number in 0..6 {
            asks(app, "203.0.113.9", &format!("98765 4400{number}"), None).await.ok();
        }
        let rows = "SELECT coalesce(sum(count), 0)::bigint FROM otp_decisions WHERE NOT enforced";
        eventually("the decisions are kept", async || (app.count(rows).await == 2).then_some(())).await;
    })
    .await;
    let office = |settings: &mut Settings| {
        suspicious(settings);
        settings.rate_limit.exempt_networks = vec!["203.0.113.0/24".parse().unwrap()];
    };
    story_with(office, async |app| {
        for number in 0..6 {
            asks(app, "203.0.113.9", &format!("98765 4400{number}"), None).await.ok();
        }
    })
    .await;
}
