//! The send breaker: codes that nobody enters stop being sent.

use std::cell::Cell;

use civiclens::config::{Environment, Settings};

use crate::support::{eventually, story_with};

fn suspicious(settings: &mut Settings) {
    settings.environment = Environment::Development;
    settings.otp.breaker_min_sent = 5;
    settings.otp.breaker_min_entered_percent = 50;
    settings.rate_limit.otp_per_address = "100000/hour".parse().unwrap();
}

#[actix::test]
async fn a_block_of_numbers_whose_codes_nobody_enters_gets_no_more() {
    story_with(suspicious, async |app| {
        for number in 0..6 {
            app.citizen(&format!("98765 4400{number}")).requests_code().await.ok();
        }
        for number in 0..6 {
            app.citizen(&format!("99000 4400{number}")).signs_in().await;
        }
        // The codes can no longer be entered, so the share is known.
        app.minutes_pass(15);
        let next = Cell::new(10_000);
        let refused = eventually("a pause", async || {
            next.set(next.get() + 1);
            let answer = app.citizen(&format!("98765 {}", next.get())).requests_code().await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        let refused = refused.refused(503, "otp_sending_paused");
        assert!(refused.number("retry-after") >= 1);
        let metrics = app.gets("/metrics").await.ok();
        assert!(metrics.body.as_str().unwrap().contains("\nciviclens_otp_paused_total "), "{metrics:?}");
        app.citizen("99000 44010").requests_code().await.ok();
        app.minutes_pass(80);
        let back = async || (app.citizen("98765 44099").requests_code().await.status == 200).then_some(());
        eventually("sending again", back).await;
    })
    .await;
}
