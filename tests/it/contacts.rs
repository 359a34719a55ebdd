//! Names and addresses as people enter them, and what strangers write into letters.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Session, eventually, officer, story};

const SIGNUP: &str = "/api/v1/auth/signup";
const FORGOT: &str = "/api/v1/auth/forgot-password";

fn signup(phone: &str, more: Value) -> Value {
    let mut body = json!({ "phone": phone, "full_name": "Ravi Kumar", "password": PASSWORD });
    let Value::Object(more) = more else { panic!("{more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}

#[actix::test]
async fn an_address_that_mail_cannot_go_to_is_accepted_nowhere() {
    story(async |app| {
        let admin = app.admin().await;
        for address in [
            "\"a,b\"@example.org",
            "u@[192.0.2.1]",
            "u@a.example/x",
            "u@a_b.example",
            "\u{200B}u@example.org",
            "u\u{2060}@example.org",
            "\u{430}dmin@example.org",
            "u@ex\u{430}mple.org",
        ] {
            let body = signup("98765 43210", json!({ "email": address }));
            app.posts(SIGNUP, body).await.refused(422, "invalid").blames("email", "email_invalid");
            let mut body = officer("98765 00002", "nodal_officer");
            body["email"] = json!(address);
            app.creates(&admin, body).await.refused(422, "invalid").blames("email", "email_invalid");
        }
        let mut body = officer("98765 00002", "nodal_officer");
        body["email"] = json!("vikram@B\u{FC}cher.example");
        body.as_object_mut().unwrap().remove("password");
        assert_eq!(app.creates(&admin, body).await.status, 201);
        let to = "vikram@xn--bcher-kva.example";
        assert_eq!(app.text("SELECT email FROM users WHERE role = 'nodal_officer'").await, to);
        eventually("the invitation", async || app.mail.messages_to(to).pop()).await;
    })
    .await;
}

#[actix::test]
async fn a_name_can_be_read() {
    story(async |app| {
        for name in ["\u{200B}", "\u{3164}", "\u{2800}", "a\u{2028}b", "\u{202E}"] {
            let body = signup("98765 43210", json!({ "full_name": name }));
            app.posts(SIGNUP, body).await.refused(422, "invalid").blames("full_name", "name_invalid");
        }
        let ravi = app.citizen("98765 43210");
        let body = signup("98765 43210", json!({ "full_name": " Ravi\u{202E} Ku\u{200B}mar " }));
        assert_eq!(app.posts(SIGNUP, body).await.status, 201);
        let body = json!({ "phone": "98765 43210", "otp": ravi.code_from_sms().await });
        let session = Session::of(app, app.posts("/api/v1/auth/verify-phone", body).await.ok());
        assert_eq!(session.me().await.ok().body["full_name"], "Ravi Kumar");
    })
    .await;
}

#[actix::test]
async fn an_account_is_counted_once_however_its_address_is_written() {
    story(async |app| {
        app.has_admin("98765 00001").await;
        let spellings = [
            "asha.919876500001@example.org",
            "ASHA.919876500001@example.org",
            "asha.919876500001@EXAMPLE.org",
            "Asha.919876500001@Example.Org",
            " aSHA.919876500001@example.org",
        ];
        let mut sent = 0;
        for spelling in spellings {
            sent += i32::from(app.posts(FORGOT, json!({ "email": spelling })).await.status == 200);
        }
        assert_eq!(sent, 3);
        // A Turkish I is another letter: nobody's address, and no fresh budget for this one.
        app.runs("UPDATE users SET email = 'indira@example.org'").await;
        for _ in 0..4 {
            app.posts(FORGOT, json!({ "email": "\u{130}nd\u{130}ra@example.org" })).await;
        }
        app.everything_announced().await;
        app.jobs_are_done().await;
        assert_eq!(app.mail.messages_to("asha.919876500001@example.org").len(), 3);
        assert_eq!(app.mail.messages_to("indira@example.org").len(), 0);
    })
    .await;
}

#[actix::test]
async fn what_a_stranger_calls_a_device_is_no_link() {
    story(async |app| {
        app.signs_up("98765 43210").await;
        app.runs("UPDATE users SET email = 'ravi@example.org', email_verified = true WHERE role = 'citizen'").await;
        let name = "Pixel 8 https://evil.example/a?b#c call +919876543210 <b>";
        app.logs_in_on(json!({ "name": name }), "98765 43210", PASSWORD).await.ok();
        let letter = eventually("the letter", async || {
            app.mail.messages_to("ravi@example.org").into_iter().find(|mail| mail.text.contains("Pixel 8"))
        })
        .await;
        assert!(letter.text.contains("Pixel 8 https evil example a b c call 919876543210 b\n"), "{}", letter.text);
        assert!(!letter.text.contains("://") && !letter.text.contains("evil.example"), "{}", letter.text);
        assert!(!letter.html.contains("evil.example"), "{}", letter.html);
    })
    .await;
}
