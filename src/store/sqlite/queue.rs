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
use crate::store::sqlite::fault::fault;
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
        .map_err(fault)?;
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
        .map_err(fault)?;
    held.map(|_| ()).ok_or(StoreError::Conflict)
}

/// What may be taken of `runs` at `?1`. Times are compared to the nanosecond.
macro_rules! waiting {
    () => {
        "status = 'queued' AND (not_before IS NULL OR not_before <= ?1)
         AND NOT EXISTS (SELECT 1 FROM leases WHERE run_id = runs.id)"
    };
}

/// What of it is not tied to another machine than `?3`.
macro_rules! within_reach {
    () => {
        " AND (?3 IS NULL OR coalesce(json_extract(doc, '$.order.machine'), ?3) = ?3)"
    };
}

/// Returns the run that is to be taken next: of the repository whose turn it is, the one that was created first. Jumps from repository to
/// repository in the index, so that it costs the same however many runs wait.
pub(super) async fn next(conn: &mut SqliteConnection, claim: &Claim<'_>) -> Result<Option<Run>, StoreError> {
    let doc = match claim.only {
        Some(id) => sqlx::query_scalar::<_, String>(concat!("SELECT doc FROM runs WHERE id = ?2 AND ", waiting!()))
            .bind(codec::time(claim.now))
            .bind(codec::id(id)),
        None => sqlx::query_scalar(concat!(
            "WITH RECURSIVE repositories (repository) AS (
                 SELECT min(repository) FROM runs WHERE status = 'queued'
                 UNION ALL
                 SELECT (SELECT min(repository) FROM runs WHERE status = 'queued' AND repository > repositories.repository)
                 FROM repositories WHERE repository IS NOT NULL
             ), firsts AS (
                 SELECT repository, (
                     SELECT rowid FROM runs WHERE runs.repository = repositories.repository AND ",
            waiting!(),
            within_reach!(),
            " ORDER BY created_at, rowid LIMIT 1
                 ) AS first FROM repositories WHERE repository IS NOT NULL
             ), held AS (
                 SELECT repository, count(*) AS n FROM leases CROSS JOIN runs ON runs.id = leases.run_id GROUP BY repository
             )
             SELECT doc FROM firsts CROSS JOIN runs ON runs.rowid = firsts.first
             LEFT JOIN held ON held.repository = firsts.repository
             LEFT JOIN served ON served.repository = firsts.repository
             WHERE ?2 = 0 OR coalesce(held.n, 0) < ?2
             ORDER BY coalesce(held.n, 0), coalesce(served.turn, 0), created_at LIMIT 1"
        ))
        .bind(codec::time(claim.now))
        .bind(claim.per_repository)
        .bind(claim.machine),
    };
    let doc = doc.fetch_optional(conn).await.map_err(fault)?;
    doc.map(|doc| codec::parse_doc("a queued run", &doc)).transpose()
}

pub(super) async fn claim(conn: &mut SqliteConnection, claim: &Claim<'_>) -> Result<Option<(Run, Lease)>, StoreError> {
    let Some(run) = next(conn, claim).await? else {
        return Ok(None);
    };
    let taken = run.claimed(claim.worker, claim.now).map_err(broken)?;
    write::apply(conn, &taken).await?;
    sqlx::query(
        "INSERT INTO served (repository, turn) VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM served))
         ON CONFLICT (repository) DO UPDATE SET turn = excluded.turn",
    )
    .bind(&run.repository)
    .execute(&mut *conn)
    .await
    .map_err(fault)?;
    let lease = lease(conn, run.id, claim.worker, claim.now + claim.lease).await?;
    Ok(Some((taken.run, lease)))
}

/// Stores when a repository was served last.
pub(super) async fn put_served(conn: &mut SqliteConnection, repository: &str, turn: u64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO served (repository, turn) VALUES (?1, ?2)")
        .bind(repository)
        .bind(codec::int(turn))
        .execute(conn)
        .await
        .map_err(fault)?;
    Ok(())
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
            .map_err(fault)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn leases(conn: &mut SqliteConnection) -> Result<Vec<(RunId, String)>, StoreError> {
    let rows = sqlx::query_as::<_, (String, String)>("SELECT run_id, worker FROM leases ORDER BY until_at, run_id");
    let rows = rows.fetch_all(conn).await.map_err(fault)?;
    rows.into_iter().map(|(id, worker)| Ok((codec::parse_id(&id)?, worker))).collect()
}

/// Returns what is to be taken back: leases past their time or of a dead worker, and running runs that nobody holds.
pub(super) async fn lost(
    conn: &mut SqliteConnection,
    now: Timestamp,
    dead: &[String],
) -> Result<Vec<Lost>, StoreError> {
    let rows = sqlx::query_as::<_, lost::Row>(
        "SELECT run_id, worker, token, until_at, until_at < ?1 FROM leases
         UNION ALL
         SELECT id, NULL, NULL, NULL, FALSE FROM runs
         WHERE status = 'running' AND NOT EXISTS (SELECT 1 FROM leases WHERE run_id = runs.id)",
    )
    .bind(codec::time(now))
    .fetch_all(conn)
    .await
    .map_err(fault)?;
    lost::among(rows, dead)
}

/// Ends the lease and puts the run back into the queue; `false` when something else happened to it since it was seen.
pub(super) async fn take_back(conn: &mut SqliteConnection, lost: &Lost, now: Timestamp) -> Result<bool, StoreError> {
    let current = sqlx::query_as::<_, (String, String)>("SELECT token, until_at FROM leases WHERE run_id = ?1")
        .bind(codec::id(lost.run_id))
        .fetch_optional(&mut *conn)
        .await
        .map_err(fault)?;
    if current != lost.lease {
        return Ok(false);
    }
    let run = read::run(conn, lost.run_id).await?;
    if run.status != Status::Running {
        write::end_lease(conn, lost.run_id).await?;
        return Ok(false);
    }
    let Transition { run, attempt, events, .. } = run.lost(&lost.why, now).map_err(broken)?;
    write::apply(conn, &Transition { run, attempt, events, releases_lease: true }).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Transition;
    use crate::store::Store as _;
    use crate::store::sqlite::SqliteStore;
    use serde_json::json;
    use std::time::Duration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run() -> Run {
        let json = json!({
            "id": RunId::random(), "repository": "acme/shop", "branch": "main", "commitSha": "c0ffee", "provider": "local",
            "source": "local", "errorHash": "", "errorSummary": "", "status": "queued", "attemptCount": 0, "maxAttempts": 3,
            "approvedBy": [], "prState": "none", "version": 1, "createdAt": at(0), "updatedAt": at(0), "order": {}, "budget": 3,
        });
        serde_json::from_value(json).unwrap()
    }

    /// Between the look at the leases and the taking back, another process may have done both that and a claim.
    #[tokio::test]
    async fn a_new_holder_is_not_robbed_for_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("db")).await.unwrap();
        let run = run();
        let creation = Transition { run: run.clone(), attempt: None, events: Vec::new(), releases_lease: false };
        store.create(&creation, None).await.unwrap();
        store.claim(&Claim::of("w", None, at(1), Duration::from_secs(1))).await.unwrap().unwrap();

        let mut tx = store.snapshot().await.unwrap();
        let seen = lost(&mut tx, at(3), &[]).await.unwrap();
        drop(tx);
        assert_eq!(store.take_back(at(3), &[]).await.unwrap(), [run.id]);
        let (_, lease) = store.claim(&Claim::of("w", None, at(4), Duration::from_secs(5))).await.unwrap().unwrap();

        let mut tx = store.write().await.unwrap();
        assert!(!take_back(&mut tx, &seen[0], at(5)).await.unwrap());
        tx.commit().await.unwrap();
        assert!(store.heartbeat(&lease, at(5), Duration::from_secs(5)).await.unwrap());
        assert_eq!(store.run(run.id).await.unwrap().status, Status::Running);
    }

    /// The same worker may have sent its late heartbeat in between: a lease that is alive again stays.
    #[tokio::test]
    async fn a_lease_extended_in_time_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("db")).await.unwrap();
        let creation = Transition { run: run(), attempt: None, events: Vec::new(), releases_lease: false };
        store.create(&creation, None).await.unwrap();
        let (_, lease) = store.claim(&Claim::of("w", None, at(1), Duration::from_secs(1))).await.unwrap().unwrap();
        let mut tx = store.snapshot().await.unwrap();
        let seen = lost(&mut tx, at(3), &[]).await.unwrap();
        drop(tx);
        assert!(store.heartbeat(&lease, at(3), Duration::from_secs(96)).await.unwrap());
        let mut tx = store.write().await.unwrap();
        assert!(!take_back(&mut tx, &seen[0], at(3)).await.unwrap());
    }
}
