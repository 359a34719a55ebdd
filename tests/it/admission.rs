//! The ways in, each once, from end to end.

use serde_json::json;

use crate::support::{PASSWORD, Session, story, totp};
use civiclens_actors::domain::clock::Clock;

#[actix::test]
async fn a_citizen_signs_up_with_a_password_and_signs_in_with_it() {
    story(async |app| {
        let session = app.signs_up("98765 43210").await;
        assert_eq!(session.answer.body["is_new_user"], true);
        assert_eq!(session.answer.body["profile_completion"], "basic");
        let again = Session::of(app, app.logs_in("+91 98765-43210", PASSWORD).await.ok());
        assert_eq!(again.user_id(), session.user_id());
        assert_eq!(again.whoami().await.ok().body["amr"], json!(["pwd"]));
    })
    .await;
}

#[actix::test]
async fn an_administrator_sets_up_a_second_factor_and_creates_an_officer() {
    story(async |app| {
        app.has_admin("98765 00001").await;
        let (admin, secret) = app.admin_signs_in("98765 00001").await;
        assert_eq!(admin.answer.body["backup_codes"].as_array().unwrap().len(), 10);
        let officer = json!({ "phone": "98765 00002", "email": "officer@example.org", "full_name": "Vikram Shah",
                              "password": PASSWORD, "role": "nodal_officer" });
        let created = app.posts_as(&admin.token, "/api/v1/auth/create-officer", officer).await;
        assert_eq!(created.status, 201, "{created:?}");
        let officer = app.logs_in("98765 00002", PASSWORD).await.ok();
        assert_eq!(officer.body["role"], "nodal_officer");

        app.minutes_pass(1);
        let step = app.logs_in("98765 00001", PASSWORD).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["totp", "backup_code"]));
        let body = json!({ "mfa_token": step.body["mfa_token"], "code": totp(&secret, app.clock.now()) });
        let admin = Session::of(app, app.posts("/api/v1/auth/verify-2fa", body).await.ok());
        assert_eq!(admin.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd"]));
    })
    .await;
}
