//! Counts what happens, wherever it happens: follows the chain of events, so that the work of workers elsewhere is counted too.
//!
//! Each server counts all events since its own start. With several servers, look at one of them, or take the maximum, never the sum.
use crate::domain::{Event, Provider, RunId, RunQuery, Status};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::tally::{Known, counts};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events read at once.
const PAGE: u32 = 500;
/// How long one question for news may wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to leave a database alone that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Runs remembered at once. More are being worked on nowhere.
const MAX_KNOWN: usize = 20_000;

/// Follows the chain from its end and counts, until stopped. A database that does not answer is asked again.
pub async fn follow(store: Arc<dyn Store>, metrics: Arc<Metrics>, stop: CancellationToken) {
    let _ = stop.run_until_cancelled(follow_on(&*store, &metrics)).await;
}

async fn follow_on(store: &dyn Store, metrics: &Metrics) {
    let mut follower = loop {
        match Follower::start(store, metrics).await {
            Ok(follower) => break follower,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    loop {
        if let Err(error) = follower.step().await {
            tracing::warn!(%error, "the metrics cannot follow the events for now");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

struct Follower<'a> {
    store: &'a dyn Store,
    metrics: &'a Metrics,
    seq: u64,
    known: HashMap<RunId, Known>,
}

impl<'a> Follower<'a> {
    async fn start(store: &'a dyn Store, metrics: &'a Metrics) -> Result<Self, StoreError> {
        let seq = store.last_seq().await?;
        let query = RunQuery { status: Some(Status::Running), limit: MAX_KNOWN as u64, ..RunQuery::default() };
        let (running, _) = store.runs(&query).await?;
        let known = running
            .into_iter()
            .map(|run| (run.id, Known { provider: run.provider, is_running: true, attempt_since: None }))
            .collect();
        Ok(Self { store, metrics, seq, known })
    }

    async fn step(&mut self) -> Result<(), StoreError> {
        let events = self.store.events(None, self.seq, PAGE).await?;
        for event in &events {
            if event.run_id != RunId::NONE {
                self.count(event).await?;
            }
            self.seq = event.seq;
        }
        if events.is_empty() {
            self.store.changed(self.seq, PATIENCE).await?;
        }
        Ok(())
    }

    /// Returns who reported the run of an event: what is taken in says it, for others the run is read.
    async fn provider(&self, event: &Event) -> Result<Option<Provider>, StoreError> {
        if let Some(said) = event.payload.get("provider").and_then(Value::as_str).and_then(|it| it.parse().ok()) {
            return Ok(Some(said));
        }
        match self.store.run(event.run_id).await {
            Ok(run) => Ok(Some(run.provider)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn count(&mut self, event: &Event) -> Result<(), StoreError> {
        if !self.known.contains_key(&event.run_id) {
            let Some(provider) = self.provider(event).await? else { return Ok(()) };
            if self.known.len() >= MAX_KNOWN {
                self.known.clear();
            }
            self.known.insert(event.run_id, Known { provider, is_running: false, attempt_since: None });
        }
        let Some(known) = self.known.get_mut(&event.run_id) else { return Ok(()) };
        let counts = counts(event, known);
        let (provider, is_at_rest) = (known.provider, !known.is_running);
        for count in &counts {
            self.metrics.count(provider, *count);
        }
        // What rests may rest for ever; if it goes on, its provider is asked for again.
        if is_at_rest && !matches!(event.kind, crate::domain::EventType::RunCreated) {
            self.known.remove(&event.run_id);
        }
        Ok(())
    }
}
