//! The port to the database: runs, attempts, events, outputs and leases. A state change, its events and its lease commit in one transaction.
mod audit;
pub mod sqlite;

use crate::domain::{Attempt, Event, Run, RunId, RunQuery, Summary, Transition};
use async_trait::async_trait;
use jiff::Timestamp;
use std::fmt::Debug;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the run, or the lease is no longer held. Nothing was written; read again.
    #[error("the run was changed by somebody else in the meantime")]
    Conflict,
    #[error("no such run")]
    NotFound,
    /// The database cannot be used at all: locked for too long, full, damaged, newer than this program.
    #[error("the database failed: {0}")]
    Broken(String),
}

/// Proof that a worker holds a run: every write of the worker carries it, and is refused when it is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub run_id: RunId,
    pub worker: String,
    pub token: String,
}

/// A stored output of a command: masked, otherwise byte for byte as it came, bounded by head and tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutput {
    /// File-like name: `base.log`, `test_output_attempt_1.log`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Bytes left out between head and tail.
    pub dropped_bytes: u64,
    pub created_at: Timestamp,
}

/// The backlog's memory. Implementations are safe to use from several processes at once.
///
/// Contract (held by `tests/it/store_contract.rs`): a write either happens whole or not at all; `seq` counts from 1 without gaps and
/// each event carries the digest of the one before; `commit` succeeds only for the version that follows the stored one. A lease is held
/// until it is taken back or ended, also past its time: only then may another worker have begun.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Stores a new run (version 1) with its first events. With `lease_until`, the creator holds it from the start and gets the lease.
    async fn create(
        &self,
        transition: &Transition,
        hold: Option<(&str, Timestamp)>,
    ) -> Result<Option<Lease>, StoreError>;

    async fn run(&self, id: RunId) -> Result<Run, StoreError>;

    /// Returns the ids that start with `prefix` (hex digits, dashes ignored), or the most recently created for `latest`; at most `limit`.
    async fn find(&self, prefix: &str, limit: u32) -> Result<Vec<RunId>, StoreError>;

    /// Returns one page and the number of all that match.
    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), StoreError>;

    /// Returns a run's attempts by number.
    async fn attempts(&self, id: RunId) -> Result<Vec<Attempt>, StoreError>;

    /// Returns events after `after`, in order: of one run or of all, at most `limit`.
    async fn events(&self, run: Option<RunId>, after: u64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Returns the number of the newest event, 0 without any. Cheap: consoles ask it again and again.
    async fn last_seq(&self) -> Result<u64, StoreError>;

    async fn summary(&self) -> Result<Summary, StoreError>;

    /// Commits a transition: the run if its stored version is `transition.run.version - 1`, the attempt, the events, the end of the lease.
    /// With a lease, also requires that it is still held. `Conflict` writes nothing.
    async fn commit(&self, transition: &Transition, lease: Option<&Lease>) -> Result<(), StoreError>;

    /// Hands out the oldest queued run that may be taken at `now` (or `only` that one), marks it running, and returns it with a lease until `until`.
    async fn claim(
        &self,
        worker: &str,
        only: Option<RunId>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(Run, Lease)>, StoreError>;

    /// Extends a lease. `false`: it is lost (taken back, or the run was aborted); stop working at once.
    async fn heartbeat(&self, lease: &Lease, until: Timestamp) -> Result<bool, StoreError>;

    /// Returns `(run, worker)` for each lease that is held, expired or not.
    async fn leases(&self) -> Result<Vec<(RunId, String)>, StoreError>;

    /// Puts runs back into the queue whose lease ended before `now`, or whose worker is in `dead`. Returns their ids.
    /// A running run that nobody holds at all is put back too.
    async fn take_back(&self, now: Timestamp, dead: &[String]) -> Result<Vec<RunId>, StoreError>;

    /// Stores an output, replacing one of the same name. With a lease, only while it is held.
    async fn put_output(&self, id: RunId, output: &StoredOutput, lease: Option<&Lease>) -> Result<(), StoreError>;

    async fn output(&self, id: RunId, name: &str) -> Result<Option<StoredOutput>, StoreError>;

    /// Returns `(name, stored bytes)` of a run's outputs, oldest first.
    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, StoreError>;

    /// Checks the whole chain of events, and runs and attempts against it. The patch of an attempt is held to the last
    /// `attempt.proposed` that names it in its payload: `{"attempt": 1, "patchDigest": "…"}`.
    async fn verify(&self) -> Result<Audit, StoreError>;
}

/// The result of checking the audit chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    pub events: u64,
    /// Digest of the newest event.
    pub head: String,
    /// What does not fit, in words; empty = intact.
    pub problems: Vec<String>,
}
