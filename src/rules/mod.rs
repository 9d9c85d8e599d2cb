//! A repository's own rules for being healed (seed 001): `.github/auto-heal-config.yml`, read and checked as a whole.
mod check;
mod filter;
mod patterns;
mod raw;
mod template;
mod yaml;

pub use crate::rules::filter::{Build, Treatment, is_heal_branch};
pub use crate::rules::patterns::Patterns;
pub use crate::rules::template::{Placeholder, Template};

use regex::Regex;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Where a repository keeps its rules.
pub const PATH: &str = ".github/auto-heal-config.yml";
/// Most bytes such a file may have.
pub const MAX_BYTES: usize = 64 * 1024;

/// Every key there is, as a path from the root; another one is refused.
pub const KEYS: &[&str] = &[
    "enabled",
    "monitored_workflows",
    "excluded_workflows",
    "max_heal_attempts_per_day",
    "require_manual_approval",
    "auto_merge_on_success",
    "labels.issues",
    "labels.pull_requests",
    "notifications.create_issue",
    "notifications.mentions",
    "copilot.enabled",
    "copilot.model",
    "copilot.temperature",
    "copilot.include_context",
    "analysis.max_log_lines",
    "analysis.error_keywords",
    "analysis.failure_patterns",
    "branch_naming.prefix",
    "branch_naming.include_workflow_id",
    "branch_naming.include_timestamp",
    "pull_request.title_template",
    "pull_request.description_template",
    "pull_request.draft",
    "pull_request.reviewers",
    "pull_request.team_reviewers",
    "retry.retry_on_merge",
    "retry.retry_delay",
    "logging.retention_days",
    "logging.include_full_logs",
    "logging.generate_reports",
    "security.trusted_branches",
    "security.require_code_review",
    "security.run_security_scans",
    "security.max_file_changes",
];

/// What a repository wants; every value is checked.
#[derive(Debug, Clone)]
pub struct Rules {
    /// False: nothing of this repository is healed.
    pub is_enabled: bool,
    /// Names or paths of the workflows that are watched, and of those that are not.
    pub monitored: Patterns,
    pub excluded: Patterns,
    /// Runs a day for each workflow; none: the file sets no limit of its own.
    pub heals_per_day: Option<u32>,
    /// A proved fix is published only when a person says so.
    pub needs_approval: bool,
    pub labels: Labels,
    pub notifications: Notifications,
    pub copilot: Copilot,
    pub analysis: Analysis,
    pub branch_naming: BranchNaming,
    pub pull_request: PullRequest,
    pub retry: Retry,
    pub logging: Logging,
    /// Branches whose fixes may be published, beside the default branch.
    pub trusted_branches: Patterns,
    /// Most files a fix may change, whatever the policy says; 1–20.
    pub max_file_changes: u32,
}

#[derive(Debug, Clone)]
pub struct Labels {
    pub issues: Vec<String>,
    pub pull_requests: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Notifications {
    pub creates_issue: bool,
    /// Whom to mention for a workflow, by its name in lower case; `default` is for all others. Names are without `@`.
    mentions: BTreeMap<String, Vec<String>>,
}

impl Notifications {
    /// Returns whom to mention when this workflow fails: logins, or teams as `organisation/team`.
    pub fn mentions(&self, workflow: &str) -> &[String] {
        let named = self.mentions.get(&workflow.to_lowercase()).or_else(|| self.mentions.get("default"));
        named.map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Clone)]
pub struct Copilot {
    /// Whether the agent `copilot` may be used here.
    pub is_enabled: bool,
    /// Files that are shown with the failure: paths below the root, `*` within one folder.
    pub include_context: Vec<String>,
    /// The same, to ask of a path.
    pub context: Patterns,
}

#[derive(Debug, Clone)]
pub struct Analysis {
    /// Lines of the log that are told for each failed job.
    pub max_log_lines: u32,
    /// Words that mark a line as worth keeping; literal, upper or lower case.
    pub error_keywords: Vec<String>,
    pub failure_patterns: Vec<FailurePattern>,
}

/// What to suggest where a log matches.
#[derive(Debug, Clone)]
pub struct FailurePattern {
    pub pattern: Regex,
    pub suggestion: String,
}

#[derive(Debug, Clone)]
pub struct BranchNaming {
    /// First part of the name of a branch with a fix.
    pub prefix: String,
    pub has_workflow_id: bool,
    pub has_timestamp: bool,
}

#[derive(Debug, Clone)]
pub struct PullRequest {
    pub title: Option<Template>,
    pub description: Option<Template>,
    /// False: a proved fix is ready for review at once.
    pub is_draft: bool,
    pub reviewers: Vec<String>,
    pub team_reviewers: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Retry {
    /// Whether the failed jobs are run again after the merge.
    pub is_on_merge: bool,
    pub delay: Duration,
}

#[derive(Debug, Clone)]
pub struct Logging {
    pub retention_days: u32,
    pub keeps_full_logs: bool,
    pub writes_reports: bool,
}

/// Something in the file that is accepted, but does not do what one may think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Line in the file, 1-based.
    pub line: u32,
    pub message: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Why the file cannot be used. A repository whose rules are not understood is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RuleError {
    /// Line in the file, 1-based.
    pub line: u32,
    /// What is wrong and what to write instead; cleaned.
    pub message: String,
}

impl Default for Rules {
    /// The rules of a repository that has written none.
    #[expect(clippy::expect_used, reason = "the defaults are constants, and tested")]
    fn default() -> Self {
        Self::read(b"").expect("the defaults pass their own check").0
    }
}

impl Rules {
    /// Reads a file as it is stored; what is hostile about it ends in an error. No bytes, as of an absent file, mean the defaults.
    pub fn read(bytes: &[u8]) -> Result<(Self, Vec<Remark>), RuleError> {
        let text = yaml::text(bytes)?;
        check::check(yaml::parse(text)?, text)
    }
}

#[cfg(test)]
mod tests;
