//! Two of the service on the same servers.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;

use crate::support::{Session, eventually, story};

#[actix::test]
async fn a_session_that_ended_at_one_replica_is_refused_by_the_other() {
    story(async |app| {
        let other = app.replica().await;
        let session = app.citizen("98765 43210").signs_in().await;
        session.through(&other).gets("/api/v1/auth/whoami").await.ok();
        session.logs_out().await.ok();
        let started = std::time::Instant::now();
        let refused = async || {
            let answer = session.through(&other).gets("/api/v1/auth/whoami").await;
            (answer.status == 401).then_some(answer)
        };
        eventually("a refusal", refused).await.refused(401, "unauthenticated");
        // A second by contract; the rest is for a machine that is busy compiling.
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn events_of_a_person_keep_their_order_and_come_once() {
    story(async |app| {
        let other = app.replica().await;
        let people = (0..30).map(async |number| {
            let phone = format!("98765 {:05}", 40_000 + number);
            let (here, there) = if number % 2 == 0 { (app, &other) } else { (&other, app) };
            let person = here.citizen(&phone);
            let code = person.gets_code().await;
            let session = Session::of(there, person.through(there).enters(&code).await.ok());
            session.logs_out().await.ok();
        });
        join_all(people).await;
        let events = app.events(90).await;
        assert_eq!(events.len(), 90);
        let ids: HashSet<&str> = events.iter().map(|event| event.message_id.as_str()).collect();
        assert_eq!(ids.len(), 90, "each event once");
        let mut stories = BTreeMap::<&str, Vec<&str>>::new();
        for event in &events {
            stories.entry(event.body["subject"].as_str().unwrap()).or_default().push(event.name());
        }
        assert_eq!(stories.len(), 30);
        for (person, names) in stories {
            assert_eq!(names, ["event.user.registered", "event.session.opened", "event.session.revoked"], "{person}");
        }
        other.stop().await;
    })
    .await;
}
