//! The words for what runs and attempts are: a sign and a word, never a colour alone.
use crate::console::model::queue::Attention;
use crate::console::theme::Role;
use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::ChecksState;
use crate::domain::CiState;
use crate::domain::PrState;
use crate::domain::Reason;
use crate::domain::Run;
use crate::domain::RunForge;
use crate::domain::RunPull;
use crate::domain::Status;
use crate::domain::Verdict;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns the sign, the word and the role of a run's state.
pub fn status(run: &Run) -> (&'static str, Role) {
    match run.status {
        Status::Fixed => ("⚑ NEEDS YOU", Role::StatusNeedsYou),
        Status::Escalated if Attention::of(run) == Attention::Quiet => ("✗ DENIED", Role::StatusAborted),
        Status::Escalated => ("✗ ESCALATED", Role::StatusEscalated),
        Status::Running => ("● HEALING", Role::StatusHealing),
        Status::Queued => ("○ QUEUED", Role::StatusQueued),
        Status::Resolved => ("✓ RESOLVED", Role::StatusResolved),
        Status::Aborted => ("⊘ ABORTED", Role::StatusAborted),
    }
}

/// Returns in one sentence what the run is waiting for, or how it ended.
pub fn situation(run: &Run) -> String {
    let note = run.escalation_note.as_deref().unwrap_or_default();
    match run.status {
        Status::Fixed if !run.approved_by.is_empty() => {
            format!("{} approved; the second key must be another person's", run.approved_by.join(", "))
        }
        Status::Fixed => "a proved patch waits for your decision".to_owned(),
        Status::Escalated => {
            let reason = run.escalation_reason.map_or("it needs a person", Reason::explain);
            let name = run.escalation_reason.map_or("escalated", Reason::as_str);
            if note.is_empty() { format!("{name}: {reason}") } else { format!("{name}: {reason} ({note})") }
        }
        Status::Running if run.attempt_count == 0 => "the failure is being reproduced".to_owned(),
        Status::Running => format!("attempt {} is being worked on", run.attempt_count),
        Status::Queued => match run.not_before {
            Some(at) => format!("waits, until {} at the longest", at.strftime("%H:%MZ")),
            None => "waits for a worker".to_owned(),
        },
        Status::Resolved => {
            let by = run.approved_by.join(", ");
            match &run.heal_branch {
                _ if run.pr_state == PrState::Merged && by.is_empty() => "its pull request was merged".to_owned(),
                _ if run.pr_state == PrState::Merged => format!("approved by {by}; its pull request is merged"),
                Some(branch) => format!("approved by {by}; it is on {branch}"),
                None => format!("approved by {by}"),
            }
        }
        Status::Aborted => "a person stopped it".to_owned(),
    }
}

/// Returns how an attempt ended, with its role.
pub fn result(attempt: &Attempt) -> (String, Role) {
    match attempt.status {
        AttemptStatus::Running if attempt.waiting_since.is_some() => ("● waiting".to_owned(), Role::StatusHealing),
        AttemptStatus::Running => ("● running".to_owned(), Role::StatusHealing),
        AttemptStatus::Succeeded => ("✓ proved".to_owned(), Role::Good),
        AttemptStatus::Failed => {
            let kind = attempt.failure_kind.map_or("failed".to_owned(), |it| it.as_str().replace('_', " "));
            (format!("✗ {kind}"), Role::Bad)
        }
    }
}

/// Returns what stands for a run at the forge, a line each: its pull request or why there is none, its issue, what went wrong.
pub fn at_forge(forge: &RunForge) -> Vec<(String, Role)> {
    let mut lines = Vec::new();
    if let Some(pull) = &forge.pull {
        lines.push(pull_line(pull));
        lines.extend(pull.hands_off.iter().map(|it| (format!("hands off the branch: {it}"), Role::Warning)));
    }
    lines.extend(forge.waits_for.iter().map(|it| (format!("waits for {it}"), Role::Warning)));
    lines.extend(forge.skipped.iter().map(|it| (format!("not published: {it}"), Role::Warning)));
    lines.extend(forge.trouble.iter().map(|it| (format!("GitHub says no: {it}"), Role::NoticeBad)));
    if let Some(number) = forge.issue_number {
        let times = if forge.occurrences == 1 { "once".to_owned() } else { format!("{} times", forge.occurrences) };
        lines.push((format!("issue #{number} · seen {times}"), Role::Dim));
    }
    lines
}

/// Returns how far a pull request is.
fn pull_line(pull: &RunPull) -> (String, Role) {
    let number = pull.number.map_or("no PR yet".to_owned(), |it| format!("PR #{it}"));
    let draft = if pull.is_draft && pull.state == PrState::Open { " draft" } else { "" };
    if pull.state != PrState::Open {
        return (format!("{number} {} · {}", pull.state, pull.branch), Role::Text);
    }
    let role = match pull.checks {
        ChecksState::Red => Role::Bad,
        ChecksState::Green => Role::Good,
        ChecksState::None | ChecksState::Pending | ChecksState::Absent => Role::Text,
    };
    (format!("{number}{draft} open · {} · {}", checks(pull.checks), pull.branch), role)
}

/// Returns what CI says of a pull request.
pub const fn checks(checks: ChecksState) -> &'static str {
    match checks {
        ChecksState::None => "checks not asked yet",
        ChecksState::Pending => "checks pending",
        ChecksState::Green => "checks green",
        ChecksState::Red => "checks red",
        ChecksState::Absent => "no checks ran",
    }
}

/// Returns the sign, the word and the role of how far CI is.
pub const fn ci_state(state: CiState) -> (&'static str, Role) {
    match state {
        CiState::Queued => ("○ queued", Role::StatusQueued),
        CiState::Waiting => ("⚑ waiting", Role::StatusNeedsYou),
        CiState::Running => ("● running", Role::StatusHealing),
        CiState::Green => ("✓ green", Role::Good),
        CiState::Red => ("✗ red", Role::Bad),
        CiState::Cancelled => ("⊘ cancelled", Role::StatusAborted),
        CiState::Skipped => ("· skipped", Role::Dim),
        CiState::Unknown => ("? unknown", Role::Warning),
    }
}

/// Returns a verdict in words, with its role.
pub const fn verdict(verdict: Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Ok => ("✓ ok", Role::Good),
        Verdict::NeedsTwoKeys => ("⚠ two keys: two people must approve", Role::Warning),
        Verdict::Violation => ("✗ violation: never run", Role::Bad),
    }
}

/// Returns the time of day in UTC.
pub fn clock(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// Returns a duration for a narrow column.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Returns a size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
