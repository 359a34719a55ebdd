//! Connections: pooled, and given back without a round trip.
//!
//! The driver's own pool asks the server whether a connection still works each time one is given back, which doubles what a
//! short statement costs. Here a connection remembers whether its last use came to its end; only one that was given up half-way
//! is asked, before anybody else gets it.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use futures::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Postgres};
use sqlx_core::transaction::TransactionManager;

type Transactions = <Postgres as sqlx::Database>::TransactionManager;

/// A connection that rested longer than this is asked before use; a busy one is trusted.
const TRUSTED_REST: Duration = Duration::from_secs(5);
/// A connection is not used for longer than this: what the server keeps for it grows.
const LIFETIME: Duration = Duration::from_mins(30);

/// What became of a connection's last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It came to its end.
    Settled,
    /// It goes on, or was given up. The driver knows what is left to do.
    InUse,
    /// A transaction is being begun, or that was given up: then nobody knows whether there is one.
    Beginning,
}

/// A connection of the pool.
#[derive(Debug)]
pub(super) struct Connection {
    raw: PgConnection,
    state: State,
}

impl Connection {
    /// The connection, for use. Say [`settle`](Self::settle) when that came to its end.
    pub(super) fn raw(&mut self) -> &mut PgConnection {
        self.state = State::InUse;
        &mut self.raw
    }

    /// Says that the use came to its end, with nothing left under way.
    pub(super) fn settle(&mut self) {
        self.state = State::Settled;
    }
}

/// Opens connections, and looks at them before they are used again.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) options: PgConnectOptions,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Connection, sqlx::Error> {
        // Boxed: connecting is rare, and every statement's future would have room for it.
        let raw = Box::pin(PgConnection::connect_with(&self.options)).await?;
        Ok(Connection { raw, state: State::Settled })
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if connection.state == State::Beginning || metrics.age() > LIFETIME {
            return Err(RecycleError::message("not used again"));
        }
        if connection.state == State::InUse || metrics.last_used() > TRUSTED_REST {
            connection.raw.ping().await?;
            connection.settle();
        }
        Ok(())
    }
}

/// A transaction. Dropped without [`commit`](Self::commit), nothing of it happened.
#[derive(Debug)]
pub(super) struct Transaction(Object<Manager>);

impl Transaction {
    /// Begins a transaction.
    pub(super) async fn begin(mut connection: Object<Manager>) -> Result<Self, sqlx::Error> {
        connection.state = State::Beginning;
        Transactions::begin(&mut connection.raw, None).await?;
        connection.state = State::InUse;
        Ok(Self(connection))
    }

    /// The connection, for its statements.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.0.raw
    }

    /// Commits.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        Transactions::commit(&mut self.0.raw).await?;
        self.0.settle();
        Ok(())
    }
}

impl Drop for Transaction {
    /// Sends the rollback at once, so that no lock waits for the connection's next use. Its answer is read then.
    fn drop(&mut self) {
        if self.0.state == State::InUse {
            Transactions::start_rollback(&mut self.0.raw);
            let _answered_later = self.0.raw.ping().now_or_never();
        }
    }
}
