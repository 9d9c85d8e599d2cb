//! The log of a failed job: streamed, bounded, from the archive where it is not there, and what is said where there is none at all.
use crate::domain::{CiJob, Failure};
use crate::engine::analysis::{Reading, words};
use crate::engine::ci::whole_lines;
use crate::engine::trial::joined;
use crate::evidence::extractor::{ExitHint, Extractor, Options};
use crate::evidence::green::Green;
use crate::forge::ForgeError;
use crate::process::Keeper;
use std::sync::Arc;

/// Bytes of one log that are read.
pub(super) const MAX_LOG_BYTES: u64 = 256 << 20;

/// Bytes that are kept from the beginning of a log, and before its end.
const LOG_HEAD: usize = 2 << 20;
const LOG_TAIL: usize = 6 << 20;

/// A log that was read: what failed, and its head and tail.
pub(super) struct JobLog {
    pub(super) failure: Failure,
    /// Masked.
    pub(super) bytes: Vec<u8>,
    /// Bytes left out between head and tail.
    pub(super) dropped: u64,
    /// Whether CI itself says why it is red: what stands for a log that is missing need not.
    pub(super) tells_why: bool,
}

/// Reads a log and keeps both ends of it.
pub(super) struct LogReader {
    extractor: Extractor,
    keeper: Keeper,
    options: Options,
}

impl LogReader {
    pub(super) fn new(options: Options) -> Self {
        Self { extractor: Extractor::new(options.clone()), keeper: Keeper::with_limits(LOG_HEAD, LOG_TAIL), options }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.extractor.push(bytes);
        self.keeper.push(bytes);
    }

    pub(super) fn finish(self, hint: ExitHint) -> JobLog {
        let kept = whole_lines(self.keeper.finish());
        JobLog {
            failure: self.extractor.finish(hint),
            bytes: self.options.masker.mask_bytes(&joined(&kept)),
            dropped: kept.dropped,
            tells_why: true,
        }
    }
}

impl JobLog {
    /// Returns what a text says as if it were a log.
    pub(super) fn of_text(text: &str, tells_why: bool, options: Options) -> Self {
        let mut reader = LogReader::new(options);
        reader.push(text.as_bytes());
        Self { tells_why, ..reader.finish(ExitHint::Failed) }
    }
}

impl Reading<'_> {
    /// Reads the log of a failed job; what is missing is noted.
    pub(super) async fn job(&mut self, job: &CiJob, green: Option<Arc<Green>>) -> Result<JobLog, ForgeError> {
        let options = Options { keywords: self.keywords.clone(), green, ..self.analyst.options(self.repository) };
        let hint = if job.conclusion.as_deref() == Some("timed_out") { ExitHint::TimedOut } else { ExitHint::Failed };
        let max = MAX_LOG_BYTES.min(self.left);
        if max == 0 {
            self.note(&format!("the log of job {} was not read: those before it are too long", job.name));
            return Ok(JobLog::of_text(&words::without_log(job, &[]), false, Options { green: None, ..options }));
        }
        if let Some(reader) = self.streamed(job, max, options.clone()).await? {
            return Ok(reader.finish(hint));
        }
        if let Some(reader) = self.archived(job, max, options.clone()).await? {
            return Ok(reader.finish(hint));
        }
        self.lacks_log = true;
        self.note(&format!("GitHub has no log of job {}: it is empty, expired or not written", job.name));
        let annotations = self.annotations(job).await?;
        let (text, tells_why) = (words::without_log(job, &annotations), words::tell_why(&annotations));
        Ok(JobLog::of_text(&text, tells_why, Options { green: None, ..options }))
    }

    /// Returns the log as the forge streams it, `None` where there is nothing.
    async fn streamed(&mut self, job: &CiJob, max: u64, options: Options) -> Result<Option<LogReader>, ForgeError> {
        let mut reader = LogReader::new(options);
        let mut take = |bytes: &[u8]| {
            reader.push(bytes);
            true
        };
        let end = match self.analyst.reads.job_log(self.repository, job.id, max, &mut take).await {
            Ok(end) => end,
            Err(ForgeError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.left = self.left.saturating_sub(end.bytes);
        if end.is_cut {
            self.note(&format!("only the first {} bytes of the log of job {} were read", end.bytes, job.name));
        }
        Ok((end.bytes > 0).then_some(reader))
    }

    async fn annotations(&self, job: &CiJob) -> Result<Vec<crate::forge::Annotation>, ForgeError> {
        let Some(check) = job.check_run_id else { return Ok(Vec::new()) };
        match self.analyst.reads.annotations(self.repository, check).await {
            Err(ForgeError::NotFound(_) | ForgeError::Unauthorised(_)) => Ok(Vec::new()),
            other => other,
        }
    }
}
