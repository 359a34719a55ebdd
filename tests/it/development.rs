//! What makes a developer's day easier, and is not there in production.

use civiclens::config::{Environment, Settings};

use crate::support::{Session, eventually, story, story_with};

fn development(settings: &mut Settings) {
    settings.environment = Environment::Development;
    settings.otp.expose_codes = true;
    settings.sms.provider.clear();
}

#[actix::test]
async fn a_developer_reads_codes_in_the_answer_and_messages_in_the_inbox() {
    story_with(development, async |app| {
        assert_eq!(app.gets("/dev/inbox.json").await.ok().body, serde_json::json!([]));
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211").speaking("hi"));
        let code = ravi.requests_code().await.ok().body["otp"].as_str().unwrap().to_owned();
        let inbox = async |count: usize| {
            let messages = app.gets("/dev/inbox.json").await.ok().body;
            (messages.as_array().unwrap().len() == count).then_some(messages)
        };
        let message = eventually("a message", async || inbox(1).await).await[0].clone();
        assert_eq!((message["channel"].as_str(), message["to"].as_str()), (Some("sms"), Some("+919876543210")));
        let text = message["text"].as_str().unwrap();
        assert!(text.starts_with(&format!("{code} is your CivicLens code.")), "{text}");
        assert!(text.ends_with(&format!("@app.civiclens.example #{code}")), "{text}");
        assert!(message["id"].is_string() && message["sent_at"].is_string(), "{message}");

        meera.requests_code().await.ok();
        let messages = eventually("another message", async || inbox(2).await).await;
        assert_eq!((messages[0]["to"].as_str(), &messages[1]), (Some("+919876543211"), &message), "the newest first");
        let page = app.gets("/dev/inbox").await.ok();
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        let html = page.body.as_str().unwrap();
        for shown in ["+919876543210", "+919876543211", text.lines().next().unwrap(), "आपका CivicLens कोड"]
        {
            assert!(html.contains(shown), "{shown} is not on {html}");
        }
        assert!(!html.contains("<script") && page.header("content-security-policy").unwrap().contains("'none'"));

        Session::of(app, ravi.enters(&code).await.ok()).whoami().await.ok();
        assert_eq!(app.twilio.posts(), 0);
    })
    .await;
}

#[actix::test]
async fn production_has_neither() {
    story(async |app| {
        let ravi = app.citizen("98765 43210");
        assert!(ravi.requests_code().await.ok().body.get("otp").is_none());
        for path in ["/dev/inbox", "/dev/inbox.json"] {
            app.gets(path).await.refused(404, "not_found");
        }
        assert!(!app.redis_dump().await.contains("inbox"));
    })
    .await;
}
