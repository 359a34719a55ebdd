//! What was written cannot be rewritten.

use sqlx::AssertSqlSafe;

use crate::support::story;

#[actix::test]
async fn the_records_refuse_every_change() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let id = session.user_id();
        let role = format!(
            "INSERT INTO role_history (user_id, old_role, new_role, created_at) VALUES ({id}, 'citizen', 'moderator', now())"
        );
        sqlx::query(AssertSqlSafe(role)).execute(&app.db).await.unwrap();
        let partitions = "SELECT quote_ident(relname) FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid \
                          WHERE inhparent = 'audit_log'::regclass";
        let mut tables: Vec<String> = sqlx::query_scalar(partitions).fetch_all(&app.db).await.unwrap();
        assert!(!tables.is_empty());
        tables.extend(["audit_log".to_owned(), "role_history".to_owned()]);
        for table in tables {
            let count = format!("SELECT count(*) FROM {table}");
            let count = || sqlx::query_scalar::<_, i64>(AssertSqlSafe(count.clone())).fetch_one(&app.db);
            let rows = count().await.unwrap();
            let mut changes = vec![format!("TRUNCATE {table}"), format!("TRUNCATE {table} CASCADE")];
            if rows > 0 {
                changes.extend([format!("UPDATE {table} SET created_at = now()"), format!("DELETE FROM {table}")]);
            }
            for change in changes {
                let error = sqlx::query(AssertSqlSafe(change.clone())).execute(&app.db).await;
                let error = error.map(|_| ()).expect_err(&change).to_string();
                assert!(error.contains("append-only"), "{change}: {error}");
            }
            assert_eq!(count().await.unwrap(), rows);
        }
    })
    .await;
}
