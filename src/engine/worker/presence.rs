//! That a process takes runs from the queue: said in the database again and again, so that others see it from wherever they are.
use crate::domain::Run;
use crate::engine::worker::{Worker, identity};
use crate::engine::{Engine, EngineError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often it is said, and for how long it counts: a database that is away for a moment makes nobody disappear.
const BEAT: Duration = Duration::from_secs(15);
const LENGTH: Duration = Duration::from_secs(50);
/// How long saying it may take at the beginning and at the end; nothing waits longer for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The presence of a process whose workers take any run.
#[derive(Debug)]
pub(super) struct Presence {
    end: CancellationToken,
    telling: JoinHandle<()>,
}

impl Presence {
    /// Says that `worker` is there, from now until the end.
    pub(super) async fn begin(worker: &Worker) -> Self {
        let (worker, end) = (worker.clone(), CancellationToken::new());
        let _ = tokio::time::timeout(PATIENCE, worker.appear()).await;
        let ended = end.clone();
        let telling = tokio::spawn(async move {
            while ended.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
                worker.appear().await;
            }
            let _ = tokio::time::timeout(PATIENCE, worker.engine.store.disappear(&worker.name)).await;
        });
        Self { end, telling }
    }

    /// Says that nobody may count on it any more.
    pub(super) async fn end(self) {
        self.end.cancel();
        let _ = self.telling.await;
    }
}

impl Worker {
    async fn appear(&self) {
        let (store, now) = (&self.engine.store, self.engine.clock.now());
        if let Err(error) = store.appear(&self.name, &self.machine, now, LENGTH).await {
            tracing::debug!(%error, "cannot say that this worker is there");
        }
    }
}

impl Engine {
    /// Returns how many processes take runs from the queue, wherever they are: workers, servers with workers in them, consoles.
    pub async fn n_workers(&self) -> Result<u64, EngineError> {
        Ok(self.living().await?.len() as u64)
    }

    /// Whether one of them may take this run: one whose repository is on a machine is for workers of that machine.
    pub async fn has_workers_for(&self, run: &Run) -> Result<bool, EngineError> {
        let living = self.living().await?;
        let only = run.order.machine.as_deref().filter(|_| run.order.is_of_a_path());
        Ok(living.iter().any(|(_, machine)| only.is_none_or(|it| it == machine)))
    }

    /// Leaves out those of this machine that died without a word.
    async fn living(&self) -> Result<Vec<(String, String)>, EngineError> {
        let mut present = self.store.present(self.clock.now()).await?;
        present.retain(|(name, _)| !identity::is_dead(name));
        Ok(present)
    }
}
