//! An orderly stop, seen from outside.

use std::time::Duration;

use crate::support::{Answer, eventually, story};

#[actix::test]
async fn load_balancers_notice_a_stop_before_it_refuses_anybody() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let other = app.replica_with(|settings| settings.server.stop_delay = Duration::from_secs(2)).await;
        let url = other.at("");
        let get = async |path: &str| Answer::of(app.http.get(format!("{url}{path}")).bearer_auth(&session.token)).await;
        get("/readyz").await.ok();
        let meanwhile = async {
            let stopping = eventually("a stop", async || {
                let ready = get("/readyz").await;
                (ready.status == 503).then_some(ready)
            });
            assert_eq!(stopping.await.body["checks"]["process"], "failed");
            get("/api/v1/auth/whoami").await.ok();
            get("/healthz").await.ok();
        };
        tokio::join!(other.stop(), meanwhile);
        assert!(app.http.get(format!("{url}/healthz")).send().await.is_err(), "it is gone now");
    })
    .await;
}
