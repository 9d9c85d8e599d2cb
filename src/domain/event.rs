//! Events: past-tense facts, numbered, stored and hash-chained.
use crate::domain::ids::{Digest, RunId};
use crate::domain::names::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

named! {
    /// Every kind of fact that is told (DESIGN §4.2).
    EventType {
        RunCreated = "run.created",
        RunQueued = "run.queued",
        RunRequeued = "run.requeued",
        RunEscalated = "run.escalated",
        RunApproved = "run.approved",
        RunDenied = "run.denied",
        RunAborted = "run.aborted",
        RunHumanFixed = "run.human-fixed",
        AttemptStarted = "attempt.started",
        AttemptReproduced = "attempt.reproduced",
        AttemptThinking = "attempt.thinking",
        AttemptProposed = "attempt.proposed",
        AttemptGuarded = "attempt.guarded",
        AttemptValidated = "attempt.validated",
        AttemptSucceeded = "attempt.succeeded",
        AttemptFailed = "attempt.failed",
        PrOpened = "pr.opened",
        PrSkipped = "pr.skipped",
        PrMerged = "pr.merged",
        PrClosed = "pr.closed",
    }
}

/// A fact not yet stored: the store gives it its number and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewEvent {
    #[serde(rename = "type")]
    pub kind: EventType,
    /// `system`, an agent's name, or `human:NAME`.
    pub actor: String,
    pub message: String,
    pub payload: Value,
}

impl NewEvent {
    pub fn new(kind: EventType, actor: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, actor: actor.into(), message: message.into(), payload: Value::Null }
    }

    #[must_use]
    pub fn with(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}

/// A stored fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Position in the chain of the whole data directory, from 1 without gaps.
    pub seq: u64,
    pub run_id: RunId,
    /// The run's version after the change that this fact belongs to.
    pub run_version: u64,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub actor: String,
    pub message: String,
    pub payload: Value,
    pub created_at: Timestamp,
    /// Digest of the event before, or of nothing for the first.
    pub prev: Digest,
    /// `Event::digest_of` over all the fields above.
    pub digest: Digest,
}

impl Event {
    /// Returns the digest that belongs to these fields: SHA-256 over their JSON array, in this order.
    pub fn expected_digest(&self) -> Digest {
        let fields = serde_json::json!([
            self.seq,
            self.run_id,
            self.run_version,
            self.kind,
            self.actor,
            self.message,
            self.payload,
            self.created_at.to_string(),
            self.prev,
        ]);
        Digest::of(fields.to_string())
    }

    /// Returns what the first event names as its predecessor.
    pub fn genesis() -> Digest {
        Digest::of("paramedic audit chain v1")
    }
}
