//! The inbox: what senders report becomes runs, many reports with one durable write.
//!
//! While batches are being committed the next one gathers, so that the more arrives at once the larger the batches get. Each report is answered after
//! the commit it was in. What is waiting is bounded in bytes; beyond that reports are refused, and the sender comes again.
use crate::domain::Digest;
use crate::domain::EventType;
use crate::domain::Ignored;
use crate::domain::NewEvent;
use crate::domain::Order;
use crate::domain::Receipt;
use crate::domain::Run;
use crate::domain::Source;
use crate::domain::Taken;
use crate::domain::Transition;
use crate::domain::output;
use crate::engine::Engine;
use crate::engine::watch::Watcher;
use crate::evidence::extractor::Options;
use crate::evidence::extractor::extract;
use crate::signal;
use crate::signal::Delivery;
use crate::signal::Head;
use crate::signal::Signal;
use crate::signal::SignalError;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::StoredOutput;
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Reports that one transaction takes at most.
const MAX_BATCH: usize = 256;
/// Reports that wait for the database at most.
const MAX_WAITING: usize = 4_096;
/// Bytes of logs that are being read or wait for the database, altogether.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// Room is counted in pieces of this many bytes; the smallest report takes one.
const PIECE: usize = 1 << 10;
/// From here on reading a log takes so long that it must not hold up the tasks of others.
const LONG_LOG: usize = 2 << 10;
/// From here on a log is one of the few that may keep a core busy at the same time.
const LARGE_LOG: usize = 64 << 10;
/// Characters of a short foreign text.
const MAX_NAME_CHARS: usize = 500;

/// How reported failures are to be healed.
#[derive(Debug, Clone)]
pub struct HealBy {
    /// Agents in the order they are tried.
    pub agents: Vec<String>,
    /// Time limit of each command, in milliseconds.
    pub timeout_ms: u64,
    pub max_attempts: u32,
}

/// Why a report was not taken in. Nothing of it is stored, and it may come again.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The payload itself is wrong; it need not come again as it is.
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error("too many reports at once; send it again in a moment")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stopped")]
    Stopped,
}

/// Takes reports in. Cheap to clone; the tasks behind it end with the last clone.
#[derive(Clone)]
pub struct Inbox {
    reader: Arc<Reader>,
    waiting: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    large: Arc<Semaphore>,
    watcher: Option<Watcher>,
}

struct Waiting {
    arrival: Arrival,
    answer: oneshot::Sender<Result<Arrived, StoreError>>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("room", &self.room.available_permits()).finish_non_exhaustive()
    }
}

impl Inbox {
    /// Opens the inbox of an engine; must be called within a runtime. The error says which agent is not known.
    pub fn open(engine: Engine, heal_by: HealBy) -> Result<Self, String> {
        engine.agents.for_order(&heal_by.order(None), &engine)?;
        let (waiting, arrivals) = mpsc::channel(MAX_WAITING);
        let arrivals = Arc::new(Mutex::new(arrivals));
        for _ in 0..engine.store.batches_at_once() {
            tokio::spawn(commit_batches(engine.store.clone(), arrivals.clone()));
        }
        tokio::spawn(warm_up(engine.store.clone()));
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            reader: Arc::new(Reader { engine, heal_by }),
            waiting,
            room: Arc::new(Semaphore::new(MAX_WAITING_BYTES / PIECE)),
            large: Arc::new(Semaphore::new(n_cores.saturating_sub(1).max(1))),
            watcher: None,
        })
    }

    /// Leaves the runs of watched repositories to who reads them at the forge itself; deliveries only say that it is worth a look.
    #[must_use]
    pub fn with_watcher(self, watcher: Option<Watcher>) -> Self {
        Self { watcher, ..self }
    }

    /// Reads a payload, takes in the failure it tells of, and answers when that is stored for good. Whether the sender may is settled before.
    pub async fn receive(&self, head: Head, body: impl AsRef<[u8]> + Send + 'static) -> Result<Receipt, InboxError> {
        let delivery = head.delivery(body.as_ref());
        self.poke(&head, body.as_ref());
        let read = if body.as_ref().len() < LARGE_LOG {
            signal::read(&head, body.as_ref())
        } else {
            let read = tokio::task::spawn_blocking(move || signal::read(&head, body.as_ref()));
            read.await.map_err(|it| unread(&it))?
        };
        Ok(match read? {
            Delivery::Failure(signal) if self.is_watched(&signal) => {
                self.watcher.iter().for_each(|it| it.poke(&signal.repository));
                let reason = format!("{} is watched; its runs are read from GitHub itself", signal.repository);
                let reason = self.reader.engine.safe_text(&reason, MAX_NAME_CHARS);
                Receipt::Ignored(Ignored { ignored: true, reason })
            }
            Delivery::Failure(signal) => {
                let provider = Some(signal.provider);
                let Arrived { run_id, status, is_duplicate } = self.take_in(*signal, delivery).await?;
                Receipt::Taken(Taken { run_id, status, deduplicated: is_duplicate, provider })
            }
            Delivery::Ignored(reason) => {
                let reason = self.reader.engine.safe_text(&reason, MAX_NAME_CHARS);
                Receipt::Ignored(Ignored { ignored: true, reason })
            }
        })
    }

    fn poke(&self, head: &Head, body: &[u8]) {
        let Some(watcher) = self.watcher.as_ref().filter(|_| body.len() < LARGE_LOG) else { return };
        if let Some(repository) = signal::github_repository(head, body) {
            watcher.poke(&repository);
        }
    }

    fn is_watched(&self, signal: &Signal) -> bool {
        signal.is_workflow_run() && self.watcher.as_ref().is_some_and(|it| it.watches(&signal.repository))
    }

    /// Takes a failure in and answers when it is stored for good, or was there before. `delivery` is the sender's name for it: a second time
    /// nothing happens, whatever is in it.
    pub async fn take_in(&self, signal: Signal, delivery: Option<String>) -> Result<Arrived, InboxError> {
        let n_bytes = signal.error_log.len();
        let n_pieces = u32::try_from(n_bytes / PIECE + 1).unwrap_or(u32::MAX);
        let _room = self.room.try_acquire_many(n_pieces).map_err(|_| InboxError::Full)?;
        let arrival = self.read(signal, delivery).await?;
        let (answer, answered) = oneshot::channel();
        self.waiting.try_send(Waiting { arrival, answer }).map_err(|it| match it {
            mpsc::error::TrySendError::Full(_) => InboxError::Full,
            mpsc::error::TrySendError::Closed(_) => InboxError::Stopped,
        })?;
        Ok(answered.await.map_err(|_| InboxError::Stopped)??)
    }

    async fn read(&self, signal: Signal, delivery: Option<String>) -> Result<Arrival, InboxError> {
        let n_bytes = signal.error_log.len();
        if n_bytes < LONG_LOG {
            return Ok(self.reader.arrival(&signal, delivery));
        }
        let _turn = match n_bytes {
            LARGE_LOG.. => Some(self.large.acquire().await.map_err(|_| InboxError::Stopped)?),
            _ => None,
        };
        let reader = self.reader.clone();
        let read = tokio::task::spawn_blocking(move || reader.arrival(&signal, delivery));
        read.await.map_err(|it| unread(&it))
    }
}

/// Does beforehand what is slow the first time, so that the first senders need not wait for it: patterns are compiled, the database is reached.
async fn warm_up(store: Arc<dyn Store>) {
    let log = "FAIL: test_a (a.T.test_a)\nTraceback (most recent call last):\n  File \"/tmp/a.py\", line 1, in test_a\nAssertionError: 1 != 2\n";
    let read = tokio::task::spawn_blocking(move || extract(log.as_bytes(), Options::default()));
    // A database that is away is told where it is needed.
    let (_read, _reached) = tokio::join!(read, store.arrive(&[]));
}

/// A report that breaks its reader must not come again and again: that is no matter of the moment.
fn unread(error: &tokio::task::JoinError) -> InboxError {
    if error.is_panic() {
        return InboxError::Store(StoreError::Broken("the report could not be read".to_owned()));
    }
    InboxError::Stopped
}

impl HealBy {
    fn order(&self, workflow: Option<String>) -> Order {
        Order { agents: self.agents.clone(), timeout_ms: self.timeout_ms, workflow, ..Order::default() }
    }
}

/// Commits what waits, batch by batch, until nobody can send any more.
async fn commit_batches(store: Arc<dyn Store>, waiting: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.lock().await.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (arrivals, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|it| (it.arrival, it.answer)).unzip();
        let results = commit(store.as_ref(), &arrivals).await;
        for (answer, result) in answers.into_iter().zip(results) {
            // Who asked may be gone; the run is there all the same.
            let _ = answer.send(result);
        }
    }
}

/// Commits a batch; one report that cannot be stored must not cost the others theirs.
async fn commit(store: &dyn Store, arrivals: &[Arrival]) -> Vec<Result<Arrived, StoreError>> {
    match store.arrive(arrivals).await {
        Ok(arrived) if arrived.len() == arrivals.len() => arrived.into_iter().map(Ok).collect(),
        Ok(_) => arrivals.iter().map(|_| Err(StoreError::Broken("an arrival got no answer".to_owned()))).collect(),
        Err(StoreError::Unavailable(why)) => {
            arrivals.iter().map(|_| Err(StoreError::Unavailable(why.clone()))).collect()
        }
        Err(error) if arrivals.len() == 1 => vec![Err(error)],
        Err(_) => {
            let mut results = Vec::with_capacity(arrivals.len());
            for arrival in arrivals {
                let alone = store.arrive(std::slice::from_ref(arrival)).await;
                results.push(alone.and_then(|it| it.into_iter().next().ok_or(StoreError::NotFound)));
            }
            results
        }
    }
}

/// Returns the creation of a run for a failure that somebody reported or that was seen, with the facts that tell it.
pub(super) fn creation(run: Run) -> Transition {
    let short: String = run.commit_sha.chars().take(8).collect();
    let told = format!("taken in from {}: {} {} at {short}", run.provider, run.repository, run.branch);
    let created = NewEvent::new(EventType::RunCreated, "system", told).with(json!({
        "provider": run.provider, "errorType": run.error_type, "errorHash": run.error_hash,
        "pipelineUrl": run.pipeline_url, "workflow": run.order.workflow,
    }));
    let queued = NewEvent::new(EventType::RunQueued, "system", "waiting for a worker");
    Transition { run, attempt: None, events: vec![created, queued], releases_lease: false }
}

/// Reads what is known of a failure out of its report.
struct Reader {
    engine: Engine,
    heal_by: HealBy,
}

/// What a report says of the failure itself; safe to store and show.
struct Reported {
    hash: String,
    error_type: String,
    summary: String,
}

impl Reader {
    /// Returns what is to be stored of a report. All of its words are cleaned, masked and bounded here.
    fn arrival(&self, signal: &Signal, delivery: Option<String>) -> Arrival {
        let engine = &self.engine;
        let now = engine.clock.now();
        let log = engine.masker.mask(&crate::evidence::text::clean(&signal.error_log)).into_owned();
        let reported = self.reported(signal, &log);
        let name =
            |text: &str| engine.safe_text(&text.split_whitespace().collect::<Vec<_>>().join(" "), MAX_NAME_CHARS);
        let workflow = signal.workflow.as_deref().map(name);
        let (repository, branch) = (name(&signal.repository), name(&signal.branch));
        // What the settings say of this very repository goes before what they say of all.
        let terms = self.engine.repositories.terms(&repository);
        let order = Order { agents: terms.agents, ..self.heal_by.order(workflow) };
        let queued = Run::queued(&repository, &branch, &signal.commit_sha, order, terms.max_attempts, now);
        let run = Run {
            provider: signal.provider,
            source: Source::Webhook,
            pipeline_url: signal.pipeline_url.as_deref().map(|it| engine.safe_text(it, MAX_NAME_CHARS * 4)),
            error_hash: reported.hash,
            error_type: Some(reported.error_type),
            error_summary: reported.summary,
            ..queued
        };
        let what = signal.build.as_deref().unwrap_or(&run.error_hash);
        let key = Digest::of(json!([run.repository, run.commit_sha, what]).to_string());
        let log = StoredOutput {
            name: output::REPORTED.to_owned(),
            bytes: log.into_bytes(),
            dropped_bytes: 0,
            created_at: now,
        };
        Arrival { creation: creation(run), key, delivery, outputs: vec![log], family: None }
    }

    /// Returns type, lines and hash of the failure. The sender's word for the type wins. Without a log there is no hash: the reproduction will give one.
    fn reported(&self, signal: &Signal, log: &str) -> Reported {
        let given = signal.error_type.as_deref().map(|it| self.engine.safe_text(it.trim(), MAX_NAME_CHARS));
        if signal.build.is_some() {
            let lines: Vec<&str> = log.lines().map(str::trim).filter(|it| !it.is_empty()).take(5).collect();
            let summary = self.engine.safe_text(&lines.join(" | "), 1_000);
            return Reported {
                hash: String::new(),
                error_type: given.unwrap_or_else(|| "unknown".to_owned()),
                summary,
            };
        }
        let options = Options { masker: self.engine.masker.clone(), error_type: given, ..Options::default() };
        let failure = extract(signal.error_log.as_bytes(), options);
        Reported { hash: failure.hash, error_type: failure.error_type, summary: failure.summary }
    }
}
