//! Families: failures across commits, stored version by version, and when each is due.
use crate::domain::Digest;
use crate::domain::Family;
use crate::domain::NewEvent;
use crate::domain::Run;
use crate::domain::RunId;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::write;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::PgExecutor;

/// A row as it is read: the document, and when it is due.
type Row = (String, Option<String>);

pub(super) fn family((doc, due_at): Row) -> Result<Family, StoreError> {
    let due_at = due_at.as_deref().map(codec::parse_time).transpose()?;
    Ok(Family { due_at, ..codec::parse_doc("a family", &doc)? })
}

fn all(rows: Vec<Row>) -> Result<Vec<Family>, Fault> {
    Ok(rows.into_iter().map(family).collect::<Result<_, _>>()?)
}

pub(super) async fn one(db: impl PgExecutor<'_>, key: &Digest) -> Result<Option<Family>, Fault> {
    let row = sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE key = $1").bind(key.as_str());
    Ok(row.fetch_optional(db).await?.map(family).transpose()?)
}

pub(super) async fn of_run(db: impl PgExecutor<'_>, run: RunId) -> Result<Option<Family>, Fault> {
    let row = sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE run_id = $1 LIMIT 1");
    Ok(row.bind(codec::id(run)).fetch_optional(db).await?.map(family).transpose()?)
}

pub(super) async fn of_repository(db: impl PgExecutor<'_>, repository: &str, limit: u32) -> Result<Vec<Family>, Fault> {
    let rows = sqlx::query_as::<_, Row>(
        "SELECT doc, due_at FROM families WHERE repository = $1 ORDER BY updated_at DESC, key LIMIT $2",
    );
    all(rows.bind(text(repository)).bind(i64::from(limit)).fetch_all(db).await?)
}

pub(super) async fn due(db: impl PgExecutor<'_>, now: Timestamp, limit: u32) -> Result<Vec<Family>, Fault> {
    let rows =
        sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE due_at <= $1 ORDER BY due_at, key LIMIT $2");
    all(rows.bind(codec::time(now)).bind(i64::from(limit)).fetch_all(db).await?)
}

/// Returns those of these families that are there, and holds them until the transaction ends.
pub(super) async fn hold(conn: &mut PgConnection, keys: &[Digest]) -> Result<Vec<Family>, Fault> {
    let rows = sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE key = ANY($1) ORDER BY key FOR UPDATE");
    all(rows.bind(keys.iter().map(Digest::as_str).collect::<Vec<_>>()).fetch_all(conn).await?)
}

/// Returns these runs.
pub(super) async fn runs(conn: &mut PgConnection, ids: &[RunId]) -> Result<Vec<Run>, Fault> {
    let docs = sqlx::query_scalar::<_, String>("SELECT doc FROM runs WHERE id = ANY($1)");
    let docs = docs.bind(ids.iter().map(|it| codec::id(*it)).collect::<Vec<_>>()).fetch_all(conn).await?;
    Ok(docs.iter().map(|doc| codec::parse_doc("a run", doc)).collect::<Result<_, _>>()?)
}

/// Stores the next version, or the first, with facts about the run that stands for the family. Returns the number of the last fact.
pub(super) async fn put_next(
    conn: &mut PgConnection,
    family: &Family,
    facts: &[NewEvent],
    now: Timestamp,
) -> Result<Option<u64>, Fault> {
    let statement = if family.version == 1 {
        "INSERT INTO families (key, repository, run_id, version, updated_at, due_at, doc)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE families SET repository = $2, run_id = $3, version = $4, updated_at = $5, due_at = $6, doc = $7
         WHERE key = $1 AND version = $4 - 1"
    };
    // The chain comes first, as with arrivals: they hold it when they ask for families.
    let newest = if facts.is_empty() { None } else { write::note(conn, family.run_id, facts, now).await? };
    if store(conn, statement, family, now).await? == 1 { Ok(newest) } else { Err(StoreError::Conflict.into()) }
}

/// Stores a family as it is, whatever was there.
pub(super) async fn put(conn: &mut PgConnection, family: &Family, now: Timestamp) -> Result<(), Fault> {
    let statement = "INSERT INTO families (key, repository, run_id, version, updated_at, due_at, doc)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (key) DO UPDATE SET repository = excluded.repository, run_id = excluded.run_id,
             version = excluded.version, updated_at = excluded.updated_at, due_at = excluded.due_at, doc = excluded.doc";
    store(conn, statement, family, now).await.map(drop)
}

async fn store(
    conn: &mut PgConnection,
    statement: &'static str,
    family: &Family,
    now: Timestamp,
) -> Result<u64, Fault> {
    let done = sqlx::query(statement)
        .bind(family.key.as_str())
        .bind(text(&family.repository))
        .bind(codec::id(family.run_id))
        .bind(codec::int(family.version))
        .bind(codec::time(now))
        .bind(family.due_at.map(codec::time))
        .bind(codec::doc("a family", family)?)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

pub(super) async fn make_due(db: impl PgExecutor<'_>, runs: &[RunId], now: Timestamp) -> Result<(), Fault> {
    // In the order in which arrivals hold them.
    sqlx::query(
        "UPDATE families SET due_at = $2
         WHERE key IN (SELECT key FROM families WHERE run_id = ANY($1) ORDER BY key FOR UPDATE)",
    )
    .bind(runs.iter().map(|it| codec::id(*it)).collect::<Vec<_>>())
    .bind(codec::time(now))
    .execute(db)
    .await?;
    Ok(())
}
