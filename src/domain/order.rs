//! How a run is to be worked on, and what a person put in its way.
use crate::domain::patch::Patch;
use serde::{Deserialize, Serialize};

/// What a worker needs to know to heal a run again after a crash, in this process or another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// The local repository.
    pub repo_path: String,
    /// The command whose red is healed, run by `sh -c` in the root of the tree; none = discover it.
    pub test_command: Option<String>,
    /// Why that command: `--test`, or the file that gave it away.
    pub test_reason: Option<String>,
    /// Agents in the order they are tried.
    pub agents: Vec<String>,
    /// The program behind the agent `command`, run by `sh -c`.
    pub agent_command: Option<String>,
    /// A recorded script for the agent `scripted`.
    pub script: Option<String>,
    /// Whether dependencies are never fetched before the tests.
    pub is_offline: bool,
    /// Time limit of each command the run starts, in milliseconds.
    pub timeout_ms: u64,
}

/// What a person handed in for the next attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Pending {
    /// A patch, judged as the next attempt.
    Patch { by: String, patch: Patch, note: Option<String> },
    /// Words for the agent; the next attempt is the agent's.
    Hint { by: String, text: String },
}
