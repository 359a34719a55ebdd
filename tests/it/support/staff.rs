//! People who work for the government, and people who guess.

use serde_json::{Value, json};

use super::{Answer, PASSWORD, Session, TestApp};

/// A password that is nobody's.
pub(crate) const WRONG: &str = "Wrong-Guess-99";

/// An officer to be created, as an administrator describes them.
pub(crate) fn officer(phone: &str, role: &str) -> Value {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    json!({ "phone": phone, "email": format!("officer.{digits}@example.org"), "full_name": "Vikram Shah",
            "password": PASSWORD, "role": role })
}

impl TestApp {
    /// An administrator who is signed in.
    pub(crate) async fn admin(&self) -> Session<'_> {
        self.has_admin("98765 00001").await;
        self.admin_signs_in("98765 00001").await.0
    }

    pub(crate) async fn creates(&self, admin: &Session<'_>, officer: Value) -> Answer {
        self.posts_as(&admin.token, "/api/v1/auth/create-officer", officer).await
    }

    /// Has `admin` create somebody of this role. Answers their id.
    pub(crate) async fn has(&self, admin: &Session<'_>, phone: &str, role: &str) -> i64 {
        let created = self.creates(admin, officer(phone, role)).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.body["user_id"].as_i64().unwrap()
    }

    /// Signs in with [`PASSWORD`].
    pub(crate) async fn enters(&self, phone: &str) -> Session<'_> {
        Session::of(self, self.logs_in(phone, PASSWORD).await.ok())
    }

    /// Signs in on a device.
    pub(crate) async fn logs_in_on(&self, device: Value, phone: &str, password: &str) -> Answer {
        let body = json!({ "phone": phone, "password": password, "device": device });
        self.posts("/api/v1/auth/login", body).await
    }

    /// Signs in from an address, as a proxy tells it.
    pub(crate) async fn logs_in_from(&self, address: &str, phone: &str, password: &str) -> Answer {
        let request = self.http.post(self.at("/api/v1/auth/login")).header("X-Forwarded-For", address);
        Answer::of(request.json(&json!({ "phone": phone, "password": password }))).await
    }

    /// Somebody guesses the password, wrongly, so many times.
    pub(crate) async fn guesses(&self, phone: &str, times: usize) {
        for _ in 0..times {
            self.logs_in(phone, WRONG).await.refused(401, "credentials_invalid");
        }
    }
}
