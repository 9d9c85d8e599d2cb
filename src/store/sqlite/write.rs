//! Writing a transition: the run, its attempt, its events and the end of its lease, inside the caller's transaction.
use crate::domain::Attempt;
use crate::domain::Event;
use crate::domain::NewEvent;
use crate::domain::RunId;
use crate::domain::Transition;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::chain::About;
use crate::store::chain::End;
use crate::store::chain::Link;
use crate::store::codec;
use crate::store::codec::RunRow;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read;
use crate::store::sqlite::rows;
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// Stores a new run with what belongs to it.
pub(super) async fn insert(conn: &mut SqliteConnection, transition: &Transition) -> Result<(), StoreError> {
    if transition.run.version != 1 {
        return Err(StoreError::Conflict);
    }
    put_runs(conn, &[&RunRow::of(&transition.run)?]).await?;
    put_rest(conn, transition).await
}

/// Stores runs that are not there yet.
pub(super) async fn put_runs(conn: &mut SqliteConnection, runs: &[&RunRow<'_>]) -> Result<(), StoreError> {
    let into = "INSERT INTO runs (id, created_at, updated_at, not_before, doc) ";
    let n_stored = rows::insert(conn, into, " ON CONFLICT DO NOTHING", runs, |tuple, RunRow { run, doc }| {
        tuple
            .push_bind(codec::id(run.id))
            .push_bind(codec::time(run.created_at))
            .push_bind(codec::time(run.updated_at))
            .push_bind(run.not_before.map(codec::time))
            .push_bind(doc.clone());
    })
    .await?;
    if n_stored == runs.len() as u64 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Stores a run's next version with what belongs to it, if the stored version is the one before.
pub(super) async fn apply(conn: &mut SqliteConnection, transition: &Transition) -> Result<(), StoreError> {
    let run = &transition.run;
    let done = sqlx::query(
        "UPDATE runs SET created_at = ?2, updated_at = ?3, not_before = ?4, doc = ?5
         WHERE id = ?1 AND version = ?6 - 1",
    )
    .bind(codec::id(run.id))
    .bind(codec::time(run.created_at))
    .bind(codec::time(run.updated_at))
    .bind(run.not_before.map(codec::time))
    .bind(codec::doc("a run", run)?)
    .bind(codec::int(run.version))
    .execute(&mut *conn)
    .await
    .map_err(fault)?;
    if done.rows_affected() != 1 {
        read::run(conn, run.id).await?;
        return Err(StoreError::Conflict);
    }
    put_rest(conn, transition).await
}

async fn put_rest(conn: &mut SqliteConnection, transition: &Transition) -> Result<(), StoreError> {
    let run = &transition.run;
    if let Some(attempt) = &transition.attempt {
        put_attempt(conn, run.id, attempt).await?;
    }
    append(conn, About::from(run), &transition.events).await?;
    if transition.releases_lease {
        end_lease(conn, run.id).await?;
    }
    Ok(())
}

pub(super) async fn put_attempt(conn: &mut SqliteConnection, id: RunId, attempt: &Attempt) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attempts (run_id, attempt_no, doc) VALUES (?1, ?2, ?3)
         ON CONFLICT (run_id, attempt_no) DO UPDATE SET doc = excluded.doc",
    )
    .bind(codec::id(id))
    .bind(attempt.attempt_no)
    .bind(codec::doc("an attempt", attempt)?)
    .execute(conn)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Appends facts that change no state.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    run_id: RunId,
    events: &[NewEvent],
    at: Timestamp,
) -> Result<(), StoreError> {
    let version = if run_id == RunId::NONE { 0 } else { read::run(conn, run_id).await?.version };
    append(conn, About { run_id, version, at }, events).await
}

/// Appends facts to the chain.
async fn append(conn: &mut SqliteConnection, about: About, events: &[NewEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut end = end(conn).await?;
    let links = events.iter().map(|event| end.link(about, event)).collect::<Result<Vec<_>, _>>()?;
    put_events(conn, &links, &end).await
}

/// Returns where the chain ends.
///
/// It goes on from the end that its writers noted, not from what the table holds: were the table's tail cut off, the gap stays to be found.
pub(super) async fn end(conn: &mut SqliteConnection) -> Result<End, StoreError> {
    let (noted, head) = read::noted_end(conn).await?.unwrap_or((0, Event::genesis()));
    Ok(End { seq: noted.max(read::last_seq(conn).await?), head })
}

/// Stores events, and the end of the chain after them.
pub(super) async fn put_events(conn: &mut SqliteConnection, links: &[Link], end: &End) -> Result<(), StoreError> {
    if links.is_empty() {
        return Ok(());
    }
    let into =
        "INSERT INTO events (seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest) ";
    rows::insert(conn, into, "", links, |tuple, Link { event, payload }| {
        tuple
            .push_bind(codec::int(event.seq))
            .push_bind(codec::id(event.run_id))
            .push_bind(codec::int(event.run_version))
            .push_bind(event.kind.as_str())
            .push_bind(event.actor.clone())
            .push_bind(event.message.clone())
            .push_bind(payload.clone())
            .push_bind(codec::time(event.created_at))
            .push_bind(event.prev.to_string())
            .push_bind(event.digest.to_string());
    })
    .await?;
    note_end(conn, end).await
}

/// Notes where the chain ends.
async fn note_end(conn: &mut SqliteConnection, end: &End) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO chain (id, last_seq, head) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET last_seq = excluded.last_seq, head = excluded.head",
    )
    .bind(codec::int(end.seq))
    .bind(end.head.as_str())
    .execute(conn)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Ends the lease of a run, whoever holds it.
pub(super) async fn end_lease(conn: &mut SqliteConnection, id: RunId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM leases WHERE run_id = ?1").bind(codec::id(id)).execute(conn).await.map_err(fault)?;
    Ok(())
}

/// Stores an output of a run.
pub(super) async fn put_output(
    conn: &mut SqliteConnection,
    id: RunId,
    output: &StoredOutput,
) -> Result<(), StoreError> {
    read::run(conn, id).await?;
    put_outputs(conn, &[OutputRow::of(id, output)?]).await
}

/// An output that may be stored, and its run.
#[derive(Debug)]
pub(super) struct OutputRow<'a> {
    run_id: RunId,
    output: &'a StoredOutput,
}

impl<'a> OutputRow<'a> {
    pub(super) fn of(run_id: RunId, output: &'a StoredOutput) -> Result<Self, StoreError> {
        output.checked()?;
        Ok(Self { run_id, output })
    }
}

/// Stores outputs of runs that are there, each replacing one of the same name.
pub(super) async fn put_outputs(conn: &mut SqliteConnection, outputs: &[OutputRow<'_>]) -> Result<(), StoreError> {
    let into = "INSERT OR REPLACE INTO outputs (run_id, name, dropped_bytes, created_at, bytes) ";
    rows::insert(conn, into, "", outputs, |tuple, OutputRow { run_id, output }| {
        tuple
            .push_bind(codec::id(*run_id))
            .push_bind(output.name.clone())
            .push_bind(codec::int(output.dropped_bytes))
            .push_bind(codec::time(output.created_at))
            .push_bind(output.bytes.clone());
    })
    .await
    .map(drop)
}
