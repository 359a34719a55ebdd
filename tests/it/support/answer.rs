//! An answer of the API, with the checks that every answer gets.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let path = response.url().path().to_owned();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let answer = Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        assert!(answer.header("x-request-id").is_some(), "every answer has an id: {answer:?}");
        answer.has_security_headers(&path);
        answer
    }

    /// A browser is told what not to do with it, whatever it is.
    fn has_security_headers(&self, path: &str) {
        let told = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ];
        for (name, value) in told {
            assert_eq!(self.header(name), Some(value), "{name}: {self:?}");
        }
        let policy = self.header("content-security-policy").unwrap_or_default();
        for rule in ["default-src 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        if path.starts_with("/api/v1/") || path.starts_with("/dev/") {
            assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        self.header(name).unwrap_or_else(|| panic!("{name} is missing: {self:?}")).parse().unwrap()
    }

    /// It went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    /// It was refused with `status` and `code`, in the one form of errors.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
        if status == 429 || status == 503 {
            let wait = self.number("retry-after");
            assert!(wait > 0, "{self:?}");
            assert_eq!(self.body["retry_after"], wait, "{self:?}");
        }
        self
    }

    /// A step of a sign-in was passed, and another is asked for.
    #[track_caller]
    pub(crate) fn asks_for_more(self) -> Self {
        let answer = self.refused(401, "mfa_required");
        answer.goes_on();
        answer
    }

    /// A step of a sign-in was passed, and a second factor must be set up.
    #[track_caller]
    pub(crate) fn must_enrol(self) -> Self {
        let answer = self.refused(401, "mfa_enrolment_required");
        answer.goes_on();
        answer
    }

    /// It brings what a sign-in goes on with, and opens nothing.
    #[track_caller]
    fn goes_on(&self) {
        assert!(self.body["mfa_token"].as_str().is_some_and(|token| !token.is_empty()), "{self:?}");
        assert!(self.body["methods"].as_array().is_some_and(|methods| !methods.is_empty()), "{self:?}");
        assert!(self.body["expires_in"].as_i64().is_some_and(|seconds| seconds > 0), "{self:?}");
        for field in ["access_token", "refresh_token", "session_id", "user_id"] {
            assert_eq!(self.body.get(field), None, "{field}: {self:?}");
        }
    }

    /// It was refused for `field`.
    #[track_caller]
    pub(crate) fn blames(self, field: &str, code: &str) -> Self {
        let fault = &self.body["errors"][0];
        assert_eq!((fault["field"].as_str(), fault["code"].as_str()), (Some(field), Some(code)), "{self:?}");
        self
    }
}
