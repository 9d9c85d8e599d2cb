//! Notifications: follows the chain of events and tells those who asked to be told. Never in the way of the loop.
//!
//! Each target has a place of its own in the chain, held by one process at a time: what is told is told by one of them, and after a crash
//! again rather than never. A target that does not answer is tried a few times, then the event is given up and the next one comes.
pub mod command;
mod follow;
mod pace;
mod post;
pub mod slack;
pub mod text;
pub mod webhook;

pub use pace::Pace;

use crate::clock::Clock;
use crate::domain::{Event, EventType, Run};
use crate::evidence::mask::Masker;
use crate::store::Store;
use crate::telemetry::Metrics;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Something to tell.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Already masked and cleaned, like everything here.
    pub event: Event,
    /// The run as it is by now; none for a fact about the backlog as a whole.
    pub run: Option<Run>,
    /// The same in one line, for people.
    pub text: String,
}

/// Why a notice did not arrive. The text names no address: addresses are secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// Later it may: the other side is busy, broken or not there.
    #[error("{why}")]
    Later {
        why: String,
        /// When the other side asked to be left alone until.
        after: Option<Duration>,
    },
    /// It will not, however often it is tried.
    #[error("{0}")]
    Never(String),
}

/// A way to tell. Implementations do not retry.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// Tells once; ends within `limit`.
    async fn send(&self, notice: &Notice, limit: Duration) -> Result<(), NotifyError>;
}

/// Who is told what, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Names the place in the chain too.
    pub name: String,
    pub events: BTreeSet<EventType>,
    pub channel: Arc<dyn Channel>,
}

/// Tells all targets.
#[derive(Debug, Clone)]
pub struct Notifier {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub masker: Masker,
    pub metrics: Option<Arc<Metrics>>,
    pub pace: Pace,
    pub targets: Vec<Target>,
}

impl Notifier {
    /// Tells until `stop` fires. Each target has its own task: one that does not answer holds up no other.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        for target in &self.targets {
            let (notifier, target, stop) = (self.clone(), target.clone(), stop.clone());
            tasks.spawn(async move { notifier.follow(&target, &stop).await });
        }
        while tasks.join_next().await.is_some() {}
    }
}
