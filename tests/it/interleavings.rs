//! Refreshing, losing the answer and logging out, in any order and at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{PASSWORD, Session, TestApp, story};

const PHONE: &str = "98765 43210";

/// What somebody who holds a session's token does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Refreshes and keeps the new token.
    Refresh(usize),
    /// Refreshes and loses the answer.
    Lose(usize),
    /// Logs out.
    Logout,
}

/// Groups of steps. Those of a group happen at once.
fn interleavings() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        8 => (0..3_usize).prop_map(Step::Refresh),
        5 => (0..3_usize).prop_map(Step::Lose),
        1 => Just(Step::Logout),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..4), 1..8)
}

/// What the clients of one session saw.
#[derive(Debug, Default)]
struct Seen {
    /// Which successor each token had.
    successors: BTreeMap<String, BTreeSet<String>>,
    /// Whether anything was refused.
    refused: bool,
    logged_out: bool,
}

async fn lives_through(app: &TestApp, groups: &[Vec<Step>]) -> (String, Seen) {
    let session = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
    let first = session.refresh_token().to_owned();
    let mut holds = vec![first.clone(); 3];
    let mut seen = Seen::default();
    for group in groups {
        let does = group.iter().map(async |step| match step {
            Step::Refresh(client) | Step::Lose(client) => Some(app.refreshes(&holds[*client]).await),
            Step::Logout => {
                session.logs_out().await;
                None
            }
        });
        let answers = join_all(does).await;
        let sent = holds.clone();
        for (step, answer) in group.iter().zip(answers) {
            let (Step::Refresh(client) | Step::Lose(client), Some(answer)) = (step, answer) else {
                seen.logged_out = true;
                continue;
            };
            if answer.status != 200 {
                answer.refused(401, "refresh_token_invalid");
                seen.refused = true;
                continue;
            }
            let next = answer.text("refresh_token");
            seen.successors.entry(sent[*client].clone()).or_default().insert(next.clone());
            if let Step::Refresh(client) = step {
                holds[*client] = next;
            }
        }
    }
    (first, seen)
}

/// The tokens form one line, in whatever order they were used: no token has two successors, none follows two, and a
/// session of which anything was refused is over for everybody.
#[actix::test]
async fn no_interleaving_leaves_two_live_branches() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let mut runner = TestRunner::deterministic();
        for _ in 0..24 {
            let groups = interleavings().new_tree(&mut runner).unwrap().current();
            let (first, seen) = lives_through(app, &groups).await;
            let mut line = vec![first];
            while let Some(next) = seen.successors.get(line.last().unwrap()) {
                assert_eq!(next.len(), 1, "two successors: {groups:?}");
                line.extend(next.iter().cloned());
            }
            assert_eq!(line.len(), seen.successors.len() + 1, "another line: {groups:?} {seen:?}");

            let over = seen.refused || seen.logged_out;
            let latest = app.refreshes(line.last().unwrap()).await;
            assert_eq!(latest.status, if over { 401 } else { 200 }, "{groups:?} {seen:?}");
            if over {
                for token in &line {
                    app.refreshes(token).await.refused(401, "refresh_token_invalid");
                }
            } else if let [.., older, _] = line.as_slice() {
                // The holder of the latest token has gone on, so the one before it is a second branch: it ends both.
                app.refreshes(older).await.refused(401, "refresh_token_invalid");
                app.refreshes(&latest.text("refresh_token")).await.refused(401, "refresh_token_invalid");
            }
        }
    })
    .await;
}
