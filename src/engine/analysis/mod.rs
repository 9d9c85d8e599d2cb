//! Analysis of a red run of CI: failed jobs and steps, their logs, what failed, and the four files that tell it (seed 001).
mod archive;
mod artifacts;
mod context;
mod greens;
mod junit;
mod logs;
mod words;

pub use artifacts::NAMES;

use crate::clock::Clock;
use crate::domain::output;
use crate::domain::{CiJob, CiRun, CiState, CiStep, Failure, TestReport};
use crate::engine::Engine;
use crate::engine::analysis::archive::Fetched;
use crate::engine::analysis::greens::Greens;
use crate::engine::analysis::logs::JobLog;
use crate::evidence::extractor::{Options, keywords};
use crate::evidence::mask::Masker;
use crate::evidence::text::clean_line;
use crate::forge::{ForgeError, Reads};
use crate::rules::Rules;
use crate::store::StoredOutput;
use regex::Regex;
use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

/// Jobs whose logs are read.
const MAX_JOBS: usize = 20;
/// Bytes of all logs of a run that are read.
const MAX_BYTES: u64 = 512 << 20;
/// Characters of a short foreign text.
const MAX_CHARS: usize = 500;

/// What reads red runs. Remembers the green logs that it has read.
#[derive(Debug)]
pub struct Analyst {
    reads: Arc<dyn Reads>,
    masker: Masker,
    clock: Arc<dyn Clock>,
    /// Tokens of a reduced log.
    budget_tokens: usize,
    /// Folder for archives while they are read.
    scratch: PathBuf,
    greens: Greens,
}

/// What is known of a red run. All texts are cleaned, masked and bounded.
#[derive(Debug)]
pub struct Analysis {
    /// The failure that the run is known by: the clearest of its jobs'.
    pub failure: Failure,
    /// The log of that job.
    pub log: StoredOutput,
    /// The jobs that failed and whose logs were read.
    pub jobs: Vec<JobFailure>,
    /// What was odd: a log that is missing, a cut, jobs that were left out.
    pub notes: Vec<String>,
    /// What the repository's own rules suggest where the failure matches.
    pub suggestions: Vec<String>,
    /// The four files.
    pub artifacts: Vec<StoredOutput>,
    /// Whether the log of a failed job was not there: it may only be late.
    pub lacks_log: bool,
    /// Where nothing says why CI is red, that in words: whatever is red elsewhere cannot be compared with it.
    pub silence: Option<String>,
}

/// One failed job.
#[derive(Debug)]
pub struct JobFailure {
    pub job: CiJob,
    pub failure: Failure,
}

impl JobFailure {
    /// Returns the steps that failed.
    pub fn failed_steps(&self) -> impl Iterator<Item = &CiStep> {
        self.job.steps.iter().filter(|it| it.state == CiState::Red)
    }
}

/// What a reading of one run has to know and keeps.
struct Reading<'a> {
    analyst: &'a Analyst,
    repository: &'a str,
    run: &'a CiRun,
    keywords: Option<Regex>,
    archive: Fetched,
    left: u64,
    notes: Vec<String>,
    lacks_log: bool,
    /// Failed jobs whose logs are not read, because there are too many.
    n_unread: usize,
}

impl Analyst {
    /// Returns what reads the red runs of a forge for an engine.
    pub fn new(engine: &Engine, reads: Arc<dyn Reads>) -> Self {
        Self {
            reads,
            masker: engine.masker.clone(),
            clock: engine.clock.clone(),
            budget_tokens: engine.settings.log_budget_tokens,
            scratch: engine.settings.data_dir.clone(),
            greens: Greens::default(),
        }
    }

    /// Reads a red run. What is missing is said in the notes; an error means that the forge does not answer, and nothing is known.
    pub async fn analyse(
        &self,
        repository: &str,
        run: &CiRun,
        rules: &Rules,
        default_branch: &str,
    ) -> Result<Analysis, ForgeError> {
        let analysis = &rules.analysis;
        let patterns = analysis.failure_patterns.iter().map(|it| it.pattern.as_str());
        let mut reading = Reading {
            analyst: self,
            repository,
            run,
            keywords: keywords(analysis.error_keywords.iter().map(String::as_str), patterns),
            archive: Fetched::default(),
            left: MAX_BYTES,
            notes: Vec::new(),
            lacks_log: false,
            n_unread: 0,
        };
        let mut read: Vec<(CiJob, JobLog)> = Vec::new();
        for job in reading.failed_jobs().await? {
            let green = self.greens.of(self, repository, run, &job.name, default_branch).await;
            let log = Box::pin(reading.job(&job, green)).await?;
            read.push((job, log));
            // Megabytes each: only those of the one that the run may be known by are kept.
            let clearest = clearest(&read);
            let others = read.iter_mut().enumerate().filter(|(idx, _)| *idx != clearest);
            others.for_each(|(_, (_, log))| log.bytes = Vec::new());
        }
        let report = reading.tests(&read).await?;
        let mut told = reading.told(read);
        told.failure.report = told.failure.report.take().or(report);
        let is_silent = !told.tells_why && told.failure.report.is_none();
        let silence = is_silent.then(|| {
            let failed: Vec<&str> = told.jobs.iter().map(|it| it.job.name.as_str()).collect();
            self.safe(&words::silence(&failed))
        });
        let Reading { notes, lacks_log, n_unread, .. } = reading;
        let reduced: Vec<&str> = told.jobs.iter().map(|it| it.failure.reduced_log.as_str()).collect();
        let suggestions = words::suggestions(analysis, &reduced);
        let context = self.context_files(repository, run, rules).await;
        let facts = artifacts::Facts {
            repository,
            run: &self.safe_run(run),
            jobs: &told.jobs,
            n_unread,
            failure: &told.failure,
            notes: &notes,
            suggestions: &suggestions,
            max_log_lines: usize::try_from(analysis.max_log_lines).unwrap_or(usize::MAX),
            has_report: rules.logging.writes_reports,
            context: &context,
            now: self.clock.now(),
        };
        let artifacts = artifacts::all(&facts);
        let bytes = if rules.logging.keeps_full_logs { told.bytes } else { told.failure.reduced_log.clone().into() };
        let log = StoredOutput {
            name: output::REPORTED.to_owned(),
            dropped_bytes: if rules.logging.keeps_full_logs { told.dropped } else { 0 },
            bytes,
            created_at: self.clock.now(),
        };
        Ok(Analysis { failure: told.failure, log, jobs: told.jobs, notes, suggestions, artifacts, lacks_log, silence })
    }

    /// Returns a foreign word or sentence as one line that may be stored and shown.
    fn safe(&self, text: &str) -> String {
        let clean = clean_line(&self.masker.mask(text));
        clean.chars().take(MAX_CHARS).collect::<String>().trim().to_owned()
    }

    fn safe_run(&self, run: &CiRun) -> CiRun {
        let safe = |text: &str| self.safe(text);
        CiRun {
            workflow: safe(&run.workflow),
            workflow_path: safe(&run.workflow_path),
            title: safe(&run.title),
            branch: safe(&run.branch),
            commit_sha: safe(&run.commit_sha),
            url: safe(&run.url),
            ..run.clone()
        }
    }

    fn safe_job(&self, mut job: CiJob) -> CiJob {
        job.name = self.safe(&job.name);
        job.url = self.safe(&job.url);
        job.conclusion = job.conclusion.map(|it| self.safe(&it));
        for step in &mut job.steps {
            step.name = match self.safe(&step.name) {
                name if name.is_empty() => words::NO_NAME.to_owned(),
                name => name,
            };
            step.conclusion = step.conclusion.take().map(|it| self.safe(&it));
        }
        job
    }

    fn options(&self, repository: &str) -> Options {
        Options {
            roots: words::roots(repository),
            masker: self.masker.clone(),
            budget_tokens: self.budget_tokens,
            ..Options::default()
        }
    }
}

/// Returns where the job stands that the run is known by: the clearest of those that say why, and of these the first.
fn clearest(read: &[(CiJob, JobLog)]) -> usize {
    let clearest = read.iter().enumerate().max_by(|(a, (_, one)), (b, (_, other))| {
        let confident = one.failure.confidence.total_cmp(&other.failure.confidence);
        one.tells_why.cmp(&other.tells_why).then(confident).then(Reverse(a).cmp(&Reverse(b)))
    });
    clearest.map_or(0, |(idx, _)| idx)
}

/// The failures of a run, and the log of the one it is known by.
struct Told {
    failure: Failure,
    bytes: Vec<u8>,
    dropped: u64,
    jobs: Vec<JobFailure>,
    /// Whether any of the jobs says why.
    tells_why: bool,
}

impl Reading<'_> {
    /// Returns the jobs that failed, by name, so that the same failure is known by the same job whichever was started first; of too many those
    /// that differ most.
    async fn failed_jobs(&mut self) -> Result<Vec<CiJob>, ForgeError> {
        let jobs = self.analyst.reads.jobs(self.repository, self.run.id, Some(self.run.attempt)).await?;
        let mut failed: Vec<CiJob> = jobs.into_iter().filter(|it| it.state == CiState::Red).collect();
        failed.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let failed: Vec<CiJob> = failed.into_iter().map(|it| self.analyst.safe_job(it)).collect();
        let (chosen, others) = words::chosen(failed, MAX_JOBS);
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().map(|it| it.name.as_str()).collect();
            let n = others.len();
            self.n_unread = n;
            self.note(&format!("{n} more jobs failed, their logs were not read: {}", words::listed(&names)));
        }
        Ok(chosen)
    }

    fn note(&mut self, text: &str) {
        self.notes.push(self.analyst.safe(text));
    }

    /// Puts together what the jobs tell. Without a failed job the workflow itself could not start.
    fn told(&mut self, read: Vec<(CiJob, JobLog)>) -> Told {
        if read.is_empty() {
            let text = words::without_jobs(self.run);
            self.note("the run has no failed job: its workflow could not start");
            let log = JobLog::of_text(&text, false, self.analyst.options(self.repository));
            return Told { failure: log.failure, bytes: log.bytes, dropped: 0, jobs: Vec::new(), tells_why: false };
        }
        let tells_why = read.iter().any(|(_, log)| log.tells_why);
        let clearest = clearest(&read);
        let failure = Failure::none(None);
        let mut told = Told { failure, bytes: Vec::new(), dropped: 0, jobs: Vec::new(), tells_why };
        for (idx, (job, log)) in read.into_iter().enumerate() {
            if idx == clearest {
                told.failure = log.failure.clone();
                (told.bytes, told.dropped) = (log.bytes, log.dropped);
            }
            told.jobs.push(JobFailure { job, failure: log.failure });
        }
        told
    }

    /// Returns what the test reports say that the run has uploaded, where no log does.
    async fn tests(&mut self, read: &[(CiJob, JobLog)]) -> Result<Option<TestReport>, ForgeError> {
        if read.iter().any(|(_, log)| log.failure.report.is_some()) {
            return Ok(None);
        }
        junit::read(self).await
    }
}
