//! Entering a code.

use futures::future::join_all;

use crate::support::{Answer, story, wrong};

#[actix::test]
async fn one_code_opens_one_session_however_many_enter_it() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        let answers = join_all((0..20).map(|_| ravi.enters(&code))).await;
        let (opened, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(opened.len(), 1);
        for answer in refused {
            answer.refused(401, "otp_invalid");
        }
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM users").await, 1);
    })
    .await;
}

#[actix::test]
async fn five_wrong_guesses_kill_the_code_and_a_new_one_does_not_help() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        for _ in 0..5 {
            ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        }
        ravi.enters(&code).await.refused(401, "otp_invalid");

        let next = ravi.gets_code().await;
        let locked = ravi.enters(&next).await.refused(429, "otp_attempts_exceeded");
        assert!((1790..=1800).contains(&locked.number("retry-after")), "{locked:?}");
        app.minutes_pass(29);
        let third = ravi.gets_code().await;
        ravi.enters(&third).await.refused(429, "otp_attempts_exceeded");
        app.minutes_pass(1);
        ravi.enters(&third).await.ok();
    })
    .await;
}

#[actix::test]
async fn guesses_count_over_several_codes() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        for _ in 0..3 {
            ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        }
        let next = ravi.gets_code().await;
        for _ in 0..2 {
            ravi.enters(&wrong(&next)).await.refused(401, "otp_invalid");
        }
        ravi.enters(&next).await.refused(429, "otp_attempts_exceeded");
    })
    .await;
}

#[actix::test]
async fn guesses_at_once_are_all_counted() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        let guess = wrong(&code);
        for answer in join_all((0..20).map(|_| ravi.enters(&guess))).await {
            assert_ne!(answer.status, 200);
        }
        assert_ne!(ravi.enters(&code).await.status, 200);
    })
    .await;
}

#[actix::test]
async fn a_code_lives_five_minutes() {
    story(async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let (code, other) = (ravi.gets_code().await, meera.gets_code().await);
        app.clock.advance(chrono::Duration::seconds(299));
        ravi.enters(&code).await.ok();
        app.clock.advance(chrono::Duration::seconds(1));
        meera.enters(&other).await.refused(401, "otp_invalid");
    })
    .await;
}

#[actix::test]
async fn a_spent_code_is_refused() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        ravi.enters(&code).await.ok();
        ravi.enters(&code).await.refused(401, "otp_invalid");
    })
    .await;
}

#[actix::test]
async fn a_new_code_replaces_the_old_one() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let old = ravi.gets_code().await;
        let new = ravi.gets_code().await;
        if old != new {
            ravi.enters(&old).await.refused(401, "otp_invalid");
        }
        ravi.enters(&new).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_code_belongs_to_its_phone_in_any_spelling() {
    story(async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let code = ravi.gets_code().await;
        meera.enters(&code).await.refused(401, "otp_invalid");
        app.citizen("+91-98765-43210").enters(&code).await.ok();
    })
    .await;
}

#[actix::test]
async fn what_is_no_code_is_not_a_guess() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        for nonsense in ["", "12345", "1234567", "12a456", "१२३४५६x"] {
            ravi.enters(nonsense).await.refused(422, "invalid").blames("otp", "otp_malformed");
        }
        ravi.enters(&code).await.ok();
    })
    .await;
}

#[actix::test]
async fn failures_are_in_the_audit_log() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE details->>'reason' = 'wrong_code'").await, 1);
    })
    .await;
}

#[actix::test]
async fn a_suspended_account_stays_out() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        ravi.signs_in().await;
        sqlx::query("UPDATE users SET is_active = false").execute(&app.db).await.unwrap();
        let code = ravi.gets_code().await;
        ravi.enters(&code).await.refused(403, "account_suspended");
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE details->>'reason' = 'suspended'").await, 1);
    })
    .await;
}

#[actix::test]
async fn a_refusal_does_not_tell_who_has_an_account() {
    story(async |app| {
        let (known, stranger) = (app.citizen("98765 43210"), app.citizen("98765 00000"));
        known.signs_in().await;
        let told = |answer: Answer| {
            let mut answer = answer.refused(401, "otp_invalid");
            answer.body.as_object_mut().unwrap().remove("request_id");
            for own in ["x-request-id", "date"] {
                answer.headers.remove(own);
            }
            (answer.body, answer.headers)
        };
        // Without a code that could be entered, and with one that is another.
        assert_eq!(told(known.enters("123456").await), told(stranger.enters("123456").await));
        let (code, other) = (known.gets_code().await, stranger.gets_code().await);
        assert_eq!(told(known.enters(&wrong(&code)).await), told(stranger.enters(&wrong(&other)).await));
    })
    .await;
}
