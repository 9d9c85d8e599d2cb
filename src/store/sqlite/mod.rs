//! The embedded database: `SQLite` in WAL mode, one file, any number of processes on it at a time.
//!
//! Writers take turns (`BEGIN IMMEDIATE`, with patience); readers see a snapshot and wait for nobody.
mod archive;
mod arrive;
mod audit;
mod backup;
mod cursor;
mod families;
mod fault;
mod news;
mod open;
mod operators;
mod presence;
mod queue;
mod read;
mod rows;
mod snapshots;
mod wal;
mod write;

use crate::domain::Attempt;
use crate::domain::Depth;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::Family;
use crate::domain::NewEvent;
use crate::domain::Operator;
use crate::domain::RepositorySummary;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::RunQuery;
use crate::domain::Summary;
use crate::domain::Transition;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::Audit;
use crate::store::Claim;
use crate::store::Lease;
use crate::store::Operators;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::codec::RunRow;
use crate::store::sqlite::fault::fault;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::Sqlite;
use sqlx::SqlitePool;
use sqlx::Transaction;
use std::path::Path;
use std::time::Duration;

pub use backup::backup;
pub use open::remove;

/// The backlog's memory in one file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    /// One connection: the tasks of this process queue here rather than at the file's lock.
    writer: SqlitePool,
    readers: SqlitePool,
    wal: wal::Wal,
    news: news::News,
}

impl SqliteStore {
    /// Opens the database file at `path`, making it and its folder (private to the user) where they are missing.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        open::open(path).await
    }

    /// Begins a write. Taking the lock at once means that what is read inside cannot be outdated when it is written.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(fault)
    }

    /// Makes a write durable and wakes who waits for news.
    async fn finish(&self, tx: Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        tx.commit().await.map_err(fault)?;
        self.news.wake();
        Ok(())
    }

    /// Begins a read of several tables as they were at one moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(fault)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(
        &self,
        transition: &Transition,
        hold: Option<(&str, Duration)>,
    ) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.write().await?;
        write::insert(&mut tx, transition).await?;
        let lease = match hold {
            Some((worker, length)) => {
                let until = transition.run.updated_at + length;
                Some(queue::lease(&mut tx, transition.run.id, worker, until).await?)
            }
            None => None,
        };
        self.finish(tx).await?;
        Ok(lease)
    }

    async fn arrive(&self, arrivals: &[Arrival]) -> Result<Vec<Arrived>, StoreError> {
        if arrivals.iter().any(|it| it.creation.run.version != 1) {
            return Err(StoreError::Conflict);
        }
        let runs = arrivals.iter().map(|it| RunRow::of(&it.creation.run)).collect::<Result<Vec<_>, _>>()?;
        let mut conn = self.writer.acquire().await.map_err(fault)?;
        open::do_not_wait_for_disk(&mut conn).await?;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        let arrived = arrive::arrive(&mut tx, arrivals, &runs).await?;
        tx.commit().await.map_err(fault)?;
        // The next ones may be written while these become durable.
        drop(conn);
        self.wal.sync(&self.writer).await?;
        self.news.wake();
        Ok(arrived)
    }

    fn batches_at_once(&self) -> usize {
        2
    }

    async fn note(&self, run: RunId, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        write::note(&mut tx, run, events, now).await?;
        self.finish(tx).await
    }

    async fn run(&self, id: RunId) -> Result<Run, StoreError> {
        let mut tx = self.snapshot().await?;
        read::run(&mut tx, id).await
    }

    async fn find(&self, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::find(&mut tx, prefix, limit).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), StoreError> {
        let mut tx = self.snapshot().await?;
        read::runs(&mut tx, query).await
    }

    async fn attempts(&self, id: RunId) -> Result<Vec<Attempt>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::attempts(&mut tx, id).await
    }

    async fn events(&self, run: Option<RunId>, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::events(&mut tx, run, after, limit).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let mut conn = self.readers.acquire().await.map_err(fault)?;
        open::check_schema(&mut conn).await
    }

    async fn last_seq(&self) -> Result<u64, StoreError> {
        read::last_seq(&self.readers).await
    }

    async fn changed(&self, after: u64, patience: Duration) -> Result<u64, StoreError> {
        self.news.wait(&self.readers, after, patience).await
    }

    async fn summary(&self) -> Result<Summary, StoreError> {
        let mut tx = self.snapshot().await?;
        read::summary(&mut tx).await
    }

    async fn repositories(&self, limit: u32) -> Result<Vec<RepositorySummary>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::repositories(&mut tx, limit).await
    }

    async fn depth(&self, now: Timestamp) -> Result<Depth, StoreError> {
        let mut tx = self.snapshot().await?;
        read::depth(&mut tx, now).await
    }

    async fn commit(&self, transition: &Transition, lease: Option<&Lease>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if let Some(lease) = lease {
            queue::require_held(&mut tx, transition.run.id, lease).await?;
        }
        write::apply(&mut tx, transition).await?;
        self.finish(tx).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Option<(Run, Lease)>, StoreError> {
        // Idle workers ask again and again: they must not take the writers' lock to learn that there is nothing.
        let mut tx = self.snapshot().await?;
        if queue::next(&mut tx, claim).await?.is_none() {
            return Ok(None);
        }
        drop(tx);
        let mut tx = self.write().await?;
        let claimed = queue::claim(&mut tx, claim).await?;
        tx.commit().await.map_err(fault)?;
        Ok(claimed)
    }

    async fn heartbeat(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let is_held = queue::extend(&mut tx, lease, now + length).await?;
        tx.commit().await.map_err(fault)?;
        Ok(is_held)
    }

    async fn leases(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        let mut tx = self.snapshot().await?;
        queue::leases(&mut tx).await
    }

    async fn take_back(&self, now: Timestamp, dead: &[String]) -> Result<Vec<RunId>, StoreError> {
        let mut tx = self.snapshot().await?;
        let lost = queue::lost(&mut tx, now, dead).await?;
        drop(tx);
        let mut taken = Vec::new();
        for lost in lost {
            let mut tx = self.write().await?;
            let is_requeued = queue::take_back(&mut tx, &lost, now).await?;
            self.finish(tx).await?;
            if is_requeued {
                taken.push(lost.run_id);
            }
        }
        Ok(taken)
    }

    async fn put_output(&self, id: RunId, output: &StoredOutput, lease: Option<&Lease>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if let Some(lease) = lease {
            queue::require_held(&mut tx, id, lease).await?;
        }
        write::put_output(&mut tx, id, output).await?;
        tx.commit().await.map_err(fault)
    }

    async fn output(&self, id: RunId, name: &str) -> Result<Option<StoredOutput>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::output(&mut tx, id, name).await
    }

    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, StoreError> {
        let mut tx = self.snapshot().await?;
        read::outputs(&mut tx, id).await
    }

    async fn hold_cursor(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        length: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let mut tx = self.write().await?;
        let place = cursor::hold(&mut tx, name, holder, now, now + length).await?;
        tx.commit().await.map_err(fault)?;
        Ok(place)
    }

    async fn move_cursor(&self, name: &str, holder: &str, seq: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let is_held = cursor::advance(&mut tx, name, holder, seq).await?;
        tx.commit().await.map_err(fault)?;
        Ok(is_held)
    }

    async fn appear(&self, worker: &str, machine: &str, now: Timestamp, length: Duration) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        presence::put(&mut tx, worker, machine, now, now + length).await?;
        tx.commit().await.map_err(fault)
    }

    async fn disappear(&self, worker: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        presence::remove(&mut tx, worker).await?;
        tx.commit().await.map_err(fault)
    }

    async fn present(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        let mut tx = self.snapshot().await?;
        presence::read(&mut tx, now).await
    }

    async fn delivery(&self, name: &str) -> Result<Option<RunId>, StoreError> {
        let mut tx = self.snapshot().await?;
        arrive::delivery(&mut tx, name).await
    }

    async fn family(&self, key: &Digest) -> Result<Option<Family>, StoreError> {
        let mut tx = self.snapshot().await?;
        families::one(&mut tx, key).await
    }

    async fn family_of_run(&self, run: RunId) -> Result<Option<Family>, StoreError> {
        let mut tx = self.snapshot().await?;
        families::of_run(&mut tx, run).await
    }

    async fn families(&self, repository: &str, limit: u32) -> Result<Vec<Family>, StoreError> {
        let mut tx = self.snapshot().await?;
        families::of_repository(&mut tx, repository, limit).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Family>, StoreError> {
        let mut tx = self.snapshot().await?;
        families::due(&mut tx, now, limit).await
    }

    async fn put_family(&self, family: &Family, facts: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        families::put_next(&mut tx, family, facts, now).await?;
        self.finish(tx).await
    }

    async fn make_due(&self, runs: &[RunId], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        families::make_due(&mut tx, runs, now).await?;
        tx.commit().await.map_err(fault)
    }

    async fn put_snapshot(&self, name: &str, doc: &Value, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        snapshots::put(&mut tx, name, doc, now).await?;
        tx.commit().await.map_err(fault)
    }

    async fn snapshots(&self, prefix: &str) -> Result<Vec<(String, Value, Timestamp)>, StoreError> {
        let mut tx = self.snapshot().await?;
        snapshots::all(&mut tx, prefix).await
    }

    async fn prune_outputs(&self, repository: &str, names: &[&str], before: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let n_gone = snapshots::prune_outputs(&mut tx, repository, names, before).await?;
        tx.commit().await.map_err(fault)?;
        Ok(n_gone)
    }

    async fn verify(&self) -> Result<Audit, StoreError> {
        let mut tx = self.snapshot().await?;
        audit::verify(&mut tx).await
    }
}

#[async_trait]
impl Operators for SqliteStore {
    async fn add_operator(&self, operator: &Operator, fact: &NewEvent) -> Result<(), StoreError> {
        self.update_operator(operator, fact, operator.created_at).await
    }

    async fn update_operator(&self, operator: &Operator, fact: &NewEvent, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        operators::put(&mut tx, operator).await?;
        write::note(&mut tx, RunId::NONE, std::slice::from_ref(fact), now).await?;
        self.finish(tx).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let mut tx = self.snapshot().await?;
        operators::all(&mut tx).await
    }

    async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        let mut tx = self.snapshot().await?;
        operators::named(&mut tx, name).await
    }

    async fn operator_by_token(&self, token: &Digest) -> Result<Option<Operator>, StoreError> {
        let mut tx = self.snapshot().await?;
        operators::by_token(&mut tx, token).await
    }
}
