//! The audit log: what happened, appended and never changed.
//!
//! An entry about a change is written in the change's own transaction ([`crate::store::UnitOfWork::record`]). This
//! component writes the others: failures and refusals. Owns: the batch that is being gathered, the numbers of refusals that
//! are not recorded singly ([`crate::domain::refusals`]), and the loops that write those and make partitions ahead of time.
//! Bound: `ADMITTED` entries waiting, some thousand kinds of refusals. When PostgreSQL is away [`Handle::record`] fails, and so
//! does what wanted to be recorded. May touch: the store.

mod actor;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle, Message};

use crate::accounts::error::store_code;
use crate::domain::audit::Entry;
use crate::domain::clock::Clock;
use crate::domain::code::{Code, Coded};
use crate::domain::refusals::Refusals;
use crate::store::{self, Db};
use crate::supervision::{AskError, Gate, Supervisor, ask};

/// How many entries may wait at once.
const ADMITTED: usize = 4096;

/// Why an entry was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database. Shared by all entries of the batch.
    #[error(transparent)]
    Store(Arc<store::Error>),
    /// Too many entries are waiting, or the process is stopping.
    #[error(transparent)]
    Overloaded(#[from] AskError),
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Store(error) => store_code(error),
            Self::Overloaded(_) => Code::Overloaded,
        }
    }
}

/// Record an entry; answered once it is committed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Record(pub Entry);

/// Write what was gathered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Flush;

/// Write the numbers of refusals whose minute is over, or all of them. Answered once that was tried.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct WriteNumbers {
    all: bool,
}

/// Stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Stop;

/// The door to the audit log.
#[derive(Clone, Debug)]
pub struct Handle {
    gate: Gate,
    address: Addr<actor::AuditActor>,
    refusals: Arc<Mutex<Refusals>>,
    clock: Arc<dyn Clock>,
}

impl Handle {
    /// Starts the actor on `arbiter`, under `supervisor`: with the connections of requests, and with those of loops for the
    /// partitions.
    pub fn start(dbs: (Db, Db), clock: Arc<dyn Clock>, arbiter: &ArbiterHandle, supervisor: &Supervisor) -> Self {
        let (supervisor, refusals) = (supervisor.clone(), Arc::new(Mutex::new(Refusals::default())));
        let (own_clock, own_refusals) = (Arc::clone(&clock), Arc::clone(&refusals));
        let actor = move |_: &mut _| actor::AuditActor::new(dbs, own_clock, own_refusals, supervisor);
        let address = actor::AuditActor::start_in_arbiter(arbiter, actor);
        Self { gate: Gate::new("audit", ADMITTED), address, refusals, clock }
    }

    /// Appends an entry and answers once it is committed.
    pub async fn record(&self, entry: Entry) -> Result<(), Error> {
        ask(&self.gate, &self.address, Record(entry)).await
    }

    /// Records that somebody was refused, who gave no other reason to be remembered: of many that are alike, a number.
    pub async fn refused(&self, entry: Entry) -> Result<(), Error> {
        let now = self.clock.now();
        let single = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).note(entry, now);
        match single {
            Some(entry) => self.record(entry).await,
            None => Ok(()),
        }
    }

    /// Writes what was admitted and stops.
    pub async fn drain(&self, budget: Duration) {
        if tokio::time::timeout(budget, self.gate.close()).await.is_err() {
            tracing::warn!(actor = "audit", "not drained in time");
        }
        if self.address.send(WriteNumbers { all: true }).timeout(budget).await.is_err() {
            tracing::warn!(actor = "audit", "the numbers of refusals were not written in time");
        }
        self.address.do_send(Stop);
    }
}
