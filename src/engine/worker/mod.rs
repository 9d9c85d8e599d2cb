//! Claims runs and works on them under a lease; takes back what a dead worker held; says that somebody works here.
mod backoff;
mod heartbeat;
mod identity;
mod pool;
mod presence;
mod shutdown;
mod step;

pub use backoff::Backoff;
pub use identity::{is_gone, this_machine};
pub use pool::Workers;
pub use shutdown::Shutdown;

use crate::clock::instant;
use crate::domain::{Run, RunId, RunQuery, Status};
use crate::engine::session::Session;
use crate::engine::{Engine, EngineError};
use crate::store::{Claim, Lease};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a worker that waits for one certain run looks for it.
const IDLE: Duration = Duration::from_secs(1);
/// How many runs are read at once where all are looked through.
const PAGE: u64 = 100;

/// What became of the runs of dead workers.
#[derive(Debug)]
pub struct TakenBack {
    pub runs: Vec<RunId>,
    /// Whether there are others, which have to wait: what their workers had started has not ended yet.
    pub more_follow: bool,
}

/// One worker: its name tells host, process, start time and machine, so that another process can see that it is dead.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Engine,
    name: String,
    machine: String,
    /// Runs of one repository that may be held at once, by all workers together; 0 = any number.
    per_repository: u32,
}

impl Worker {
    pub fn new(engine: Engine) -> Self {
        Self { engine, name: identity::new_name(), machine: this_machine(), per_repository: 0 }
    }

    /// Works on a run until it comes to rest, or somebody else has it. Returns it as it is then.
    pub async fn follow(&self, id: RunId, shutdown: &CancellationToken) -> Result<Run, EngineError> {
        loop {
            let run = self.engine.store.run(id).await?;
            if run.status.is_at_rest() || shutdown.is_cancelled() {
                return Ok(run);
            }
            self.engine.take_back_dead().await?;
            if let Some((run, lease, since)) = self.claim(Some(id)).await? {
                Box::pin(self.work_on(run, lease, since, shutdown)).await?;
            } else {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
        }
    }

    /// Takes the run whose turn it is, but none whose repository is on another machine; or `only` that one, wherever it is from. Returns it
    /// with its lease, and from when the lease may run: the answer can be long on its way.
    async fn claim(&self, only: Option<RunId>) -> Result<Option<(Run, Lease, Instant)>, EngineError> {
        let asked = instant();
        let (now, lease) = (self.engine.clock.now(), self.engine.settings.lease);
        let (machine, per_repository) = (Some(self.machine.as_str()), self.per_repository);
        let claim = Claim { machine, per_repository, ..Claim::of(&self.name, only, now, lease) };
        Ok(self.engine.store.claim(&claim).await?.map(|(run, lease)| (run, lease, asked)))
    }

    /// Whether a run is queued that this worker may take, now or later.
    async fn is_anything_left(&self) -> Result<bool, EngineError> {
        let mut query = RunQuery { status: Some(Status::Queued), limit: PAGE, ..RunQuery::default() };
        loop {
            let (runs, total) = self.engine.store.runs(&query).await?;
            if runs.iter().any(|it| it.order.machine.as_ref().is_none_or(|it| *it == self.machine)) {
                return Ok(true);
            }
            query.offset += PAGE;
            if query.offset >= total {
                return Ok(false);
            }
        }
    }

    /// Takes one step with a run this worker holds: reproduce, or one attempt. Returns when the next may follow, if it has to wait for that.
    async fn work_on(
        &self,
        run: Run,
        lease: Lease,
        since: Instant,
        shutdown: &CancellationToken,
    ) -> Result<Option<Timestamp>, EngineError> {
        let id = run.id;
        tracing::info!(repository = run.repository, attempts = run.attempt_count, worker = self.name, "claimed");
        let cancel = shutdown.child_token();
        let pulse = heartbeat::start(&self.engine, &lease, since, &cancel);
        let mut session = Session::new(&self.engine, run, lease, cancel);
        let result = Box::pin(session.step()).await;
        let result = session.settle(result, shutdown).await;
        drop(pulse);
        self.engine.live.clear(id);
        tracing::info!("let go");
        result.map(|()| session.run.not_before)
    }
}

impl Engine {
    /// Puts runs back into the queue whose worker is dead, with all it had started, or whose lease ended.
    pub async fn take_back_dead(&self) -> Result<TakenBack, EngineError> {
        let workers: BTreeSet<String> = self.store.leases().await?.into_iter().map(|(_, worker)| worker).collect();
        let dead = workers.into_iter().filter(|it| identity::is_dead(it));
        let (gone, ending): (Vec<_>, Vec<_>) = dead.partition(|it| is_gone(it));
        let taken = self.store.take_back(self.clock.now(), &gone).await?;
        for id in &taken {
            tracing::warn!(run_id = %id, "taken back from a worker that is gone or silent");
            self.live.clear(*id);
        }
        Ok(TakenBack { runs: taken, more_follow: !ending.is_empty() })
    }
}
