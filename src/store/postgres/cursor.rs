//! Named places in the chain of events, held by one process at a time.
use crate::store::codec;
use crate::store::postgres::codec::clock;
use crate::store::postgres::codec::micros;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use sqlx::PgExecutor;
use std::time::Duration;

pub(super) async fn hold(
    db: impl PgExecutor<'_>,
    name: &str,
    holder: &str,
    length: Duration,
) -> Result<Option<u64>, Fault> {
    let seq = sqlx::query_scalar::<_, i64>(concat!(
        "INSERT INTO cursors (name, seq, holder, until_at)
         VALUES ($1, (SELECT coalesce(max(seq), 0) FROM events), $2, ",
        clock!("$3" later),
        ") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at
             WHERE cursors.holder = excluded.holder OR cursors.until_at < ",
        clock!(),
        " RETURNING seq"
    ))
    .bind(text(name))
    .bind(text(holder))
    .bind(micros(length))
    .fetch_optional(db)
    .await?;
    Ok(seq.map(codec::count).transpose()?)
}

pub(super) async fn advance(db: impl PgExecutor<'_>, name: &str, holder: &str, seq: u64) -> Result<bool, Fault> {
    let done = sqlx::query("UPDATE cursors SET seq = greatest(seq, $3) WHERE name = $1 AND holder = $2")
        .bind(text(name))
        .bind(text(holder))
        .bind(codec::int(seq))
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores a place that nobody holds.
pub(super) async fn put(db: impl PgExecutor<'_>, name: &str, seq: u64) -> Result<(), Fault> {
    sqlx::query("INSERT INTO cursors (name, seq, holder, until_at) VALUES ($1, $2, '', '')")
        .bind(text(name))
        .bind(codec::int(seq))
        .execute(db)
        .await?;
    Ok(())
}
