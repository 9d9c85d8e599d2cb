//! Watching: the repositories of the settings are looked at again and again, and what turns red is taken in. One process of all that share the
//! database does it; a start finds what was missed.
mod filters;
mod intake;
mod interval;
mod pokes;
mod repository;
mod rounds;
pub(super) mod rules_file;
#[cfg(test)]
mod testing;

pub use pokes::Pokes;
pub use repository::{Look, Watched};

use crate::domain::RunId;
use crate::engine::Engine;
use crate::engine::analysis::Analyst;
use crate::engine::watch::pokes::HandedOn;
use crate::engine::watch::rounds::Rounds;
use crate::forge::Reads;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the place of the one that watches is called.
const CURSOR: &str = "github:watch";
/// How long the place is held without a sign of life.
const HOLD: Duration = Duration::from_secs(45);
/// How often at least a sign is given, another holder is looked after, and a poke goes from one process to another.
const SIGN: Duration = Duration::from_secs(10);

/// Watches repositories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watcher {
    shared: Arc<Shared>,
}

/// What all that watch and take in have in common.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    reads: Arc<dyn Reads>,
    analyst: Analyst,
    holder: String,
    /// Held while limits are read and used up.
    settling: tokio::sync::Mutex<()>,
}

impl Watcher {
    /// Returns the watcher of an engine, `None` where nothing is watched or no forge may be asked.
    pub fn new(engine: &Engine) -> Option<Self> {
        let reads = engine.forge.reads.clone()?;
        if engine.forge.terms.watch.is_empty() {
            return None;
        }
        let shared = Shared {
            engine: engine.clone(),
            analyst: Analyst::new(engine, reads.clone()),
            reads,
            holder: format!("{}:{}", std::process::id(), RunId::random()),
            settling: tokio::sync::Mutex::default(),
        };
        Some(Self { shared: Arc::new(shared) })
    }

    /// Whether the runs of a repository are read from the forge itself.
    pub fn watches(&self, repository: &str) -> bool {
        self.shared.engine.forge.terms.watches(repository)
    }

    /// Has a repository looked at soon: something happened there.
    pub fn poke(&self, repository: &str) {
        if self.watches(repository) {
            self.shared.pokes().poke(repository);
        }
    }

    /// Watches until stopped, while no other process does.
    pub async fn run(&self, stop: &CancellationToken) {
        let shared = &self.shared;
        while let Some(ended) = stop.run_until_cancelled(Box::pin(shared.watch_while_held())).await {
            if let Err(error) = ended {
                tracing::warn!(%error, "the repositories are not watched for now");
            }
            if stop.run_until_cancelled(tokio::time::sleep(shared.beat())).await.is_none() {
                break;
            }
        }
        // Whoever comes next need not wait.
        let _ = shared.hold(Duration::ZERO).await;
    }
}

impl Shared {
    async fn hold(&self, length: Duration) -> Result<bool, StoreError> {
        let now = self.engine.clock.now();
        Ok(self.engine.store.hold_cursor(CURSOR, &self.holder, now, length).await?.is_some())
    }

    /// Watches as long as the place is ours. What is under way when it is lost is dropped: the next one does it again.
    async fn watch_while_held(self: &Arc<Self>) -> Result<(), StoreError> {
        if !self.hold(HOLD).await? {
            return self.pokes().hand_on(self.engine.store.as_ref(), self.engine.clock.now()).await;
        }
        tracing::info!(n = self.engine.forge.terms.watch.len(), "watching repositories");
        let handed_on = HandedOn::begin(self.engine.store.as_ref()).await?;
        let mut rounds = Rounds::start(self.clone()).await?;
        tokio::select! {
            lost = self.keep_hold(handed_on) => lost,
            ended = rounds.go_on() => ended,
        }
    }

    /// Keeps the place, and hears what other processes were poked about; ends when the place is lost.
    async fn keep_hold(&self, mut handed_on: HandedOn) -> Result<(), StoreError> {
        loop {
            tokio::time::sleep(self.beat()).await;
            if !self.hold(HOLD).await? {
                return Ok(());
            }
            handed_on.pass(self.engine.store.as_ref(), self.pokes()).await?;
        }
    }

    fn beat(&self) -> Duration {
        SIGN.min(self.engine.forge.terms.poll_active)
    }

    fn pokes(&self) -> &Pokes {
        &self.engine.forge.pokes
    }
}
