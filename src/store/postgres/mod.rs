//! A `PostgreSQL` server: any number of processes on any number of machines.
//!
//! Writers of one run queue at its row, claims at the count of turns, and whoever appends at the end of the chain; readers wait for nobody.
mod archive;
mod arrive;
mod audit;
mod codec;
mod cursor;
mod families;
mod fault;
mod news;
mod open;
mod operators;
mod presence;
mod queue;
mod read;
mod snapshots;
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
use async_trait::async_trait;
use fault::Fault;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::Postgres;
use sqlx::Transaction;
use std::time::Duration;

/// How often a write is tried again that the database gave up in favour of another.
const REPEATS: u32 = 5;

/// How long such a write waits before the next try, times the number of tries.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the server may take with anything but an audit or a copy. Its own limits end a statement sooner: a server that says nothing for so
/// long is gone without a sign, as behind a cable that was pulled.
const SILENCE: Duration = Duration::from_secs(40);

/// Does `work`, as long as the server can be expected to answer.
async fn within<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(SILENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!("it said nothing for {} seconds", SILENCE.as_secs())).into()),
    }
}

/// The backlog's memory on a server.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    /// The one connection that reports come through: it knows its statements, and nobody else makes them wait for one.
    intake: PgPool,
    news: news::News,
}

/// Does `$work` in a transaction of its own, whole or not at all, and again where it lost against another.
macro_rules! transact {
    ($pool:expr, $tx:ident => $work:expr) => {{
        let mut repeats = 0;
        loop {
            let done = async {
                let mut $tx = $pool.begin().await?;
                let value = $work.await?;
                $tx.commit().await?;
                Ok::<_, Fault>(value)
            };
            match within(done).await {
                Err(fault) if fault.is_lost_race() && repeats < REPEATS => {
                    repeats += 1;
                    tokio::time::sleep(PAUSE * repeats).await;
                }
                done => break done.map_err(StoreError::from),
            }
        }
    }};
}

impl PostgresStore {
    /// Opens the database that `url` names (`postgres://USER:PASSWORD@HOST:PORT/NAME`) and brings its schema up to date.
    /// `Unavailable`: it does not answer. No error tells the password.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        open::open(url).await
    }

    /// Begins a read of several tables as they were at one moment, however long it takes.
    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, Fault> {
        let mut tx = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        Ok(tx)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn create(
        &self,
        transition: &Transition,
        hold: Option<(&str, Duration)>,
    ) -> Result<Option<Lease>, StoreError> {
        let (lease, newest) = transact!(self.pool, tx => write::create(&mut tx, transition, hold))?;
        self.news.tell(newest);
        Ok(lease)
    }

    async fn arrive(&self, arrivals: &[Arrival]) -> Result<Vec<Arrived>, StoreError> {
        if arrivals.iter().any(|it| it.creation.run.version != 1) {
            return Err(StoreError::Conflict);
        }
        let rows = arrivals.iter().map(|it| RunRow::of(&it.creation.run)).collect::<Result<Vec<_>, _>>()?;
        let (arrived, newest) = transact!(self.intake, tx => arrive::arrive(&mut tx, arrivals, &rows))?;
        self.news.tell(newest);
        Ok(arrived)
    }

    async fn note(&self, run: RunId, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let newest = transact!(self.pool, tx => write::note(&mut tx, run, events, now))?;
        self.news.tell(newest);
        Ok(())
    }

    async fn run(&self, id: RunId) -> Result<Run, StoreError> {
        Ok(within(read::run(&self.pool, id)).await?)
    }

    async fn find(&self, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError> {
        Ok(within(read::find(&self.pool, prefix, limit)).await?)
    }

    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), StoreError> {
        let page = async {
            let mut tx = self.snapshot().await?;
            read::runs(&mut tx, query).await
        };
        Ok(within(page).await?)
    }

    async fn attempts(&self, id: RunId) -> Result<Vec<Attempt>, StoreError> {
        Ok(within(read::attempts(&self.pool, id)).await?)
    }

    async fn events(&self, run: Option<RunId>, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        Ok(within(read::events(&self.pool, run, after, limit)).await?)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let asked = async {
            let mut conn = self.pool.acquire().await?;
            open::check_schema(&mut conn).await
        };
        Ok(within(asked).await?)
    }

    async fn last_seq(&self) -> Result<u64, StoreError> {
        Ok(within(read::last_seq(&self.pool)).await?)
    }

    async fn changed(&self, after: u64, patience: Duration) -> Result<u64, StoreError> {
        self.news.wait(&self.pool, after, patience).await
    }

    async fn summary(&self) -> Result<Summary, StoreError> {
        Ok(within(read::summary(&self.pool)).await?)
    }

    async fn repositories(&self, limit: u32) -> Result<Vec<RepositorySummary>, StoreError> {
        Ok(within(read::repositories(&self.pool, limit)).await?)
    }

    async fn depth(&self, _: Timestamp) -> Result<Depth, StoreError> {
        Ok(within(read::depth(&self.pool)).await?)
    }

    async fn time(&self, _: Timestamp) -> Result<Timestamp, StoreError> {
        Ok(within(read::time(&self.pool)).await?)
    }

    async fn commit(&self, transition: &Transition, lease: Option<&Lease>) -> Result<(), StoreError> {
        let newest = transact!(self.pool, tx => write::commit(&mut tx, transition, lease))?;
        self.news.tell(newest);
        Ok(())
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Option<(Run, Lease)>, StoreError> {
        // Idle workers ask again and again: they must not queue up to learn that there is nothing.
        if !within(queue::is_any(&self.pool, claim)).await? {
            return Ok(None);
        }
        transact!(self.pool, tx => queue::claim(&mut tx, claim))
    }

    async fn heartbeat(&self, lease: &Lease, _: Timestamp, length: Duration) -> Result<bool, StoreError> {
        Ok(within(queue::extend(&self.pool, lease, length)).await?)
    }

    async fn leases(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        Ok(within(queue::leases(&self.pool)).await?)
    }

    async fn take_back(&self, now: Timestamp, dead: &[String]) -> Result<Vec<RunId>, StoreError> {
        let mut taken = Vec::new();
        for lost in within(queue::lost(&self.pool, dead)).await? {
            let (is_requeued, newest) = transact!(self.pool, tx => queue::take_back(&mut tx, &lost, now))?;
            self.news.tell(newest);
            if is_requeued {
                taken.push(lost.run_id);
            }
        }
        Ok(taken)
    }

    async fn put_output(&self, id: RunId, output: &StoredOutput, lease: Option<&Lease>) -> Result<(), StoreError> {
        transact!(self.pool, tx => write::output(&mut tx, id, output, lease))
    }

    async fn output(&self, id: RunId, name: &str) -> Result<Option<StoredOutput>, StoreError> {
        Ok(within(read::output(&self.pool, id, name)).await?)
    }

    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(within(read::outputs(&self.pool, id)).await?)
    }

    async fn hold_cursor(
        &self,
        name: &str,
        holder: &str,
        _: Timestamp,
        length: Duration,
    ) -> Result<Option<u64>, StoreError> {
        Ok(within(cursor::hold(&self.pool, name, holder, length)).await?)
    }

    async fn move_cursor(&self, name: &str, holder: &str, seq: u64) -> Result<bool, StoreError> {
        Ok(within(cursor::advance(&self.pool, name, holder, seq)).await?)
    }

    async fn appear(&self, worker: &str, machine: &str, _now: Timestamp, length: Duration) -> Result<(), StoreError> {
        Ok(within(presence::put(&self.pool, worker, machine, length)).await?)
    }

    async fn disappear(&self, worker: &str) -> Result<(), StoreError> {
        Ok(within(presence::remove(&self.pool, worker)).await?)
    }

    async fn present(&self, _now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        Ok(within(presence::read(&self.pool)).await?)
    }

    async fn delivery(&self, name: &str) -> Result<Option<RunId>, StoreError> {
        Ok(within(arrive::delivery(&self.pool, name)).await?)
    }

    async fn family(&self, key: &Digest) -> Result<Option<Family>, StoreError> {
        Ok(within(families::one(&self.pool, key)).await?)
    }

    async fn family_of_run(&self, run: RunId) -> Result<Option<Family>, StoreError> {
        Ok(within(families::of_run(&self.pool, run)).await?)
    }

    async fn families(&self, repository: &str, limit: u32) -> Result<Vec<Family>, StoreError> {
        Ok(within(families::of_repository(&self.pool, repository, limit)).await?)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Family>, StoreError> {
        Ok(within(families::due(&self.pool, now, limit)).await?)
    }

    async fn put_family(&self, family: &Family, facts: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let newest = transact!(self.pool, tx => families::put_next(&mut tx, family, facts, now))?;
        self.news.tell(newest);
        Ok(())
    }

    async fn make_due(&self, runs: &[RunId], now: Timestamp) -> Result<(), StoreError> {
        Ok(within(families::make_due(&self.pool, runs, now)).await?)
    }

    async fn put_snapshot(&self, name: &str, doc: &Value, now: Timestamp) -> Result<(), StoreError> {
        Ok(within(snapshots::put(&self.pool, name, doc, now)).await?)
    }

    async fn snapshots(&self, prefix: &str) -> Result<Vec<(String, Value, Timestamp)>, StoreError> {
        Ok(within(snapshots::all(&self.pool, prefix)).await?)
    }

    async fn prune_outputs(&self, repository: &str, names: &[&str], before: Timestamp) -> Result<u64, StoreError> {
        Ok(within(snapshots::prune_outputs(&self.pool, repository, names, before)).await?)
    }

    async fn verify(&self) -> Result<Audit, StoreError> {
        let mut tx = self.snapshot().await?;
        Ok(audit::verify(&mut tx).await?)
    }
}

#[async_trait]
impl Operators for PostgresStore {
    async fn add_operator(&self, operator: &Operator, fact: &NewEvent) -> Result<(), StoreError> {
        self.update_operator(operator, fact, operator.created_at).await
    }

    async fn update_operator(&self, operator: &Operator, fact: &NewEvent, now: Timestamp) -> Result<(), StoreError> {
        let newest = transact!(self.pool, tx => async {
            operators::put(&mut tx, operator).await?;
            write::note(&mut tx, RunId::NONE, std::slice::from_ref(fact), now).await
        })?;
        self.news.tell(newest);
        Ok(())
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        Ok(within(operators::all(&self.pool)).await?)
    }

    async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        Ok(within(operators::named(&self.pool, name)).await?)
    }

    async fn operator_by_token(&self, token: &Digest) -> Result<Option<Operator>, StoreError> {
        Ok(within(operators::by_token(&self.pool, token)).await?)
    }
}
