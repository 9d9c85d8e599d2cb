//! Writing a transition: the run, its attempt, its events and the end of its lease, inside the caller's transaction.
use crate::domain::Attempt;
use crate::domain::Event;
use crate::domain::NewEvent;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Transition;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::chain::About;
use crate::store::chain::End;
use crate::store::chain::Link;
use crate::store::codec;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read;
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// Stores a new run with what belongs to it.
pub(super) async fn insert(conn: &mut SqliteConnection, transition: &Transition) -> Result<(), StoreError> {
    if transition.run.version != 1 {
        return Err(StoreError::Conflict);
    }
    put_run(conn, &transition.run).await?;
    put_rest(conn, transition).await
}

/// Stores a run that is not there yet.
pub(super) async fn put_run(conn: &mut SqliteConnection, run: &Run) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO runs (id, created_at, updated_at, not_before, doc) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )
    .bind(codec::id(run.id))
    .bind(codec::time(run.created_at))
    .bind(codec::time(run.updated_at))
    .bind(run.not_before.map(codec::time))
    .bind(codec::doc("a run", run)?)
    .execute(&mut *conn)
    .await
    .map_err(fault)?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
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
///
/// The chain goes on from the end that its writers noted, not from what the table holds: were the table's tail cut off, the gap stays to be found.
async fn append(conn: &mut SqliteConnection, about: About, events: &[NewEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let (noted, head) = read::noted_end(conn).await?.unwrap_or((0, Event::genesis()));
    let mut end = End { seq: noted.max(read::last_seq(&mut *conn).await?), head };
    for event in events {
        put_event(conn, &end.link(about, event)?).await?;
    }
    note_end(conn, &end).await
}

/// Notes where the chain ends.
pub(super) async fn note_end(conn: &mut SqliteConnection, end: &End) -> Result<(), StoreError> {
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

pub(super) async fn put_event(conn: &mut SqliteConnection, link: &Link) -> Result<(), StoreError> {
    let event = &link.event;
    sqlx::query(
        "INSERT INTO events (seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(codec::int(event.seq))
    .bind(codec::id(event.run_id))
    .bind(codec::int(event.run_version))
    .bind(event.kind.as_str())
    .bind(&event.actor)
    .bind(&event.message)
    .bind(&link.payload)
    .bind(codec::time(event.created_at))
    .bind(event.prev.as_str())
    .bind(event.digest.as_str())
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

pub(super) async fn put_output(
    conn: &mut SqliteConnection,
    id: RunId,
    output: &StoredOutput,
) -> Result<(), StoreError> {
    let StoredOutput { name, bytes, dropped_bytes, created_at } = output;
    output.checked()?;
    read::run(conn, id).await?;
    sqlx::query(
        "INSERT OR REPLACE INTO outputs (run_id, name, dropped_bytes, created_at, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(codec::id(id))
    .bind(name)
    .bind(codec::int(*dropped_bytes))
    .bind(codec::time(*created_at))
    .bind(bytes)
    .execute(conn)
    .await
    .map_err(fault)?;
    Ok(())
}
