//! Tells the hashing threads which stored hash is the dearest, so that a refusal costs as much and time tells nobody apart.

use std::time::Duration;

use civiclens_actors::passwords;
use civiclens_actors::store::{self, Db};
use civiclens_actors::supervision::{Loop, Supervisor};

/// How often the stored costs are looked at: hashes are renewed and imported, and other nodes are configured otherwise.
const EVERY: Duration = Duration::from_mins(1);
/// How soon after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// How long a look may take, and how long ago one may have succeeded.
const STEP: Duration = Duration::from_secs(15);
const BOUND: Duration = Duration::from_mins(5);

/// Looks at the stored costs.
pub(super) async fn look(db: &Db, passwords: &passwords::Handle) -> Result<(), store::Error> {
    passwords.stored_costs_go_to(db.dearest_password_cost().await?);
    Ok(())
}

/// Looks at the stored costs now and then.
pub(super) fn watch(db: Db, passwords: passwords::Handle, supervisor: &Supervisor) -> Loop {
    Loop::start("password_costs", BOUND, supervisor, move |stop, heartbeat| async move {
        let mut pause = RETRY;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let looked = heartbeat.step(STEP, look(&db, &passwords));
            pause = match stop.run_until_cancelled(looked).await {
                None => return,
                Some(Ok(())) => EVERY,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the costs of stored passwords could not be read");
                    RETRY
                }
            };
        }
    })
}
