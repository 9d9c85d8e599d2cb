//! What the contract needs of a database under test: handles that act as separate processes, and a hand that tampers.
use paramedic::domain::RunId;
use paramedic::domain::Status;
use paramedic::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// One storage, empty at first.
pub(crate) trait Backend: Sized {
    /// Makes an empty storage of its own.
    async fn fresh() -> Self;

    /// Opens a handle of its own on the storage, as another process would.
    async fn open(&self) -> Arc<dyn Store>;

    /// Lets so much time pass for a database that goes by a clock of its own; another goes by the times it is told.
    async fn pass(&self, _: Duration) {}

    /// Changes what is stored behind the store's back.
    async fn tamper(&self, edit: Edit);
}

/// A change that nobody should be able to make unnoticed.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Message {
        seq: u64,
        text: &'static str,
    },
    Payload {
        seq: u64,
        json: &'static str,
    },
    Digest {
        seq: u64,
        digest: String,
    },
    /// Notes another end of the chain, as somebody who knows of it would.
    Head {
        digest: String,
    },
    DeleteEvent {
        seq: u64,
    },
    SwapEvents {
        one: u64,
        other: u64,
    },
    /// Makes room after `seq` and puts a copy of that event there.
    InsertAfter {
        seq: u64,
    },
    RunStatus {
        id: RunId,
        status: Status,
    },
    RunVersion {
        id: RunId,
        version: u64,
    },
    RunGarbage {
        id: RunId,
    },
    DeleteRun {
        id: RunId,
    },
    Patch {
        id: RunId,
        attempt_no: u32,
        text: &'static str,
    },
    PatchWithDigest {
        id: RunId,
        attempt_no: u32,
        text: &'static str,
    },
    DeleteAttempt {
        id: RunId,
        attempt_no: u32,
    },
    Lease {
        id: RunId,
    },
}
