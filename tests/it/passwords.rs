//! Passwords, as far as they can be seen without an account.

use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::support::{Answer, TestApp, story, story_with};

const STRENGTH: &str = "/api/v1/auth/password-strength";

async fn rates(app: &TestApp, password: &str) -> Answer {
    Answer::of(app.http.post(app.at(STRENGTH)).json(&json!({ "password": password }))).await
}

#[actix::test]
async fn a_password_is_rated_while_it_is_typed() {
    story(async |app| {
        let strong = rates(app, "Zebra-Quartz-41").await.ok();
        assert_eq!(strong.body, json!({ "score": 4, "feedback": [], "acceptable": true }));
        assert_eq!(strong.header("cache-control"), Some("no-store"));
        for refused in ["Password1", "Qwerty123", "Admin@123", "Civiclens2026", "zebra quartz lantern", "Zq7", ""] {
            let answer = rates(app, refused).await.ok();
            assert_eq!(answer.body["acceptable"], false, "{refused}: {answer:?}");
            let feedback = answer.body["feedback"].as_array().unwrap();
            assert!(!feedback.is_empty() && feedback.iter().all(serde_json::Value::is_string), "{answer:?}");
        }
        assert_eq!(rates(app, "password").await.ok().body["score"], 0);
    })
    .await;
}

#[actix::test]
async fn a_password_of_any_length_and_script_is_answered() {
    story(async |app| {
        let accepted = ["Ñandú-कखग-७३-लालटेन", "é".repeat(54).as_str()].map(|text| format!("Kite7Owl{text}"));
        for password in accepted {
            assert_eq!(rates(app, &password).await.ok().body["acceptable"], true, "{password}");
        }
        let long = rates(app, &"Zebra-Quartz-41 ".repeat(625)).await.ok();
        assert_eq!((&long.body["acceptable"], &long.body["score"]), (&json!(false), &json!(0)), "{long:?}");
        rates(app, &"x".repeat(70_000)).await.refused(413, "payload_too_large");
    })
    .await;
}

#[actix::test]
async fn the_policy_is_the_configured_one() {
    let length = |settings: &mut civiclens::config::Settings| {
        settings.account.password_policy = civiclens::config::PasswordPolicy::Length;
    };
    story_with(length, async |app| {
        assert_eq!(rates(app, "zebra quartz lantern").await.ok().body["acceptable"], true);
        assert_eq!(rates(app, "Zebra-Quartz-4").await.ok().body["acceptable"], false);
    })
    .await;
}

#[actix::test]
async fn a_body_without_a_password_is_refused() {
    story(async |app| {
        let empty = Answer::of(app.http.post(app.at(STRENGTH)).json(&json!({}))).await;
        empty.refused(422, "invalid").blames("password", "required");
        let number = Answer::of(app.http.post(app.at(STRENGTH)).json(&json!({ "password": 12_345_678 }))).await;
        let number = number.refused(422, "invalid").blames("password", "invalid_type");
        assert!(!number.body.to_string().contains("12345678"), "{number:?}");
        let text = app.http.post(app.at(STRENGTH)).header(CONTENT_TYPE, "text/plain").body("x");
        Answer::of(text).await.refused(415, "unsupported_media_type");
        app.gets(STRENGTH).await.refused(405, "method_not_allowed");
    })
    .await;
}

#[actix::test]
async fn readiness_names_the_hashing_threads() {
    story(async |app| {
        assert_eq!(app.gets("/readyz").await.ok().body["checks"]["passwords"], "ok");
    })
    .await;
}

#[actix::test]
async fn the_dearest_stored_hash_is_found_by_one_look_at_an_index() {
    story(async |app| {
        let cost = async |hash: Option<&str>| -> Option<i32> {
            sqlx::query_scalar("SELECT password_cost($1)").bind(hash).fetch_one(&app.db).await.unwrap()
        };
        let salted = "$08$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        for start in ["v1:$2b", "$2a", "$2y", "v2:key:$2b"] {
            assert_eq!(cost(Some(&format!("{start}{salted}"))).await, Some(8), "{start}");
        }
        for none in [None, Some(""), Some("$argon2id$v=19$m=19456"), Some("$2x$08$")] {
            assert_eq!(cost(none).await, None, "{none:?}");
        }
        let mut connection = app.db.acquire().await.unwrap();
        sqlx::query("SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar(
            "EXPLAIN SELECT password_cost(password_hash) FROM users
             WHERE password_cost(password_hash) BETWEEN 4 AND 16 ORDER BY password_cost(password_hash) DESC LIMIT 1",
        )
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        assert!(plan.iter().any(|line| line.contains("Index Scan Backward using users_password_cost")), "{plan:?}");
        sqlx::query("RESET enable_seqscan").execute(&mut *connection).await.unwrap();
    })
    .await;
}
