//! The queue: who needs a human first, the longest waiting first.
use crate::domain::Reason;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Status;
use crate::domain::Summary;
use jiff::Timestamp;

/// The runs as last read, what is filtered and what is selected (by id, so that a reload never moves the cursor to another run).
#[derive(Debug, Clone, Default)]
pub struct Queue {
    pub runs: Vec<Run>,
    pub total: u64,
    pub summary: Summary,
    pub is_loaded: bool,
    pub filter: String,
    pub selected: Option<RunId>,
    pub offset: usize,
}

/// What a run wants from people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    NeedsYou,
    Escalated,
    Healing,
    Queued,
    /// Denied, resolved or aborted: nobody needs to act.
    Quiet,
}

impl Attention {
    /// Returns what this run wants from people.
    pub fn of(run: &Run) -> Self {
        match run.status {
            Status::Fixed => Self::NeedsYou,
            Status::Escalated if run.escalation_reason == Some(Reason::Denied) => Self::Quiet,
            Status::Escalated => Self::Escalated,
            Status::Running => Self::Healing,
            Status::Queued => Self::Queued,
            Status::Resolved | Status::Aborted => Self::Quiet,
        }
    }

    /// Whether a person must act.
    pub const fn is_needy(self) -> bool {
        matches!(self, Self::NeedsYou | Self::Escalated)
    }
}

impl Queue {
    /// Takes what was read, sorts it, and keeps the selection on its run.
    pub fn take(&mut self, mut runs: Vec<Run>, total: u64, summary: Summary) {
        let age = |run: &Run| run.updated_at.as_millisecond();
        runs.sort_by_key(|run| {
            let attention = Attention::of(run);
            // Waiting runs: oldest first. Quiet runs: newest first.
            let order = if attention == Attention::Quiet { -age(run) } else { age(run) };
            (attention, order, run.id)
        });
        let was_at = self.position();
        (self.runs, self.total, self.summary, self.is_loaded) = (runs, total, summary, true);
        if self.position().is_none() {
            let visible = self.visible();
            let idx = was_at.unwrap_or(0).min(visible.len().saturating_sub(1));
            self.selected = visible.get(idx).map(|it| it.id);
        }
    }

    /// Returns the runs that pass the filter.
    pub fn visible(&self) -> Vec<&Run> {
        let (needle, is_inverse) = match self.filter.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (self.filter.as_str(), false),
        };
        let needle = needle.trim().to_lowercase();
        self.runs.iter().filter(|run| needle.is_empty() || is_inverse != matches(run, &needle)).collect()
    }

    /// Returns where the selected run stands among the visible ones.
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected?;
        self.visible().iter().position(|it| it.id == selected)
    }

    /// Returns the selected run.
    pub fn current(&self) -> Option<&Run> {
        let selected = self.selected?;
        self.runs.iter().find(|it| it.id == selected)
    }

    /// Selects the visible run at `idx`, or the last one.
    pub fn select(&mut self, idx: usize) {
        let visible = self.visible();
        self.selected = visible.get(idx.min(visible.len().saturating_sub(1))).map(|it| it.id);
    }

    /// Counts the runs that need a person.
    pub fn needy(&self) -> u64 {
        self.runs.iter().filter(|it| Attention::of(it).is_needy()).count() as u64
    }
}

fn matches(run: &Run, needle: &str) -> bool {
    let status = run.status.as_str();
    let reason = run.escalation_reason.map_or("", Reason::as_str);
    let id = run.id.to_string();
    [&run.repository, &run.branch, &run.error_summary, status, reason, &id, &run.commit_sha]
        .iter()
        .any(|it| it.to_lowercase().contains(needle))
}

/// Returns how long `run` has been in its state, for a narrow column: `12s`, `4m`, `1h04`, `3d`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h{:02}", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}
