//! Families: failures across commits, stored version by version, and when each is due.
use crate::domain::Digest;
use crate::domain::Family;
use crate::domain::NewEvent;
use crate::domain::Run;
use crate::domain::RunId;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::write;
use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;

/// A row as it is read: the document, and when it is due.
type Row = (String, Option<String>);

pub(super) fn family((doc, due_at): Row) -> Result<Family, StoreError> {
    let due_at = due_at.as_deref().map(codec::parse_time).transpose()?;
    Ok(Family { due_at, ..codec::parse_doc("a family", &doc)? })
}

fn all(rows: Vec<Row>) -> Result<Vec<Family>, StoreError> {
    rows.into_iter().map(family).collect()
}

pub(super) async fn one(conn: &mut SqliteConnection, key: &Digest) -> Result<Option<Family>, StoreError> {
    let row = sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE key = ?1").bind(key.as_str());
    row.fetch_optional(conn).await.map_err(fault)?.map(family).transpose()
}

pub(super) async fn of_run(conn: &mut SqliteConnection, run: RunId) -> Result<Option<Family>, StoreError> {
    let row = sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE run_id = ?1 LIMIT 1");
    row.bind(codec::id(run)).fetch_optional(conn).await.map_err(fault)?.map(family).transpose()
}

pub(super) async fn of_repository(
    conn: &mut SqliteConnection,
    repository: &str,
    limit: u32,
) -> Result<Vec<Family>, StoreError> {
    let rows = sqlx::query_as::<_, Row>(
        "SELECT doc, due_at FROM families WHERE repository = ?1 ORDER BY updated_at DESC, key LIMIT ?2",
    );
    all(rows.bind(repository).bind(limit).fetch_all(conn).await.map_err(fault)?)
}

pub(super) async fn due(conn: &mut SqliteConnection, now: Timestamp, limit: u32) -> Result<Vec<Family>, StoreError> {
    let rows =
        sqlx::query_as::<_, Row>("SELECT doc, due_at FROM families WHERE due_at <= ?1 ORDER BY due_at, key LIMIT ?2");
    all(rows.bind(codec::time(now)).bind(limit).fetch_all(conn).await.map_err(fault)?)
}

/// Returns those of these families that are there.
pub(super) async fn among(conn: &mut SqliteConnection, keys: &[Digest]) -> Result<Vec<Family>, StoreError> {
    let rows =
        sqlx::query_as::<_, Row>("SELECT doc, due_at FROM json_each(?1) CROSS JOIN families ON families.key = value");
    all(rows.bind(json!(keys).to_string()).fetch_all(conn).await.map_err(fault)?)
}

/// Returns these runs.
pub(super) async fn runs(conn: &mut SqliteConnection, ids: &[RunId]) -> Result<Vec<Run>, StoreError> {
    let ids: Vec<_> = ids.iter().map(|it| codec::id(*it)).collect();
    let docs = sqlx::query_scalar::<_, String>("SELECT doc FROM json_each(?1) CROSS JOIN runs ON runs.id = value");
    let docs = docs.bind(json!(ids).to_string()).fetch_all(conn).await.map_err(fault)?;
    docs.iter().map(|doc| codec::parse_doc("a run", doc)).collect()
}

/// Stores the next version, or the first, with facts about the run that stands for the family.
pub(super) async fn put_next(
    conn: &mut SqliteConnection,
    family: &Family,
    facts: &[NewEvent],
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = if family.version == 1 {
        "INSERT INTO families (key, repository, run_id, version, updated_at, due_at, doc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE families SET repository = ?2, run_id = ?3, version = ?4, updated_at = ?5, due_at = ?6, doc = ?7
         WHERE key = ?1 AND version = ?4 - 1"
    };
    if store(conn, statement, family, now).await? == 1 {
        return write::note(conn, family.run_id, facts, now).await;
    }
    Err(StoreError::Conflict)
}

/// Stores a family as it is, whatever was there.
pub(super) async fn put(conn: &mut SqliteConnection, family: &Family, now: Timestamp) -> Result<(), StoreError> {
    let statement = "INSERT OR REPLACE INTO families (key, repository, run_id, version, updated_at, due_at, doc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    store(conn, statement, family, now).await.map(drop)
}

async fn store(
    conn: &mut SqliteConnection,
    statement: &'static str,
    family: &Family,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let done = sqlx::query(statement)
        .bind(family.key.as_str())
        .bind(&family.repository)
        .bind(codec::id(family.run_id))
        .bind(codec::int(family.version))
        .bind(codec::time(now))
        .bind(family.due_at.map(codec::time))
        .bind(codec::doc("a family", family)?)
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(done.rows_affected())
}

pub(super) async fn make_due(conn: &mut SqliteConnection, runs: &[RunId], now: Timestamp) -> Result<(), StoreError> {
    let ids: Vec<_> = runs.iter().map(|it| codec::id(*it)).collect();
    sqlx::query("UPDATE families SET due_at = ?2 WHERE run_id IN (SELECT value FROM json_each(?1))")
        .bind(json!(ids).to_string())
        .bind(codec::time(now))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
}
