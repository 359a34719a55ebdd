//! Officers, administrators and auditors: an administrator creates them.

use chrono::Datelike;
use civiclens_actors::domain::clock::Clock;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, eventually, officer, story};

const CREATE: &str = "/api/v1/auth/create-officer";
const VIKRAM: &str = "98765 00002";

/// `officer` with other fields.
fn with(mut officer: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more}") };
    officer.as_object_mut().unwrap().extend(more);
    officer
}

/// How many rows there are of what a creation leaves.
async fn left(app: &TestApp) -> [i64; 4] {
    [
        app.count("SELECT count(*) FROM users").await,
        app.count("SELECT count(*) FROM role_history").await,
        app.count("SELECT count(*) FROM audit_log").await,
        app.count("SELECT count(*) FROM outbox").await,
    ]
}

async fn has_department(app: &TestApp) -> i64 {
    app.count("INSERT INTO departments (name) VALUES ('Roads') RETURNING id").await
}

#[actix::test]
async fn an_administrator_creates_one_who_signs_in_at_once() {
    story(async |app| {
        let admin = app.admin().await;
        let department = has_department(app).await;
        let given = json!({ "employee_id": "PWD-77", "department_id": department });
        let created = app.creates(&admin, with(officer(VIKRAM, "nodal_officer"), given)).await;
        assert_eq!(created.status, 201, "{created:?}");
        let id = created.body["user_id"].as_i64().unwrap();
        assert!(created.body["message"].is_string());
        assert_eq!(
            (&created.body["role"], &created.body["profile_completion"]),
            (&json!("nodal_officer"), &json!("basic"))
        );
        assert!(!created.body.to_string().contains(PASSWORD), "{created:?}");

        let vikram = app.enters("+91-98765-00002").await;
        assert_eq!(vikram.user_id(), id);
        let me = vikram.me().await.ok().body;
        let expected = json!({ "full_name": "Vikram Shah", "email": "officer.9876500002@example.org",
            "phone": "+919876500002", "role": "nodal_officer", "employee_id": "PWD-77", "department_id": department,
            "account_created_via": "admin", "profile_completion": "basic", "is_active": true });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&me[field], value, "{field}");
        }

        let records = app.audited("officer.created").await;
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].user, records[0].actor), (Some(id), Some(admin.user_id())));
        assert_eq!(records[0].details["role"], "nodal_officer");
        let history: Vec<(Option<String>, String, Option<i64>, bool)> =
            sqlx::query_as("SELECT old_role, new_role, changed_by, automatic FROM role_history WHERE user_id = $1")
                .bind(id)
                .fetch_all(&app.db)
                .await
                .unwrap();
        assert_eq!(history, [(None, "nodal_officer".to_owned(), Some(admin.user_id()), false)]);

        let events = app.events_of("event.officer.created", 1).await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].body["type"], "in.civiclens.identity.officer.created.v1");
        assert_eq!(Some(events[0].request_id.as_str()), created.header("x-request-id"));
        let data = &events[0].body["data"];
        let expected = json!({ "user_id": id, "role": "nodal_officer", "employee_id": "PWD-77",
                               "department_id": department, "created_by": admin.user_id() });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&data[field], value, "{field}");
        }
    })
    .await;
}

#[actix::test]
async fn who_is_given_no_employee_id_gets_a_free_one() {
    story(async |app| {
        let admin = app.admin().await;
        let year = app.clock.now().year();
        let number = async |id: i64| -> String {
            let query = sqlx::query_scalar("SELECT employee_id FROM users WHERE id = $1");
            query.bind(id).fetch_one(&app.db).await.unwrap()
        };
        let first = app.has(&admin, VIKRAM, "auditor").await;
        assert_eq!(number(first).await, format!("EMP-{year}-{first:06}"));
        // Somebody has been given what the next one but one would get.
        let taken = format!("EMP-{year}-{:06}", first + 2);
        let body = with(officer("98765 00003", "admin"), json!({ "employee_id": taken }));
        assert_eq!(app.creates(&admin, body).await.status, 201);
        let blank = with(officer("98765 00004", "nodal_officer"), json!({ "employee_id": "  " }));
        let created = app.creates(&admin, blank).await;
        assert_eq!(created.status, 201, "{created:?}");
        let third = created.body["user_id"].as_i64().unwrap();
        assert_eq!(created.body["employee_id"], number(third).await);
        assert_eq!(number(third).await, format!("EMP-{year}-{third:06}"));
        assert_ne!(third, first + 2);
        assert_eq!(app.count("SELECT count(*) FROM role_history").await, 4);
    })
    .await;
}

#[actix::test]
async fn a_phone_an_email_or_a_number_of_somebody_else_leaves_nothing() {
    story(async |app| {
        let admin = app.admin().await;
        let vikram = with(officer(VIKRAM, "nodal_officer"), json!({ "employee_id": "PWD-77" }));
        assert_eq!(app.creates(&admin, vikram).await.status, 201);
        app.citizen("98765 43210").signs_in().await;
        let before = left(app).await;
        let new = officer("98765 00003", "auditor");
        for (more, field) in [
            (json!({ "phone": VIKRAM }), "phone"),
            (json!({ "phone": "98765 43210" }), "phone"),
            (json!({ "email": "OFFICER.9876500002@example.org" }), "email"),
            (json!({ "employee_id": "PWD-77" }), "employee id"),
        ] {
            let answer = app.creates(&admin, with(new.clone(), more.clone())).await.refused(409, "conflict");
            assert!(answer.body["detail"].as_str().unwrap().contains(field), "{more}: {answer:?}");
            assert_eq!(left(app).await, before, "{more}");
        }
        assert_eq!(app.creates(&admin, new).await.status, 201);
    })
    .await;
}

#[actix::test]
async fn ten_at_once_with_one_phone_create_one() {
    story(async |app| {
        let admin = app.admin().await;
        let before = left(app).await;
        let bodies = (0..10).map(|number| {
            let email = format!("officer.{number}@example.org");
            with(officer(VIKRAM, "nodal_officer"), json!({ "email": email }))
        });
        let answers = join_all(bodies.map(|body| app.creates(&admin, body))).await;
        let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!((created.len(), refused.len()), (1, 9));
        for answer in refused {
            answer.refused(409, "conflict");
        }
        assert_eq!(left(app).await, before.map(|rows| rows + 1));
    })
    .await;
}

#[actix::test]
async fn nobody_else_creates_officers() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, VIKRAM, "nodal_officer").await;
        app.has(&admin, "98765 00003", "auditor").await;
        let others = [app.signs_up("98765 43210").await, app.enters(VIKRAM).await, app.enters("98765 00003").await];
        let before = left(app).await;
        app.posts(CREATE, officer("98765 00009", "admin")).await.refused(401, "unauthenticated");
        for other in &others {
            app.creates(other, officer("98765 00009", "admin")).await.refused(403, "forbidden");
            // Nor do they learn what would be wrong with it.
            app.creates(other, json!({})).await.refused(403, "forbidden");
        }
        let denied = eventually("the refusals", async || {
            let denied = app.audited("auth.denied").await;
            (denied.len() >= 6).then_some(denied)
        })
        .await;
        let [users, history, audit, outbox] = left(app).await;
        assert_eq!([users, history, audit, outbox], [before[0], before[1], before[2] + 6, before[3]]);
        for other in &others {
            let theirs: Vec<_> = denied.iter().filter(|record| record.actor == Some(other.user_id())).collect();
            assert_eq!(theirs.len(), 2);
            assert_eq!(
                (&theirs[0].details["route"], &theirs[0].details["code"]),
                (&json!(CREATE), &json!("forbidden"))
            );
        }
    })
    .await;
}

#[actix::test]
async fn every_field_is_looked_at() {
    story(async |app| {
        let admin = app.admin().await;
        let before = left(app).await;
        let good = officer(VIKRAM, "nodal_officer");
        for field in ["phone", "email", "full_name", "role"] {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(field);
            app.creates(&admin, body).await.refused(422, "invalid").blames(field, "required");
        }
        for (more, field, code) in [
            (json!({ "email": "vikram" }), "email", "email_invalid"),
            (json!({ "full_name": " " }), "full_name", "name_invalid"),
            (json!({ "password": "zebra-quartz-41" }), "password", "password_no_upper_case"),
            (json!({ "password": "Password123" }), "password", "password_blocklisted"),
            (json!({ "password": "Vikramshah1" }), "password", "password_about_account"),
            (json!({ "role": "citizen" }), "role", "not_an_officer"),
            (json!({ "role": "moderator" }), "role", "not_an_officer"),
            (json!({ "role": "king" }), "role", "invalid_type"),
            (json!({ "employee_id": "x".repeat(65) }), "employee_id", "employee_id_invalid"),
            (json!({ "employee_id": "a\nb" }), "employee_id", "employee_id_invalid"),
            (json!({ "department_id": 4711 }), "department_id", "unknown"),
            (json!({ "department_id": "Roads" }), "department_id", "invalid_type"),
        ] {
            let answer = app.creates(&admin, with(good.clone(), more)).await;
            answer.refused(422, "invalid").blames(field, code);
        }
        let answer = app.creates(&admin, with(good.clone(), json!({ "phone": "12" }))).await.refused(422, "invalid");
        assert_eq!(answer.body["errors"][0]["field"], "phone");
        assert_eq!(left(app).await, before);
        assert_eq!(app.creates(&admin, good).await.status, 201);
    })
    .await;
}

#[actix::test]
async fn an_administrator_ends_the_sessions_of_anybody() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, VIKRAM, "nodal_officer").await;
        let (first, second) = (app.signs_up("98765 43210").await, app.enters("98765 43210").await);
        let vikram = app.enters(VIKRAM).await;
        let path = format!("/api/v1/admin/users/{}/revoke-sessions", first.user_id());
        for other in [&first, &vikram] {
            app.posts_as(&other.token, &path, json!({})).await.refused(403, "forbidden");
        }
        let nobody = "/api/v1/admin/users/999999/revoke-sessions";
        app.posts_as(&admin.token, nobody, json!({})).await.refused(404, "not_found");
        first.whoami().await.ok();

        assert_eq!(app.posts_as(&admin.token, &path, json!({})).await.ok().body["revoked"], 2);
        for ended in [&first, &second] {
            ended.whoami().await.refused(401, "unauthenticated");
            let body = json!({ "refresh_token": ended.answer.body["refresh_token"] });
            app.posts("/api/v1/auth/refresh-token", body).await.refused(401, "refresh_token_invalid");
        }
        vikram.whoami().await.ok();
        admin.whoami().await.ok();
        let events = app.events_of("event.session.revoked", 2).await;
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.body["data"]["reason"] == "revoked_by_admin"), "{events:?}");
        assert_eq!(app.posts_as(&admin.token, &path, json!({})).await.ok().body["revoked"], 0);
        app.enters("98765 43210").await;
    })
    .await;
}
