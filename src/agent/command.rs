//! Any program as an agent: it finds the task on standard input, in its environment and in a JSON file, and edits the tree in place.
use crate::agent::Account;
use crate::agent::Agent;
use crate::agent::Task;
use crate::agent::Turn;
use crate::agent::context;
use crate::agent::prompt;
use crate::agent::said;
use crate::agent::said::Deaf;
use crate::domain::AttemptFailure;
use crate::process::Exit;
use crate::process::Job;
use crate::process::Launcher;
use crate::process::Outcome;
use async_trait::async_trait;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How much of what a program printed is its diagnosis.
const MAX_DIAGNOSIS_BYTES: usize = 8 * 1024;

/// What a program may have beyond the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandSettings {
    pub network: bool,
    /// Variables passed on as they are: a model's address, a key.
    pub env: Vec<(String, String)>,
}

/// An agent that is a program.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    name: String,
    command: String,
    launcher: Launcher,
    settings: CommandSettings,
}

impl CommandAgent {
    /// Makes an agent of a command, which `sh -c` runs in the tree.
    pub fn new(
        name: impl Into<String>,
        command: impl Into<String>,
        launcher: Launcher,
        settings: CommandSettings,
    ) -> Self {
        Self { name: name.into(), command: command.into(), launcher, settings }
    }

    async fn run(&self, task: &Task<'_>, papers: &Papers, cancel: &CancellationToken) -> io::Result<Outcome> {
        let mut env = self.settings.env.clone();
        env.retain(|(name, _)| !name.starts_with("PARAMEDIC_"));
        env.extend(papers.env(task));
        let job = Job {
            command: &self.command,
            cwd: task.tree,
            scratch: task.scratch,
            writable: &[task.tree],
            env: &env,
            stdin: Some(&papers.prompt),
            network: self.settings.network,
            timeout: task.timeout,
        };
        self.launcher.run(&job, &mut Deaf, cancel).await
    }
}

#[async_trait]
impl Agent for CommandAgent {
    fn name(&self) -> &str {
        &self.name
    }

    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn {
        let crashed =
            |reason: String| Turn::Failed { kind: AttemptFailure::AgentCrashed, reason, account: Account::default() };
        let papers = match Papers::write(task) {
            Ok(papers) => papers,
            Err(error) => return crashed(format!("cannot write the agent's context: {error}")),
        };
        match self.run(task, &papers, cancel).await {
            Ok(outcome) => judge(&outcome, task),
            Err(error) => crashed(format!("cannot start the agent: {error}")),
        }
    }
}

fn judge(outcome: &Outcome, task: &Task<'_>) -> Turn {
    let account = Account {
        diagnosis: said::ending(&outcome.output, MAX_DIAGNOSIS_BYTES),
        output: said::whole(&outcome.output),
        ..Account::default()
    };
    let (kind, reason) = match outcome.exit {
        Exit::Code(0) => return Turn::Edited(account),
        Exit::TimedOut => {
            let limit = task.timeout;
            (AttemptFailure::AgentTimedOut, format!("the agent did not end within {limit:?} and was stopped"))
        }
        exit => {
            let about = match exit {
                Exit::Code(127) => " (there is no such program)",
                Exit::Code(126) => " (it is no program, or may not be executed)",
                _ => "",
            };
            let (ended, last) = (said::how_it_ended(exit), said::last_lines(&outcome.output, 3));
            (AttemptFailure::AgentCrashed, format!("the agent {ended}{about}: {last}"))
        }
    };
    Turn::Failed { kind, reason, account }
}

/// The files a program is given; gone when dropped.
#[derive(Debug)]
struct Papers {
    context: PathBuf,
    prompt: PathBuf,
    /// A fresh folder: whatever ran in the scratch folder before could have laid links at names it can guess.
    _folder: TempDir,
}

impl Papers {
    fn write(task: &Task<'_>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("paramedic-").tempdir_in(task.scratch)?;
        let (context, prompt) = (folder.path().join("context.json"), folder.path().join("prompt.md"));
        std::fs::write(&context, serde_json::to_vec_pretty(&context::document(task))?)?;
        std::fs::write(&prompt, prompt::prompt(task))?;
        Ok(Self { context, prompt, _folder: folder })
    }

    fn env(&self, task: &Task<'_>) -> [(String, String); 5] {
        let path = |it: &Path| it.to_string_lossy().into_owned();
        [
            ("PARAMEDIC_RUN_ID", task.run_id.to_string()),
            ("PARAMEDIC_ATTEMPT", task.attempt_no.to_string()),
            ("PARAMEDIC_MAX_ATTEMPTS", task.max_attempts.to_string()),
            ("PARAMEDIC_CONTEXT", path(&self.context)),
            ("PARAMEDIC_PROMPT", path(&self.prompt)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}
