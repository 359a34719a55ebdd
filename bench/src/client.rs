//! An HTTP/1.1 client that costs little: keep-alive connections, one request at a time on each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request, ready to be written.
#[derive(Clone)]
pub(crate) struct Request(Arc<[u8]>);

impl Request {
    /// A GET, with an access token if there is one.
    pub(crate) fn get(path: &str, token: Option<&str>) -> Self {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        Self(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{token}\r\n").into_bytes().into())
    }

    /// A POST without a body, with an access token.
    pub(crate) fn post_as(path: &str, token: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        Self(head.into_bytes().into())
    }

    /// A POST of JSON, from `address`.
    pub(crate) fn post(path: &str, body: &Value, address: &str) -> Self {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-Forwarded-For: {address}\r\n\r\n{body}",
            body.len()
        );
        Self(head.into_bytes().into())
    }
}

/// Sends all requests over `connections` connections. Answers the bodies in the order of the requests, and how long each
/// took. Each connection pauses for `pause` after an answer. Fails on the first answer that is not a success.
pub(crate) async fn send_all(
    address: &str,
    requests: Vec<Request>,
    connections: usize,
    pause: Duration,
) -> anyhow::Result<(Vec<Value>, Vec<Duration>)> {
    let count = requests.len();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let answers = Arc::new(Mutex::new(vec![(Value::Null, Duration::ZERO); count]));
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (requests, next, answers) = (Arc::clone(&requests), Arc::clone(&next), Arc::clone(&answers));
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        tasks.push(tokio::spawn(async move {
            while let Some((n, request)) = take(&next, &requests) {
                let start = Instant::now();
                let answer = exchange(&mut stream, &request.0).await?;
                answers.lock().unwrap_or_else(PoisonError::into_inner)[n] = (answer, start.elapsed());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let answers = std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(answers.into_iter().unzip())
}

fn take<'a>(next: &AtomicUsize, requests: &'a [Request]) -> Option<(usize, &'a Request)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    requests.get(n).map(|request| (n, request))
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<Value> {
    stream.write_all(request).await?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        anyhow::ensure!(stream.read_buf(&mut buffer).await? > 0, "the connection was closed");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let whole = end + 4 + length.context("no content-length")?.trim().parse::<usize>()?;
        while buffer.len() < whole {
            anyhow::ensure!(stream.read_buf(&mut buffer).await? > 0, "the connection was closed");
        }
        let body = String::from_utf8_lossy(&buffer[end + 4..whole]).into_owned();
        anyhow::ensure!(head.starts_with("http/1.1 20"), "{head}\n{body}");
        return Ok(serde_json::from_str(&body)?);
    }
}

/// Waits until the service says that it is ready.
pub(crate) async fn wait_until_ready(address: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = send_all(address, vec![Request::get("/readyz", None)], 1, Duration::ZERO).await;
        match answer {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error.context("the service is not ready")),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
