//! People with a password, and what they say to the API.

use chrono::{DateTime, Utc};
use civiclens_actors::accounts::NewAdmin;
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::domain::secret::Secret;
use serde_json::{Value, json};

use super::{Answer, Session, TestApp};

/// A password that the policy accepts.
pub(crate) const PASSWORD: &str = "Zebra-Quartz-41";

/// The code that an authenticator app with this secret (base32) shows at `time`.
pub(crate) fn totp(secret: &str, time: DateTime<Utc>) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(u64::try_from(time.timestamp()).unwrap()).to_string()
}

impl TestApp {
    /// Posts as nobody.
    pub(crate) async fn posts(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.http.post(self.at(path)).json(&body)).await
    }

    /// Posts as the holder of `token`.
    pub(crate) async fn posts_as(&self, token: &str, path: &str, body: Value) -> Answer {
        Answer::of(self.http.post(self.at(path)).bearer_auth(token).json(&body)).await
    }

    /// Asks as the holder of `token`.
    pub(crate) async fn gets_as(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.http.get(self.at(path)).bearer_auth(token)).await
    }

    /// Deletes as the holder of `token`.
    pub(crate) async fn deletes_as(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.http.delete(self.at(path)).bearer_auth(token)).await
    }

    /// Signs in with a password.
    pub(crate) async fn logs_in(&self, phone: &str, password: &str) -> Answer {
        self.posts("/api/v1/auth/login", json!({ "phone": phone, "password": password })).await
    }

    /// Makes somebody with [`PASSWORD`] an administrator. Answers their id.
    pub(crate) async fn has_admin(&self, phone: &str) -> i64 {
        let hash = self.hashes(PASSWORD);
        let phone = Phone::parse(phone).unwrap();
        let digits = phone.as_str().trim_start_matches('+').to_owned();
        let new = NewAdmin {
            phone: &phone,
            full_name: "Asha Rao",
            email: &format!("asha.{digits}@example.org"),
            employee_id: &format!("EMP-{digits}"),
            password_hash: &hash,
        };
        self.accounts().create_admin(&new).await.unwrap().get()
    }

    /// Signs an administrator in, who sets up an authenticator app on the way. Answers the session and the app's secret.
    pub(crate) async fn admin_signs_in(&self, phone: &str) -> (Session<'_>, String) {
        let step = self.logs_in(phone, PASSWORD).await.must_enrol();
        let token = step.body["mfa_token"].as_str().unwrap();
        let body = json!({ "mfa_token": token, "method": "totp" });
        let enrolment = self.posts("/api/v1/auth/enable-2fa", body).await.ok();
        let secret = enrolment.body["secret"].as_str().unwrap().to_owned();
        let code = totp(&secret, self.clock.now());
        let answer = self.posts("/api/v1/auth/verify-2fa", json!({ "mfa_token": token, "code": code })).await.ok();
        (Session::of(self, answer), secret)
    }

    /// Signs a citizen up with [`PASSWORD`] and verifies their phone.
    pub(crate) async fn signs_up(&self, phone: &str) -> Session<'_> {
        let person = self.citizen(phone);
        let body = json!({ "phone": phone, "full_name": "Ravi Kumar", "password": PASSWORD });
        assert_eq!(self.posts("/api/v1/auth/signup", body).await.status, 201);
        let code = person.code_from_sms().await;
        let body = json!({ "phone": phone, "otp": code });
        Session::of(self, self.posts("/api/v1/auth/verify-phone", body).await.ok())
    }

    fn hashes(&self, password: &str) -> String {
        let config = civiclens_actors::domain::password::Config {
            pepper: self.settings.secrets.password_pepper.clone(),
            previous_pepper: Secret::default(),
            cost: self.settings.password.cost,
        };
        let entropy = civiclens_actors::domain::entropy::SystemEntropy::default();
        civiclens_actors::domain::password::Scheme::new(&config).hash(&Secret::from(password), &entropy).unwrap()
    }
}
