//! Moving a whole backlog from one database to another: all of it, or nothing.
use crate::domain::Attempt;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::Family;
use crate::domain::Operator;
use crate::domain::Run;
use crate::domain::RunId;
use crate::store::Audit;
use crate::store::StoreError;
use crate::store::StoredOutput;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Debug;

/// A page is handed over when it has this many records, or this many bytes in outputs and documents.
const PAGE_RECORDS: usize = 500;
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One thing that a backlog remembers. Leases are not among them: nobody holds a run across databases.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Run(Box<Run>),
    Attempt(RunId, Box<Attempt>),
    /// With its number and digests as they are.
    Event(Event),
    Output(RunId, StoredOutput),
    Operator(Operator),
    /// The key of an arrival.
    Arrival(Digest, RunId),
    /// The sender's name of a delivery.
    Delivery(String, RunId),
    /// A named place in the chain; nobody holds it.
    Cursor(String, u64),
    /// When a repository was served last.
    Served(String, u64),
    /// With the time of its last change.
    Family(Box<Family>, Timestamp),
}

/// Takes records as they are read.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next record, of about this many `bytes`.
    async fn take(&mut self, record: Record, bytes: usize) -> Result<(), StoreError>;
}

/// A lease that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub run_id: RunId,
    pub worker: String,
    pub until: Timestamp,
}

/// A database that can be read and filled as a whole.
#[async_trait]
pub trait Archive: Debug + Send + Sync {
    /// Begins to read everything as it is at this moment.
    async fn reading(&self) -> Result<Box<dyn Reading>, StoreError>;

    /// Begins to fill the database. Nobody else can write to it until that ends; dropped without `finish`, nothing was written.
    async fn filling(&self) -> Result<Box<dyn Filling>, StoreError>;
}

/// One moment of a database.
#[async_trait]
pub trait Reading: Send {
    /// Returns the leases that are not over: at `now`, or by the database's own clock where it has one.
    async fn leases(&mut self, now: Timestamp) -> Result<Vec<Held>, StoreError>;

    async fn verify(&mut self) -> Result<Audit, StoreError>;

    /// Hands over all records: what others refer to comes first, each kind in the order in which it was made.
    async fn read(&mut self, sink: &mut dyn Sink) -> Result<(), StoreError>;
}

/// A database on its way to being filled.
#[async_trait]
pub trait Filling: Send {
    /// Whether nothing is in it yet.
    async fn is_empty(&mut self) -> Result<bool, StoreError>;

    /// Writes records of one kind.
    async fn write(&mut self, page: &[Record]) -> Result<(), StoreError>;

    /// Checks what was written.
    async fn verify(&mut self) -> Result<Audit, StoreError>;

    /// Makes it durable, all at once.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the database to copy to is not empty; name a new one")]
    NotEmpty,
    #[error("run {run_id} is held by worker {worker} until {until}; stop the workers (each gives its run back) or wait until then, and copy again",
        run_id = .0.run_id, worker = .0.worker, until = .0.until)]
    Held(Held),
    #[error("{what}, so nothing was copied: {}", .problems.join("; "))]
    Damaged { what: &'static str, problems: Vec<String> },
    #[error("nothing was copied: {0}")]
    Store(#[from] StoreError),
}

/// How much was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    pub runs: u64,
    pub attempts: u64,
    pub events: u64,
    pub outputs: u64,
    pub operators: u64,
    pub arrivals: u64,
    pub deliveries: u64,
    pub cursors: u64,
    pub served: u64,
    pub families: u64,
    /// Digest of the newest event, the same in both databases.
    pub head: String,
}

impl Copied {
    fn count(&mut self, record: &Record) {
        let kind = match record {
            Record::Run(_) => &mut self.runs,
            Record::Attempt(..) => &mut self.attempts,
            Record::Event(_) => &mut self.events,
            Record::Output(..) => &mut self.outputs,
            Record::Operator(_) => &mut self.operators,
            Record::Arrival(..) => &mut self.arrivals,
            Record::Delivery(..) => &mut self.deliveries,
            Record::Cursor(..) => &mut self.cursors,
            Record::Served(..) => &mut self.served,
            Record::Family(..) => &mut self.families,
        };
        *kind += 1;
    }
}

/// Copies everything but leases. `from` must be free of leases that are not over and whose worker, or what it started, may be alive; `to` must be
/// empty. Both are audited, and end with the very same chain.
pub async fn copy(
    from: &dyn Archive,
    to: &dyn Archive,
    now: Timestamp,
    is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Copied, CopyError> {
    let mut reading = from.reading().await?;
    let alive = reading.leases(now).await?.into_iter().find(|it| !is_gone(&it.worker));
    if let Some(held) = alive {
        return Err(CopyError::Held(held));
    }
    let before = reading.verify().await?;
    if !before.problems.is_empty() {
        return Err(CopyError::Damaged {
            what: "the database to copy from does not hold together",
            problems: before.problems,
        });
    }
    let mut filling = to.filling().await?;
    if !filling.is_empty().await? {
        return Err(CopyError::NotEmpty);
    }
    let mut pages = Pages { filling, page: Vec::new(), bytes: 0, copied: Copied::default() };
    reading.read(&mut pages).await?;
    pages.hand_over().await?;
    let Pages { mut filling, mut copied, .. } = pages;
    let after = filling.verify().await?;
    if after != before {
        return Err(CopyError::Damaged { what: "the copy does not hold together", problems: after.problems });
    }
    filling.finish().await?;
    copied.head = after.head;
    Ok(copied)
}

/// Gathers records into pages, so that neither a round trip is spent on each nor memory on all of them.
struct Pages {
    filling: Box<dyn Filling>,
    page: Vec<Record>,
    bytes: usize,
    copied: Copied,
}

impl Pages {
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        if self.page.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.filling.write(&std::mem::take(&mut self.page)).await
    }
}

#[async_trait]
impl Sink for Pages {
    async fn take(&mut self, record: Record, bytes: usize) -> Result<(), StoreError> {
        let is_other_kind =
            self.page.first().is_some_and(|it| std::mem::discriminant(it) != std::mem::discriminant(&record));
        if is_other_kind {
            self.hand_over().await?;
        }
        self.copied.count(&record);
        self.bytes += bytes;
        self.page.push(record);
        if self.page.len() >= PAGE_RECORDS || self.bytes >= PAGE_BYTES { self.hand_over().await } else { Ok(()) }
    }
}
