//! Executes what `update` asks for, against the backlog and the drafts folder. Decides nothing.
use crate::backlog::Backlog;
use crate::backlog::BacklogError;
use crate::backlog::Output;
use crate::console::action::Action;
use crate::console::action::Answer;
use crate::console::action::Refusal;
use crate::console::action::RequestId;
use crate::console::action::StoredOutput;
use crate::console::effect::Ask;
use crate::console::effect::Draft;
use crate::console::effect::Slot;
use crate::console::model::fix::MAX_DRAFT_BYTES;
use crate::domain::RunQuery;
use crate::domain::Status;
use std::collections::BTreeMap;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

/// Runs of each state that are listed; those that wait for someone are never left out before those that do not.
const WAITING_LIMIT: u64 = 1_000;
const ENDED_LIMIT: u64 = 100;
/// How long an ending session waits for a decision's answer.
const LAST_ANSWER: Duration = Duration::from_secs(3);

/// Runs requests beside the loop; one task per slot.
#[derive(Debug)]
pub struct Executor {
    backlog: Arc<dyn Backlog>,
    actions: Sender<Action>,
    tasks: BTreeMap<Slot, JoinHandle<()>>,
}

impl Executor {
    pub fn new(backlog: Arc<dyn Backlog>, actions: Sender<Action>) -> Self {
        Self { backlog, actions, tasks: BTreeMap::new() }
    }

    /// Starts a request; its answer comes back as an action. A reading task of the same slot is dropped.
    pub fn start(&mut self, request: RequestId, ask: Ask) {
        let slot = ask.slot();
        let (backlog, actions) = (Arc::clone(&self.backlog), self.actions.clone());
        let task = tokio::spawn(async move {
            let answer = answer(backlog.as_ref(), ask).await;
            // A closed channel means that the session has ended.
            let _ = actions.send(Action::Answered { request, answer: Box::new(answer) }).await;
        });
        if let Some(earlier) = self.tasks.insert(slot, task)
            && slot.is_reading()
        {
            earlier.abort();
        }
    }

    /// Waits a moment for a decision that is on its way, and drops everything else.
    pub async fn finish(mut self) {
        for slot in [Slot::Act, Slot::CiAct] {
            if let Some(act) = self.tasks.remove(&slot) {
                let _ = tokio::time::timeout(LAST_ANSWER, act).await;
            }
        }
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

async fn answer(backlog: &dyn Backlog, ask: Ask) -> Answer {
    let answered = match ask {
        Ask::Queue => queue(backlog).await,
        Ask::Run(id) | Ask::Reread(id) => backlog.run(id).await.map(|it| Answer::Run(Box::new(it))),
        Ask::Me => backlog.me().await.map(Answer::Me),
        Ask::Outputs(id) => backlog.outputs(id).await.map(Answer::Outputs),
        Ask::Output(id, name) => {
            backlog.output(id, &name).await.map(|output| Answer::Output { output: output.as_ref().map(stored), name })
        }
        Ask::Live(id) => backlog.live(id).await.map(Answer::Live),
        Ask::Act(id, request) => backlog.act(id, request).await.map(|it| Answer::Acted(Box::new(it.into()))),
        Ask::Ci => backlog.ci().await.map(|it| Answer::Ci(Box::new(it))),
        Ask::CiJobs(repository, run, attempt) => {
            let jobs = backlog.ci_jobs(&repository, run, attempt).await;
            jobs.map(|jobs| Answer::CiJobs { repository, run, attempt, jobs })
        }
        Ask::CiLog(repository, job) => {
            backlog.ci_log(&repository, job).await.map(|it| Answer::CiLog { job, output: stored(&it) })
        }
        Ask::CiDeployments(repository, run) => {
            let waiting = backlog.ci_deployments(&repository, run).await;
            waiting.map(|waiting| Answer::CiDeployments { repository, run, waiting })
        }
        Ask::CiAct(act, by) => backlog.ci_act(act, &by).await.map(Answer::CiActed),
        Ask::LoadDraft(_) | Ask::SaveDraft(..) | Ask::DropDraft(_) | Ask::Edit(..) | Ask::Copy(_) => {
            Err(BacklogError::Failed("the backlog keeps no drafts".to_owned()))
        }
    };
    answered.unwrap_or_else(|error| Answer::Refused(Refusal::from(error)))
}

fn stored(output: &Output) -> StoredOutput {
    StoredOutput { text: String::from_utf8_lossy(&output.bytes).into_owned(), dropped_bytes: output.dropped_bytes }
}

async fn queue(backlog: &dyn Backlog) -> Result<Answer, BacklogError> {
    let mut runs = Vec::new();
    for status in Status::ALL {
        let limit = if matches!(status, Status::Resolved | Status::Aborted) { ENDED_LIMIT } else { WAITING_LIMIT };
        let query = RunQuery { status: Some(*status), limit, ..RunQuery::default() };
        let (found, _) = backlog.runs(&query).await?;
        // A run may change its state between two questions: the later answer counts.
        runs.retain(|it: &crate::domain::Run| found.iter().all(|other| other.id != it.id));
        runs.extend(found);
    }
    let summary = backlog.summary().await?;
    Ok(Answer::Queue { runs, total: summary.total, summary })
}

/// The folder that drafts are kept in, readable by the operator alone.
#[derive(Debug, Clone)]
pub struct Drafts {
    folder: PathBuf,
}

impl Drafts {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns where a draft is kept.
    pub fn path(&self, draft: Draft) -> PathBuf {
        self.folder.join(draft.file_name())
    }

    /// Reads a draft, if there is one.
    pub fn load(&self, draft: Draft) -> io::Result<Option<String>> {
        match read_bounded(&self.path(draft)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a draft whole or not at all.
    pub fn save(&self, draft: Draft, text: &str) -> io::Result<PathBuf> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        let path = self.path(draft);
        file.persist(&path)?;
        Ok(path)
    }

    /// Removes a draft that has become an attempt.
    pub fn remove(&self, draft: Draft) -> io::Result<()> {
        match std::fs::remove_file(self.path(draft)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Reads a text file of bounded length.
pub fn read_bounded(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_DRAFT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if MAX_DRAFT_BYTES < bytes.len() {
        return Err(io::Error::other(format!("{} is longer than 1 MiB", path.display())));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other(format!("{} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::effect::DraftKind;
    use crate::domain::RunId;

    #[test]
    fn drafts_are_private_whole_and_removable() {
        let folder = tempfile::tempdir().unwrap();
        let drafts = Drafts::new(folder.path().join("drafts"));
        let draft = Draft { run: RunId::random(), kind: DraftKind::Patch };
        assert_eq!(drafts.load(draft).unwrap(), None);
        let path = drafts.save(draft, "one\n").unwrap();
        drafts.save(draft, "two\n").unwrap();
        assert_eq!(drafts.load(draft).unwrap().as_deref(), Some("two\n"));
        let mode = |it: &Path| std::fs::metadata(it).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drafts.remove(draft).unwrap();
        drafts.remove(draft).unwrap();
        assert_eq!(drafts.load(draft).unwrap(), None);
    }

    #[test]
    fn a_draft_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let drafts = Drafts::new(folder.path().to_owned());
        let draft = Draft { run: RunId::random(), kind: DraftKind::Hint };
        std::fs::write(drafts.path(draft), vec![b'x'; MAX_DRAFT_BYTES + 1]).unwrap();
        assert!(drafts.load(draft).is_err());
    }
}
