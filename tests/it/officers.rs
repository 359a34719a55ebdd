//! Who may do more than others does not come in with a code alone.

use crate::support::{Answer, story};

#[actix::test]
async fn an_officer_with_a_code_is_asked_for_a_second_step() {
    story(async |app| {
        let id = app.appoints_admin("98765 43210").await;
        let asha = app.citizen("98765 43210");
        let code = asha.gets_code().await;
        let answer = asha.enters(&code).await.asks_for_more();
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("{}/portal", app.settings.server.public_address())), "{detail}");
        let token = answer.body["mfa_token"].as_str().unwrap();
        for path in ["/api/v1/auth/whoami", "/api/v1/users/me"] {
            let answer = Answer::of(app.http.get(app.at(path)).bearer_auth(token)).await;
            answer.refused(401, "unauthenticated");
        }
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 0);
        assert_eq!(app.count("SELECT id FROM users").await, id);
        asha.enters(&code).await.refused(401, "otp_invalid");
    })
    .await;
}
