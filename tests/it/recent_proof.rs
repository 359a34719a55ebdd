//! What needs a recent proof of who is asking, and what is one.

use civiclens::config::{SensitiveActs, Settings};
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::role::Role;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Session, WRONG, officer, story, story_with, totp};

const STEP_UP: &str = "/api/v1/auth/step-up";
const CITIZEN: &str = "98765 43210";

#[actix::test]
async fn an_administrator_is_made_with_a_recent_proof_of_the_factor_only() {
    story(async |app| {
        app.has_admin("98765 00001").await;
        let (admin, secret) = app.admin_signs_in("98765 00001").await;
        app.minutes_pass(7 * 60);
        let asks = async |phone: &str, role: &str| app.creates(&admin, officer(phone, role)).await;
        asks("98765 00002", "admin").await.refused(403, "step_up_required");
        app.posts_as(&admin.token, STEP_UP, json!({ "password": PASSWORD })).await.ok();
        asks("98765 00002", "admin").await.refused(403, "step_up_required");
        // The old panel knows no such step: by default the rest is done without.
        assert_eq!(asks("98765 00003", "nodal_officer").await.status, 201);
        app.posts_as(&admin.token, STEP_UP, json!({ "code": totp(&secret, app.clock.now()) })).await.ok();
        let made = asks("98765 00002", "admin").await;
        assert_eq!(made.status, 201, "{made:?}");
        // What is done to an administrator is of that kind.
        app.minutes_pass(6);
        for act in ["unlock", "revoke-sessions"] {
            let path = format!("/api/v1/admin/users/{}/{act}", made.body["user_id"]);
            app.posts_as(&admin.token, &path, json!({})).await.refused(403, "step_up_required");
        }
    })
    .await;
}

#[actix::test]
async fn where_it_is_strict_everything_sensitive_asks() {
    let strict = |settings: &mut Settings| settings.account.sensitive_acts = SensitiveActs::Strict;
    story_with(strict, async |app| {
        let citizen = app.signs_up(CITIZEN).await;
        app.has_admin("98765 00001").await;
        let (admin, secret) = app.admin_signs_in("98765 00001").await;
        app.minutes_pass(6);
        app.creates(&admin, officer("98765 00002", "nodal_officer")).await.refused(403, "step_up_required");
        let paths = ["unlock", "revoke-sessions"].map(|act| format!("/api/v1/admin/users/{}/{act}", citizen.user_id()));
        for path in &paths {
            app.posts_as(&admin.token, path, json!({})).await.refused(403, "step_up_required");
        }
        for path in ["/api/v1/auth/logout-others", "/api/v1/auth/logout-all"] {
            app.posts_as(&citizen.token, path, json!({})).await.refused(403, "step_up_required");
        }
        app.posts_as(&citizen.token, STEP_UP, json!({ "password": PASSWORD })).await.ok();
        app.posts_as(&citizen.token, "/api/v1/auth/logout-others", json!({})).await.ok();
        app.posts_as(&admin.token, STEP_UP, json!({ "code": totp(&secret, app.clock.now()) })).await.ok();
        for path in &paths {
            app.posts_as(&admin.token, path, json!({})).await.ok();
        }
    })
    .await;
}

#[actix::test]
async fn what_is_sent_to_step_up_wrongly_is_a_422() {
    story(async |app| {
        let session = app.signs_up(CITIZEN).await;
        let asks = async |body: Value| app.posts_as(&session.token, STEP_UP, body).await;
        asks(json!({})).await.refused(422, "invalid").blames("password", "one_of");
        asks(json!({ "password": WRONG })).await.refused(422, "password_wrong").blames("password", "password_wrong");
        asks(json!({ "code": "123456" })).await.refused(409, "conflict");
        let factor = app.sets_up_totp(&session).await;
        asks(json!({ "code": "123456", "method": "sms" }))
            .await
            .refused(422, "invalid")
            .blames("method", "method_not_offered");
        // A line feed too many counts for nobody, and neither does what is no code.
        for text in ["12345", "hello", "12 34 5", "½23456"].repeat(3) {
            let method = json!({ "code": text, "method": "totp" });
            asks(method).await.refused(422, "invalid").blames("code", "code_malformed");
        }
        asks(json!({ "code": format!("{}\n", factor.code(app, 0)), "method": "totp" })).await.ok();
    })
    .await;
}

#[actix::test]
async fn somebody_sees_what_they_have_set_up() {
    story(async |app| {
        let session = app.signs_up(CITIZEN).await;
        let sees = async |session: &Session<'_>| app.gets_as(&session.token, "/api/v1/auth/2fa").await.ok().body;
        let nothing =
            json!({ "enabled": false, "methods": [], "since": null, "backup_codes_left": 0, "enforced": false });
        assert_eq!(sees(&session).await, nothing);
        let factor = app.sets_up_totp(&session).await;
        let step = app.first_step(CITIZEN).await;
        app.second_step(&step, &factor.backup_codes[0], Some("backup_code")).await.ok();
        let seen = sees(&session).await;
        assert_eq!((&seen["enabled"], &seen["methods"]), (&json!(true), &json!(["totp"])));
        assert!(seen["since"].is_string(), "{seen}");
        assert_eq!(seen["backup_codes_left"], 9);
    })
    .await;
}

#[actix::test]
async fn whoever_works_for_the_government_sets_a_factor_up_at_the_next_login() {
    let roles = Settings::default().two_factor.enforced_roles;
    assert_eq!(roles, [Role::Admin, Role::Auditor, Role::NodalOfficer]);
    let enforced = |settings: &mut Settings| {
        // In another order, so that it is not taken for the default, which most stories do without.
        settings.two_factor.enforced_roles = vec![Role::NodalOfficer, Role::Auditor, Role::Admin];
    };
    story_with(enforced, async |app| {
        let admin = app.admin().await;
        for (phone, role) in [("98765 00002", "nodal_officer"), ("98765 00003", "auditor")] {
            app.has(&admin, phone, role).await;
            let step = app.logs_in(phone, PASSWORD).await.must_enrol();
            assert!(step.body["detail"].as_str().is_some_and(|detail| detail.contains("enable-2fa")), "{step:?}");
            let (session, _) = app.admin_signs_in(phone).await;
            assert_eq!(app.gets_as(&session.token, "/api/v1/auth/2fa").await.ok().body["enforced"], true);
        }
    })
    .await;
}
