use std::sync::mpsc;

use actix::{Message, SyncContext};

use super::*;
use crate::domain::code::{Code, Coded};
use crate::domain::entropy::SystemEntropy;
use crate::domain::password::Config;
use crate::supervision::Ask;

fn pool(threads: usize, queue: usize, crashed: &CancellationToken) -> Handle {
    pool_with(Arc::new(SystemEntropy::default()), threads, queue, crashed)
}

fn pool_with(entropy: Arc<SystemEntropy>, threads: usize, queue: usize, crashed: &CancellationToken) -> Handle {
    let scheme = Scheme::new(&Config { pepper: Secret::from("pepper"), previous_pepper: Secret::default(), cost: 4 });
    Handle::start(Parts { scheme, policy: Policy::Composition, threads, queue, entropy }, crashed)
}

/// Keeps a thread busy until the other end is dropped.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
struct Occupy(mpsc::Receiver<()>);

impl actix::Handler<Ask<Occupy>> for PasswordsActor {
    type Result = Result<(), Error>;

    fn handle(&mut self, ask: Ask<Occupy>, _: &mut SyncContext<Self>) -> Self::Result {
        self.work(ask, due(PATIENCE), |occupy| {
            let _ = occupy.0.recv();
            Ok(())
        })
    }
}

/// Panics, and says on which thread.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
struct Panic(mpsc::Sender<Option<String>>);

impl actix::Handler<Ask<Panic>> for PasswordsActor {
    type Result = Result<(), Error>;

    fn handle(&mut self, ask: Ask<Panic>, _: &mut SyncContext<Self>) -> Self::Result {
        self.work(ask, due(PATIENCE), |panic| {
            let _ = panic.0.send(thread::current().name().map(str::to_owned));
            std::panic::resume_unwind(Box::new("test"))
        })
    }
}

/// Occupies a thread of `handle`; the work ends with the returned sender. The job is sent when its future was polled once.
fn occupied(handle: &Handle) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (end, work) = mpsc::channel();
    let handle = handle.clone();
    (end, actix::spawn(async move { ask(&handle.hash_gate, &handle.hashing, Occupy(work)).await }))
}

#[actix::test]
async fn a_password_is_hashed_verified_and_judged() {
    let crashed = CancellationToken::new();
    let handle = pool(2, 2, &crashed);
    handle.warm_up().await;
    let password = || Secret::from("Zebra-Quartz-41");
    let stored = handle.hash(password()).await.unwrap();
    assert_eq!(
        handle.verify(password(), Some(stored.clone())).await.unwrap(),
        Verdict { matches: true, outdated: false }
    );
    assert_eq!(handle.verify(Secret::from("Zebra-Quartz-42"), Some(stored)).await.unwrap(), Verdict::NO);
    assert_eq!(handle.verify(password(), None).await.unwrap(), Verdict::NO);
    handle.check("password", password(), About::default()).await.unwrap();
    let error = handle.check("new_password", Secret::from("short"), About::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Invalid);
    let fields = error.fields();
    assert!(fields.len() >= 3 && fields.iter().all(|fault| fault.field == "new_password"), "{fields:?}");
    assert_eq!(handle.strength(password(), About::default()).await.unwrap().score, 4);
    assert!(!crashed.is_cancelled());
}

#[actix::test]
async fn what_threads_and_queue_cannot_hold_is_refused_at_once() {
    let handle = pool(1, 2, &CancellationToken::new());
    let jobs: Vec<_> = (0..3).map(|_| occupied(&handle)).collect();
    tokio::task::yield_now().await;
    let error = handle.hash(Secret::from("x")).await.unwrap_err();
    assert!(matches!(error, Error::Busy));
    assert_eq!((error.code(), error.retry_after()), (Code::Overloaded, Some(Duration::from_secs(1))));
    // Judging has threads of its own.
    handle.strength(Secret::from("x"), About::default()).await.unwrap();
    for (end, job) in jobs {
        drop(end);
        job.await.unwrap().unwrap();
    }
    handle.hash(Secret::from("x")).await.unwrap();
}

#[actix::test]
async fn a_job_whose_time_is_up_is_skipped() {
    let handle = pool(1, 2, &CancellationToken::new());
    let message = HashPassword { password: Secret::from("x"), deadline: Instant::now() };
    let skipped: Result<String, Error> = ask(&handle.hash_gate, &handle.hashing, message).await;
    assert!(matches!(skipped, Err(Error::Late)));
}

#[actix::test]
async fn a_panic_costs_one_job_and_no_thread() {
    let crashed = CancellationToken::new();
    let handle = pool(1, 2, &crashed);
    let (name, names) = mpsc::channel();
    for _ in 0..3 {
        let panicked = ask(&handle.hash_gate, &handle.hashing, Panic(name.clone())).await;
        assert!(matches!(panicked, Err(Error::Panicked)));
        assert_eq!(names.recv().unwrap().as_deref(), Some("password-hash"));
    }
    handle.hash(Secret::from("x")).await.unwrap();
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
    assert!(matches!(handle.hash(Secret::from("x")).await, Err(Error::Busy)));
    drop((end, other_end));
    second.await.unwrap().unwrap();
    handle.hash(Secret::from("x")).await.unwrap();
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
            actix::spawn(async move { handle.hash(Secret::from("x")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    handle.drain(Duration::from_secs(10)).await;
    assert!(matches!(handle.hash(Secret::from("x")).await, Err(Error::Busy)));
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
