//! How a run is to be worked on, and what a person put in its way.
use crate::domain::attempt::Author;
use crate::domain::names::named;
use crate::domain::patch::Patch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

named! {
    /// What a dispatch order wants (seed 000).
    Intent { Create = "create", Fix = "fix" }
}

/// A change somebody ordered in words. Attempt 1 is that change; the next ones repair it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Instruction {
    pub intent: Intent,
    pub text: String,
    /// Further words or file paths.
    pub context: Option<String>,
}

/// What a worker needs to know to heal a run again after a crash, in this process or another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// The local repository. Empty: each worker finds its own copy by the run's repository name and its settings.
    pub repo_path: String,
    /// The machine that path is of, or where somebody has the run healed in the foreground: workers of other machines leave it alone. None: any
    /// may take it.
    pub machine: Option<String>,
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
    /// The ordered change, for a run that is a dispatch order and not a red build.
    pub instruction: Option<Instruction>,
    /// Who ordered it; theirs never counts as a key.
    pub requested_by: Option<String>,
    /// Name of the workflow or pipeline that failed, as CI calls it.
    pub workflow: Option<String>,
    /// The run of CI that failed, where it was read from a watched forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<CiRef>,
}

/// Which red run of CI a run is about, and what was known of it when it was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CiRef {
    pub run_id: u64,
    pub attempt: u32,
    pub workflow_id: u64,
    pub workflow: String,
    pub workflow_path: String,
    pub event: String,
    pub url: String,
    /// Whether the commit comes from another repository.
    pub is_fork: bool,
    /// Whether the repository's rules trust the branch.
    pub is_trusted: bool,
    pub default_branch: String,
}

impl Order {
    /// Whether its commit is one of a trusted branch; what no CI reported was ordered by somebody.
    pub fn is_trusted(&self) -> bool {
        self.ci.as_ref().is_none_or(|it| it.is_trusted && !it.is_fork)
    }

    /// Whether the path of a machine says where the repository is, so that the run stays there.
    pub fn is_of_a_path(&self) -> bool {
        !self.repo_path.is_empty()
    }
}

/// What a person handed in for the next attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Pending {
    /// A patch, judged as the next attempt.
    Patch { by: String, patch: Patch, note: Option<String> },
    /// Words for the agent; the next attempt is the agent's.
    Hint { by: String, text: String },
    /// A patch that was proved before its base moved, judged and proved again on the new one.
    Again {
        #[schema(value_type = String)]
        by: Author,
        patch: Patch,
    },
}
