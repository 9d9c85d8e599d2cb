//! The last green log of a job, so that the red one can be read without what is always there.
use crate::domain::{CiRun, CiState};
use crate::engine::analysis::{Analyst, words};
use crate::evidence::green::{Green, GreenReader};
use crate::forge::{ForgeError, RunsQuery};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a green log is used before a newer one is looked for.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// Green logs that are kept; each takes up to two megabytes.
const MAX_KEPT: usize = 16;
/// Bytes of a green log that are read.
const MAX_BYTES: u64 = 32 << 20;
/// Runs of a branch among which a green one is looked for.
const MAX_RUNS: usize = 100;

/// Which job's log it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    repository: String,
    workflow: u64,
    branch: String,
    job: String,
}

/// When a log was read, and what it was; none: there is no green one.
type Known = HashMap<Name, (Timestamp, Option<Arc<Green>>)>;

/// The green logs that were read, also those that were not found.
#[derive(Debug, Default)]
pub(super) struct Greens {
    kept: Mutex<Known>,
}

impl Greens {
    /// Returns what a job said when it was last green, on the run's branch or else on the default branch. It only helps: no error keeps a red
    /// log from being read.
    pub(super) async fn of(
        &self,
        analyst: &Analyst,
        repository: &str,
        run: &CiRun,
        job: &str,
        default_branch: &str,
    ) -> Option<Arc<Green>> {
        let now = analyst.clock.now();
        let name = Name {
            repository: repository.to_owned(),
            workflow: run.workflow_id,
            branch: run.branch.clone(),
            job: job.to_owned(),
        };
        if let Some((_, green)) = self.lock().get(&name).filter(|(read_at, _)| now.duration_since(*read_at) < FRESH) {
            return green.clone();
        }
        let green = match look(analyst, repository, run, job, &run.branch).await {
            Ok(None) if run.branch != default_branch => look(analyst, repository, run, job, default_branch).await,
            looked => looked,
        };
        // Only what the forge said is kept: the next red log may find what an error hid from this one.
        let green = green.ok()?.map(Arc::new);
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (read_at, _)| now.duration_since(*read_at) < FRESH);
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(name, (now, green.clone()));
        green
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look(
    analyst: &Analyst,
    repository: &str,
    red: &CiRun,
    job: &str,
    branch: &str,
) -> Result<Option<Green>, ForgeError> {
    let reads = &analyst.reads;
    let query = RunsQuery { branch: Some(branch.to_owned()), max: MAX_RUNS };
    let runs = reads.runs(repository, &query).await?.items;
    let is_own = |it: &CiRun| it.head_repository.as_deref().is_none_or(|from| from.eq_ignore_ascii_case(repository));
    let green = runs.iter().find(|it| it.workflow_id == red.workflow_id && it.state == CiState::Green && is_own(it));
    let Some(run) = green else { return Ok(None) };
    let jobs = reads.jobs(repository, run.id, Some(run.attempt)).await?;
    let Some(job) = jobs.iter().find(|it| it.state == CiState::Green && analyst.safe(&it.name) == job) else {
        return Ok(None);
    };
    let mut reader = GreenReader::new(&words::roots(repository));
    let mut take = |bytes: &[u8]| {
        reader.push(bytes);
        true
    };
    reads.job_log(repository, job.id, MAX_BYTES, &mut take).await?;
    Ok(Some(reader.finish()).filter(|it| !it.is_empty()))
}
