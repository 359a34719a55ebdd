//! A browser: keeps cookies, and says from which page a request comes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, PASSWORD, TestApp};

/// A cookie, as an answer sets it.
#[derive(Clone, Debug)]
pub(crate) struct Cookie {
    pub(crate) name: String,
    pub(crate) value: String,
    /// As they are written, sorted.
    pub(crate) attributes: Vec<String>,
    /// The length of the whole.
    pub(crate) length: usize,
}

impl Cookie {
    fn parse(text: &str) -> Self {
        let mut parts = text.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut attributes: Vec<String> = parts.map(str::to_owned).collect();
        attributes.sort();
        Self { name: name.to_owned(), value: value.to_owned(), attributes, length: text.len() }
    }

    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|found| found == attribute)
    }

    /// Seconds until it goes.
    pub(crate) fn max_age(&self) -> i64 {
        self.attributes.iter().find_map(|text| text.strip_prefix("Max-Age=")).unwrap().parse().unwrap()
    }
}

impl Answer {
    /// The cookies it sets.
    pub(crate) fn cookies(&self) -> Vec<Cookie> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines.map(|line| Cookie::parse(line.to_str().unwrap())).collect()
    }

    /// The cookie with this name.
    #[track_caller]
    pub(crate) fn cookie(&self, name: &str) -> Cookie {
        let found = self.cookies().into_iter().find(|cookie| cookie.name == name);
        found.unwrap_or_else(|| panic!("{name} is not set: {self:?}"))
    }
}

/// A browser that is signed in, or may be.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    jar: RefCell<BTreeMap<String, String>>,
    /// The page of which it says that it sends a request; none where the browser says nothing.
    origin: Option<String>,
    /// What its page knows as CSRF token.
    pub(crate) csrf: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self { app, jar: RefCell::default(), origin: None, csrf: String::new() }
    }

    /// One in which somebody with [`PASSWORD`] has just signed in. Answers what it was answered, too.
    pub(crate) async fn of(app: &'a TestApp, phone: &str) -> (Self, Answer) {
        let mut browser = Self::new(app);
        let body = json!({ "phone": phone, "password": PASSWORD });
        let answer = browser.sends(browser.asks(Method::POST, "/api/v1/auth/login?cookies=true").json(&body)).await;
        browser.csrf = answer.text("csrf_token");
        (browser, answer)
    }

    /// The same browser, asking another replica.
    pub(crate) fn through<'b>(&self, app: &'b TestApp) -> Browser<'b> {
        Browser { app, jar: self.jar.clone(), origin: self.origin.clone(), csrf: self.csrf.clone() }
    }

    /// The same browser on a page of `origin`.
    pub(crate) fn on(&self, origin: &str) -> Self {
        Self { origin: Some(origin.to_owned()), ..self.clone() }
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar.borrow().get(name).cloned()
    }

    pub(crate) fn sets(&self, name: &str, value: &str) {
        self.jar.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn loses(&self, name: &str) {
        self.jar.borrow_mut().remove(name);
    }

    /// A request with cookies and origin, and without a CSRF token.
    pub(crate) fn asks(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.app.http.request(method, self.app.at(path));
        let jar: Vec<String> = self.jar.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !jar.is_empty() {
            request = request.header("Cookie", jar.join("; "));
        }
        match &self.origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        }
    }

    /// Sends a request and keeps the cookies that are answered.
    pub(crate) async fn sends(&self, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request).await;
        for cookie in answer.cookies() {
            if cookie.max_age() > 0 {
                self.sets(&cookie.name, &cookie.value);
            } else {
                self.loses(&cookie.name);
            }
        }
        answer
    }

    pub(crate) async fn gets(&self, path: &str) -> Answer {
        self.sends(self.asks(Method::GET, path)).await
    }

    /// Posts with the CSRF token that the page knows.
    pub(crate) async fn posts(&self, path: &str, body: Option<Value>) -> Answer {
        let request = self.asks(Method::POST, path).header("X-CSRF-Token", &self.csrf);
        self.sends(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub(crate) async fn whoami(&self) -> Answer {
        self.gets("/api/v1/auth/whoami").await
    }
}
