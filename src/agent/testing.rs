//! A folder with a failure in it, for the unit tests of agents.
use crate::agent::Agent;
use crate::agent::Task;
use crate::agent::Turn;
use crate::domain::Attempt;
use crate::domain::AttemptFailure;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Category;
use crate::domain::Failure;
use crate::domain::RunId;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A tree with files, a failure, and what was tried before.
#[derive(Debug)]
pub(crate) struct Stage {
    tree: TempDir,
    scratch: TempDir,
    pub(crate) failure: Failure,
    pub(crate) earlier: Vec<Attempt>,
    pub(crate) test_command: String,
    pub(crate) hint: Option<String>,
    pub(crate) progress: Option<String>,
}

impl Stage {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self {
            tree: tempfile::tempdir().unwrap(),
            scratch: tempfile::tempdir().unwrap(),
            failure: failure(""),
            earlier: Vec::new(),
            test_command: "sh test.sh".to_owned(),
            hint: None,
            progress: None,
        };
        for (file, content) in files {
            let path = stage.root().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        stage
    }

    /// The failing log, without line numbers; the stage numbers its lines.
    pub(crate) fn log(mut self, log: &str) -> Self {
        self.failure = failure(log);
        self
    }

    pub(crate) fn root(&self) -> &Path {
        self.tree.path()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root().join(file)).unwrap()
    }

    /// Adds an earlier attempt that did not succeed.
    pub(crate) fn failed(&mut self, author: &str, diagnosis: &str) -> &mut Attempt {
        let number = u32::try_from(self.earlier.len()).unwrap() + 1;
        let mut attempt = Attempt::started(number, Author::Agent(author.to_owned()), None, jiff::Timestamp::UNIX_EPOCH);
        attempt.status = AttemptStatus::Failed;
        attempt.failure_kind = Some(AttemptFailure::StillRed);
        diagnosis.clone_into(&mut attempt.diagnosis);
        self.earlier.push(attempt);
        self.earlier.last_mut().unwrap()
    }

    pub(crate) fn task(&self) -> Task<'_> {
        Task {
            run_id: RunId::random(),
            repository: "owner/name",
            attempt_no: u32::try_from(self.earlier.len()).unwrap() + 1,
            max_attempts: 3,
            test_command: &self.test_command,
            failure: &self.failure,
            order: None,
            earlier: &self.earlier,
            progress: self.progress.as_deref(),
            hint: self.hint.as_deref(),
            tree: self.tree.path(),
            scratch: self.scratch.path(),
            git_dir: self.scratch.path(),
            timeout: Duration::from_mins(1),
        }
    }

    pub(crate) async fn ask(&self, agent: &dyn Agent) -> Turn {
        agent.propose(&self.task(), &CancellationToken::new()).await
    }
}

fn failure(log: &str) -> Failure {
    let numbered = log.lines().enumerate().map(|(idx, line)| format!("{:>4}| {line}\n", idx + 1));
    Failure {
        category: Category::Unknown,
        confidence: 0.5,
        error_type: "unknown".to_owned(),
        summary: log.lines().next().unwrap_or_default().to_owned(),
        hash: "v1:00".to_owned(),
        lines: Vec::new(),
        files: Vec::new(),
        reduced_log: numbered.collect(),
        report: None,
        total_lines: log.lines().count() as u64,
        total_bytes: log.len() as u64,
    }
}
