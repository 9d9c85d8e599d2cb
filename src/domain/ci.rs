//! Runs and jobs of a CI system, as its forge tells them, and what the forge still lets us ask.
use jiff::Timestamp;
use serde::Serialize;

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
            ("completed", Some("cancelled")) => Self::Cancelled,
            ("completed", Some("neutral" | "skipped" | "stale")) => Self::Skipped,
            _ => Self::Unknown,
        }
    }
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiJob {
    pub id: u64,
    pub run_id: u64,
    pub attempt: u32,
    pub name: String,
    pub state: CiState,
    pub conclusion: Option<String>,
    pub url: String,
    pub steps: Vec<CiStep>,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiStep {
    pub number: u32,
    pub name: String,
    pub state: CiState,
    pub conclusion: Option<String>,
}

/// What a forge still lets us ask, as its answers tell; knowing it costs no request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
