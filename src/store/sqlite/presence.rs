//! Who works on the queue: processes that said so a moment ago.
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// Keeps a worker until `until`, and forgets those whose time is over.
pub(super) async fn put(
    conn: &mut SqliteConnection,
    worker: &str,
    machine: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<(), StoreError> {
    let over = sqlx::query("DELETE FROM workers WHERE until_at < ?1").bind(codec::time(now));
    over.execute(&mut *conn).await.map_err(fault)?;
    sqlx::query("INSERT OR REPLACE INTO workers (name, machine, until_at) VALUES (?1, ?2, ?3)")
        .bind(worker)
        .bind(machine)
        .bind(codec::time(until))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
}

pub(super) async fn remove(conn: &mut SqliteConnection, worker: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM workers WHERE name = ?1").bind(worker).execute(conn).await.map_err(fault)?;
    Ok(())
}

pub(super) async fn read(conn: &mut SqliteConnection, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
    sqlx::query_as("SELECT name, machine FROM workers WHERE until_at >= ?1 ORDER BY name")
        .bind(codec::time(now))
        .fetch_all(conn)
        .await
        .map_err(fault)
}
