//! A phone number becomes a citizen.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sqlx::Row;

use crate::support::{Session, names, story};

#[actix::test]
async fn the_first_login_makes_a_citizen_and_the_second_finds_them() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let first = ravi.signs_in().await;
        let body = &first.answer.body;
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(body["expires_in"], 24 * 3600);
        assert_eq!(body["role"], "citizen");
        assert_eq!(body["profile_completion"], "minimal");
        assert_eq!(body["is_new_user"], true);
        assert!(body["refresh_token"].as_str().unwrap().len() >= 40);
        let mut fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        fields.sort();
        let contract = [
            "access_token",
            "device_token",
            "expires_in",
            "is_new_user",
            "profile_completion",
            "refresh_token",
            "role",
            "session_id",
            "token_type",
            "user_id",
        ];
        assert_eq!(fields, contract);

        let second = ravi.signs_in().await;
        assert_eq!(second.answer.body["is_new_user"], false);
        assert_eq!(second.user_id(), first.user_id());
        assert_ne!(second.id(), first.id());
        assert_eq!(app.count("SELECT count(*) FROM users").await, 1);
        assert_eq!(app.count("SELECT login_count FROM users").await, 2);
    })
    .await;
}

fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[actix::test]
async fn the_access_token_says_what_the_contract_says() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let (header, claims) = (part(&session.token, 0), part(&session.token, 1));
        assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("HS256"), Some("at+jwt")));
        assert!(header["kid"].is_string());
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some("civiclens"), Some("civiclens")));
        assert_eq!(claims["sub"], session.user_id().to_string());
        assert_eq!(claims["user_id"], session.user_id());
        assert_eq!(claims["role"], "citizen");
        assert_eq!(claims["sid"], session.id());
        assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()));
        let time = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(time("exp") - time("iat"), 24 * 3600);
        assert_eq!(time("auth_time"), time("iat"));
        assert!(claims["amr"].as_array().unwrap().contains(&"otp".into()));
    })
    .await;
}

#[actix::test]
async fn others_hear_of_it_in_order_under_the_request_that_did_it() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let code = ravi.gets_code().await;
        let session = Session::of(app, ravi.enters(&code).await.ok());
        let request = session.answer.header("x-request-id").unwrap();

        let events = app.events(2).await;
        assert_eq!(names(&events), ["event.user.registered", "event.session.opened"]);
        for event in &events {
            assert_eq!(event.message_id, event.body["id"].as_str().unwrap());
            assert_eq!(event.request_id, request);
            assert_eq!(event.body["requestid"], request);
            assert_eq!(event.body["specversion"], "1.0");
            assert_eq!(event.body["subject"], session.user_id().to_string());
            assert_eq!(event.body["data"]["user_id"], session.user_id());
        }
        assert_eq!(events[0].body["type"], "in.civiclens.identity.user.registered.v1");
        assert_eq!(events[1].body["type"], "in.civiclens.identity.session.opened.v1");
        assert_eq!(events[1].body["data"]["session_id"], session.id());

        let rows =
            sqlx::query("SELECT action, request_id, user_id FROM audit_log WHERE user_id IS NOT NULL ORDER BY id")
                .fetch_all(&app.db)
                .await
                .unwrap();
        assert_eq!(rows.len(), 2, "the registration and the login");
        for row in rows {
            assert_eq!(row.get::<Option<String>, _>("request_id").as_deref(), Some(request));
            assert_eq!(row.get::<i64, _>("user_id"), session.user_id());
        }
    })
    .await;
}

#[actix::test]
async fn users_me_has_the_fields_of_the_contract() {
    story(async |app| {
        let session = app.citizen("098765-43210").signs_in().await;
        let me = session.me().await.ok();
        let mut fields: Vec<&String> = me.body.as_object().unwrap().keys().collect();
        fields.sort();
        let contract = "id, phone, email, full_name, role, profile_completion, reputation_score, is_active, \
            phone_verified, email_verified, created_at, last_login, total_reports, total_validations, \
            helpful_validations, primary_address, primary_latitude, primary_longitude, bio, avatar_url, \
            preferred_language, push_notifications, sms_notifications, email_notifications, department_id, employee_id, \
            aadhaar_linked, digilocker_linked, two_fa_enabled, account_created_via, moderation_areas, permissions";
        let mut contract: Vec<&str> = contract.split(", ").collect();
        contract.sort_unstable();
        assert_eq!(fields, contract);
        assert_eq!(me.body["id"], session.user_id());
        assert_eq!(me.body["phone"], "+919876543210");
        assert_eq!(me.body["phone_verified"], true);
        assert_eq!(me.body["account_created_via"], "otp");
        assert_eq!(me.body["moderation_areas"], serde_json::json!([]));
        assert!(me.body["created_at"].as_str().unwrap().ends_with('Z'));
    })
    .await;
}
