//! The loop: takes runs in, works on them under a lease, and carries out people's decisions. Knows the ports, never an adapter.
pub mod analysis;
pub mod attempt;
pub mod baseline;
pub mod ci;
pub mod copilot;
pub mod decisions;
pub mod dispatch;
pub mod forge;
pub mod inbox;
pub mod intake;
pub mod live;
pub mod policy;
pub mod repositories;
pub mod session;
pub mod steward;
mod stop;
mod survey;
pub mod trial;
pub mod watch;
pub mod worker;

use crate::agent::Agent;
use crate::clock::Clock;
use crate::domain::{Illegal, Order};
use crate::engine::forge::ForgeSeat;
use crate::engine::live::LiveFolder;
use crate::engine::repositories::Repositories;
use crate::evidence::mask::Masker;
use crate::process::Launcher;
use crate::store::Store;
use crate::workspace::Workspace;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::store::{Audit, StoreError};
pub use crate::workspace::WorkspaceError;

/// What stops the engine in the middle of something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The lease is gone, or the process shuts down: nothing more may be written.
    #[error("stopped")]
    Stopped,
    #[error("cannot start a program: {0}")]
    Process(#[from] std::io::Error),
    #[error("{0}")]
    Invalid(String),
    /// Something else is in the way, such as the forge that says no; nothing changed.
    #[error("{0}")]
    Precondition(String),
}

/// Makes the agents that an order names, in its order.
pub trait Agents: Debug + Send + Sync {
    /// Returns the agents, or in words which name is not known. One that needs more than a task gets it from the engine.
    fn for_order(&self, order: &Order, engine: &Engine) -> Result<Vec<Arc<dyn Agent>>, String>;
}

/// How the loop behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often a baseline is repeated at the same commit to tell flaky from broken.
    pub flake_reruns: u32,
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    /// How often a worker looks whether its run was aborted.
    pub pulse: Duration,
    /// Budget of the reduced log, in tokens (characters / 4).
    pub log_budget_tokens: usize,
    /// How long a run of the service waits after a failed attempt; a local one never waits.
    pub retry_delay: Duration,
    /// How long a stopping process lets its runs go on before it gives them back.
    pub grace: Duration,
    /// How GitHub's coding agent is waited for.
    pub copilot: copilot::Pace,
    /// Where worker marks and live outputs are kept.
    pub data_dir: PathBuf,
}

impl Settings {
    /// Returns the defaults for a data directory.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            flake_reruns: 2,
            lease: Duration::from_secs(20),
            pulse: Duration::from_millis(400),
            log_budget_tokens: 8_000,
            retry_delay: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            copilot: copilot::Pace::default(),
            data_dir,
        }
    }
}

/// Everything the loop works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub workspace: Arc<dyn Workspace>,
    pub agents: Arc<dyn Agents>,
    pub repositories: Arc<dyn Repositories>,
    pub launcher: Launcher,
    pub clock: Arc<dyn Clock>,
    pub masker: Masker,
    pub live: LiveFolder,
    pub settings: Settings,
    pub forge: ForgeSeat,
}

impl Engine {
    /// Cleans and masks foreign text for storing and showing, cut to `max_chars`.
    pub fn safe_text(&self, text: &str, max_chars: usize) -> String {
        let clean = crate::evidence::text::clean(text);
        let masked = self.masker.mask(&clean);
        if masked.chars().count() <= max_chars {
            return masked.into_owned();
        }
        let mut cut: String = masked.chars().take(max_chars).collect();
        cut.push('…');
        cut
    }
}
