//! One caller, however many accounts and connections they have, does not keep others from logging in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use civiclens::config::Settings;
use civiclens_actors::domain::limit::Rate;
use futures::future::{join, join_all};
use serde_json::json;

use crate::support::{Answer, PASSWORD, Session, TestApp, WRONG, story, story_with};

const RAVI: &str = "98765 43210";

/// Clients say from where they come.
fn proxied(settings: &mut Settings) {
    settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

async fn confirms_from(app: &TestApp, address: &str, session: &Session<'_>) -> Answer {
    let request = app.http.post(app.at("/api/v1/auth/verify-password")).bearer_auth(&session.token);
    Answer::of(request.header("X-Forwarded-For", address).json(&json!({ "password": PASSWORD }))).await
}

#[actix::test]
async fn a_flood_of_right_passwords_from_one_address_keeps_nobody_else_out() {
    let slow = |settings: &mut Settings| {
        proxied(settings);
        settings.password.cost = 10;
        settings.password.threads = Some(1);
        // Nothing but turns stops them.
        settings.rate_limit.proofs.count = 1_000_000;
    };
    story_with(slow, async |app| {
        let mut attackers = Vec::new();
        for number in 0..5 {
            attackers.push(app.signs_up(&format!("98765 1000{number}")).await);
        }
        let others: Vec<_> = (0..6).map(|number| format!("98765 2000{number}")).collect();
        for phone in &others {
            app.signs_up(phone).await;
        }
        let (over, served) = (Cell::new(false), RefCell::new(BTreeMap::<u16, usize>::new()));
        let flood = join_all((0..30).map(|connection| {
            let (session, over, served) = (&attackers[connection % attackers.len()], &over, &served);
            async move {
                while !over.get() {
                    let answer = confirms_from(app, "198.51.100.66", session).await;
                    *served.borrow_mut().entry(answer.status).or_default() += 1;
                }
            }
        }));
        let logins = async {
            let of = |number: usize, phone: &'static str| async move {
                let mut statuses = Vec::new();
                for _ in 0..5 {
                    let address = format!("203.0.113.{number}");
                    statuses.push(app.logs_in_from(&address, phone, PASSWORD).await.status);
                }
                statuses
            };
            let others = others.iter().enumerate();
            let statuses = join_all(others.map(|(number, phone)| of(number, String::leak(phone.clone())))).await;
            over.set(true);
            statuses.concat()
        };
        let (_, statuses) = join(flood, logins).await;
        let answered = statuses.iter().filter(|status| **status == 200).count();
        assert!(answered * 10 >= statuses.len() * 9, "{answered} of {}: {statuses:?}", statuses.len());
        // They got their share, and no more.
        let served = served.into_inner();
        assert!(served.get(&200).is_some_and(|count| *count >= 1), "{served:?}");
        println!("others: {answered} of {}; the flood by status: {served:?}", statuses.len());
    })
    .await;
}

#[actix::test]
async fn right_passwords_have_a_limit_too() {
    let narrow = |settings: &mut Settings| {
        proxied(settings);
        settings.rate_limit.proofs = Rate { count: 8, window: Duration::from_hours(1) };
        settings.rate_limit.proofs_per_address = Rate { count: 12, window: Duration::from_hours(1) };
    };
    story_with(narrow, async |app| {
        let ravi = app.signs_up(RAVI).await;
        for number in 0..8 {
            confirms_from(app, &format!("198.51.100.{number}"), &ravi).await.ok();
        }
        let refused = confirms_from(app, "198.51.100.9", &ravi).await.refused(429, "rate_limited");
        assert_eq!((refused.number("retry-after"), refused.number("ratelimit-limit")), (3600, 8));
        app.logs_in_from("198.51.100.9", RAVI, PASSWORD).await.refused(429, "rate_limited");
        // The address is another matter, and so is another account.
        for number in 0..4 {
            let phone = format!("98765 1000{number}");
            app.signs_up(&phone).await;
            for _ in 0..3 {
                app.logs_in_from("203.0.113.7", &phone, PASSWORD).await.ok();
            }
        }
        let refused = app.logs_in_from("203.0.113.7", "98765 10000", PASSWORD).await.refused(429, "rate_limited");
        assert_eq!((refused.number("retry-after"), refused.number("ratelimit-limit")), (3600, 12));
        app.logs_in_from("203.0.113.8", "98765 10000", PASSWORD).await.ok();
        app.minutes_pass(60);
        app.logs_in_from("203.0.113.7", RAVI, PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn many_right_logins_at_once_all_succeed() {
    let many = |settings: &mut Settings| {
        proxied(settings);
        settings.rate_limit.login_per_address.count = 6;
    };
    story_with(many, async |app| {
        app.signs_up(RAVI).await;
        // From one address, then from as many.
        let at_once = join_all((0..12).map(|_| app.logs_in_from("198.51.100.1", RAVI, PASSWORD))).await;
        for answer in at_once {
            drop(answer.ok());
        }
        let addresses: Vec<_> = (0..12).map(|number| format!("198.51.100.{number}")).collect();
        for earlier_failures in [0, 4] {
            for _ in 0..earlier_failures {
                app.logs_in_from("203.0.113.1", RAVI, WRONG).await.refused(401, "credentials_invalid");
            }
            let at_once = join_all(addresses.iter().map(|from| app.logs_in_from(from, RAVI, PASSWORD))).await;
            for answer in at_once {
                drop(answer.ok());
            }
        }
        // One address, more people than its failures may be.
        let phones: Vec<_> = (0..9).map(|number| format!("98765 1000{number}")).collect();
        for phone in &phones {
            app.signs_up(phone).await;
        }
        let at_once = join_all(phones.iter().map(|phone| app.logs_in_from("198.51.100.77", phone, PASSWORD))).await;
        for answer in at_once {
            drop(answer.ok());
        }
    })
    .await;
}

#[actix::test]
async fn many_wrong_guesses_at_once_stay_within_the_budget() {
    story_with(proxied, async |app| {
        app.signs_up(RAVI).await;
        let replica = app.replica().await;
        let addresses: Vec<_> = (0..30).map(|number| format!("198.51.100.{}", number % 10)).collect();
        let guesses = addresses.iter().enumerate().map(|(number, from)| {
            let app = if number % 2 == 0 { app } else { &replica };
            app.logs_in_from(from, RAVI, WRONG)
        });
        let answers = join_all(guesses).await;
        let judged = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(judged, 5);
        assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)), "{answers:?}");
        app.logs_in_from("203.0.113.1", RAVI, PASSWORD).await.refused(429, "account_locked");
        replica.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_wrong_guess_in_hand_makes_the_right_login_wait_and_not_fail() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let right = join_all((0..4).map(|_| app.logs_in(RAVI, PASSWORD)));
        let (wrong, right) = join(join_all((0..4).map(|_| app.logs_in(RAVI, WRONG))), right).await;
        for answer in wrong {
            drop(answer.refused(401, "credentials_invalid"));
        }
        for answer in right {
            drop(answer.ok());
        }
    })
    .await;
}
