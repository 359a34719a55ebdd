//! Clients that send a request and close the connection without waiting for the answer.

use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Answer, TestApp};

/// A request, as bytes on a connection.
#[derive(Clone, Debug)]
pub(crate) struct RawRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Value,
}

impl RawRequest {
    pub(crate) fn post(path: &str, body: Value) -> Self {
        Self { method: "POST".to_owned(), path: path.to_owned(), token: None, body }
    }

    pub(crate) fn by(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    fn bytes(&self, id: &str) -> Vec<u8> {
        let Self { method, path, token, body } = self;
        let token = token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let (kind, body) = match body {
            Value::Null => (String::new(), String::new()),
            body => ("Content-Type: application/json\r\n".to_owned(), body.to_string()),
        };
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: id.civiclens.example\r\nX-Request-Id: {id}\r\n{token}{kind}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

impl TestApp {
    /// Sends a request and waits for the answer.
    pub(crate) async fn sends(&self, request: &RawRequest) -> Answer {
        Answer::of(self.built(request)).await
    }

    /// The same for a request that is called `id`.
    pub(crate) async fn sends_as(&self, request: &RawRequest, id: &str) -> Answer {
        Answer::of(self.built(request).header("X-Request-Id", id)).await
    }

    fn built(&self, request: &RawRequest) -> reqwest::RequestBuilder {
        let RawRequest { method, path, token, body } = request;
        let built = self.http.request(method.parse().unwrap(), self.at(path));
        let built = token.iter().fold(built, reqwest::RequestBuilder::bearer_auth);
        if body.is_null() { built } else { built.json(body) }
    }

    /// Sends a request that is called `id`, and closes the connection after a while.
    pub(crate) async fn hangs_up(&self, request: &RawRequest, id: &str, after: Duration) {
        let pause = async {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
        };
        self.hangs_up_when(request, id, pause).await;
    }

    /// The same as soon as something else happened.
    pub(crate) async fn hangs_up_when(&self, request: &RawRequest, id: &str, happens: impl Future<Output = ()>) {
        let address = self.at("").trim_start_matches("http://").to_owned();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.set_nodelay(true).unwrap();
        connection.write_all(&request.bytes(id)).await.unwrap();
        happens.await;
        drop(connection);
    }
}
