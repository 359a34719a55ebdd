//! The audit log: what happened, appended and never changed.
//!
//! An entry about a change is written in the change's own transaction ([`crate::store::UnitOfWork::record`]). This
//! component writes the others: failures and refusals. Owns: the batch that is being gathered, and the timer that makes
//! partitions ahead of time. Bound: `ADMITTED` entries waiting. When PostgreSQL is away [`Handle::record`] fails, and so
//! does what wanted to be recorded. May touch: the store.

mod actor;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle, Message};
use tokio_util::sync::CancellationToken;

use crate::accounts::error::store_code;
use crate::domain::audit::Entry;
use crate::domain::clock::Clock;
use crate::domain::code::{Code, Coded};
use crate::store::{self, Db};
use crate::supervision::{AskError, Gate, ask};

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

/// Make the partitions of the coming months.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct MakePartitions;

/// Stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Stop;

/// The door to the audit log.
#[derive(Clone, Debug)]
pub struct Handle {
    gate: Gate,
    address: Addr<actor::AuditActor>,
}

impl Handle {
    /// Starts the actor on `arbiter`; `crashed` is cancelled if it dies.
    pub fn start(db: Db, clock: Arc<dyn Clock>, arbiter: &ArbiterHandle, crashed: &CancellationToken) -> Self {
        let crashed = crashed.clone();
        let address =
            actor::AuditActor::start_in_arbiter(arbiter, move |_| actor::AuditActor::new(db, clock, &crashed));
        Self { gate: Gate::new("audit", ADMITTED), address }
    }

    /// Appends an entry and answers once it is committed.
    pub async fn record(&self, entry: Entry) -> Result<(), Error> {
        ask(&self.gate, &self.address, Record(entry)).await
    }

    /// Writes what was admitted and stops.
    pub async fn drain(&self, budget: Duration) {
        if tokio::time::timeout(budget, self.gate.close()).await.is_err() {
            tracing::warn!(actor = "audit", "not drained in time");
        }
        self.address.do_send(Stop);
    }
}
