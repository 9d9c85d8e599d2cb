//! The queue: handing out runs, proving that they are held, and taking them back. A lease is held until it is taken back, also past its time.
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Status;
use crate::domain::Transition;
use crate::store::Lease;
use crate::store::StoreError;
use crate::store::sqlite::codec;
use crate::store::sqlite::codec::broken;
use crate::store::sqlite::read;
use crate::store::sqlite::write;
use jiff::Timestamp;
use sqlx::SqliteConnection;
use uuid::Uuid;

/// Gives `worker` a lease with a fresh token.
pub(super) async fn lease(
    conn: &mut SqliteConnection,
    run_id: RunId,
    worker: &str,
    until: Timestamp,
) -> Result<Lease, StoreError> {
    let token = Uuid::new_v4().simple().to_string();
    sqlx::query("INSERT INTO leases (run_id, worker, token, until_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(codec::id(run_id))
        .bind(worker)
        .bind(&token)
        .bind(codec::time(until))
        .execute(conn)
        .await
        .map_err(broken)?;
    Ok(Lease { run_id, worker: worker.to_owned(), token })
}

/// Refuses whoever does not hold `run_id`.
pub(super) async fn require_held(conn: &mut SqliteConnection, run_id: RunId, lease: &Lease) -> Result<(), StoreError> {
    let held = sqlx::query("SELECT 1 FROM leases WHERE run_id = ?1 AND worker = ?2 AND token = ?3")
        .bind(codec::id(run_id))
        .bind(&lease.worker)
        .bind(&lease.token)
        .fetch_optional(conn)
        .await
        .map_err(broken)?;
    match held {
        Some(_) if lease.run_id == run_id => Ok(()),
        _ => Err(StoreError::Conflict),
    }
}

/// Returns the run that is to be taken next: the one that was created first. Times are compared to the nanosecond.
pub(super) async fn next(
    conn: &mut SqliteConnection,
    only: Option<RunId>,
    now: Timestamp,
) -> Result<Option<Run>, StoreError> {
    let doc = sqlx::query_scalar::<_, String>(
        "SELECT doc FROM runs
         WHERE status = 'queued' AND (not_before IS NULL OR not_before <= ?1) AND (?2 IS NULL OR id = ?2)
           AND NOT EXISTS (SELECT 1 FROM leases WHERE run_id = runs.id)
         ORDER BY created_at, rowid LIMIT 1",
    )
    .bind(codec::time(now))
    .bind(only.map(codec::id))
    .fetch_optional(conn)
    .await
    .map_err(broken)?;
    doc.map(|doc| codec::parse_doc("a queued run", &doc)).transpose()
}

pub(super) async fn claim(
    conn: &mut SqliteConnection,
    worker: &str,
    only: Option<RunId>,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<(Run, Lease)>, StoreError> {
    let Some(run) = next(conn, only, now).await? else {
        return Ok(None);
    };
    let taken = run.claimed(worker, now).map_err(broken)?;
    write::apply(conn, &taken).await?;
    let lease = lease(conn, run.id, worker, until).await?;
    Ok(Some((taken.run, lease)))
}

/// Extends a lease, never shortens it; `false` when it is not held.
pub(super) async fn extend(conn: &mut SqliteConnection, lease: &Lease, until: Timestamp) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE leases SET until_at = max(until_at, ?4) WHERE run_id = ?1 AND worker = ?2 AND token = ?3")
            .bind(codec::id(lease.run_id))
            .bind(&lease.worker)
            .bind(&lease.token)
            .bind(codec::time(until))
            .execute(conn)
            .await
            .map_err(broken)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn leases(conn: &mut SqliteConnection) -> Result<Vec<(RunId, String)>, StoreError> {
    let rows = sqlx::query_as::<_, (String, String)>("SELECT run_id, worker FROM leases ORDER BY until_at, run_id");
    let rows = rows.fetch_all(conn).await.map_err(broken)?;
    rows.into_iter().map(|(id, worker)| Ok((codec::parse_id(&id)?, worker))).collect()
}

/// A run whose worker does not come back.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) run_id: RunId,
    /// The lease as it was seen; none = a running run that nobody holds.
    token: Option<String>,
    why: String,
}

/// Returns what is to be taken back: leases past their time or of a dead worker, and running runs that nobody holds.
pub(super) async fn lost(
    conn: &mut SqliteConnection,
    now: Timestamp,
    dead: &[String],
) -> Result<Vec<Lost>, StoreError> {
    let rows = sqlx::query_as::<_, (String, Option<String>, Option<String>, bool)>(
        "SELECT run_id, worker, token, until_at < ?1 FROM leases
         UNION ALL
         SELECT id, NULL, NULL, TRUE FROM runs
         WHERE status = 'running' AND NOT EXISTS (SELECT 1 FROM leases WHERE run_id = runs.id)",
    )
    .bind(codec::time(now))
    .fetch_all(conn)
    .await
    .map_err(broken)?;
    let mut lost = Vec::new();
    for (id, worker, token, is_over) in rows {
        let why = match worker {
            Some(worker) if dead.contains(&worker) => format!("worker {worker} is gone"),
            Some(worker) if is_over => format!("worker {worker} gave no sign of life in time"),
            Some(_) => continue,
            None => "no worker held it".to_owned(),
        };
        lost.push(Lost { run_id: codec::parse_id(&id)?, token, why });
    }
    Ok(lost)
}

/// Ends the lease and puts the run back into the queue; `false` when something else happened to it since it was seen.
pub(super) async fn take_back(conn: &mut SqliteConnection, lost: &Lost, now: Timestamp) -> Result<bool, StoreError> {
    let current = sqlx::query_as::<_, (String, String)>("SELECT token, until_at FROM leases WHERE run_id = ?1")
        .bind(codec::id(lost.run_id))
        .fetch_optional(&mut *conn)
        .await
        .map_err(broken)?;
    if current.map(|(token, _)| token) != lost.token {
        return Ok(false);
    }
    let run = read::run(conn, lost.run_id).await?;
    if run.status != Status::Running {
        write::end_lease(conn, lost.run_id).await?;
        return Ok(false);
    }
    let Transition { run, attempt, events, .. } = run.released(&lost.why, now).map_err(broken)?;
    write::apply(conn, &Transition { run, attempt, events, releases_lease: true }).await?;
    Ok(true)
}
