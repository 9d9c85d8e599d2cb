//! Runs and jobs of a CI system as its forge tells them, watched repositories as they were last seen, and what the forge still lets us ask.
use crate::domain::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

crate::domain::names::named! {
    /// How far a run, a job or a step of CI is.
    CiState {
        Queued = "queued",
        /// It waits for somebody: an approval, a deployment.
        Waiting = "waiting",
        Running = "running",
        Green = "green",
        Red = "red",
        Cancelled = "cancelled",
        /// It did not run, or it says nothing about the code.
        Skipped = "skipped",
        /// The forge has a word for it that is not known here.
        Unknown = "unknown",
    }
}

impl CiState {
    /// Returns the one word for GitHub's two. What is not known is [`CiState::Unknown`], never an error.
    pub fn of(status: &str, conclusion: Option<&str>) -> Self {
        match (status, conclusion) {
            ("waiting" | "action_required", _) | ("completed", Some("action_required")) => Self::Waiting,
            ("queued" | "requested" | "pending", _) => Self::Queued,
            ("in_progress", _) => Self::Running,
            ("completed", Some("success")) => Self::Green,
            ("completed", Some("failure" | "timed_out" | "startup_failure" | "error")) => Self::Red,
            ("completed", Some("cancelled" | "stale")) => Self::Cancelled,
            ("completed", Some("neutral" | "skipped")) => Self::Skipped,
            _ => Self::Unknown,
        }
    }
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CiRun {
    pub id: u64,
    /// Counts from 1; running it again makes the next.
    pub attempt: u32,
    /// What people call it: the workflow's own count.
    pub number: u64,
    pub workflow: String,
    pub workflow_id: u64,
    pub workflow_path: String,
    pub title: String,
    pub event: String,
    pub branch: String,
    pub commit_sha: String,
    pub state: CiState,
    pub conclusion: Option<String>,
    pub actor: String,
    /// Where the commit comes from; another than the run's repository is a fork.
    pub head_repository: Option<String>,
    pub author_email: String,
    /// The first 500 characters.
    pub commit_message: String,
    pub pull_numbers: Vec<u64>,
    pub url: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CiJob {
    pub id: u64,
    pub run_id: u64,
    pub attempt: u32,
    pub name: String,
    pub state: CiState,
    pub conclusion: Option<String>,
    /// Under which its annotations are found.
    pub check_run_id: Option<u64>,
    pub url: String,
    pub steps: Vec<CiStep>,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CiStep {
    pub number: u32,
    pub name: String,
    pub state: CiState,
    pub conclusion: Option<String>,
}

/// What a forge still lets us ask, as its answers tell; knowing it costs no request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    pub limit: Option<u32>,
    pub remaining: Option<u32>,
    pub resets_at: Option<Timestamp>,
    /// Requests since the start of this process.
    pub requests: u64,
    /// Those that were answered "not changed", which the forge does not count.
    pub unchanged: u64,
    /// Requests an hour at the pace of the last ten minutes.
    pub per_hour: u64,
    /// Until when nothing is asked.
    pub blocked_until: Option<Timestamp>,
    /// Why not, in words.
    pub why: Option<String>,
}

/// An environment whose deployment waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    pub environment_id: u64,
    pub environment: String,
    /// Whether the owner of the token may approve it.
    pub may_approve: bool,
    /// Who else may: people and teams.
    pub reviewers: Vec<String>,
}

crate::domain::names::named! {
    /// What there is of a repository's own rules.
    RulesFile {
        /// Nobody has looked yet.
        Unread = "unread",
        /// There is none: the defaults hold.
        Absent = "absent",
        Read = "read",
        /// It is wrong, and until it is mended nothing of the repository is healed or published.
        Refused = "refused",
    }
}

/// A repository's own rules, as they were last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RulesPicture {
    pub file: RulesFile,
    /// Keys that are taken and have no effect, with their lines.
    pub remarks: Vec<String>,
    /// Why it was refused, with the line.
    pub refusal: Option<String>,
}

/// How much of something was used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    pub used: u32,
    /// None: no limit.
    pub limit: Option<u32>,
}

impl Used {
    /// Whether nothing is left.
    pub fn is_up(self) -> bool {
        self.limit.is_some_and(|it| self.used >= it)
    }
}

/// What may still be done in a repository in these 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsPicture {
    /// Runs that were healed, by workflow.
    pub heals_today: BTreeMap<String, Used>,
    pub prs_today: Used,
    pub open_prs: Used,
}

/// A workflow run as it was last seen, and what became of it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenRun {
    #[serde(flatten)]
    pub run: CiRun,
    /// The run that heals it.
    pub heal: Option<RunId>,
    /// Why none does, in words.
    pub ignored: Option<String>,
}

/// The checks of a commit, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecksSummary {
    pub green: u32,
    pub red: u32,
    pub pending: u32,
}

/// A pull request as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenPull {
    pub number: u64,
    pub title: String,
    pub branch: String,
    pub head: String,
    pub is_draft: bool,
    /// None: nobody has asked.
    pub checks: Option<ChecksSummary>,
    /// Whether Paramedic opened it.
    pub is_ours: bool,
    pub url: String,
}

/// A watched repository as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// owner/name
    pub repository: String,
    /// When the forge last answered, also that nothing changed. None: never yet.
    pub seen_at: Option<Timestamp>,
    /// When it is asked next.
    pub next_at: Option<Timestamp>,
    /// Empty until known.
    pub default_branch: String,
    /// Why the last look failed, in words.
    pub error: Option<String>,
    pub rules: RulesPicture,
    pub limits: LimitsPicture,
    /// Newest first.
    pub runs: Vec<SeenRun>,
    /// Open ones.
    pub pulls: Vec<SeenPull>,
    /// Heal branches without an open pull request for longer than the settings say.
    pub stale_branches: Vec<String>,
}

/// All that is watched, for a screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CiView {
    pub pictures: Vec<Picture>,
    /// What the forge still lets the watcher ask.
    pub budget: Option<Budget>,
    /// Whether anything may be changed at the forge.
    pub can_write: bool,
    /// Why not, in words.
    pub why_not: Option<String>,
    /// When this was put together.
    pub now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_of_github_are_one_of_ours() {
        for (status, conclusion, state) in [
            ("completed", Some("success"), CiState::Green),
            ("completed", Some("failure"), CiState::Red),
            ("completed", Some("timed_out"), CiState::Red),
            ("completed", Some("startup_failure"), CiState::Red),
            ("completed", Some("cancelled"), CiState::Cancelled),
            ("completed", Some("skipped"), CiState::Skipped),
            ("completed", Some("action_required"), CiState::Waiting),
            ("completed", Some("a new one"), CiState::Unknown),
            ("completed", None, CiState::Unknown),
            ("in_progress", None, CiState::Running),
            ("queued", None, CiState::Queued),
            ("pending", None, CiState::Queued),
            ("waiting", None, CiState::Waiting),
            ("", None, CiState::Unknown),
        ] {
            assert_eq!(CiState::of(status, conclusion), state, "{status} {conclusion:?}");
        }
    }
}
