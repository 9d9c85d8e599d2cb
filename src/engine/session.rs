//! A worker's hold on one run: every write goes through the lease, and stops for good when the lease is lost.
use crate::domain::{Attempt, Illegal, NewEvent, Run, Transition};
use crate::engine::{Engine, EngineError};
use crate::store::{Lease, StoredOutput};
use crate::workspace::Tree;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// The run as this worker last wrote it, with the right to write it.
#[derive(Debug)]
pub struct Session<'a> {
    pub engine: &'a Engine,
    pub run: Run,
    pub lease: Lease,
    /// Fires when the run was aborted, the lease was lost, or the process shuts down.
    pub cancel: CancellationToken,
    /// Whether fetching dependencies failed before in this step.
    pub cannot_prepare: bool,
    /// What was prepared last, by its key: a tree in which nothing else was run.
    pub prepared: Option<(String, Tree)>,
}

impl Session<'_> {
    pub fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Commits a transition and goes on from it.
    pub async fn commit(&mut self, transition: Result<Transition, Illegal>) -> Result<(), EngineError> {
        let transition = transition?;
        if self.cancel.is_cancelled() {
            return Err(EngineError::Stopped);
        }
        self.engine.store.commit(&transition, Some(&self.lease)).await?;
        for event in &transition.events {
            tracing::info!(event = event.kind.as_str(), status = transition.run.status.as_str(), "{}", event.message);
        }
        self.run = transition.run;
        Ok(())
    }

    /// Adds facts to the timeline.
    pub async fn tell(&mut self, events: Vec<NewEvent>) -> Result<(), EngineError> {
        self.commit(self.run.told(events, self.now())).await
    }

    /// Stores what the running attempt learned, with the facts that tell it.
    pub async fn update(&mut self, attempt: &Attempt, events: Vec<NewEvent>) -> Result<(), EngineError> {
        self.commit(self.run.attempt_updated(attempt.clone(), events, self.now())).await
    }

    /// Stores an output, masked.
    pub async fn keep_output(&self, name: &str, bytes: &[u8], dropped_bytes: u64) -> Result<(), EngineError> {
        let output = StoredOutput {
            name: name.to_owned(),
            bytes: self.engine.masker.mask_bytes(bytes),
            dropped_bytes,
            created_at: self.now(),
        };
        Ok(self.engine.store.put_output(self.run.id, &output, Some(&self.lease)).await?)
    }
}
