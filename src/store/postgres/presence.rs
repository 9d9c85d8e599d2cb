//! Who works on the queue: processes that said so a moment ago, by the clock of the server.
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use sqlx::PgExecutor;
use std::time::Duration;

/// Keeps a worker for `length`, and forgets those whose time is over.
pub(super) async fn put(db: impl PgExecutor<'_>, worker: &str, machine: &str, length: Duration) -> Result<(), Fault> {
    sqlx::query(
        "WITH over AS (DELETE FROM workers WHERE until_at < clock_timestamp() AND name <> $1)
         INSERT INTO workers (name, machine, until_at)
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
         ON CONFLICT (name) DO UPDATE SET machine = excluded.machine, until_at = excluded.until_at",
    )
    .bind(text(worker))
    .bind(text(machine))
    .bind(length.as_secs_f64())
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn remove(db: impl PgExecutor<'_>, worker: &str) -> Result<(), Fault> {
    sqlx::query("DELETE FROM workers WHERE name = $1").bind(text(worker)).execute(db).await?;
    Ok(())
}

pub(super) async fn read(db: impl PgExecutor<'_>) -> Result<Vec<(String, String)>, Fault> {
    let rows = sqlx::query_as::<_, (String, String)>(
        "SELECT name, machine FROM workers WHERE until_at >= clock_timestamp() ORDER BY name",
    )
    .fetch_all(db)
    .await?;
    let parsed = rows.iter().map(|(name, machine)| Ok((parse_text(name)?, parse_text(machine)?)));
    Ok(parsed.collect::<Result<_, crate::store::StoreError>>()?)
}
