//! A run: one failure on its way to a decision.
use crate::domain::attempt::Attempt;
use crate::domain::event::Event;
use crate::domain::failure::Failure;
use crate::domain::ids::RunId;
use crate::domain::names::named;
use crate::domain::order::{Order, Pending};
use crate::domain::reason::Reason;
use crate::domain::run_forge::RunForge;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

named! {
    /// Where a run stands (DESIGN §1).
    Status {
        /// Waiting for a worker, also between attempts.
        Queued = "queued",
        /// A worker holds the lease.
        Running = "running",
        /// A patch is proved and waits for a person.
        Fixed = "fixed",
        /// A person must act; the reason is recorded.
        Escalated = "escalated",
        /// A person accepted a fix. Final.
        Resolved = "resolved",
        /// A person stopped it.
        Aborted = "aborted",
    }
}

impl Status {
    /// Whether the loop has come to rest: a person must act, or nobody needs to.
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Self::Fixed | Self::Escalated | Self::Resolved | Self::Aborted)
    }
}

named! { Provider { Github = "github", Gitlab = "gitlab", Jenkins = "jenkins", Generic = "generic", Local = "local" } }
named! { Source { Webhook = "webhook", Poll = "poll", Junit = "junit", Capture = "capture", Dispatch = "dispatch", Local = "local" } }
named! { ResolvedBy { Ai = "ai", Human = "human" } }
named! { PrState { None = "none", Open = "open", Merged = "merged", Closed = "closed" } }

/// A run as JSON and the database know it (DESIGN §4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: RunId,
    /// owner/name from `origin`, else the folder's name.
    pub repository: String,
    pub branch: String,
    pub commit_sha: String,
    pub provider: Provider,
    pub source: Source,
    pub pipeline_url: Option<String>,
    /// Of the failure as CI reported it; where nothing was reported that says what failed, empty until it was reproduced.
    pub error_hash: String,
    pub error_type: Option<String>,
    pub error_summary: String,
    pub status: Status,
    pub attempt_count: u32,
    pub max_attempts: u32,
    pub escalation_reason: Option<Reason>,
    /// The escalation in words.
    pub escalation_note: Option<String>,
    pub resolved_by: Option<ResolvedBy>,
    pub approved_by: Vec<String>,
    pub pr_number: Option<u64>,
    pub pr_url: Option<String>,
    pub pr_state: PrState,
    /// The local branch an approve made.
    pub heal_branch: Option<String>,
    pub heal_commit: Option<String>,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub order: Order,
    /// Attempts left before the loop gives up.
    pub budget: u32,
    /// What a person handed in and no attempt has taken yet.
    pub pending: Option<Pending>,
    /// The failure as reproduced at the failing commit.
    pub failure: Option<Failure>,
    /// Not taken before this time.
    pub not_before: Option<Timestamp>,
    /// The commit that the failing branch moved on to, from which everything starts since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebased_on: Option<String>,
    /// How often that happened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rebases: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Run {
    /// Returns a run of a local failure that nobody has worked on yet: queued, version 1, with its whole budget.
    pub fn queued(
        repository: &str,
        branch: &str,
        commit_sha: &str,
        order: Order,
        max_attempts: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            id: RunId::random(),
            repository: repository.to_owned(),
            branch: branch.to_owned(),
            commit_sha: commit_sha.to_owned(),
            provider: Provider::Local,
            source: Source::Local,
            pipeline_url: None,
            error_hash: String::new(),
            error_type: None,
            error_summary: String::new(),
            status: Status::Queued,
            attempt_count: 0,
            max_attempts,
            escalation_reason: None,
            escalation_note: None,
            resolved_by: None,
            approved_by: Vec::new(),
            pr_number: None,
            pr_url: None,
            pr_state: PrState::None,
            heal_branch: None,
            heal_commit: None,
            version: 1,
            created_at: now,
            updated_at: now,
            order,
            budget: max_attempts,
            pending: None,
            failure: None,
            not_before: None,
            rebased_on: None,
            rebases: 0,
        }
    }

    /// Returns the commit from which trees, policy and patches start: the failing one, or the one its branch moved on to.
    pub fn working_commit(&self) -> &str {
        self.rebased_on.as_deref().unwrap_or(&self.commit_sha)
    }

    /// Returns the command that merges what an approve committed, for a person to run; none where the forge has merged it.
    pub fn merge_command(&self) -> Option<String> {
        let is_to_merge = self.status == Status::Resolved && self.pr_state != PrState::Merged;
        let branch = self.heal_branch.as_ref().filter(|_| is_to_merge)?;
        let branch = shell_quoted(branch);
        if self.order.repo_path.is_empty() {
            return Some(format!("git merge --no-ff {branch}"));
        }
        Some(format!("git -C {} merge --no-ff {branch}", shell_quoted(&self.order.repo_path)))
    }
}

/// Quotes a word for a command that is shown to a person.
fn shell_quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|it| it.is_alphanumeric() || "/._-+@".contains(it));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A run with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: Run,
    pub attempts: Vec<Attempt>,
    pub events: Vec<Event>,
    /// What stands for it at the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<RunForge>,
}

impl RunDetail {
    /// Returns the attempt whose patch a decision is about: the proved one, else the latest with a patch.
    pub fn candidate(&self) -> Option<&Attempt> {
        candidate(&self.attempts)
    }
}

/// Returns the attempt whose patch a decision is about: the latest, if it is proved; else the latest with a patch.
pub fn candidate(attempts: &[Attempt]) -> Option<&Attempt> {
    attempts.iter().rev().find(|it| it.proposed_fix.is_some())
}

/// Which runs to list: newest change first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    pub status: Option<Status>,
    pub repository: Option<String>,
    /// How many to skip.
    pub offset: u64,
    /// How many to return; 0 = all.
    pub limit: u64,
}
