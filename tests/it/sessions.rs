//! An open session.

use crate::support::{Answer, story, story_with};

#[actix::test]
async fn whoami_answers_from_the_token() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let who = session.whoami().await.ok();
        assert_eq!(who.body["user_id"], session.user_id());
        assert_eq!(who.body["role"], "citizen");
        assert_eq!(who.body["session_id"], session.id());
        assert!(who.body["amr"].as_array().unwrap().contains(&"otp".into()));
        assert!(who.body["auth_time"].is_string() && who.body["expires_at"].is_string());
        assert_eq!(who.number("x-user-id"), session.user_id());
        assert_eq!(who.number("x-session-id"), session.id());
        assert_eq!(who.header("x-user-role"), Some("citizen"));
    })
    .await;
}

#[actix::test]
async fn a_token_that_is_not_ours_opens_nothing() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let mut parts: Vec<&str> = session.token.split('.').collect();
        let signature: String = parts[2].chars().rev().collect();
        parts[2] = &signature;
        let (tampered, unsigned) = (parts.join("."), format!("{}.{}.", parts[0], parts[1]));
        for path in ["/api/v1/auth/whoami", "/api/v1/users/me"] {
            app.gets(path).await.refused(401, "unauthenticated");
            for token in [&tampered, &unsigned, "nonsense", ""] {
                let answer = Answer::of(app.http.get(app.at(path)).bearer_auth(token)).await;
                let answer = answer.refused(401, "unauthenticated");
                assert!(answer.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")));
            }
            let basic = app.http.get(app.at(path)).basic_auth("x", Some(&session.token));
            Answer::of(basic).await.refused(401, "unauthenticated");
        }
    })
    .await;
}

#[actix::test]
async fn a_token_expires_after_a_day() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        app.minutes_pass(24 * 60 - 1);
        session.whoami().await.ok();
        app.minutes_pass(1);
        session.whoami().await.refused(401, "unauthenticated");
    })
    .await;
}

#[actix::test]
async fn logging_out_ends_the_session_at_once_and_tells_others() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        let (first, second) = (ravi.signs_in().await, ravi.signs_in().await);
        let answer = first.logs_out().await.ok();
        assert!(answer.body["message"].is_string());
        first.whoami().await.refused(401, "unauthenticated");
        first.me().await.refused(401, "unauthenticated");
        first.logs_out().await.refused(401, "unauthenticated");
        second.whoami().await.ok();

        let events = app.events(4).await;
        let revoked = events.last().unwrap();
        assert_eq!(revoked.name(), "event.session.revoked");
        assert_eq!(revoked.body["data"]["session_id"], first.id());
        assert_eq!(revoked.body["data"]["reason"], "logout");
        assert_eq!(Some(revoked.request_id.as_str()), answer.header("x-request-id"));
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await, 1);
    })
    .await;
}

#[actix::test]
async fn only_the_listed_origins_may_call_from_a_browser() {
    let listed = |settings: &mut civiclens::config::Settings| {
        settings.server.cors_origins = vec!["https://app.civiclens.example".to_owned()];
    };
    story_with(listed, async |app| {
        let asks = async |origin: &str| {
            let request = app.http.request(reqwest::Method::OPTIONS, app.at("/api/v1/auth/whoami"));
            let request = request.header("Origin", origin).header("Access-Control-Request-Method", "GET");
            let answer = Answer::of(request).await;
            answer.header("access-control-allow-origin").map(str::to_owned)
        };
        let ours = "https://app.civiclens.example";
        assert_eq!(asks(ours).await.as_deref(), Some(ours));
        assert_eq!(asks("https://evil.example").await, None);
    })
    .await;
}
