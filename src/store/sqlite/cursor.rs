//! Named places in the chain of events, held by one process at a time.
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read;
use jiff::Timestamp;
use sqlx::SqliteConnection;

pub(super) async fn hold(
    conn: &mut SqliteConnection,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let newest = read::last_seq(&mut *conn).await?;
    let seq = sqlx::query_scalar::<_, i64>(
        "INSERT INTO cursors (name, seq, holder, until_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at
             WHERE cursors.holder = excluded.holder OR cursors.until_at < ?5
         RETURNING seq",
    )
    .bind(name)
    .bind(codec::int(newest))
    .bind(holder)
    .bind(codec::time(until))
    .bind(codec::time(now))
    .fetch_optional(conn)
    .await
    .map_err(fault)?;
    seq.map(codec::count).transpose()
}

pub(super) async fn advance(
    conn: &mut SqliteConnection,
    name: &str,
    holder: &str,
    seq: u64,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE cursors SET seq = max(seq, ?3) WHERE name = ?1 AND holder = ?2")
        .bind(name)
        .bind(holder)
        .bind(codec::int(seq))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(done.rows_affected() == 1)
}

/// Stores a place that nobody holds.
pub(super) async fn put(conn: &mut SqliteConnection, name: &str, seq: u64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO cursors (name, seq, holder, until_at) VALUES (?1, ?2, '', '')")
        .bind(name)
        .bind(codec::int(seq))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
}
