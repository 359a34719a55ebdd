use std::net::Ipv4Addr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;

use actix::{Message, SyncContext};

use super::turns::Turn;
use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::code::{Code, Coded};
use crate::domain::entropy::SystemEntropy;
use crate::domain::password::Config;
use crate::supervision::Ask;

fn pool(threads: usize, queue: usize, crashed: &CancellationToken) -> Handle {
    pool_with(Arc::new(SystemEntropy::default()), threads, queue, crashed)
}

fn pool_with(entropy: Arc<SystemEntropy>, threads: usize, queue: usize, crashed: &CancellationToken) -> Handle {
    let scheme = Scheme::new(&Config { pepper: Secret::from("pepper"), previous_pepper: Secret::default(), cost: 4 });
    let (policy, clock) = (Policy::Composition, Arc::new(SystemClock));
    let judged_per_address = Rate { count: 100, window: Duration::from_mins(1) };
    Handle::start(Parts { scheme, policy, threads, queue, judged_per_address, entropy, clock }, crashed)
}

/// One more client, with an address of their own.
fn client() -> Client {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    Client { ip: Ipv4Addr::from_bits(CLIENTS.fetch_add(1, Relaxed)).into(), ..Client::nobody() }
}

fn somebody() -> Requester {
    Requester::address(&client())
}

/// Keeps a thread busy until the other end is dropped.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
struct Occupy(mpsc::Receiver<()>, Turn);

impl actix::Handler<Ask<Occupy>> for PasswordsActor {
    type Result = Result<(), Error>;

    fn handle(&mut self, ask: Ask<Occupy>, _: &mut SyncContext<Self>) -> Self::Result {
        self.work(ask, due(PATIENCE), |Occupy(end, _turn)| {
            let _ = end.recv();
            Ok(())
        })
    }
}

/// Panics, and says on which thread.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
struct Panic(mpsc::Sender<Option<String>>, Turn);

impl actix::Handler<Ask<Panic>> for PasswordsActor {
    type Result = Result<(), Error>;

    fn handle(&mut self, ask: Ask<Panic>, _: &mut SyncContext<Self>) -> Self::Result {
        self.work(ask, due(PATIENCE), |Panic(name, _turn)| {
            let _ = name.send(thread::current().name().map(str::to_owned));
            std::panic::resume_unwind(Box::new("test"))
        })
    }
}

/// Occupies a thread of `handle`; the work ends with the returned sender. The job is sent when its future was polled once.
fn occupied(handle: &Handle) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (end, work) = mpsc::channel();
    let handle = handle.clone();
    let occupy = async move {
        let turn = handle.hashing.turns.wait(somebody(), due(PATIENCE)).await?;
        ask(&handle.hashing.gate, &handle.hashing.threads, Occupy(work, turn)).await
    };
    (end, actix::spawn(occupy))
}

#[actix::test]
async fn a_password_is_hashed_verified_and_judged() {
    let crashed = CancellationToken::new();
    let handle = pool(2, 2, &crashed);
    handle.warm_up().await;
    let password = || Secret::from("Zebra-Quartz-41");
    let stored = handle.hash(password(), somebody()).await.unwrap();
    assert_eq!(
        handle.verify(password(), Some(stored.clone()), somebody()).await.unwrap(),
        Verdict { matches: true, outdated: false }
    );
    assert_eq!(handle.verify(Secret::from("Zebra-Quartz-42"), Some(stored), somebody()).await.unwrap(), Verdict::NO);
    assert_eq!(handle.verify(password(), None, somebody()).await.unwrap(), Verdict::NO);
    handle.check("password", password(), About::default(), &client()).await.unwrap();
    let error = handle.check("new_password", Secret::from("short"), About::default(), &client()).await.unwrap_err();
    assert_eq!(error.code(), Code::Invalid);
    let fields = error.fields();
    assert!(fields.len() >= 3 && fields.iter().all(|fault| fault.field == "new_password"), "{fields:?}");
    assert_eq!(handle.strength(password(), About::default(), &client()).await.unwrap().score, 4);
    assert!(!crashed.is_cancelled());
}

#[actix::test]
async fn what_threads_and_queue_cannot_hold_is_refused_at_once() {
    let handle = pool(1, 2, &CancellationToken::new());
    let jobs: Vec<_> = (0..3).map(|_| occupied(&handle)).collect();
    tokio::task::yield_now().await;
    let error = handle.hash(Secret::from("x"), somebody()).await.unwrap_err();
    assert!(matches!(error, Error::Busy));
    assert_eq!((error.code(), error.retry_after()), (Code::Overloaded, Some(Duration::from_secs(1))));
    // Judging has threads of its own.
    handle.strength(Secret::from("x"), About::default(), &client()).await.unwrap();
    for (end, job) in jobs {
        drop(end);
        job.await.unwrap().unwrap();
    }
    handle.hash(Secret::from("x"), somebody()).await.unwrap();
}

#[actix::test]
async fn a_job_whose_time_is_up_is_skipped() {
    let handle = pool(1, 2, &CancellationToken::new());
    let turn = handle.hashing.turns.wait(somebody(), due(PATIENCE)).await.unwrap();
    let message = HashPassword { password: Secret::from("x"), deadline: Instant::now(), turn };
    let skipped: Result<String, Error> = ask(&handle.hashing.gate, &handle.hashing.threads, message).await;
    assert!(matches!(skipped, Err(Error::Late)));
}

#[actix::test]
async fn a_panic_costs_one_job_and_no_thread() {
    let crashed = CancellationToken::new();
    let handle = pool(1, 2, &crashed);
    let (name, names) = mpsc::channel();
    for _ in 0..3 {
        let panicked = {
            let turn = handle.hashing.turns.wait(somebody(), due(PATIENCE)).await.unwrap();
            ask(&handle.hashing.gate, &handle.hashing.threads, Panic(name.clone(), turn)).await
        };
        assert!(matches!(panicked, Err(Error::Panicked)));
        assert_eq!(names.recv().unwrap().as_deref(), Some("password-hash"));
    }
    handle.hash(Secret::from("x"), somebody()).await.unwrap();
    assert!(!crashed.is_cancelled());
}

#[actix::test]
async fn a_caller_that_leaves_gives_its_place_back_with_the_work() {
    let handle = pool(1, 1, &CancellationToken::new());
    let (end, first) = occupied(&handle);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.is_err());
    let (other_end, second) = occupied(&handle);
    tokio::task::yield_now().await;
    // The work of the first goes on and keeps its place.
    assert!(matches!(handle.hash(Secret::from("x"), somebody()).await, Err(Error::Busy)));
    drop((end, other_end));
    second.await.unwrap().unwrap();
    handle.hash(Secret::from("x"), somebody()).await.unwrap();
}

#[actix::test]
async fn busy_threads_pass_the_probe_and_stuck_ones_do_not() {
    let handle = pool(1, 4, &CancellationToken::new());
    handle.probe().await.unwrap();
    let stuck = pool(1, 4, &CancellationToken::new());
    let (end, job) = occupied(&stuck);
    tokio::task::yield_now().await;
    assert!(matches!(stuck.probe().await, Err(Error::Late)));
    stuck.pulse.beat();
    stuck.probe().await.unwrap();
    drop(end);
    job.await.unwrap().unwrap();
}

#[actix::test]
async fn draining_finishes_what_was_admitted() {
    let crashed = CancellationToken::new();
    let entropy = Arc::new(SystemEntropy::default());
    let handle = pool_with(Arc::clone(&entropy), 1, 4, &crashed);
    let work: Vec<_> = (0..5)
        .map(|_| {
            let handle = handle.clone();
            actix::spawn(async move { handle.hash(Secret::from("x"), somebody()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    handle.drain(Duration::from_secs(10)).await;
    assert!(matches!(handle.hash(Secret::from("x"), somebody()).await, Err(Error::Busy)));
    for job in work {
        job.await.unwrap().unwrap();
    }
    drop(handle);
    // The threads end on purpose: no part of the process has died.
    let ended = async {
        while Arc::strong_count(&entropy) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    assert!(!crashed.is_cancelled());
}

#[actix::test]
async fn an_address_has_so_many_judgements() {
    let handle = pool(1, 1, &CancellationToken::new());
    let (client, other) = (client(), client());
    let check = async |client| handle.check("password", Secret::from("x"), About::default(), client).await;
    for _ in 0..100 {
        assert!(matches!(check(&client).await, Err(Error::Unacceptable { .. })));
    }
    let error = check(&client).await.unwrap_err();
    assert_eq!(error.code(), Code::RateLimited);
    assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_millis(600)));
    assert!(matches!(check(&other).await, Err(Error::Unacceptable { .. })));
    // The meter has a limit of its own.
    handle.strength(Secret::from("x"), About::default(), &client).await.unwrap();
}
