//! What `migrate` leaves, and what it waits for.

use std::time::Duration;

use crate::support::story;

#[actix::test]
async fn one_migrates_and_the_others_wait_however_long_it_takes() {
    story(async |app| {
        let quiet = app.empty_database().await;
        quiet.store.migrate().await.unwrap();
        let mut blocker = quiet.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
        // Longer than any lock is waited for elsewhere.
        let release = async {
            tokio::time::sleep(Duration::from_secs(6)).await;
            blocker.commit().await.unwrap();
        };
        let (first, second, ()) = tokio::join!(quiet.store.migrate(), quiet.store.migrate(), release);
        first.unwrap();
        second.unwrap();
        assert_eq!(quiet.count("SELECT count(*) FROM outbox_lanes").await, 16);
    })
    .await;
}
