//! A mail server that speaks SMTP as far as we use it, and misbehaves as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What to do with the next message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MailReply {
    /// 451 to the receiver.
    Busy,
    /// 550 to the receiver, with their address in the words.
    Refused,
    /// Take the message and close the connection without an answer.
    TakeAndHangUp,
}

/// A message that was taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    /// The receivers of the envelope.
    pub(crate) receivers: Vec<String>,
    /// Everything between DATA and the dot.
    pub(crate) raw: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mail {
    /// A header, unfolded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(&self.raw, name)
    }
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<MailReply>,
    messages: Vec<Mail>,
    receivers: usize,
    connections: usize,
}

/// The fake.
#[derive(Clone, Debug)]
pub(crate) struct Smtp {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Smtp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        actix::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                actix::spawn(async move { serve(stream, &state).await });
            }
        });
        Self { state, url }
    }

    /// What to do with the next messages, one after the other; then all is well again.
    pub(crate) fn will(&self, replies: &[MailReply]) {
        self.state.lock().unwrap().script.extend(replies);
    }

    pub(crate) fn messages_to(&self, address: &str) -> Vec<Mail> {
        let state = self.state.lock().unwrap();
        state.messages.iter().filter(|mail| mail.receivers.iter().any(|found| found == address)).cloned().collect()
    }

    /// How often it was given a receiver.
    pub(crate) fn receivers(&self) -> usize {
        self.state.lock().unwrap().receivers
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    state.lock().unwrap().connections += 1;
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 fake ESMTP").await?;
    let (mut receivers, mut hang_up) = (Vec::new(), false);
    loop {
        let line = read(&mut stream).await?;
        let (verb, rest) = line.split_at_checked(4).unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-fake\r\n250-8BITMIME\r\n250 SIZE 1000000".to_owned(),
            "RSET" | "MAIL" => {
                receivers.clear();
                "250 well".to_owned()
            }
            "RCPT" => {
                let address = rest.split(['<', '>']).nth(1)?.to_owned();
                let reply = receiver(&mut state.lock().unwrap());
                hang_up = matches!(reply, Some(MailReply::TakeAndHangUp));
                match reply {
                    Some(MailReply::Busy) => "451 4.3.0 later".to_owned(),
                    Some(MailReply::Refused) => format!("550 5.1.1 <{address}>: nobody of this name"),
                    Some(MailReply::TakeAndHangUp) | None => {
                        receivers.push(address);
                        "250 well".to_owned()
                    }
                }
            }
            "DATA" if !receivers.is_empty() => {
                say(&mut stream, "354 go on").await?;
                let mail = parse(std::mem::take(&mut receivers), content(&mut stream).await?);
                state.lock().unwrap().messages.push(mail);
                if hang_up {
                    return None;
                }
                "250 taken".to_owned()
            }
            "NOOP" => "250 here".to_owned(),
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return None;
            }
            _ => "503 not now".to_owned(),
        };
        say(&mut stream, &answer).await?;
    }
}

fn receiver(state: &mut State) -> Option<MailReply> {
    state.receivers += 1;
    state.script.pop_front()
}

async fn say(stream: &mut BufReader<TcpStream>, answer: &str) -> Option<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end_matches("\r\n").to_owned())
}

/// Everything up to the dot.
async fn content(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut all = String::new();
    loop {
        let line = read(stream).await?;
        if line == "." {
            return Some(all);
        }
        all.push_str(line.strip_prefix('.').unwrap_or(&line));
        all.push_str("\r\n");
    }
}

fn parse(receivers: Vec<String>, raw: String) -> Mail {
    let subject = words(&header(&raw, "Subject").unwrap_or_default());
    let boundary = header(&raw, "Content-Type").and_then(|kind| Some(kind.split('"').nth(1)?.to_owned()));
    let (mut text, mut html) = (String::new(), String::new());
    for part in raw.split(&format!("--{}", boundary.unwrap_or_default())).skip(1) {
        let part = part.trim_start_matches("\r\n");
        match header(part, "Content-Type").unwrap_or_default() {
            kind if kind.starts_with("text/plain") => text = body(part),
            kind if kind.starts_with("text/html") => html = body(part),
            _ => {}
        }
    }
    Mail { receivers, raw, subject, text, html }
}

fn header(part: &str, name: &str) -> Option<String> {
    let head = part.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
    let found =
        head.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| value.to_owned())
}

/// RFC 2047 words in base64, and plain ones.
fn words(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut encoded = false;
    for word in value.split(' ') {
        let inner = word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        // Space between two encoded words is not part of the text.
        let joined = encoded && inner.is_some();
        if !joined && !bytes.is_empty() {
            bytes.push(b' ');
        }
        encoded = inner.is_some();
        bytes.extend(inner.map_or_else(|| word.as_bytes().to_vec(), |inner| STANDARD.decode(inner).unwrap()));
    }
    String::from_utf8(bytes).unwrap()
}

fn body(part: &str) -> String {
    let body = part.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let bytes = match header(part, "Content-Transfer-Encoding").as_deref() {
        Some("base64") => STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap(),
        Some("quoted-printable") => quoted_printable(&body.replace("=\r\n", "")),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n").trim_end().to_owned()
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut pieces = text.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (escape, rest) = piece.split_at(2);
        bytes.extend(hex::decode(escape).unwrap());
        bytes.extend(rest.as_bytes());
    }
    bytes
}
