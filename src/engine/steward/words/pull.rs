//! The pull request of a fix: what failed, why, and how it is proved.
use crate::domain::run::candidate;
use crate::domain::{Attempt, AttemptStatus, Digest, PullState, Verdict};
use crate::engine::steward::words::{Kind, MAX_LOG_CHARS, MAX_SPAN_CHARS, MAX_TITLE_CHARS, Text, Words, cut, marker};
use crate::evidence::markdown::{cell, plain, span};
use crate::rules::Placeholder;
use std::fmt::Write as _;

const MAX_DIAGNOSIS_CHARS: usize = 6_000;
/// Attempts and findings that are shown.
const MAX_ROWS: usize = 20;
/// What came of a patch that changes what runs at the forge and was not asked for by anybody but its author.
const HELD_BACK: &str = "proved, and held back: another person than its author must ask for it";

impl Words<'_> {
    /// Returns the pull request as it should be now.
    pub(in crate::engine::steward) fn pull(&self, needs_review: bool) -> Text {
        let run = self.run;
        let (title, mut body) = match &run.order.instruction {
            Some(order) => (self.title_of_order(order, needs_review), self.body_of_order(order, needs_review)),
            None => (self.title_of_fix(needs_review), self.body_of_fix(needs_review)),
        };
        body.push_str(&self.attempts_table());
        let patch = self.published().and_then(|it| it.patch_digest.as_ref());
        if let Some(by) = self.family.asked_by(patch) {
            let _ = writeln!(body, "\nAsked for by {}.", self.span(by));
        }
        let digest = patch.map(Digest::short).unwrap_or_default();
        let more = format!("run={} patch={digest}", run.id);
        self.text(&title, &body, &marker(Kind::Pull, &self.family.key, &more))
    }

    fn title_of_fix(&self, needs_review: bool) -> String {
        let title = match &self.rules.pull_request.title {
            Some(title) => title.fill(|it| plain(&self.value(it))),
            None => format!("Heal {}: {}", self.short_workflow(), self.error_type()),
        };
        let suffix = if needs_review { " (Needs Review)" } else { "" };
        format!("{}{suffix}", cut(&plain(&title), MAX_TITLE_CHARS - suffix.len()))
    }

    /// Returns the body without attempts and marker.
    fn body_of_fix(&self, needs_review: bool) -> String {
        let mut body = match &self.rules.pull_request.description {
            Some(description) => format!("{}\n\n---\n\n", description.fill(|it| span(&self.value(it)))),
            None => String::new(),
        };
        if needs_review {
            body.push_str(
                "**Not proved:** the failure is not shown to be gone with this change. Do not merge it as it is.\n\n",
            );
        }
        body.push_str(&self.facts());
        if let Some(issue) = &self.family.issue {
            let _ = writeln!(body, "\nTracking issue: #{}", issue.number);
        }
        let _ = writeln!(body, "\n### What failed\n\n{}", self.block(self.log(), MAX_LOG_CHARS, "text"));
        if let Some(attempt) = self.published() {
            let _ = writeln!(body, "### Why\n\n{}", self.block(&attempt.diagnosis, MAX_DIAGNOSIS_CHARS, "text"));
            body.push_str(&self.proof(attempt));
            body.push_str(&self.findings(attempt));
        }
        body
    }

    /// Returns the attempt whose patch the pull request holds; before there is one, the attempt whose patch it is to hold.
    pub(super) fn published(&self) -> Option<&Attempt> {
        let candidate = candidate(self.attempts)?;
        let Some(pull) = &self.family.pull else { return Some(candidate) };
        let is_held = |it: &&Attempt| it.patch_digest.as_ref() == Some(&pull.patch);
        self.attempts.iter().rev().find(is_held)
    }

    pub(super) fn proof(&self, attempt: &Attempt) -> String {
        let run = self.run;
        let command = run.order.test_command.as_deref().unwrap_or_default();
        let mut text = String::from("### Proof\n\n");
        if attempt.status == AttemptStatus::Succeeded {
            let base = run.working_commit();
            let short = base.get(..8).unwrap_or(base);
            let before =
                if run.order.instruction.is_some() { String::new() } else { format!("red at {}, ", span(short)) };
            let _ = writeln!(text, "{}: {before}green with this change, green again.\n", self.span(command));
        } else {
            let why = self.span(attempt.failure_reason.as_deref().unwrap_or("not proved"));
            let of = if command.is_empty() { String::new() } else { format!("{}: ", self.span(command)) };
            let _ = writeln!(text, "{of}{why}\n");
        }
        if let Some(digest) = &attempt.patch_digest {
            let _ = writeln!(text, "Patch {}.\n", span(&format!("sha256:{digest}")));
        }
        text
    }

    pub(super) fn findings(&self, attempt: &Attempt) -> String {
        let Some(guard) = &attempt.guard else { return String::new() };
        let verdict = match guard.verdict {
            Verdict::Ok => "nothing to object to",
            Verdict::NeedsTwoKeys => "two different people must approve it",
            Verdict::Violation => "it violates the policy",
        };
        let mut text = format!("### Guard\n\nThe guard says: {verdict}.\n");
        for finding in guard.findings.iter().take(MAX_ROWS) {
            let place = finding.line.map_or_else(|| finding.file.clone(), |line| format!("{}:{line}", finding.file));
            let _ = writeln!(text, "- {} {}", self.span(&place), self.span(&finding.reason));
        }
        text.push('\n');
        text
    }

    fn attempts_table(&self) -> String {
        let mut table = String::from("### Attempts\n\n| | by | came to |\n| --- | --- | --- |\n");
        for attempt in self.attempts.iter().rev().take(MAX_ROWS).rev() {
            let outcome = match attempt.status {
                AttemptStatus::Succeeded if self.is_held_back(attempt) => HELD_BACK,
                AttemptStatus::Succeeded => "proved",
                _ => attempt.failure_reason.as_deref().unwrap_or("under way"),
            };
            let by = cell(&self.safe(&attempt.author.to_string(), MAX_SPAN_CHARS));
            let _ =
                writeln!(table, "| {} | {by} | {} |", attempt.attempt_no, cell(&self.safe(outcome, MAX_SPAN_CHARS)));
        }
        table
    }

    /// Whether a patch is not here but waits for a second person's word.
    fn is_held_back(&self, attempt: &Attempt) -> bool {
        let is_elsewhere = |it: &PullState| attempt.patch_digest.as_ref() != Some(&it.patch);
        attempt.waits_for_another().is_some() && self.family.pull.as_ref().is_some_and(is_elsewhere)
    }

    /// Returns a value of a template, not yet fit to stand anywhere.
    fn value(&self, placeholder: Placeholder) -> String {
        let run = self.run;
        let value = match placeholder {
            Placeholder::WorkflowName => self.short_workflow(),
            Placeholder::RunId => run.order.ci.as_ref().map_or_else(|| run.id.to_string(), |it| it.run_id.to_string()),
            Placeholder::Branch => run.branch.clone(),
            Placeholder::FailedJobsCount => self.failed_jobs.to_owned(),
            Placeholder::IssueNumber => self.family.issue.as_ref().map(|it| it.number.to_string()).unwrap_or_default(),
            Placeholder::ChangesDescription => self.changes(),
        };
        self.safe(&value, MAX_SPAN_CHARS)
    }

    fn changes(&self) -> String {
        let Some(patch) = self.published().and_then(|it| it.proposed_fix.as_ref()) else {
            return String::new();
        };
        let (files, added, removed) = patch.stat();
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        format!("{files}, +{added} -{removed}")
    }
}
