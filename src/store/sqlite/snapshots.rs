//! Snapshots: what was last seen elsewhere, by name; and old outputs that are not kept for ever.
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use sqlx::SqliteConnection;

pub(super) async fn put(
    conn: &mut SqliteConnection,
    name: &str,
    doc: &Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO snapshots (name, updated_at, doc) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, doc = excluded.doc",
    )
    .bind(name)
    .bind(codec::time(now))
    .bind(codec::snapshot(doc)?)
    .execute(conn)
    .await
    .map_err(fault)?;
    Ok(())
}

pub(super) async fn all(
    conn: &mut SqliteConnection,
    prefix: &str,
) -> Result<Vec<(String, Value, Timestamp)>, StoreError> {
    let rows = sqlx::query_as::<_, (String, String, String)>(
        "SELECT name, doc, updated_at FROM snapshots WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
    );
    let rows = rows.bind(prefix).fetch_all(conn).await.map_err(fault)?;
    let read = rows.into_iter();
    read.map(|(name, doc, at)| Ok((name, codec::parse_doc("a snapshot", &doc)?, codec::parse_time(&at)?))).collect()
}

pub(super) async fn prune_outputs(
    conn: &mut SqliteConnection,
    repository: &str,
    names: &[&str],
    before: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM outputs WHERE created_at < ?3 AND name IN (SELECT value FROM json_each(?2)) AND run_id IN
             (SELECT id FROM runs WHERE repository = ?1 AND status NOT IN ('queued', 'running'))",
    )
    .bind(repository)
    .bind(json!(names).to_string())
    .bind(codec::time(before))
    .execute(conn)
    .await
    .map_err(fault)?;
    Ok(done.rows_affected())
}
