//! Gathers entries for a moment and writes them in one statement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, ResponseFuture, WeakAddr,
    WrapFuture,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Error, Flush, Record, Stop, WriteNumbers};
use crate::domain::audit::Entry;
use crate::domain::clock::Clock;
use crate::domain::refusals::Refusals;
use crate::store::Db;
use crate::supervision::{Ask, AskError, Heartbeat, Lifeline, Loop, Permit, Supervisor};

/// How long the first entry of a batch waits for company.
const GATHER: Duration = Duration::from_millis(5);
/// The largest batch.
const BATCH: usize = 256;
/// How often the numbers of refusals are looked at. Each is written when its minute is over.
const NUMBERS_EVERY: Duration = Duration::from_secs(1);
/// How long a look may take, and how long ago one may have succeeded.
const NUMBERS_STEP: Duration = Duration::from_secs(15);
const NUMBERS_BOUND: Duration = Duration::from_mins(1);
/// How many numbers of refusals wait for PostgreSQL.
const UNWRITTEN: usize = 16_384;
/// How often partitions are looked after.
const PARTITIONS_EVERY: Duration = Duration::from_hours(6);
/// After a failure, sooner.
const PARTITIONS_RETRY: Duration = Duration::from_secs(30);
/// How long making them may take, and how long ago it may have succeeded: they are made for months ahead.
const PARTITIONS_STEP: Duration = Duration::from_mins(1);
const PARTITIONS_BOUND: Duration = Duration::from_hours(7);

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Result<(), Error>>,
    _permit: Permit,
}

pub(super) struct AuditActor {
    db: Db,
    background_db: Db,
    clock: Arc<dyn Clock>,
    batch: Vec<Waiting>,
    refusals: Arc<Mutex<Refusals>>,
    /// Numbers of refusals that could not be written yet.
    unwritten: Vec<Entry>,
    supervisor: Supervisor,
    loops: Vec<Loop>,
    lifeline: Lifeline,
}

impl AuditActor {
    pub(super) fn new(
        (db, background_db): (Db, Db),
        clock: Arc<dyn Clock>,
        refusals: Arc<Mutex<Refusals>>,
        supervisor: Supervisor,
    ) -> Self {
        let lifeline = Lifeline::new(&supervisor.crashed);
        let (batch, unwritten, loops) = (Vec::new(), Vec::new(), Vec::new());
        Self { db, background_db, clock, batch, refusals, unwritten, supervisor, loops, lifeline }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        let (db, now) = (self.db.clone(), self.clock.now());
        actix::spawn(async move {
            let entries: Vec<Entry> = batch.iter().map(|waiting| waiting.entry.clone()).collect();
            let written = db.append_audit(&entries, now).await.map_err(|error| Error::Store(Arc::new(error)));
            if let Err(error) = &written {
                tracing::error!(%error, entries = entries.len(), "audit entries were not written");
            }
            for waiting in batch {
                // Who asked may have left; the entry is written all the same.
                let _ = waiting.answer.send(written.clone());
            }
        });
    }
}

impl Actor for AuditActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (db, clock) = (self.background_db.clone(), Arc::clone(&self.clock));
        let make = |stop, heartbeat| make_partitions(db, clock, stop, heartbeat);
        let address = ctx.address().downgrade();
        let write = |stop, heartbeat| write_numbers(address, stop, heartbeat);
        self.loops = vec![
            Loop::start("audit_partitions", PARTITIONS_BOUND, &self.supervisor, make),
            Loop::start("refusal_numbers", NUMBERS_BOUND, &self.supervisor, write),
        ];
    }
}

impl Handler<Ask<Record>> for AuditActor {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, ask: Ask<Record>, ctx: &mut Self::Context) -> Self::Result {
        let (answer, written) = oneshot::channel();
        self.batch.push(Waiting { entry: ask.message.0, answer, _permit: ask.permit });
        match self.batch.len() {
            1 => drop(ctx.notify_later(Flush, GATHER)),
            BATCH.. => self.flush(),
            _ => {}
        }
        Box::pin(async move { written.await.unwrap_or(Err(Error::Overloaded(AskError::Gone))) })
    }
}

impl Handler<Flush> for AuditActor {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.flush();
    }
}

impl Handler<WriteNumbers> for AuditActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, message: WriteNumbers, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let due = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).due(now, message.all);
        let mut entries = std::mem::take(&mut self.unwritten);
        entries.extend(due);
        let db = self.db.clone();
        let write = async move {
            if entries.is_empty() {
                return entries;
            }
            match db.append_audit(&entries, now).await {
                Ok(()) => Vec::new(),
                Err(error) => {
                    tracing::warn!(%error, entries = entries.len(), "numbers of refusals could not be written yet");
                    entries
                }
            }
        };
        Box::pin(write.into_actor(self).map(|left, actor, _| {
            actor.unwritten.extend(left);
            actor.unwritten.truncate(UNWRITTEN);
        }))
    }
}

/// Has the numbers of refusals looked at, again and again until `stop`.
async fn write_numbers(address: WeakAddr<AuditActor>, stop: CancellationToken, heartbeat: Heartbeat) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(NUMBERS_EVERY) => {}
        }
        // Gone only when the actor is.
        let Some(address) = address.upgrade() else { return stop.cancelled().await };
        if let Err(error) = heartbeat.step(NUMBERS_STEP, address.send(WriteNumbers { all: false })).await {
            tracing::debug!(%error, "numbers of refusals are not written");
        }
    }
}

/// Makes the partitions of the coming months, again and again until `stop`.
async fn make_partitions(db: Db, clock: Arc<dyn Clock>, stop: CancellationToken, heartbeat: Heartbeat) {
    loop {
        let making = heartbeat.step(PARTITIONS_STEP, db.ensure_audit_partitions(clock.now().date_naive()));
        let again = match stop.run_until_cancelled(making).await {
            None => return,
            Some(Ok(made)) => {
                tracing::debug!(made, "audit partitions are there");
                PARTITIONS_EVERY
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "audit partitions could not be made");
                PARTITIONS_RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(again) => {}
        }
    }
}

impl Handler<Stop> for AuditActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.flush();
        for work in self.loops.drain(..) {
            actix::spawn(work.end(Duration::from_secs(1)));
        }
        self.lifeline.stand_down();
        ctx.stop();
    }
}
