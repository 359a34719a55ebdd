//! A Twilio that speaks the Messages API as far as we use it, and misbehaves as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use civiclens_actors::domain::clock::{Clock, ManualClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const ACCOUNT: &str = "AC0123456789";
pub(crate) const TOKEN: &str = "twilio-auth-token";

/// What to do with the next message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// 429 with `Retry-After: 1`.
    TooMany,
    /// 500.
    Broken,
    /// 400 with code 21211.
    BadNumber,
    /// Take the message and close the connection without an answer.
    TakeAndHangUp,
    /// Take the message and never answer.
    TakeAndStall,
}

/// A message that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) sid: String,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) body: String,
    created: chrono::DateTime<chrono::Utc>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Reply>,
    messages: Vec<Message>,
    posts: usize,
    looks: usize,
    stalled: bool,
}

/// The fake.
#[derive(Clone, Debug)]
pub(crate) struct Twilio {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Twilio {
    pub(crate) async fn start(clock: Arc<ManualClock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        actix::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, clock) = (Arc::clone(&shared), Arc::clone(&clock));
                actix::spawn(async move { serve(stream, &state, &clock).await });
            }
        });
        Self { state, url }
    }

    /// What to do with the next messages, one after the other; then all is well again.
    pub(crate) fn will(&self, replies: &[Reply]) {
        self.state.lock().unwrap().script.extend(replies);
    }

    pub(crate) fn messages_to(&self, phone: &str) -> Vec<Message> {
        self.state.lock().unwrap().messages.iter().filter(|message| message.to == phone).cloned().collect()
    }

    /// How often it was asked to send.
    pub(crate) fn posts(&self) -> usize {
        self.state.lock().unwrap().posts
    }

    /// How often it was asked what it had sent.
    pub(crate) fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>, clock: &ManualClock) -> Option<()> {
    let mut read = Vec::new();
    let end = loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).ok()?;
    let header = |name: &str| {
        head.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)))
    };
    let length: usize = header("content-length").and_then(|(_, text)| text.parse().ok()).unwrap_or_default();
    let mut body = read[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let known = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    let mut request = head.lines().next()?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let answer = if header("authorization").map(|(_, text)| text) != Some(known.as_str()) {
        Some(error(401, 20003))
    } else if path != format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json") {
        Some(error(404, 20404))
    } else if method == "POST" {
        take(&mut state.lock().unwrap(), &body, clock)
    } else {
        Some(list(&mut state.lock().unwrap(), query))
    };
    if std::mem::take(&mut state.lock().unwrap().stalled) {
        // Until the other side goes.
        stream.read_buf(&mut read).await.ok()?;
    }
    let (status, body) = answer?;
    let wait = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    let body = body.to_string();
    let response = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n{wait}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await.ok()
}

fn error(status: u16, code: u32) -> (u16, Value) {
    (status, json!({ "code": code, "message": "The fake was told to say so", "status": status }))
}

fn field(encoded: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(encoded).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn take(state: &mut State, form: &[u8], clock: &ManualClock) -> Option<(u16, Value)> {
    state.posts += 1;
    let reply = state.script.pop_front();
    match reply {
        Some(Reply::TooMany) => return Some(error(429, 20429)),
        Some(Reply::Broken) => return Some(error(500, 20500)),
        Some(Reply::BadNumber) => return Some(error(400, 21211)),
        Some(Reply::TakeAndStall) => state.stalled = true,
        Some(Reply::TakeAndHangUp) | None => {}
    }
    let (Some(to), Some(from), Some(body)) = (field(form, "To"), field(form, "From"), field(form, "Body")) else {
        return Some(error(400, 21604));
    };
    let sid = format!("SM{:032}", state.messages.len());
    state.messages.push(Message { sid: sid.clone(), to, from, body, created: clock.now() });
    reply.is_none().then(|| (201, json!({ "sid": sid, "status": "queued" })))
}

fn list(state: &mut State, query: &str) -> (u16, Value) {
    state.looks += 1;
    let (to, since) = (field(query.as_bytes(), "To"), field(query.as_bytes(), "DateSent>").unwrap_or_default());
    // Messages wait a while before they are sent, and have no date of sending until then.
    let fits = |message: &&Message| to.as_ref().is_none_or(|to| *to == message.to) && since.is_empty();
    let messages = state.messages.iter().rev().filter(fits).map(|message| {
        let Message { sid, to, from, body, created } = message;
        json!({ "sid": sid, "to": to, "from": from, "body": body, "status": "queued", "date_sent": null,
                "date_created": created.to_rfc2822() })
    });
    (200, json!({ "messages": messages.collect::<Vec<_>>() }))
}
