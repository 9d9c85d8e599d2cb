//! The port to whoever proposes a fix: looks at a task, edits files in a scratch tree, says what it did. Never sees a token.
pub mod command;
pub mod playbook;
pub mod scripted;

mod context;
mod prompt;
mod said;
#[cfg(test)]
mod testing;
mod tree;

use crate::domain::order::Instruction;
use crate::domain::{Attempt, Failure, Patch};
use async_trait::async_trait;
use std::fmt::Debug;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What an agent is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub run_id: crate::domain::RunId,
    pub repository: &'a str,
    pub attempt_no: u32,
    pub max_attempts: u32,
    pub test_command: &'a str,
    pub failure: &'a Failure,
    /// The change that was ordered, for a run that is no red build; then `failure` may be none.
    pub order: Option<&'a Instruction>,
    /// Earlier attempts with patches, verdicts and new failures, oldest first.
    pub earlier: &'a [Attempt],
    /// What changed between the last two failures, in words: fixed, still failing, newly failing.
    pub progress: Option<&'a str>,
    pub hint: Option<&'a str>,
    /// Root of the scratch tree; edit here.
    pub tree: &'a Path,
    /// Private folder for HOME, TMPDIR, the context file and the prompt file.
    pub scratch: &'a Path,
    /// git's folder of the tree, read-only.
    pub git_dir: &'a Path,
    pub timeout: std::time::Duration,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The agent believes it changed something; the difference of the tree is the candidate.
    Edited(Account),
    /// The change was made elsewhere; against the failing commit it is the candidate.
    Patched { patch: Patch, account: Account },
    /// Nothing for this agent; the next one is asked in the same attempt.
    Declined(String),
    /// Somebody outside is at it. The run waits without a worker, until it is woken or until then, and the same agent is asked again.
    Waiting { until: jiff::Timestamp, why: String },
    /// The agent tried and failed; the attempt is over.
    Failed { kind: crate::domain::AttemptFailure, reason: String, account: Account },
}

/// What an agent said and used. Raw text: the engine sanitises and masks it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub diagnosis: String,
    /// The whole of what it printed, bounded, for `agent_output_attempt_N.log`.
    pub output: Vec<u8>,
    pub recorded: bool,
    pub tokens: Option<u64>,
    pub cost_usd: Option<f64>,
}

/// Proposes fixes. One turn at a time; may be asked again with what came of its last proposal.
#[async_trait]
pub trait Agent: Debug + Send + Sync {
    /// Stable name, as in `--agent` and in `attempts[].author`.
    fn name(&self) -> &str;

    /// Takes one turn. Stops promptly when `cancel` fires, leaving no process behind.
    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn;
}
