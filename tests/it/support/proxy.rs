//! A TCP proxy before one of the servers: it can stop forwarding, answer late, close what is open, and lead elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civiclens_actors::domain::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does to its connections. They are numbered in the order in which they were accepted.
#[derive(Clone, Debug)]
struct Rules {
    /// Where new connections lead.
    target: SocketAddr,
    /// Connections below this number forward nothing, in neither direction, and are not closed either.
    silent_below: u64,
    /// Connections below this number are closed.
    closed_below: u64,
    /// How much later an answer of the server arrives.
    delay: Duration,
}

/// A proxy. It runs on a thread of its own until the process ends.
pub(crate) struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    accepted: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy before the server of `url`, which forwards everything.
    pub(crate) fn before(url: &str) -> Self {
        let rules = Rules { target: target(url), silent_below: 0, closed_below: 0, delay: Duration::ZERO };
        let (rules, heard) = watch::channel(rules);
        let accepted = Arc::new(AtomicU64::new(0));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::clone(&accepted);
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { accept(TcpListener::from_std(listener).unwrap(), heard, count).await });
        };
        std::thread::Builder::new().name("proxy".to_owned()).spawn(serve).unwrap();
        Self { address, rules, accepted }
    }

    /// Makes `url` lead through the proxy; all but host and port stays.
    pub(crate) fn takes_over(&self, url: &mut Secret) {
        let mut through = url::Url::parse(url.expose()).unwrap();
        through.set_host(Some("127.0.0.1")).unwrap();
        through.set_port(Some(self.address.port())).unwrap();
        *url = Secret::from(through.as_str());
    }

    /// How many connections were accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The connections that are open now forward nothing any more; new ones work. So it looks after a fail-over, where the
    /// old server's address is gone without a word.
    pub(crate) fn open_connections_fall_silent(&self) {
        let accepted = self.accepted();
        self.rules.send_modify(|rules| rules.silent_below = accepted);
    }

    /// Nothing is forwarded on any connection; new ones are accepted and hear nothing either. So it looks when a server hangs.
    pub(crate) fn everything_falls_silent(&self) {
        self.rules.send_modify(|rules| rules.silent_below = u64::MAX);
    }

    /// Everything is forwarded again, also what waited meanwhile.
    pub(crate) fn forwards_again(&self) {
        self.rules.send_modify(|rules| {
            rules.silent_below = 0;
            rules.delay = Duration::ZERO;
        });
    }

    /// Answers of the server arrive `delay` late from now on. Questions arrive at once.
    pub(crate) fn answers_late(&self, delay: Duration) {
        self.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Closes every open connection.
    pub(crate) fn closes_open_connections(&self) {
        let accepted = self.accepted();
        self.rules.send_modify(|rules| rules.closed_below = accepted);
    }

    /// New connections lead to the server of `url`.
    pub(crate) fn leads_to(&self, url: &str) {
        let target = target(url);
        self.rules.send_modify(|rules| rules.target = target);
    }
}

/// The address of the server of `url`, which names its host by number.
fn target(url: &str) -> SocketAddr {
    let url = url::Url::parse(url).unwrap();
    let host = url.host_str().unwrap_or("127.0.0.1").replace("localhost", "127.0.0.1");
    SocketAddr::new(host.parse().unwrap(), url.port().unwrap())
}

async fn accept(listener: TcpListener, rules: watch::Receiver<Rules>, accepted: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(forward(client, number, rules.clone()));
    }
}

async fn forward(client: TcpStream, number: u64, mut rules: watch::Receiver<Rules>) {
    let target = rules.borrow().target;
    let Ok(server) = TcpStream::connect(target).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let questions = pump(from_client, to_server, number, rules.clone(), false);
    let answers = pump(from_server, to_client, number, rules.clone(), true);
    tokio::select! {
        () = async { tokio::join!(questions, answers); } => {}
        _ = rules.wait_for(|rules| number < rules.closed_below) => {}
    }
}

/// Forwards one direction until it ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    mut rules: watch::Receiver<Rules>,
    delayed: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let delay = rules.borrow().delay;
        if delayed && delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        // The end of a connection is not forwarded in silence either.
        if rules.wait_for(|rules| number >= rules.silent_below).await.is_err() || read == 0 {
            break;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Whether the echo answers within `limit`; fails when the connection is closed.
async fn answers(stream: &mut TcpStream, limit: Duration) -> std::io::Result<bool> {
    stream.write_all(b"?").await?;
    tokio::time::timeout(limit, stream.read_exact(&mut [0])).await.map_or(Ok(false), |read| read.map(|_| true))
}

#[actix::test]
async fn the_proxy_does_as_it_is_told() {
    let echo = async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("echo://{}", listener.local_addr().unwrap());
        actix::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                actix::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        url
    };
    let first = echo().await;
    let proxy = Proxy::before(&first);
    let mut url = Secret::from(first.as_str());
    proxy.takes_over(&mut url);
    let connect = async || TcpStream::connect(target(url.expose())).await.unwrap();
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(10));
    let mut old = connect().await;
    assert!(answers(&mut old, long).await.unwrap());
    proxy.open_connections_fall_silent();
    assert!(!answers(&mut old, short).await.unwrap());
    let mut new = connect().await;
    assert!(answers(&mut new, long).await.unwrap());
    proxy.everything_falls_silent();
    assert!(!answers(&mut new, short).await.unwrap() && !answers(&mut connect().await, short).await.unwrap());
    proxy.forwards_again();
    assert!(answers(&mut old, long).await.unwrap());
    proxy.answers_late(Duration::from_millis(200));
    let mut late = connect().await;
    assert!(!answers(&mut late, short).await.unwrap() && answers(&mut late, long).await.unwrap());
    proxy.forwards_again();
    let second = echo().await;
    proxy.leads_to(&second);
    proxy.closes_open_connections();
    // What was under way may still arrive.
    while answers(&mut old, long).await.is_ok() {}
    assert!(answers(&mut connect().await, long).await.unwrap());
    assert_eq!(proxy.accepted(), 5);
}
