//! Jobs from the queue to a worker's hands, over a real server: what becomes of them when something goes wrong.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use civiclens_nats::consume::{Delivery, Failure, WorkerOptions};
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::subjects::Channel;
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::{Workshop, eventually, story};

/// Longer than any story: what comes again came because somebody said so.
const LONG: Duration = Duration::from_mins(10);

/// What came into a worker's hands: which job, the how manieth time.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Uuid, u64)>>>);

impl Seen {
    fn note(&self, delivery: &Delivery<SmsJobV1>) {
        self.0.lock().unwrap().push((delivery.envelope.id, delivery.attempt));
    }

    fn all(&self) -> Vec<(Uuid, u64)> {
        self.0.lock().unwrap().clone()
    }

    async fn is(&self, expected: &[(Uuid, u64)]) {
        eventually("as many deliveries", async || (self.all().len() >= expected.len()).then_some(())).await;
        assert_eq!(self.all(), expected);
    }
}

fn failure(reason: &str) -> Result<(), Failure> {
    Err(Failure::Retry { reason: reason.to_owned(), after: None })
}

#[actix::test]
async fn a_job_that_takes_long_is_not_given_to_another() {
    let ack_wait = Duration::from_millis(400);
    let (shop, seen) = (Workshop::open(ack_wait).await, Seen::default());
    let job = shop.gets_job().await;
    let hand = |seen: Seen| {
        move |delivery| {
            seen.note(&delivery);
            // Four times as long as the server waits for a sign of life.
            async move {
                tokio::time::sleep(4 * ack_wait).await;
                Ok(())
            }
        }
    };
    let workers = [(); 2].map(|()| shop.works(shop.options(ack_wait), hand(seen.clone())));
    shop.is_empty().await;
    assert_eq!(seen.all(), [(job, 1)]);
    for worker in workers {
        worker.stops().await;
    }
}

#[actix::test]
async fn what_cannot_be_read_is_kept_with_why_and_never_tried() {
    let (shop, seen) = (Workshop::open(LONG).await, Seen::default());
    let job = Workshop::job();
    let changed = |field: &str, value: Value| {
        let mut message: Value = serde_json::from_str(&job.to_text().unwrap()).unwrap();
        message[field] = value;
        message.to_string().into_bytes()
    };
    let unreadable = [
        ("not_json", b"\xff no".to_vec()),
        ("not_cloud_event", b"{\"hello\": true}".to_vec()),
        ("not_cloud_event", changed("specversion", "0.3".into())),
        ("unknown_version", changed("type", "in.civiclens.identity.notify.sms.v2".into())),
        ("wrong_type", changed("type", "in.civiclens.identity.notify.push.v1".into())),
        ("bad_data", changed("data", serde_json::json!({ "to": 7 }))),
    ];
    for (_, bytes) in &unreadable {
        shop.gets_bytes(bytes).await;
    }
    let note = seen.clone();
    let worker = shop.works(WorkerOptions { concurrency: 1, ..shop.options(LONG) }, move |delivery| {
        note.note(&delivery);
        async { Ok(()) }
    });
    let letters = shop.dead_letters(unreadable.len()).await;
    shop.is_empty().await;
    for ((code, bytes), letter) in unreadable.iter().zip(&letters) {
        assert_eq!((letter.name(), letter.body["code"].as_str()), ("notify_dead.sms", Some(*code)));
        assert_eq!(letter.body["attempts"], 1, "{letter:?}");
        let kept = &letter.body["message"];
        match serde_json::from_slice::<Value>(bytes) {
            Ok(message) => assert_eq!(*kept, message),
            Err(_) => assert_eq!((&letter.body["encoding"], kept), (&"base64".into(), &"/yBubw==".into())),
        }
    }
    assert_eq!(letters.len(), unreadable.len());
    assert!(seen.all().is_empty());
    worker.stops().await;
}

#[actix::test]
async fn a_job_that_goes_on_failing_is_given_up() {
    let (shop, seen) = (Workshop::open(LONG).await, Seen::default());
    let job = shop.gets_job().await;
    let note = seen.clone();
    let worker = shop.works(shop.options(LONG), move |delivery| {
        note.note(&delivery);
        async { failure("the provider is away") }
    });
    let letter = shop.dead_letters(1).await.remove(0);
    shop.is_empty().await;
    assert_eq!(seen.all(), [(job, 1), (job, 2), (job, 3)]);
    assert_eq!((letter.body["code"].as_str(), letter.body["attempts"].as_u64()), (Some("attempts_exhausted"), Some(3)));
    assert_eq!(letter.body["reason"], "the provider is away");
    assert_eq!(letter.message_id, format!("{job}.dead"));
    worker.stops().await;
}

#[actix::test]
async fn a_hand_that_panics_or_hangs_costs_one_attempt_and_nothing_else() {
    let (shop, seen) = (Workshop::open(LONG).await, Seen::default());
    let job = shop.gets_job().await;
    let note = seen.clone();
    let options = WorkerOptions { handle_timeout: Duration::from_millis(100), ..shop.options(LONG) };
    let worker = shop.works(options, move |delivery| {
        note.note(&delivery);
        async move {
            match delivery.attempt {
                _ if delivery.envelope.id != job => Ok(()),
                1 => std::panic::resume_unwind(Box::new("as the story wants it")),
                2 => pending().await,
                _ => Ok(()),
            }
        }
    });
    shop.is_empty().await;
    let next = shop.gets_job().await;
    seen.is(&[(job, 1), (job, 2), (job, 3), (next, 1)]).await;
    assert_eq!(shop.dead_letters(0).await.len(), 0);
    worker.stops().await;
}

#[actix::test]
async fn a_job_in_hand_at_the_end_is_finished_or_given_back() {
    let (shop, seen) = (Workshop::open(LONG).await, Seen::default());
    let (finished, note) = (Arc::new(AtomicU64::new(0)), seen.clone());
    let (done, stopping) = (Arc::clone(&finished), Arc::new(Notify::new()));
    let held = Arc::clone(&stopping);
    let quick = shop.gets_job().await;
    let worker =
        shop.works(WorkerOptions { drain_timeout: Duration::from_secs(5), ..shop.options(LONG) }, move |job| {
            note.note(&job);
            let (done, held) = (Arc::clone(&done), Arc::clone(&held));
            async move {
                held.notified().await;
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
    seen.is(&[(quick, 1)]).await;
    // The stop has begun before the job may go on.
    tokio::join!(worker.stops(), async { stopping.notify_one() });
    assert_eq!(finished.load(Ordering::Relaxed), 1, "there was time to finish");
    shop.is_empty().await;

    // This one has no end: it goes back, and to another worker at once, long before the server would miss it.
    let (note, endless) = (seen.clone(), shop.gets_job().await);
    let worker = shop.works(shop.options(LONG), move |delivery| {
        note.note(&delivery);
        pending()
    });
    seen.is(&[(quick, 1), (endless, 1)]).await;
    worker.stops().await;
    let note = seen.clone();
    let other = shop.works(shop.options(LONG), move |delivery| {
        note.note(&delivery);
        async { Ok(()) }
    });
    shop.is_empty().await;
    assert_eq!(seen.all(), [(quick, 1), (endless, 1), (endless, 2)]);
    other.stops().await;
}

#[actix::test]
async fn the_job_of_a_worker_that_died_goes_to_another() {
    let ack_wait = Duration::from_millis(300);
    let (shop, seen) = (Workshop::open(ack_wait).await, Seen::default());
    let job = shop.gets_job().await;
    let note = seen.clone();
    let dead = shop.works(shop.options(ack_wait), move |delivery| {
        note.note(&delivery);
        pending()
    });
    seen.is(&[(job, 1)]).await;
    dead.dies();
    let note = seen.clone();
    let other = shop.works(shop.options(ack_wait), move |delivery| {
        note.note(&delivery);
        async { Ok(()) }
    });
    shop.is_empty().await;
    assert_eq!(seen.all(), [(job, 1), (job, 2)]);
    other.stops().await;
}

#[actix::test]
async fn a_job_that_kills_every_worker_is_given_up() {
    let ack_wait = Duration::from_millis(200);
    let (shop, seen) = (Workshop::open(ack_wait).await, Seen::default());
    shop.gets_job().await;
    for _ in 0..3 {
        shop.is_taken_and_forgotten().await;
    }
    let note = seen.clone();
    let worker = shop.works(shop.options(ack_wait), move |delivery| {
        note.note(&delivery);
        async { Ok(()) }
    });
    let letter = shop.dead_letters(1).await.remove(0);
    assert_eq!((letter.body["code"].as_str(), letter.body["attempts"].as_u64()), (Some("attempts_exhausted"), Some(4)));
    shop.is_empty().await;
    assert!(seen.all().is_empty(), "nobody is asked to try it again");
    worker.stops().await;
}

#[actix::test]
async fn rubbish_in_the_queue_holds_up_no_code() {
    story(async |app| {
        let subject = app.subjects.notify(Channel::Sms);
        app.jetstream.publish(subject, "rubbish".into()).await.unwrap().await.unwrap();
        app.citizen("98765 43210").signs_in().await;
        let letter = app.dead_letters(1).await.remove(0);
        assert_eq!(letter.body["code"], "not_json");
        assert_eq!(app.twilio.posts(), 1);
    })
    .await;
}
