//! One's own sessions: seen, recognised, and ended from afar.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Session, TestApp, story, story_with};

const PHONE: &str = "98765 43210";
const SESSIONS: &str = "/api/v1/auth/sessions";
const HISTORY: &str = "/api/v1/auth/sessions/history";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
                       Mobile Safari/537.36";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0";

async fn listed(app: &TestApp, session: &Session<'_>) -> Vec<Value> {
    let answer = app.gets_as(&session.token, SESSIONS).await.ok();
    let sessions = answer.body["sessions"].as_array().unwrap().clone();
    assert_eq!(answer.body["total"], sessions.len());
    assert_eq!(keys(&answer.body), BTreeSet::from(["sessions".to_owned(), "total".to_owned()]));
    sessions
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn ids(sessions: &[Value]) -> BTreeSet<i64> {
    sessions.iter().map(|session| session["id"].as_i64().unwrap()).collect()
}

async fn ends(app: &TestApp, session: &Session<'_>, id: impl std::fmt::Display) -> Answer {
    app.deletes_as(&session.token, &format!("{SESSIONS}/{id}")).await
}

#[actix::test]
async fn people_see_their_sessions_and_nobody_elses() {
    story(async |app| {
        let meera = app.signs_up("98765 43211").await;
        let sms = app.signs_up(PHONE).await;
        app.minutes_pass(5);
        let phone = app.enters_with(PHONE, &[("User-Agent", ANDROID)], json!({})).await;
        app.minutes_pass(5);
        let laptop =
            app.enters_with(PHONE, &[("User-Agent", WINDOWS)], json!({ "device": { "name": "Work laptop" } })).await;

        let seen = listed(app, &phone).await;
        let contract =
            "id, device, user_agent, ip_address, login_method, created_at, last_activity, expires_at, is_active, current";
        for session in &seen {
            assert_eq!(keys(session), contract.split(", ").map(str::to_owned).collect(), "{session}");
        }
        // The one used last comes first.
        let order: Vec<i64> = seen.iter().map(|session| session["id"].as_i64().unwrap()).collect();
        assert_eq!(order, [laptop.id(), phone.id(), sms.id()]);
        assert!(seen.iter().all(|session| session["is_active"] == true), "{seen:?}");
        let current: Vec<bool> = seen.iter().map(|session| session["current"].as_bool().unwrap()).collect();
        assert_eq!(current, [false, true, false]);
        let devices: Vec<&Value> = seen.iter().map(|session| &session["device"]).collect();
        assert_eq!(devices, [&json!("Work laptop"), &json!("Chrome on Android"), &Value::Null]);
        let agents: Vec<&Value> = seen.iter().map(|session| &session["user_agent"]).collect();
        assert_eq!(agents, [&json!(WINDOWS), &json!(ANDROID), &Value::Null]);
        let methods: Vec<&Value> = seen.iter().map(|session| &session["login_method"]).collect();
        assert_eq!(methods, ["password", "password", "otp"]);
        assert!(seen.iter().all(|session| session["ip_address"] == "127.0.0.1"), "{seen:?}");
        for field in ["created_at", "last_activity", "expires_at"] {
            let time = seen[0][field].as_str().unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z'), "{time}");
        }
        assert_eq!(ids(&listed(app, &meera).await), BTreeSet::from([meera.id()]));
    })
    .await;
}

#[actix::test]
async fn the_history_tells_how_each_session_ended_page_by_page() {
    story(async |app| {
        let meera = app.signs_up("98765 43211").await;
        meera.logs_out().await.ok();
        let mut expected = Vec::new();
        let mut ended = |session: &Session<'_>, reason: &str| expected.insert(0, (session.id(), reason.to_owned()));

        let first = app.signs_up(PHONE).await;
        first.logs_out().await.ok();
        ended(&first, "logout");
        let remote = app.enters(PHONE).await;
        ends(app, &app.enters(PHONE).await, remote.id()).await.ok();
        ended(&remote, "remote_logout");
        let everywhere = app.enters(PHONE).await;
        let before = app.number(format!("SELECT max(id) FROM sessions WHERE id < {}", everywhere.id())).await;
        app.posts_as(&everywhere.token, "/api/v1/auth/logout-all", json!({})).await.ok();
        expected.insert(0, (before, "logout_all".to_owned()));
        expected.insert(0, (everywhere.id(), "logout_all".to_owned()));
        let (elsewhere, here) = (app.enters(PHONE).await, app.enters(PHONE).await);
        app.posts_as(&here.token, "/api/v1/auth/logout-others", json!({})).await.ok();
        expected.insert(0, (elsewhere.id(), "logout_others".to_owned()));

        let (mut found, mut path, mut pages) = (Vec::new(), format!("{HISTORY}?limit=2"), 0);
        loop {
            let page = app.gets_as(&here.token, &path).await.ok();
            assert_eq!(keys(&page.body), BTreeSet::from(["data".to_owned(), "next_cursor".to_owned()]));
            let rows = page.body["data"].as_array().unwrap();
            for row in rows {
                assert!(row["ended_at"].is_string() && row["current"] == false && row["is_active"] == false, "{row}");
                found.push((row["id"].as_i64().unwrap(), row["end_reason"].as_str().unwrap().to_owned()));
            }
            pages += 1;
            let Some(cursor) = page.body["next_cursor"].as_str() else { break };
            assert_eq!(rows.len(), 2);
            path = format!("{HISTORY}?limit=2&cursor={cursor}");
        }
        assert_eq!((found, pages), (expected, 3));
        let all = app.gets_as(&here.token, HISTORY).await.ok();
        assert_eq!((all.body["data"].as_array().unwrap().len(), &all.body["next_cursor"]), (5, &Value::Null));
        for refused in ["limit=0", "limit=101", "limit=x", "cursor=x"] {
            app.gets_as(&here.token, &format!("{HISTORY}?{refused}")).await.refused(422, "invalid");
        }
    })
    .await;
}

#[actix::test]
async fn a_session_is_ended_from_another_one() {
    story(async |app| {
        let other = app.replica().await;
        let (here, lost) = (app.signs_up(PHONE).await, app.enters(PHONE).await);
        let answer = ends(app, &here, lost.id()).await.ok();
        assert!(answer.body["message"].is_string());
        lost.whoami().await.refused(401, "unauthenticated");
        other.refuses_soon(&lost.token).await;
        other.refreshes(lost.refresh_token()).await.refused(401, "refresh_token_invalid");
        assert_eq!(ids(&listed(app, &here).await), BTreeSet::from([here.id()]));
        assert_eq!(app.audited_about("session.revoked", lost.id()).await, 1);
        // Its own session, too.
        ends(app, &here, here.id()).await.ok();
        here.whoami().await.refused(401, "unauthenticated");
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn what_is_not_ones_own_or_has_ended_cannot_be_ended() {
    story(async |app| {
        let (ravi, meera) = (app.signs_up(PHONE).await, app.signs_up("98765 43211").await);
        let ended = app.enters(PHONE).await;
        ended.logs_out().await.ok();
        let before = app.text("SELECT string_agg(s::text, '' ORDER BY id) FROM sessions s").await;
        let foreign = ends(app, &ravi, meera.id()).await.refused(404, "not_found");
        let unknown = ends(app, &ravi, 999_999).await.refused(404, "not_found");
        assert_eq!(foreign.body["detail"], unknown.body["detail"], "nothing tells one from the other");
        for id in [ended.id().to_string(), "0".into(), "-1".into(), "x".into(), "9223372036854775808".into()] {
            ends(app, &ravi, id).await.refused(404, "not_found");
        }
        assert_eq!(app.text("SELECT string_agg(s::text, '' ORDER BY id) FROM sessions s").await, before);
        meera.whoami().await.ok();
        app.refreshes(meera.refresh_token()).await.ok();
        assert_eq!(app.audited_about("session.revoked", meera.id()).await, 0);
    })
    .await;
}

#[actix::test]
async fn signing_out_everywhere_and_everywhere_else() {
    story(async |app| {
        let other = app.replica().await;
        let meera = app.signs_up("98765 43211").await;
        let (here, second, third) = (app.signs_up(PHONE).await, app.enters(PHONE).await, app.enters(PHONE).await);
        app.posts_as(&here.token, "/api/v1/auth/logout-others", json!({})).await.ok();
        for session in [&second, &third] {
            session.whoami().await.refused(401, "unauthenticated");
            other.refuses_soon(&session.token).await;
            other.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
        }
        other.whoami(&here.token).await.ok();
        let again = app.enters(PHONE).await;
        app.posts_as(&here.token, "/api/v1/auth/logout-all", json!({})).await.ok();
        for session in [&here, &again] {
            session.whoami().await.refused(401, "unauthenticated");
            other.refuses_soon(&session.token).await;
            other.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
        }
        for node in [app, &other] {
            node.whoami(&meera.token).await.ok();
        }
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'session.all_revoked'").await, 2);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn an_administrator_ends_the_sessions_of_somebody() {
    story(async |app| {
        let other = app.replica().await;
        app.has_admin("98765 43299").await;
        let (admin, _) = app.admin_signs_in("98765 43299").await;
        let (first, second) = (app.signs_up(PHONE).await, app.enters(PHONE).await);
        let path = format!("/api/v1/admin/users/{}/revoke-sessions", first.user_id());
        app.posts_as(&first.token, &path, json!({})).await.refused(403, "forbidden");
        first.whoami().await.ok();
        let answer = app.posts_as(&admin.token, &path, json!({})).await.ok();
        assert_eq!(answer.body["revoked"], 2);
        for session in [&first, &second] {
            session.whoami().await.refused(401, "unauthenticated");
            other.refuses_soon(&session.token).await;
            other.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
            assert_eq!(app.end_of(session.id()).await, "revoked_by_admin");
        }
        admin.whoami().await.ok();
        let unknown = "/api/v1/admin/users/999999/revoke-sessions";
        app.posts_as(&admin.token, unknown, json!({})).await.refused(404, "not_found");
        other.stop().await;
    })
    .await;
}

async fn address_of(app: &TestApp, forwarded: &str) -> Value {
    let session = app.enters_with(PHONE, &[("X-Forwarded-For", forwarded)], json!({})).await;
    let seen = listed(app, &session).await;
    seen.iter().find(|listed| listed["current"] == true).unwrap()["ip_address"].clone()
}

#[actix::test]
async fn only_a_trusted_proxy_says_where_somebody_is() {
    story(async |app| {
        app.signs_up(PHONE).await;
        assert_eq!(address_of(app, "203.0.113.7").await, "127.0.0.1", "a stranger cannot choose an address");
    })
    .await;
    let trusting = |settings: &mut civiclens::config::Settings| {
        settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    };
    story_with(trusting, async |app| {
        app.signs_up(PHONE).await;
        assert_eq!(address_of(app, "203.0.113.7").await, "203.0.113.7");
        assert_eq!(
            address_of(app, "1.1.1.1, 203.0.113.7, 10.0.0.9").await,
            "203.0.113.7",
            "what it wrote itself is left out"
        );
        assert_eq!(address_of(app, "2001:db8::7").await, "2001:db8::7");
    })
    .await;
}
