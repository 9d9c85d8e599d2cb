//! Snapshots: what was last seen elsewhere, by name; and old outputs that are not kept for ever.
use crate::store::codec;
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgExecutor;

pub(super) async fn put(db: impl PgExecutor<'_>, name: &str, doc: &Value, now: Timestamp) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO snapshots (name, updated_at, doc) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, doc = excluded.doc",
    )
    .bind(text(name))
    .bind(codec::time(now))
    .bind(codec::snapshot(doc)?)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn all(db: impl PgExecutor<'_>, prefix: &str) -> Result<Vec<(String, Value, Timestamp)>, Fault> {
    let rows = sqlx::query_as::<_, (String, String, String)>(
        "SELECT name, doc, updated_at FROM snapshots WHERE starts_with(name, $1) ORDER BY name",
    );
    let rows = rows.bind(text(prefix)).fetch_all(db).await?.into_iter();
    let read = rows.map(|(name, doc, at)| {
        Ok::<_, Fault>((parse_text(&name)?, codec::parse_doc("a snapshot", &doc)?, codec::parse_time(&at)?))
    });
    read.collect()
}

pub(super) async fn prune_outputs(
    db: impl PgExecutor<'_>,
    repository: &str,
    names: &[&str],
    before: Timestamp,
) -> Result<u64, Fault> {
    let done = sqlx::query(
        "DELETE FROM outputs WHERE created_at < $3 AND name = ANY($2) AND run_id IN
             (SELECT id FROM runs WHERE repository = $1 AND status NOT IN ('queued', 'running'))",
    )
    .bind(text(repository))
    .bind(names.iter().map(|it| text(it).into_owned()).collect::<Vec<_>>())
    .bind(codec::time(before))
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
