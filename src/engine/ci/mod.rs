//! What the CI system of the watched repositories looks like: their pictures, and the jobs, logs and waiting deployments of their runs.
mod acts;

pub use crate::forge::ForgeError;
pub use acts::{CiAct, CiActKind};

use crate::domain::{Budget, CiJob, CiView, Deployment, LimitsPicture, Picture, RulesFile, RulesPicture};
use crate::engine::Engine;
use crate::engine::trial::joined;
use crate::forge::Reads;
use crate::process::{Keeper, Kept};
use crate::store::StoreError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the snapshot of a repository is called: this and its name.
pub const PICTURE: &str = "github:picture:";
/// What the snapshot of the watcher's budget is called.
pub const BUDGET: &str = "github:budget";
/// What the snapshot of a repository's stale branches is called: this and its name.
pub const STALE: &str = "github:stale:";

/// Bytes of a log that are read at most.
const MAX_LOG: u64 = 256 << 20;
/// Bytes of a log that are kept from its beginning, and before its end.
const LOG_HEAD: usize = 2 << 20;
const LOG_TAIL: usize = 6 << 20;
/// Said where this process has no seat at the forge.
const NOT_ASKED: &str = "GitHub is not asked by this process: it has no token, or nothing is watched";
/// How much of a name that the forge tells is shown.
const MAX_NAME_CHARS: usize = 200;
const MAX_MESSAGE_CHARS: usize = 500;

/// Why a question about CI, or an act there, came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// The repository is not watched here, so nothing of it is told.
    #[error("{0} is not watched here")]
    NotWatched(String),
    /// The settings do not let the forge be asked, or be changed.
    #[error("{0}")]
    Closed(String),
    /// There is nothing of which this could be done.
    #[error("{0}")]
    Nothing(String),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job's log: masked, its middle left out where it is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLog {
    pub bytes: Vec<u8>,
    /// Bytes left out between head and tail.
    pub dropped_bytes: u64,
}

impl Engine {
    /// Returns the watched repositories as they were last seen, by whichever process; the forge is not asked.
    pub async fn ci_view(&self) -> Result<CiView, CiError> {
        let stored = self.store.snapshots(PICTURE).await?;
        let mut pictures: Vec<Picture> = stored.into_iter().filter_map(|(_, doc, _)| read(doc)).collect();
        let watched = &self.forge.terms.watch;
        // Where nothing is watched by this process, another one does it.
        pictures.retain(|it| watched.is_empty() || self.forge.terms.watches(&it.repository));
        for seen in pictures.iter_mut().flat_map(|it| &mut it.runs) {
            seen.run.title = self.safe_text(&seen.run.title, MAX_NAME_CHARS);
            seen.run.commit_message = self.safe_text(&seen.run.commit_message, MAX_MESSAGE_CHARS);
        }
        for repository in watched {
            if !pictures.iter().any(|it| it.repository.eq_ignore_ascii_case(repository)) {
                pictures.push(unseen(repository));
            }
        }
        for (name, doc, _) in self.store.snapshots(STALE).await? {
            let of_it = |it: &&mut Picture| name.strip_prefix(STALE) == Some(it.repository.as_str());
            if let Some(picture) = pictures.iter_mut().find(of_it) {
                picture.stale_branches = read(doc).unwrap_or_default();
            }
        }
        pictures.sort_by_cached_key(|it| it.repository.to_lowercase());
        let stored = self.store.snapshots(BUDGET).await?.into_iter().find_map(|(_, doc, _)| read::<Budget>(doc));
        let why_not = self.ci_is_closed();
        Ok(CiView {
            pictures,
            budget: stored.or_else(|| self.forge.reads.as_ref().map(|it| it.budget())),
            can_write: why_not.is_none(),
            why_not,
            now: self.clock.now(),
        })
    }

    /// Returns the jobs of a run's attempt, of the latest if none is named.
    pub async fn ci_jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, CiError> {
        let (repository, reads) = self.ci_reads(repository)?;
        let mut jobs = reads.jobs(repository, run, attempt).await?;
        for job in &mut jobs {
            job.name = self.safe_text(&job.name, MAX_NAME_CHARS);
            job.url = self.safe_text(&job.url, MAX_MESSAGE_CHARS);
            for step in &mut job.steps {
                step.name = self.safe_text(&step.name, MAX_NAME_CHARS);
            }
        }
        Ok(jobs)
    }

    /// Returns the log of a job that is done.
    pub async fn ci_log(&self, repository: &str, job: u64) -> Result<JobLog, CiError> {
        let (repository, reads) = self.ci_reads(repository)?;
        let mut keeper = Keeper::with_limits(LOG_HEAD, LOG_TAIL);
        let mut take = |bytes: &[u8]| {
            keeper.push(bytes);
            true
        };
        let end = reads.job_log(repository, job, MAX_LOG, &mut take).await?;
        let mut kept = whole_lines(keeper.finish());
        if end.is_cut {
            kept.tail
                .extend_from_slice(format!("\n[the log goes on: only {MAX_LOG} bytes of it were read]\n").as_bytes());
        }
        Ok(JobLog { bytes: self.masker.mask_bytes(&joined(&kept)), dropped_bytes: kept.dropped })
    }

    /// Returns the environments of a run whose deployments wait for somebody.
    pub async fn ci_deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, CiError> {
        let (repository, reads) = self.ci_reads(repository)?;
        let mut waiting = reads.deployments(repository, run).await?;
        for it in &mut waiting {
            for text in std::iter::once(&mut it.environment).chain(&mut it.reviewers) {
                *text = self.safe_text(text, MAX_NAME_CHARS);
            }
        }
        Ok(waiting)
    }

    /// Returns a watched repository as the settings name it, and who is asked about it.
    fn ci_reads<'a>(&'a self, repository: &str) -> Result<(&'a str, &'a dyn Reads), CiError> {
        let seat = &self.forge;
        let named = seat.terms.watch.iter().find(|it| it.eq_ignore_ascii_case(repository));
        let named = named.ok_or_else(|| CiError::NotWatched(self.safe_text(repository, MAX_NAME_CHARS)))?;
        let reads = seat.reads.as_deref().ok_or_else(|| CiError::Closed(NOT_ASKED.to_owned()))?;
        Ok((named, reads))
    }

    /// Returns why nothing is changed at the forge, `None` where it may be.
    fn ci_is_closed(&self) -> Option<String> {
        let seat = &self.forge;
        let why = || seat.why_not.as_ref().map(|it| format!("nothing is changed at GitHub: {it}"));
        seat.writes.is_none().then(|| why().unwrap_or_else(|| NOT_ASKED.to_owned()))
    }
}

/// Reads a snapshot; one of another version counts as none, because it is written again soon.
fn read<T: DeserializeOwned>(doc: Value) -> Option<T> {
    serde_json::from_value(doc).ok()
}

/// Returns the picture of a repository that nobody has looked at yet.
pub(super) fn unseen(repository: &str) -> Picture {
    Picture {
        repository: repository.to_owned(),
        seen_at: None,
        next_at: None,
        default_branch: String::new(),
        error: None,
        rules: RulesPicture { file: RulesFile::Unread, remarks: Vec::new(), refusal: None },
        limits: LimitsPicture::default(),
        runs: Vec::new(),
        pulls: Vec::new(),
        stale_branches: Vec::new(),
    }
}

/// Leaves out the lines that were cut through: half a secret is not known as one.
pub(super) fn whole_lines(mut kept: Kept) -> Kept {
    if kept.dropped > 0 {
        let head = kept.head.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let tail = kept.tail.iter().position(|it| *it == b'\n').map_or(kept.tail.len(), |it| it + 1);
        kept.dropped += (kept.head.len() - head + tail) as u64;
        kept.head.truncate(head);
        kept.tail.drain(..tail);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_is_left_out_and_counted() {
        let mut keeper = Keeper::with_limits(10, 10);
        keeper.push(b"one\ntwo-secret\nmore\nsecret\nlast\n");
        let kept = whole_lines(keeper.finish());
        assert_eq!((kept.head.as_slice(), kept.tail.as_slice()), (&b"one\n"[..], &b"last\n"[..]));
        assert_eq!(kept.dropped, 32 - 9);
        let short = whole_lines(Kept { head: b"all of it".to_vec(), tail: Vec::new(), dropped: 0 });
        assert_eq!(short.head, b"all of it");
    }

    #[test]
    fn a_log_without_lines_is_dropped_whole_where_it_is_cut() {
        let kept = whole_lines(Kept { head: b"aaa".to_vec(), tail: b"bbb".to_vec(), dropped: 5 });
        assert_eq!((kept.head.len(), kept.tail.len(), kept.dropped), (0, 0, 11));
    }
}
