//! Gathers entries for a moment and writes them in one statement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, ResponseFuture, WrapFuture,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Error, Flush, MakePartitions, Record, Stop, WriteNumbers};
use crate::domain::audit::Entry;
use crate::domain::clock::Clock;
use crate::domain::refusals::Refusals;
use crate::store::Db;
use crate::supervision::{Ask, AskError, Lifeline, Permit};

/// How long the first entry of a batch waits for company.
const GATHER: Duration = Duration::from_millis(5);
/// The largest batch.
const BATCH: usize = 256;
/// How often the numbers of refusals are looked at. Each is written when its minute is over.
const NUMBERS_EVERY: Duration = Duration::from_secs(1);
/// How many numbers of refusals wait for PostgreSQL.
const UNWRITTEN: usize = 16_384;
/// How often partitions are looked after.
const PARTITIONS_EVERY: Duration = Duration::from_hours(6);
/// After a failure, sooner.
const PARTITIONS_RETRY: Duration = Duration::from_secs(30);

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Result<(), Error>>,
    _permit: Permit,
}

pub(super) struct AuditActor {
    db: Db,
    clock: Arc<dyn Clock>,
    batch: Vec<Waiting>,
    refusals: Arc<Mutex<Refusals>>,
    /// Numbers of refusals that could not be written yet.
    unwritten: Vec<Entry>,
    lifeline: Lifeline,
}

impl AuditActor {
    pub(super) fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        refusals: Arc<Mutex<Refusals>>,
        crashed: &CancellationToken,
    ) -> Self {
        let lifeline = Lifeline::new(crashed);
        Self { db, clock, batch: Vec::new(), refusals, unwritten: Vec::new(), lifeline }
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
        ctx.notify(MakePartitions);
        ctx.run_interval(NUMBERS_EVERY, |_, ctx| ctx.notify(WriteNumbers { all: false }));
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

impl Handler<MakePartitions> for AuditActor {
    type Result = ();

    fn handle(&mut self, _: MakePartitions, ctx: &mut Self::Context) {
        let (db, today, address) = (self.db.clone(), self.clock.now().date_naive(), ctx.address());
        actix::spawn(async move {
            let again = match db.ensure_audit_partitions(today).await {
                Ok(made) => {
                    tracing::debug!(made, "audit partitions are there");
                    PARTITIONS_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "audit partitions could not be made");
                    PARTITIONS_RETRY
                }
            };
            let weak = address.downgrade();
            drop(address);
            tokio::time::sleep(again).await;
            if let Some(address) = weak.upgrade() {
                address.do_send(MakePartitions);
            }
        });
    }
}

impl Handler<Stop> for AuditActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.flush();
        self.lifeline.stand_down();
        ctx.stop();
    }
}
