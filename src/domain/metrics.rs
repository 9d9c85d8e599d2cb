//! Counts over the backlog: seed 004's summary.
use crate::domain::run::Status;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// How many runs are in each state, and how well the agents do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub queued: u64,
    pub running: u64,
    pub fixed: u64,
    pub escalated: u64,
    pub resolved: u64,
    pub aborted: u64,
    pub total: u64,
    /// Share of ended runs (fixed, escalated, resolved, aborted) that an agent fixed, in percent with two decimals; 0 without any.
    pub ai_success_rate: f64,
    /// Processes that take runs from the queue right now; only where the whole backlog is summed up
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workers: Option<u64>,
}

/// The same for one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySummary {
    pub repository: String,
    #[serde(flatten)]
    pub summary: Summary,
}

impl RepositorySummary {
    /// Counts `(repository, status, fixed by an agent, how many)` rows; most runs first.
    pub fn from_rows(rows: impl IntoIterator<Item = (String, Status, bool, u64)>) -> Vec<Self> {
        let mut by_name: BTreeMap<String, Vec<(Status, bool, u64)>> = BTreeMap::new();
        for (repository, status, is_by_agent, n) in rows {
            by_name.entry(repository).or_default().push((status, is_by_agent, n));
        }
        let summed =
            by_name.into_iter().map(|(repository, rows)| Self { repository, summary: Summary::from_rows(rows) });
        let mut summaries: Vec<Self> = summed.collect();
        summaries.sort_by_key(|it| Reverse(it.summary.total));
        summaries
    }
}

/// What waits and what is being worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    pub queued: u64,
    /// Leases held, expired or not.
    pub leased: u64,
    /// How long the run waits that came in first.
    pub oldest_age: Option<Duration>,
}

impl Summary {
    /// Counts `(status, fixed by an agent, how many)` rows.
    #[expect(clippy::cast_precision_loss, reason = "a percentage of fewer than 2^52 runs")]
    pub fn from_rows(rows: impl IntoIterator<Item = (Status, bool, u64)>) -> Self {
        let mut summary = Self::default();
        let mut by_agent = 0;
        for (status, is_by_agent, n) in rows {
            summary.total += n;
            match status {
                Status::Queued => summary.queued += n,
                Status::Running => summary.running += n,
                Status::Fixed => summary.fixed += n,
                Status::Escalated => summary.escalated += n,
                Status::Resolved => summary.resolved += n,
                Status::Aborted => summary.aborted += n,
            }
            if is_by_agent && matches!(status, Status::Fixed | Status::Resolved) {
                by_agent += n;
            }
        }
        let ended = summary.fixed + summary.escalated + summary.resolved + summary.aborted;
        if ended > 0 {
            summary.ai_success_rate = (by_agent as f64 / ended as f64 * 10_000.0).round() / 100.0;
        }
        summary
    }
}
