//! Reading: runs, attempts, events, outputs and counts.
use crate::domain::Attempt;
use crate::domain::Depth;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::RepositorySummary;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::RunQuery;
use crate::domain::Status;
use crate::domain::Summary;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::codec;
use crate::store::codec::event_columns;
use crate::store::sqlite::fault::fault;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::Sqlite;
use sqlx::SqliteConnection;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

pub(super) async fn run(conn: &mut SqliteConnection, id: RunId) -> Result<Run, StoreError> {
    let doc = sqlx::query_scalar::<_, String>("SELECT doc FROM runs WHERE id = ?1")
        .bind(codec::id(id))
        .fetch_optional(conn)
        .await
        .map_err(fault)?;
    codec::parse_doc(format_args!("run {id}"), &doc.ok_or(StoreError::NotFound)?)
}

/// Finds ids by prefix, newest run first. An empty prefix names nothing.
pub(super) async fn find(conn: &mut SqliteConnection, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError> {
    let ids = if prefix == "latest" {
        sqlx::query_scalar::<_, String>("SELECT id FROM runs ORDER BY created_at DESC, rowid DESC LIMIT ?1")
            .bind(limit.min(1))
    } else {
        let digits: String = prefix.chars().filter(|it| *it != '-').take(33).collect::<String>().to_ascii_lowercase();
        if digits.is_empty() || !digits.chars().all(|it| it.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        sqlx::query_scalar(
            "SELECT id FROM runs WHERE id >= ?2 AND id < ?2 || 'g' ORDER BY created_at DESC, rowid DESC LIMIT ?1",
        )
        .bind(limit)
        .bind(digits)
    };
    let ids = ids.fetch_all(conn).await.map_err(fault)?;
    ids.iter().map(|id| codec::parse_id(id)).collect()
}

pub(super) async fn runs(conn: &mut SqliteConnection, query: &RunQuery) -> Result<(Vec<Run>, u64), StoreError> {
    let status = query.status.map(Status::as_str);
    let total = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM runs INDEXED BY runs_by_repository
         WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR repository = ?2)",
    )
    .bind(status)
    .bind(query.repository.as_deref())
    .fetch_one(&mut *conn)
    .await
    .map_err(fault)?;
    let docs = sqlx::query_scalar::<_, String>(
        "SELECT doc FROM runs INDEXED BY runs_by_change
         WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR repository = ?2)
         ORDER BY updated_at DESC, id LIMIT ?3 OFFSET ?4",
    )
    .bind(status)
    .bind(query.repository.as_deref())
    .bind(if query.limit == 0 { -1 } else { codec::int(query.limit) })
    .bind(codec::int(query.offset))
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    let runs = docs.iter().map(|doc| codec::parse_doc("a run", doc)).collect::<Result<_, _>>()?;
    Ok((runs, codec::count(total)?))
}

pub(super) async fn attempts(conn: &mut SqliteConnection, id: RunId) -> Result<Vec<Attempt>, StoreError> {
    let docs = sqlx::query_scalar::<_, String>("SELECT doc FROM attempts WHERE run_id = ?1 ORDER BY attempt_no")
        .bind(codec::id(id))
        .fetch_all(conn)
        .await
        .map_err(fault)?;
    docs.iter().map(|doc| codec::parse_doc(format_args!("an attempt of run {id}"), doc)).collect()
}

pub(super) async fn events(
    conn: &mut SqliteConnection,
    run: Option<RunId>,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let rows = match run {
        Some(id) => sqlx::query::<Sqlite>(concat!(
            "SELECT ",
            event_columns!(),
            " FROM events WHERE seq > ?1 AND run_id = ?3 ORDER BY seq LIMIT ?2"
        ))
        .bind(codec::int(after))
        .bind(limit)
        .bind(codec::id(id)),
        None => sqlx::query(concat!("SELECT ", event_columns!(), " FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2"))
            .bind(codec::int(after))
            .bind(limit),
    };
    rows.fetch_all(conn).await.map_err(fault)?.iter().map(event).collect()
}

/// Reads a row of the columns of an event.
pub(super) fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    codec::event(|it| row.try_get(it).map_err(fault), |it| row.try_get(it).map_err(fault))
}

pub(super) async fn last_seq(conn: impl SqliteExecutor<'_>) -> Result<u64, StoreError> {
    let seq = sqlx::query_scalar::<_, Option<i64>>("SELECT max(seq) FROM events").fetch_one(conn).await;
    codec::count(seq.map_err(fault)?.unwrap_or(0))
}

/// Returns number and digest of the newest event as its writer noted them beside the chain.
pub(super) async fn noted_end(conn: &mut SqliteConnection) -> Result<Option<(u64, Digest)>, StoreError> {
    let row = sqlx::query_as::<_, (i64, String)>("SELECT last_seq, head FROM chain WHERE id = 1");
    let row = row.fetch_optional(conn).await.map_err(fault)?;
    row.map(|(seq, head)| Ok((codec::count(seq)?, Digest::from_stored(head)))).transpose()
}

pub(super) async fn summary(conn: &mut SqliteConnection) -> Result<Summary, StoreError> {
    let rows = sqlx::query_as::<_, (String, bool, i64)>(
        "SELECT status, resolved_by IS 'ai', count(*) FROM runs GROUP BY status, resolved_by IS 'ai'",
    )
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    let rows = rows.into_iter().map(|(status, is_by_agent, n)| {
        Ok((status.parse::<Status>().map_err(StoreError::Broken)?, is_by_agent, codec::count(n)?))
    });
    Ok(Summary::from_rows(rows.collect::<Result<Vec<_>, StoreError>>()?))
}

pub(super) async fn repositories(
    conn: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<RepositorySummary>, StoreError> {
    let rows = sqlx::query_as::<_, (String, String, bool, i64)>(
        "SELECT repository, status, resolved_by IS 'ai', count(*) FROM runs
         WHERE repository IN (SELECT repository FROM runs GROUP BY repository ORDER BY count(*) DESC, repository LIMIT ?1)
         GROUP BY repository, status, resolved_by IS 'ai'",
    )
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    let rows = rows.into_iter().map(|(repository, status, is_by_agent, n)| {
        Ok((repository, status.parse::<Status>().map_err(StoreError::Broken)?, is_by_agent, codec::count(n)?))
    });
    Ok(RepositorySummary::from_rows(rows.collect::<Result<Vec<_>, StoreError>>()?))
}

pub(super) async fn depth(conn: &mut SqliteConnection, now: Timestamp) -> Result<Depth, StoreError> {
    let (queued, oldest) = sqlx::query_as::<_, (i64, Option<String>)>(
        "SELECT count(*), min(created_at) FROM runs WHERE status = 'queued'",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(fault)?;
    let leased = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM leases").fetch_one(conn).await.map_err(fault)?;
    Ok(Depth {
        queued: codec::count(queued)?,
        leased: codec::count(leased)?,
        oldest_age: oldest.map(|it| codec::age(&it, now)).transpose()?,
    })
}

pub(super) async fn output(
    conn: &mut SqliteConnection,
    id: RunId,
    name: &str,
) -> Result<Option<StoredOutput>, StoreError> {
    let row = sqlx::query_as::<_, (Vec<u8>, i64, String)>(
        "SELECT bytes, dropped_bytes, created_at FROM outputs WHERE run_id = ?1 AND name = ?2",
    )
    .bind(codec::id(id))
    .bind(name)
    .fetch_optional(conn)
    .await
    .map_err(fault)?;
    row.map(|(bytes, dropped, created_at)| {
        Ok(StoredOutput {
            name: name.to_owned(),
            bytes,
            dropped_bytes: codec::count(dropped)?,
            created_at: codec::parse_time(&created_at)?,
        })
    })
    .transpose()
}

pub(super) async fn outputs(conn: &mut SqliteConnection, id: RunId) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sqlx::query_as::<_, (String, i64)>(
        "SELECT name, length(bytes) FROM outputs WHERE run_id = ?1 ORDER BY created_at, id",
    )
    .bind(codec::id(id))
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    rows.into_iter().map(|(name, n)| Ok((name, codec::count(n)?))).collect()
}
