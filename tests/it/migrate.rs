//! What `migrate` leaves, and what it waits for.

use sqlx::AssertSqlSafe;

use crate::support::{eventually, story};

#[actix::test]
async fn one_migrates_and_the_others_wait_however_long_it_takes() {
    story(async |app| {
        let quiet = app.empty_database().await;
        quiet.store.migrate().await.unwrap();
        let mut blocker = quiet.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
        // Both wait longer than any lock is waited for elsewhere.
        let long =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                    AND clock_timestamp() - query_start > interval '5.5 s'";
        let release = async {
            eventually("two that wait", async || (quiet.count(long).await == 2).then_some(())).await;
            blocker.commit().await.unwrap();
        };
        let (first, second, ()) = tokio::join!(quiet.store.migrate(), quiet.store.migrate(), release);
        first.unwrap();
        second.unwrap();
        assert_eq!(quiet.count("SELECT count(*) FROM outbox_lanes").await, 16);
    })
    .await;
}

#[actix::test]
async fn an_entry_written_before_the_first_service_starts_has_its_month() {
    story(async |app| {
        let quiet = app.empty_database().await;
        quiet.store.migrate().await.unwrap();
        quiet.does("INSERT INTO audit_log (created_at, action) VALUES (now(), 'test')").await;
        assert_eq!(quiet.count("SELECT count(*) FROM audit_log_default").await, 0);
        assert_eq!(quiet.count("SELECT count(*) FROM audit_log").await, 1);
    })
    .await;
}

#[actix::test]
async fn entries_without_a_month_move_when_it_is_made() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        let entries = "INSERT INTO audit_log (created_at, action)
                       SELECT timestamptz '2040-05-31 23:59:59Z' + n * interval '1 second', 'test' FROM generate_series(0, 1) n";
        quiet.does(entries).await;
        assert_eq!(quiet.count("SELECT count(*) FROM audit_log_default").await, 2);
        let may = "2040-05-15".parse().unwrap();
        assert_eq!(quiet.store.ensure_audit_partitions(may).await.unwrap(), 4);
        assert_eq!(quiet.store.ensure_audit_partitions(may).await.unwrap(), 0);
        for (rows, table) in [
            (0, "SELECT count(*) FROM audit_log_default"),
            (1, "SELECT count(*) FROM audit_log_2040_05"),
            (1, "SELECT count(*) FROM audit_log_2040_06"),
            (0, "SELECT count(*) FROM audit_log_2040_08"),
            (2, "SELECT count(DISTINCT id) FROM audit_log"),
        ] {
            assert_eq!(quiet.count(table).await, rows, "{table}");
        }
        // What lies in no month is as safe as the rest, before and after.
        quiet.does("INSERT INTO audit_log (created_at, action) VALUES ('2050-01-01Z', 'test')").await;
        for table in ["audit_log_2040_05", "audit_log_default", "audit_log"] {
            for change in [format!("DELETE FROM {table}"), format!("TRUNCATE {table}")] {
                let refused = sqlx::query(AssertSqlSafe(change)).execute(&quiet.pool).await.unwrap_err();
                assert!(refused.to_string().contains("append-only"), "{table}: {refused}");
            }
        }
    })
    .await;
}
