//! Tells the hashing threads which stored hash is the dearest, so that a refusal costs as much and time tells nobody apart.

use std::time::Duration;

use civiclens_actors::passwords;
use civiclens_actors::store::Db;
use civiclens_actors::supervision::Loop;
use tokio_util::sync::CancellationToken;

/// How often the stored costs are looked at: hashes are renewed and imported, and other nodes are configured otherwise.
const EVERY: Duration = Duration::from_mins(1);
/// How soon after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// Looks at the stored costs. Answers whether that succeeded.
pub(super) async fn look(db: &Db, passwords: &passwords::Handle) -> bool {
    match db.dearest_password_cost().await {
        Ok(dearest) => {
            passwords.stored_costs_go_to(dearest);
            true
        }
        Err(error) => {
            tracing::debug!(%error, "the costs of stored passwords could not be read");
            false
        }
    }
}

/// Looks at the stored costs now and then.
pub(super) fn watch(db: Db, passwords: passwords::Handle, crashed: &CancellationToken) -> Loop {
    Loop::start("password_costs", crashed, move |stop| async move {
        let mut pause = RETRY;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let Some(succeeded) = stop.run_until_cancelled(look(&db, &passwords)).await else { return };
            pause = if succeeded { EVERY } else { RETRY };
        }
    })
}
