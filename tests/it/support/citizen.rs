//! A person with a phone.

use std::cell::Cell;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Answer, TestApp, eventually};

/// A person with a phone, written as they write it.
pub(crate) struct Citizen<'a> {
    app: &'a TestApp,
    phone: String,
    language: Option<&'static str>,
    read: Cell<usize>,
}

/// A code that is not `code`.
pub(crate) fn wrong(code: &str) -> String {
    let first = if code.starts_with('0') { '1' } else { '0' };
    format!("{first}{}", &code[1..])
}

impl<'a> Citizen<'a> {
    pub(crate) fn new(app: &'a TestApp, phone: &str) -> Self {
        Self { app, phone: phone.to_owned(), language: None, read: Cell::new(0) }
    }

    /// The same person, through another replica of the service.
    pub(crate) fn through(&self, app: &'a TestApp) -> Self {
        Self { app, phone: self.phone.clone(), language: self.language, read: self.read.clone() }
    }

    pub(crate) fn speaking(mut self, language: &'static str) -> Self {
        self.language = Some(language);
        self
    }

    /// The phone as the service must understand it.
    pub(crate) fn e164(&self) -> String {
        let digits: String = self.phone.chars().filter(char::is_ascii_digit).collect();
        format!("+91{}", &digits[digits.len() - 10..])
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.app.http.post(self.app.at(path)).json(body);
        match self.language {
            Some(language) => request.header("Accept-Language", language),
            None => request,
        }
    }

    pub(crate) async fn requests_code(&self) -> Answer {
        Answer::of(self.post("/api/v1/auth/request-otp", &json!({ "phone": self.phone }))).await
    }

    /// The text of the next SMS.
    pub(crate) async fn sms(&self) -> String {
        let (phone, read) = (self.e164(), self.read.get());
        let text =
            eventually("an SMS", async || Some(self.app.twilio.messages_to(&phone).get(read)?.body.clone())).await;
        self.read.set(read + 1);
        text
    }

    /// The code in the next SMS that holds one. Notices go another way and may come before it or after.
    pub(crate) async fn code_from_sms(&self) -> String {
        loop {
            let text = self.sms().await;
            let first = text.split(' ').next().unwrap();
            if first.len() == 6 && first.bytes().all(|byte| byte.is_ascii_digit()) {
                return first.to_owned();
            }
        }
    }

    /// Requests a code and reads it.
    pub(crate) async fn gets_code(&self) -> String {
        self.requests_code().await.ok();
        self.code_from_sms().await
    }

    pub(crate) async fn enters(&self, code: &str) -> Answer {
        Answer::of(self.post("/api/v1/auth/verify-otp", &json!({ "phone": self.phone, "otp": code }))).await
    }

    pub(crate) async fn signs_in(&self) -> Session<'a> {
        let code = self.gets_code().await;
        Session::of(self.app, self.enters(&code).await.ok())
    }
}

/// An open session.
pub(crate) struct Session<'a> {
    app: &'a TestApp,
    pub(crate) answer: Answer,
    pub(crate) token: String,
}

impl<'a> Session<'a> {
    pub(crate) fn of(app: &'a TestApp, answer: Answer) -> Self {
        let token = answer.body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer:?}")).to_owned();
        Self { app, answer, token }
    }

    /// What another replica says to this session.
    pub(crate) fn through<'b>(&self, app: &'b TestApp) -> SessionAt<'b> {
        SessionAt { app, token: self.token.clone() }
    }

    fn here(&self) -> SessionAt<'a> {
        SessionAt { app: self.app, token: self.token.clone() }
    }

    pub(crate) fn id(&self) -> i64 {
        self.answer.body["session_id"].as_i64().unwrap()
    }

    pub(crate) fn user_id(&self) -> i64 {
        self.answer.body["user_id"].as_i64().unwrap()
    }

    pub(crate) async fn whoami(&self) -> Answer {
        self.here().gets("/api/v1/auth/whoami").await
    }

    pub(crate) async fn me(&self) -> Answer {
        self.here().gets("/api/v1/users/me").await
    }

    pub(crate) async fn logs_out(&self) -> Answer {
        let app = self.app;
        Answer::of(app.http.post(app.at("/api/v1/auth/logout")).bearer_auth(&self.token)).await
    }
}

/// A session at one replica.
pub(crate) struct SessionAt<'a> {
    app: &'a TestApp,
    token: String,
}

impl SessionAt<'_> {
    pub(crate) async fn gets(&self, path: &str) -> Answer {
        Answer::of(self.app.http.get(self.app.at(path)).bearer_auth(&self.token)).await
    }
}
