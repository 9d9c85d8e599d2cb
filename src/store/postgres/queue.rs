//! The queue: handing out runs, proving that they are held, and taking them back. A lease is held until it is taken back, also past its time.
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Status;
use crate::domain::Transition;
use crate::store::Claim;
use crate::store::Lease;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::codec::broken;
use crate::store::lost;
use crate::store::lost::Lost;
use crate::store::postgres::codec::clock;
use crate::store::postgres::codec::micros;
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::write;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::PgExecutor;
use std::time::Duration;
use uuid::Uuid;

/// What may be taken of `runs` now.
macro_rules! waiting {
    () => {
        concat!(
            "status = 'queued' AND (not_before IS NULL OR not_before <= ",
            clock!(),
            ") AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run_id = runs.id)"
        )
    };
}

/// What of it is not tied to another machine than `$2`.
macro_rules! within_reach {
    () => {
        " AND ($2::text IS NULL OR coalesce(machine, $2) = $2)"
    };
}

/// Gives `worker` a lease with a fresh token.
pub(super) async fn lease(
    conn: &mut PgConnection,
    run_id: RunId,
    worker: &str,
    length: Duration,
) -> Result<Lease, Fault> {
    let token = Uuid::new_v4().simple().to_string();
    let insert =
        concat!("INSERT INTO leases (run_id, worker, token, until_at) VALUES ($1, $2, $3, ", clock!("$4" later), ")");
    sqlx::query(insert)
        .bind(codec::id(run_id))
        .bind(text(worker))
        .bind(&token)
        .bind(micros(length))
        .execute(conn)
        .await?;
    Ok(Lease { run_id, worker: worker.to_owned(), token })
}

/// Refuses whoever does not hold `run_id`.
pub(super) async fn require_held(conn: &mut PgConnection, run_id: RunId, lease: &Lease) -> Result<(), Fault> {
    let held = sqlx::query("SELECT 1 FROM leases WHERE run_id = $1 AND worker = $2 AND token = $3")
        .bind(codec::id(run_id))
        .bind(text(&lease.worker))
        .bind(text(&lease.token))
        .fetch_optional(conn)
        .await?;
    held.map(|_| ()).ok_or_else(|| StoreError::Conflict.into())
}

/// Returns the repositories with a run to be taken, the one whose turn it is first. Jumps from repository to repository in the index,
/// so that it costs the same however many runs wait.
pub(super) async fn turns(db: impl PgExecutor<'_>, claim: &Claim<'_>) -> Result<Vec<String>, Fault> {
    let repositories = sqlx::query_scalar::<_, String>(concat!(
        "WITH RECURSIVE repositories AS (
             (SELECT repository FROM runs WHERE status = 'queued' ORDER BY repository LIMIT 1)
             UNION ALL
             SELECT (SELECT runs.repository FROM runs
                     WHERE status = 'queued' AND runs.repository > repositories.repository ORDER BY runs.repository LIMIT 1)
             FROM repositories WHERE repository IS NOT NULL
         ), held AS (
             SELECT repository, count(*) AS n FROM leases JOIN runs ON runs.id = leases.run_id GROUP BY repository
         )
         SELECT repositories.repository FROM repositories
         CROSS JOIN LATERAL (
             SELECT created_at FROM runs WHERE runs.repository = repositories.repository AND ",
        waiting!(),
        within_reach!(),
        " ORDER BY created_at, ordinal LIMIT 1
         ) AS first
         LEFT JOIN held ON held.repository = repositories.repository
         LEFT JOIN served ON served.repository = repositories.repository
         WHERE $1 = 0 OR coalesce(held.n, 0) < $1
         ORDER BY coalesce(held.n, 0), coalesce(served.turn, 0), first.created_at"
    ))
    .bind(i64::from(claim.per_repository))
    .bind(claim.machine.map(text))
    .fetch_all(db)
    .await?;
    Ok(repositories)
}

/// Whether `claim` would be given anything. Locks nothing: idle workers ask again and again.
pub(super) async fn is_any(db: impl PgExecutor<'_>, claim: &Claim<'_>) -> Result<bool, Fault> {
    match claim.only {
        Some(id) => {
            let found = sqlx::query(concat!("SELECT 1 FROM runs WHERE id = $1 AND ", waiting!())).bind(codec::id(id));
            Ok(found.fetch_optional(db).await?.is_some())
        }
        None => Ok(!turns(db, claim).await?.is_empty()),
    }
}

/// Hands out a run. Claims come one after the other, so that what is held is counted exactly.
pub(super) async fn claim(conn: &mut PgConnection, claim: &Claim<'_>) -> Result<Option<(Run, Lease)>, Fault> {
    let turn = sqlx::query_scalar::<_, i64>("UPDATE turns SET last = last + 1 WHERE id = 1 RETURNING last");
    let turn = turn.fetch_one(&mut *conn).await?;
    let Some(run) = next(conn, claim).await? else {
        return Ok(None);
    };
    let taken = run.claimed(claim.worker, claim.now).map_err(broken)?;
    write::apply(conn, &taken).await?;
    sqlx::query(
        "INSERT INTO served (repository, turn) VALUES ($1, $2)
         ON CONFLICT (repository) DO UPDATE SET turn = excluded.turn",
    )
    .bind(text(&run.repository))
    .bind(turn)
    .execute(&mut *conn)
    .await?;
    let lease = lease(conn, run.id, claim.worker, claim.lease).await?;
    Ok(Some((taken.run, lease)))
}

/// Stores when a repository was served last, and counts on from there.
pub(super) async fn put_served(conn: &mut PgConnection, repository: &str, turn: u64) -> Result<(), Fault> {
    sqlx::query("WITH later AS (UPDATE turns SET last = greatest(last, $2)) INSERT INTO served (repository, turn) VALUES ($1, $2)")
        .bind(text(repository))
        .bind(codec::int(turn))
        .execute(conn)
        .await?;
    Ok(())
}

/// Locks and returns the run that is to be taken: of the repository whose turn it is, the one that was created first. A run that somebody
/// else is changing at this moment is passed over.
async fn next(conn: &mut PgConnection, claim: &Claim<'_>) -> Result<Option<Run>, Fault> {
    if let Some(id) = claim.only {
        let doc =
            sqlx::query_scalar(concat!("SELECT doc FROM runs WHERE id = $1 AND ", waiting!(), " FOR NO KEY UPDATE"));
        return queued(doc.bind(codec::id(id)).fetch_optional(conn).await?);
    }
    for repository in turns(&mut *conn, claim).await? {
        let doc = sqlx::query_scalar(concat!(
            "SELECT doc FROM runs WHERE repository = $1 AND ",
            waiting!(),
            within_reach!(),
            " ORDER BY created_at, ordinal LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        ));
        let doc = doc.bind(repository).bind(claim.machine.map(text)).fetch_optional(&mut *conn).await?;
        if doc.is_some() {
            return queued(doc);
        }
    }
    Ok(None)
}

fn queued(doc: Option<String>) -> Result<Option<Run>, Fault> {
    Ok(doc.map(|doc| codec::parse_doc("a queued run", &doc)).transpose()?)
}

/// Extends a lease, never shortens it; `false` when it is not held.
pub(super) async fn extend(db: impl PgExecutor<'_>, lease: &Lease, length: Duration) -> Result<bool, Fault> {
    let done = sqlx::query(concat!(
        "UPDATE leases SET until_at = greatest(until_at, ",
        clock!("$4" later),
        ") WHERE run_id = $1 AND worker = $2 AND token = $3"
    ))
    .bind(codec::id(lease.run_id))
    .bind(text(&lease.worker))
    .bind(text(&lease.token))
    .bind(micros(length))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn leases(db: impl PgExecutor<'_>) -> Result<Vec<(RunId, String)>, Fault> {
    let rows = sqlx::query_as::<_, (String, String)>("SELECT run_id, worker FROM leases ORDER BY until_at, run_id");
    let rows = rows.fetch_all(db).await?;
    let rows = rows.into_iter().map(|(id, worker)| Ok((codec::parse_id(&id)?, parse_text(&worker)?)));
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

/// Returns what is to be taken back: leases past their time or of a dead worker, and running runs that nobody holds.
pub(super) async fn lost(db: impl PgExecutor<'_>, dead: &[String]) -> Result<Vec<Lost>, Fault> {
    let mut rows = sqlx::query_as::<_, lost::Row>(concat!(
        "SELECT run_id, worker, token, until_at, until_at < ",
        clock!(),
        " FROM leases
         UNION ALL
         SELECT id, NULL, NULL, NULL, false FROM runs
         WHERE status = 'running' AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run_id = runs.id)"
    ))
    .fetch_all(db)
    .await?;
    for (_, worker, ..) in &mut rows {
        *worker = worker.as_deref().map(parse_text).transpose()?;
    }
    Ok(lost::among(rows, dead)?)
}

/// Ends the lease and puts the run back into the queue. Returns whether it did (not when something else happened to it since it was seen),
/// and the number of the last event.
pub(super) async fn take_back(
    conn: &mut PgConnection,
    lost: &Lost,
    now: Timestamp,
) -> Result<(bool, Option<u64>), Fault> {
    let doc = sqlx::query_scalar::<_, String>("SELECT doc FROM runs WHERE id = $1 FOR NO KEY UPDATE")
        .bind(codec::id(lost.run_id))
        .fetch_optional(&mut *conn)
        .await?
        .ok_or(StoreError::NotFound)?;
    let run: Run = codec::parse_doc(format_args!("run {}", lost.run_id), &doc)?;
    // Held, so that a late heartbeat comes before or after, not in between.
    let current =
        sqlx::query_as::<_, (String, String)>("SELECT token, until_at FROM leases WHERE run_id = $1 FOR UPDATE")
            .bind(codec::id(lost.run_id))
            .fetch_optional(&mut *conn)
            .await?;
    if current != lost.lease {
        return Ok((false, None));
    }
    if run.status != Status::Running {
        write::end_lease(conn, lost.run_id).await?;
        return Ok((false, None));
    }
    let Transition { run, attempt, events, .. } = run.lost(&lost.why, now).map_err(broken)?;
    let newest = write::apply(conn, &Transition { run, attempt, events, releases_lease: true }).await?;
    Ok((true, newest))
}
