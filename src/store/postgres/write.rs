//! Writing a transition: the run, its attempt, its events and the end of its lease, inside the caller's transaction.
//!
//! Locks are taken in one order, so that no two writers wait for each other: the turn of claims, the run, its lease, the end of the chain.
//! Whoever takes the chain first (arrivals, notes) takes nothing afterwards that another might hold while waiting for the chain.
use crate::domain::Attempt;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::NewEvent;
use crate::domain::ResolvedBy;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Transition;
use crate::store::Lease;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::chain::About;
use crate::store::chain::End;
use crate::store::chain::Link;
use crate::store::codec;
use crate::store::codec::RunRow;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::queue;
use crate::store::postgres::read;
use jiff::Timestamp;
use sqlx::PgConnection;
use std::time::Duration;

/// Stores a new run with what belongs to it. Returns the number of its last event.
pub(super) async fn create(
    conn: &mut PgConnection,
    transition: &Transition,
    hold: Option<(&str, Duration)>,
) -> Result<(Option<Lease>, Option<u64>), Fault> {
    let run = &transition.run;
    if run.version != 1 {
        return Err(StoreError::Conflict.into());
    }
    put_runs(conn, &[&RunRow::of(run)?]).await?;
    let lease = match hold {
        Some((worker, length)) => Some(queue::lease(conn, run.id, worker, length).await?),
        None => None,
    };
    Ok((lease, put_rest(conn, transition).await?))
}

/// Commits a transition, with a lease only while it is held. Returns the number of its last event.
pub(super) async fn commit(
    conn: &mut PgConnection,
    transition: &Transition,
    lease: Option<&Lease>,
) -> Result<Option<u64>, Fault> {
    put_next(conn, &transition.run).await?;
    if let Some(lease) = lease {
        // The run's row is locked by now: nobody else can end the lease before this transaction does.
        queue::require_held(conn, transition.run.id, lease).await?;
    }
    put_rest(conn, transition).await
}

/// Stores a run's next version with what belongs to it, if the stored version is the one before.
pub(super) async fn apply(conn: &mut PgConnection, transition: &Transition) -> Result<Option<u64>, Fault> {
    put_next(conn, &transition.run).await?;
    put_rest(conn, transition).await
}

/// Stores runs that are not there yet.
pub(super) async fn put_runs(conn: &mut PgConnection, rows: &[&RunRow<'_>]) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&Run) -> String| rows.iter().map(|it| value(it.run)).collect::<Vec<_>>();
    let maybe = |value: fn(&Run) -> Option<String>| rows.iter().map(|it| value(it.run)).collect::<Vec<_>>();
    let done = sqlx::query(
        "INSERT INTO runs (id, created_at, updated_at, not_before, repository, status, resolved_by, version, doc, machine)
         SELECT id, created_at, updated_at, not_before, repository, status, resolved_by, version, doc, machine
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[])
             WITH ORDINALITY AS new
                 (id, created_at, updated_at, not_before, repository, status, resolved_by, version, doc, machine, place)
         ORDER BY place
         ON CONFLICT DO NOTHING",
    )
    .bind(column(|it| codec::id(it.id)))
    .bind(column(|it| codec::time(it.created_at)))
    .bind(column(|it| codec::time(it.updated_at)))
    .bind(maybe(|it| it.not_before.map(codec::time)))
    .bind(column(|it| text(&it.repository).into_owned()))
    .bind(column(|it| it.status.to_string()))
    .bind(maybe(|it| it.resolved_by.map(|it| it.to_string())))
    .bind(rows.iter().map(|it| codec::int(it.run.version)).collect::<Vec<_>>())
    .bind(rows.iter().map(|it| it.doc.as_str()).collect::<Vec<_>>())
    .bind(maybe(|it| it.order.machine.as_deref().map(|it| text(it).into_owned())))
    .execute(conn)
    .await?;
    if done.rows_affected() == rows.len() as u64 { Ok(()) } else { Err(StoreError::Conflict.into()) }
}

async fn put_next(conn: &mut PgConnection, run: &Run) -> Result<(), Fault> {
    let row = RunRow::of(run)?;
    let done = sqlx::query(
        "UPDATE runs SET created_at = $2, updated_at = $3, not_before = $4, repository = $5, status = $6, resolved_by = $7,
             version = $8, doc = $9, machine = $10
         WHERE id = $1 AND version = $8 - 1",
    )
    .bind(codec::id(run.id))
    .bind(codec::time(run.created_at))
    .bind(codec::time(run.updated_at))
    .bind(run.not_before.map(codec::time))
    .bind(text(&run.repository))
    .bind(run.status.as_str())
    .bind(run.resolved_by.map(ResolvedBy::as_str))
    .bind(codec::int(run.version))
    .bind(row.doc)
    .bind(run.order.machine.as_deref().map(text))
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    read::run(conn, run.id).await?;
    Err(StoreError::Conflict.into())
}

async fn put_rest(conn: &mut PgConnection, transition: &Transition) -> Result<Option<u64>, Fault> {
    let run = &transition.run;
    if let Some(attempt) = &transition.attempt {
        put_attempt(conn, run.id, attempt).await?;
    }
    if transition.releases_lease {
        end_lease(conn, run.id).await?;
    }
    append(conn, About::from(run), &transition.events).await
}

pub(super) async fn put_attempt(conn: &mut PgConnection, id: RunId, attempt: &Attempt) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO attempts (run_id, attempt_no, doc) VALUES ($1, $2, $3)
         ON CONFLICT (run_id, attempt_no) DO UPDATE SET doc = excluded.doc",
    )
    .bind(codec::id(id))
    .bind(i64::from(attempt.attempt_no))
    .bind(codec::doc("an attempt", attempt)?)
    .execute(conn)
    .await?;
    Ok(())
}

/// Appends facts that change no state.
pub(super) async fn note(
    conn: &mut PgConnection,
    run_id: RunId,
    events: &[NewEvent],
    at: Timestamp,
) -> Result<Option<u64>, Fault> {
    // The chain comes first: read before that, the run's version could be an old one when the facts are appended.
    let mut end = lock_end(conn).await?;
    let version = if run_id == RunId::NONE { 0 } else { read::run(&mut *conn, run_id).await?.version };
    let about = About { run_id, version, at };
    let links = events.iter().map(|it| end.link(about, it)).collect::<Result<Vec<_>, _>>()?;
    put_events(conn, &links, &end).await
}

/// Appends facts to the chain. Returns the number of the last one.
async fn append(conn: &mut PgConnection, about: About, events: &[NewEvent]) -> Result<Option<u64>, Fault> {
    if events.is_empty() {
        return Ok(None);
    }
    let mut end = lock_end(conn).await?;
    let links = events.iter().map(|it| end.link(about, it)).collect::<Result<Vec<_>, _>>()?;
    put_events(conn, &links, &end).await
}

/// Waits for the end of the chain and holds it until the transaction ends.
///
/// The chain goes on from the end that its writers noted, not from what the table holds: were the table's tail cut off, the gap stays to be found.
pub(super) async fn lock_end(conn: &mut PgConnection) -> Result<End, Fault> {
    let row = sqlx::query_as::<_, (i64, Option<String>, i64)>(
        "SELECT last_seq, head, (SELECT coalesce(max(seq), 0) FROM events) FROM chain WHERE id = 1 FOR UPDATE",
    )
    .fetch_optional(conn)
    .await?;
    let Some((noted, head, stored)) = row else {
        return Err(StoreError::Broken("the end of the chain of events is not noted any more".to_owned()).into());
    };
    let head = head.map_or_else(Event::genesis, Digest::from_stored);
    Ok(End { seq: codec::count(noted.max(stored))?, head })
}

/// Stores events, the end of the chain after them, and the news of it. Returns the number of the last one.
pub(super) async fn put_events(conn: &mut PgConnection, links: &[Link], end: &End) -> Result<Option<u64>, Fault> {
    if links.is_empty() {
        return Ok(None);
    }
    let column = |value: fn(&Event) -> String| links.iter().map(|it| value(&it.event)).collect::<Vec<_>>();
    let number = |value: fn(&Event) -> u64| links.iter().map(|it| codec::int(value(&it.event))).collect::<Vec<_>>();
    sqlx::query(
        "WITH told AS (
             INSERT INTO events (seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                 $8::text[], $9::text[], $10::text[])
         ), moved AS (
             UPDATE chain SET last_seq = $11, head = $12 WHERE id = 1
         )
         SELECT pg_notify('paramedic', $11::text)",
    )
    .bind(number(|it| it.seq))
    .bind(column(|it| codec::id(it.run_id)))
    .bind(number(|it| it.run_version))
    .bind(column(|it| it.kind.to_string()))
    .bind(column(|it| text(&it.actor).into_owned()))
    .bind(column(|it| text(&it.message).into_owned()))
    .bind(links.iter().map(|it| it.payload.as_str()).collect::<Vec<_>>())
    .bind(column(|it| codec::time(it.created_at)))
    .bind(column(|it| it.prev.to_string()))
    .bind(column(|it| it.digest.to_string()))
    .bind(codec::int(end.seq))
    .bind(end.head.as_str())
    .execute(conn)
    .await?;
    Ok(Some(end.seq))
}

/// Ends the lease of a run, whoever holds it.
pub(super) async fn end_lease(conn: &mut PgConnection, id: RunId) -> Result<(), Fault> {
    sqlx::query("DELETE FROM leases WHERE run_id = $1").bind(codec::id(id)).execute(conn).await?;
    Ok(())
}

/// Stores an output of a run, with a lease only while it is held.
pub(super) async fn output(
    conn: &mut PgConnection,
    id: RunId,
    output: &StoredOutput,
    lease: Option<&Lease>,
) -> Result<(), Fault> {
    // Shared, so that the run cannot change hands before the output is stored.
    let run = sqlx::query("SELECT 1 FROM runs WHERE id = $1 FOR SHARE").bind(codec::id(id));
    let run = run.fetch_optional(&mut *conn).await?;
    if let Some(lease) = lease {
        queue::require_held(conn, id, lease).await?;
    }
    run.ok_or(StoreError::NotFound)?;
    put_outputs(conn, &[(id, output)]).await
}

/// Stores outputs of runs that are there, each replacing one of the same name.
pub(super) async fn put_outputs(conn: &mut PgConnection, outputs: &[(RunId, &StoredOutput)]) -> Result<(), Fault> {
    if outputs.is_empty() {
        return Ok(());
    }
    outputs.iter().try_for_each(|(_, output)| output.checked())?;
    sqlx::query(
        "INSERT INTO outputs (run_id, name, dropped_bytes, created_at, bytes)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bytea[])
         ON CONFLICT (run_id, name) DO UPDATE SET dropped_bytes = excluded.dropped_bytes, created_at = excluded.created_at,
             bytes = excluded.bytes",
    )
    .bind(outputs.iter().map(|it| codec::id(it.0)).collect::<Vec<_>>())
    .bind(outputs.iter().map(|it| text(&it.1.name).into_owned()).collect::<Vec<_>>())
    .bind(outputs.iter().map(|it| codec::int(it.1.dropped_bytes)).collect::<Vec<_>>())
    .bind(outputs.iter().map(|it| codec::time(it.1.created_at)).collect::<Vec<_>>())
    .bind(outputs.iter().map(|it| it.1.bytes.as_slice()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
