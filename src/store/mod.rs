//! The port to the database: runs, attempts, events, outputs and leases. A state change, its events and its lease commit in one transaction.
pub mod archive;
mod audit;
mod chain;
mod codec;
mod intake;
mod lost;
pub mod postgres;
pub mod sqlite;

use crate::domain::{
    Attempt, Depth, Digest, Event, Family, NewEvent, Operator, RepositorySummary, Run, RunId, RunQuery, Status,
    Summary, Transition,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

/// Largest output, and largest document of a run, an attempt or an event, that is taken.
pub const MAX_STORED_BYTES: usize = 16 * 1024 * 1024;

/// Longest name of an output, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the run, or the lease is no longer held. Nothing was written; read again.
    #[error("the run was changed by somebody else in the meantime")]
    Conflict,
    #[error("no such run")]
    NotFound,
    /// The database cannot be used at all: damaged, newer than this program.
    #[error("the database failed: {0}")]
    Broken(String),
    /// The database does not answer: restarted, unreachable, all connections busy, locked for too long, no room on its disk. Nothing is known to be written; later may go well.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

/// Proof that a worker holds a run: every write of the worker carries it, and is refused when it is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub run_id: RunId,
    pub worker: String,
    pub token: String,
}

/// A question for work.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub worker: &'a str,
    /// This run or none.
    pub only: Option<RunId>,
    /// Without `only`: no run whose order names another machine. None: any.
    pub machine: Option<&'a str>,
    /// Runs of one repository that may be held at once, by all workers together; 0 = any number.
    pub per_repository: u32,
    pub now: Timestamp,
    /// How long the run is held without a heartbeat.
    pub lease: Duration,
}

impl<'a> Claim<'a> {
    /// Returns a question without a limit per repository.
    pub fn of(worker: &'a str, only: Option<RunId>, now: Timestamp, lease: Duration) -> Self {
        Self { worker, only, machine: None, per_repository: 0, now, lease }
    }
}

/// A reported failure on its way into the backlog.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// The creation of its run, if it becomes one.
    pub creation: Transition,
    /// Digest of repository, commit and error hash: one run each.
    pub key: Digest,
    /// The sender's name for this delivery; the same one again changes nothing, whatever is in it.
    pub delivery: Option<String>,
    /// The log that came with it, and what was read out of it.
    pub outputs: Vec<StoredOutput>,
    /// The failure across commits, where it is followed at a forge; then one run stands for all that is the same.
    pub family: Option<FamilySighting>,
}

/// What of an [`Arrival`] is known across commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilySighting {
    pub error_hash: String,
    /// Where it was seen.
    pub url: Option<String>,
    /// When CI began the run that it was seen in, or when it was ordered.
    pub began_at: Timestamp,
    /// How long a run that came to rest without a merge still takes in what is the same.
    pub live_for: Duration,
}

/// What became of an [`Arrival`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    pub run_id: RunId,
    pub status: Status,
    /// The run was there before.
    pub is_duplicate: bool,
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

impl StoredOutput {
    /// Refuses what is larger than any store takes.
    fn checked(&self) -> Result<(), StoreError> {
        if self.bytes.len() <= MAX_STORED_BYTES && self.name.len() <= MAX_NAME_BYTES {
            return Ok(());
        }
        Err(StoreError::Broken(format!(
            "an output of {} bytes is too large to be stored; at most {MAX_STORED_BYTES}, with a name of at most {MAX_NAME_BYTES}",
            self.bytes.len()
        )))
    }
}

/// The backlog's memory. Implementations are safe to use from several processes at once.
///
/// Contract (held by `tests/it/store_contract.rs`): a write either happens whole or not at all; `seq` counts from 1 without gaps and
/// each event carries the digest of the one before; `commit` succeeds only for the version that follows the stored one. A lease is held
/// until it is taken back or ended, also past its time: only then may another worker have begun.
///
/// Whose clock counts: whether a lease is over, a run is due or a place is free is decided by one clock for all who share the database.
/// That is the server's own where there is a server; an embedded database goes by `now` of the caller, whose machine is the only one.
/// Hence callers say for how long, never until when. What is merely told, as the time of an event, is the caller's `now` everywhere.
#[async_trait]
pub trait Store: Operators {
    /// Stores a new run (version 1) with its first events. With `hold`, this worker holds it from the start for so long and gets the lease.
    async fn create(
        &self,
        transition: &Transition,
        hold: Option<(&str, Duration)>,
    ) -> Result<Option<Lease>, StoreError>;

    /// Takes in reported failures, all in one transaction (one durable write for all of them), and answers in their order. An arrival with
    /// the key of a run that is there, or a delivery that came before, is a duplicate of that run. Two at once with the same key make one run.
    ///
    /// One of a family is first of all a duplicate of the run that stands for the family, as long as [`Family::takes_in`] says so; else its
    /// new run stands for the family from now on. Each sighting but a delivery that came before counts, and makes the family due.
    async fn arrive(&self, arrivals: &[Arrival]) -> Result<Vec<Arrived>, StoreError>;

    /// Returns how many batches of arrivals are worth having under way at once: several where making one durable does not keep the next from
    /// being written. Otherwise they would only be smaller.
    fn batches_at_once(&self) -> usize {
        1
    }

    /// Appends facts that change no state: about `run`, or ([`RunId::NONE`]) about the backlog as a whole.
    async fn note(&self, run: RunId, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError>;

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

    /// Waits until an event newer than `after` is stored, by whichever process, or `patience` is over. Returns the newest number.
    async fn changed(&self, after: u64, patience: Duration) -> Result<u64, StoreError>;

    async fn summary(&self) -> Result<Summary, StoreError>;

    /// Returns the summaries by repository, most runs first, at most `limit`.
    async fn repositories(&self, limit: u32) -> Result<Vec<RepositorySummary>, StoreError>;

    /// Returns what waits and what is held. Cheap: monitoring asks it again and again.
    async fn depth(&self, now: Timestamp) -> Result<Depth, StoreError>;

    /// Returns the time by which the database decides what is over and what is due: what a run's `not_before` counts from.
    async fn time(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        Ok(now)
    }

    /// Commits a transition: the run if its stored version is `transition.run.version - 1`, the attempt, the events, the end of the lease.
    /// With a lease, also requires that it is still held. `Conflict` writes nothing.
    async fn commit(&self, transition: &Transition, lease: Option<&Lease>) -> Result<(), StoreError>;

    /// Hands out a queued run that may be taken now, marks it running, and returns it with a lease.
    ///
    /// Fair between repositories: the one with the fewest held runs comes first, then the one that was served longest ago; within a
    /// repository the oldest run.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Option<(Run, Lease)>, StoreError>;

    /// Returns whether the database answers and its schema is the one this program knows; the error says what is wrong.
    async fn ready(&self) -> Result<(), StoreError> {
        self.last_seq().await.map(drop)
    }

    /// Extends a lease to last `length` from now, never shortens it. `false`: it is lost (taken back, or the run was aborted); stop
    /// working at once. A holder that hears nothing must stop before `length` is over, counted from before it asked.
    async fn heartbeat(&self, lease: &Lease, now: Timestamp, length: Duration) -> Result<bool, StoreError>;

    /// Returns `(run, worker)` for each lease that is held, expired or not.
    async fn leases(&self) -> Result<Vec<(RunId, String)>, StoreError>;

    /// Puts runs back into the queue whose lease is over, or whose worker is in `dead`. Returns their ids.
    /// A running run that nobody holds at all is put back too.
    async fn take_back(&self, now: Timestamp, dead: &[String]) -> Result<Vec<RunId>, StoreError>;

    /// Notes that `worker`, a process on `machine` that takes whatever run it may, is there for `length` from now on.
    async fn appear(&self, worker: &str, machine: &str, now: Timestamp, length: Duration) -> Result<(), StoreError>;

    /// Notes that a worker takes no further run.
    async fn disappear(&self, worker: &str) -> Result<(), StoreError>;

    /// Returns `(worker, machine)` for each that is there.
    async fn present(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError>;

    /// Stores an output, replacing one of the same name. With a lease, only while it is held.
    async fn put_output(&self, id: RunId, output: &StoredOutput, lease: Option<&Lease>) -> Result<(), StoreError>;

    async fn output(&self, id: RunId, name: &str) -> Result<Option<StoredOutput>, StoreError>;

    /// Returns `(name, stored bytes)` of a run's outputs, oldest first.
    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, StoreError>;

    /// Takes hold of a named place in the chain for `length`, so that only one process acts on what follows it; no length leaves it to
    /// others. Returns the place, or `None` while somebody else holds it. A name that is new starts at the newest event.
    async fn hold_cursor(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        length: Duration,
    ) -> Result<Option<u64>, StoreError>;

    /// Moves a held place on; `false` when it is no longer held.
    async fn move_cursor(&self, name: &str, holder: &str, seq: u64) -> Result<bool, StoreError>;

    /// Returns the run that a delivery of this name came to, if it came before.
    async fn delivery(&self, name: &str) -> Result<Option<RunId>, StoreError>;

    async fn family(&self, key: &Digest) -> Result<Option<Family>, StoreError>;

    /// Returns the family that a run stands for.
    async fn family_of_run(&self, run: RunId) -> Result<Option<Family>, StoreError>;

    /// Returns families of a repository, newest change first, at most `limit`.
    async fn families(&self, repository: &str, limit: u32) -> Result<Vec<Family>, StoreError>;

    /// Returns families that are due, the longest due first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Family>, StoreError>;

    /// Stores the next version of a family with facts about its run, both or neither. `Conflict` unless the stored version is the one
    /// before; version 1: unless there is none.
    async fn put_family(&self, family: &Family, facts: &[NewEvent], now: Timestamp) -> Result<(), StoreError>;

    /// Makes the families that these runs stand for due now; no new version.
    async fn make_due(&self, runs: &[RunId], now: Timestamp) -> Result<(), StoreError>;

    /// Keeps what was last seen elsewhere under a name, replacing what was there. No fact, and not copied to another database.
    async fn put_snapshot(&self, name: &str, doc: &Value, now: Timestamp) -> Result<(), StoreError>;

    /// Returns `(name, document, time)` of the snapshots whose names begin with `prefix`, by name.
    async fn snapshots(&self, prefix: &str) -> Result<Vec<(String, Value, Timestamp)>, StoreError>;

    /// Removes outputs of these names that runs of the repository got before a time, where the run came to rest. Returns how many.
    async fn prune_outputs(&self, repository: &str, names: &[&str], before: Timestamp) -> Result<u64, StoreError>;

    /// Checks the whole chain of events, and runs and attempts against it. The patch of an attempt is held to the last
    /// `attempt.proposed` that names it in its payload: `{"attempt": 1, "patchDigest": "…"}`.
    async fn verify(&self) -> Result<Audit, StoreError>;
}

/// Who may look and decide. Every change is a fact in the chain, in the same transaction.
#[async_trait]
pub trait Operators: Debug + Send + Sync {
    /// Adds an operator. `Conflict`: one of this name is there and not revoked.
    async fn add_operator(&self, operator: &Operator, fact: &NewEvent) -> Result<(), StoreError>;

    /// Replaces the stored operator of the same id. Who is revoked stays revoked, also when this was read before that.
    async fn update_operator(&self, operator: &Operator, fact: &NewEvent, now: Timestamp) -> Result<(), StoreError>;

    /// Returns all, revoked ones too, by name.
    async fn operators(&self) -> Result<Vec<Operator>, StoreError>;

    /// Returns the one that is not revoked, else the one that was revoked last.
    async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError>;

    /// Returns whose token has this digest, revoked or not.
    async fn operator_by_token(&self, token: &Digest) -> Result<Option<Operator>, StoreError>;
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
