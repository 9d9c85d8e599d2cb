//! The keys of the file as they are written.
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A value that may be left out, with its place.
pub(super) type Value<T> = Option<Spanned<T>>;
/// A list whose items have places.
pub(super) type List = Option<Vec<Spanned<String>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRules {
    pub(super) enabled: Option<bool>,
    pub(super) monitored_workflows: Value<Vec<Spanned<String>>>,
    pub(super) excluded_workflows: List,
    pub(super) max_heal_attempts_per_day: Value<i64>,
    pub(super) require_manual_approval: Option<bool>,
    pub(super) auto_merge_on_success: Value<bool>,
    pub(super) labels: Option<RawLabels>,
    pub(super) notifications: Option<RawNotifications>,
    pub(super) copilot: Option<RawCopilot>,
    pub(super) analysis: Option<RawAnalysis>,
    pub(super) branch_naming: Option<RawBranchNaming>,
    pub(super) pull_request: Option<RawPullRequest>,
    pub(super) retry: Option<RawRetry>,
    pub(super) logging: Option<RawLogging>,
    pub(super) security: Option<RawSecurity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLabels {
    pub(super) issues: List,
    pub(super) pull_requests: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawNotifications {
    pub(super) create_issue: Option<bool>,
    pub(super) mentions: Value<BTreeMap<String, List>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCopilot {
    pub(super) enabled: Option<bool>,
    pub(super) model: Value<String>,
    pub(super) temperature: Value<f64>,
    pub(super) include_context: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAnalysis {
    pub(super) max_log_lines: Value<i64>,
    pub(super) error_keywords: List,
    pub(super) failure_patterns: Option<Vec<RawFailurePattern>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFailurePattern {
    pub(super) pattern: Spanned<String>,
    pub(super) suggestion: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBranchNaming {
    pub(super) prefix: Value<String>,
    pub(super) include_workflow_id: Option<bool>,
    pub(super) include_timestamp: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPullRequest {
    pub(super) title_template: Value<String>,
    pub(super) description_template: Value<String>,
    pub(super) draft: Option<bool>,
    pub(super) reviewers: List,
    pub(super) team_reviewers: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRetry {
    pub(super) retry_on_merge: Option<bool>,
    pub(super) retry_delay: Value<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLogging {
    pub(super) retention_days: Value<i64>,
    pub(super) include_full_logs: Option<bool>,
    pub(super) generate_reports: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSecurity {
    pub(super) trusted_branches: List,
    pub(super) require_code_review: Value<bool>,
    pub(super) run_security_scans: Value<bool>,
    pub(super) max_file_changes: Value<i64>,
}
