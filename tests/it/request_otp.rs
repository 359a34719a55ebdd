//! Asking for a code.

use std::collections::HashMap;

use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, Citizen, eventually, story, story_with};

#[actix::test]
async fn the_sms_carries_the_code_once_more_for_the_browser() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let answer = ravi.requests_code().await.ok();
        assert_eq!(answer.body["expires_in_minutes"], 5);
        assert_eq!(answer.body["resend_after_seconds"], 30);
        assert_eq!(answer.body.get("otp"), None, "the code goes to the phone only");
        assert_eq!((answer.number("ratelimit-limit"), answer.number("ratelimit-remaining")), (3, 2));
        let text = ravi.sms().await;
        let code = text.split(' ').next().unwrap();
        assert_eq!(text.lines().last(), Some(format!("@app.civiclens.example #{code}").as_str()));
        assert!(text.contains("is your CivicLens code"), "{text}");
        assert_eq!(app.twilio.messages_to("+919876543210")[0].from, "+15005550006");
    })
    .await;
}

#[actix::test]
async fn the_sms_names_the_app_that_may_read_it() {
    let app_of_ours = |settings: &mut civiclens::config::Settings| {
        settings.otp.android_app_hash = Some("FA+9qCX9VSu".to_owned());
    };
    story_with(app_of_ours, async |app| {
        let ravi = app.citizen("98765 43210");
        ravi.requests_code().await.ok();
        let text = ravi.sms().await;
        let lines: Vec<&str> = text.lines().collect();
        let code = text.split(' ').next().unwrap();
        let last = format!("@app.civiclens.example #{code}");
        assert_eq!(lines[1..], ["FA+9qCX9VSu", "", &last], "{text}");
        assert!(text.len() <= 140, "an app reads no more than 140 bytes: {text}");
    })
    .await;
}

#[actix::test]
async fn the_sms_comes_in_the_language_of_the_client() {
    story(async |app| {
        let meera = app.citizen("98765 43211").speaking("hi-IN, en;q=0.5");
        meera.requests_code().await.ok();
        assert!(meera.sms().await.contains("आपका CivicLens कोड"));
        let john = app.citizen("98765 43212").speaking("fr");
        john.requests_code().await.ok();
        assert!(john.sms().await.contains("is your CivicLens code"));
    })
    .await;
}

#[actix::test]
async fn nobody_learns_who_has_an_account() {
    story(async |app| {
        let known = app.citizen("98765 43210");
        known.signs_in().await;
        app.minutes_pass(61);
        let (known, stranger) =
            (known.requests_code().await.ok(), app.citizen("98765 00000").requests_code().await.ok());
        assert_eq!(known.body, stranger.body);
        let names = |headers: &reqwest::header::HeaderMap| -> HashMap<String, String> {
            let told = headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
            told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
        };
        assert_eq!(names(&known.headers), names(&stranger.headers));
    })
    .await;
}

#[actix::test]
async fn fifty_at_once_in_five_spellings_get_three_codes() {
    story(async |app| {
        let spellings = ["98765 43210", "+91 98765-43210", "919876543210", "098765.43210", "(+91) 9876543210"];
        let people: Vec<_> = (0..50).map(|number| app.citizen(spellings[number % 5])).collect();
        let answers = join_all(people.iter().map(Citizen::requests_code)).await;
        let (granted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(granted.len(), 3);
        for answer in refused {
            let answer = answer.refused(429, "rate_limited");
            assert_eq!((answer.number("ratelimit-limit"), answer.number("ratelimit-remaining")), (3, 0));
            assert!((3590..=3600).contains(&answer.number("ratelimit-reset")), "{answer:?}");
            assert!((3590..=3600).contains(&answer.number("retry-after")), "{answer:?}");
        }
        let sent = async || (app.twilio.messages_to("+919876543210").len() == 3).then_some(());
        eventually("three messages", sent).await;
    })
    .await;
}

#[actix::test]
async fn the_budget_slides_over_the_last_hour() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        ravi.requests_code().await.ok();
        app.minutes_pass(30);
        ravi.requests_code().await.ok();
        ravi.requests_code().await.ok();
        ravi.requests_code().await.refused(429, "rate_limited");
        app.minutes_pass(29);
        ravi.requests_code().await.refused(429, "rate_limited");
        app.minutes_pass(1);
        ravi.requests_code().await.ok();
        ravi.requests_code().await.refused(429, "rate_limited");
        app.citizen("98765 43211").requests_code().await.ok();
    })
    .await;
}

#[actix::test]
async fn an_address_has_a_budget_too() {
    let narrow = |settings: &mut civiclens::config::Settings| settings.rate_limit.otp_per_address.count = 2;
    story_with(narrow, async |app| {
        app.citizen("98765 43210").requests_code().await.ok();
        app.citizen("98765 43211").requests_code().await.ok();
        app.citizen("98765 43212").requests_code().await.refused(429, "rate_limited");
    })
    .await;
}

#[actix::test]
async fn numbers_of_other_countries_get_no_codes() {
    story(async |app| {
        let answer = app.citizen("+44 7911 123456").requests_code().await;
        answer.refused(422, "invalid").blames("phone", "country_not_allowed");
        assert_eq!(app.twilio.posts(), 0);
    })
    .await;
}

#[actix::test]
async fn landlines_and_service_numbers_get_no_codes() {
    story(async |app| {
        for number in ["022 2266 2222", "079 2658 1234", "1800 11 1234", "1860 123 4567"] {
            let answer = app.citizen(number).requests_code().await.refused(422, "invalid");
            answer.blames("phone", "phone_cannot_receive_sms");
            let forgot = app.posts("/api/v1/auth/forgot-password", json!({ "phone": number })).await;
            forgot.refused(422, "invalid").blames("phone", "phone_cannot_receive_sms");
        }
        assert_eq!(app.twilio.posts(), 0);
    })
    .await;
}

#[actix::test]
async fn a_number_is_taken_as_it_is_copied() {
    story(async |app| {
        for number in ["\u{202a}+91\u{a0}98765\u{2011}43210\u{202c}", "\t९८७६५ ४३२१०\n", "(0)98765·43210"]
        {
            app.posts("/api/v1/auth/request-otp", json!({ "phone": number })).await.ok();
        }
        let all = async || (app.twilio.messages_to("+919876543210").len() == 3).then_some(());
        eventually("three messages", all).await;
    })
    .await;
}

#[actix::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_budget() {
    let proxied = |settings: &mut civiclens::config::Settings| {
        settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.rate_limit.otp_per_address.count = 1;
    };
    story_with(proxied, async |app| {
        let from = async |address: &str, phone: &str| {
            let request = app.http.post(app.at("/api/v1/auth/request-otp")).header("X-Forwarded-For", address);
            Answer::of(request.json(&serde_json::json!({ "phone": phone }))).await
        };
        from("198.51.100.1", "98765 43210").await.ok();
        from("198.51.100.2", "98765 43211").await.ok();
        // What stands further left was written by the client.
        from("203.0.113.7, 198.51.100.1", "98765 43212").await.refused(429, "rate_limited");
    })
    .await;
}
