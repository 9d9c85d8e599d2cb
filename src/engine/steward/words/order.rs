//! The pull request of an ordered change: who asked for what, what was done, and what proves it.
use crate::domain::{Attempt, AttemptFailure, Instruction, Reason};
use crate::engine::steward::words::{MAX_TITLE_CHARS, Words, cut};
use crate::evidence::markdown::plain;
use std::fmt::Write as _;

/// Most characters that are shown of the order, of its context, and of what the tests said last.
const MAX_ORDER_CHARS: usize = 8_000;
const MAX_CONTEXT_CHARS: usize = 6_000;
const MAX_TESTS_CHARS: usize = 8_000;
const MAX_DONE_CHARS: usize = 6_000;

/// How an attempt ends whose tests fail.
const RED: &[AttemptFailure] =
    &[AttemptFailure::StillRed, AttemptFailure::TestsTimedOut, AttemptFailure::Unstable, AttemptFailure::CiRed];

impl Words<'_> {
    /// Returns the title as the first service that took such orders wrote it.
    pub(super) fn title_of_order(&self, order: &Instruction, needs_review: bool) -> String {
        let n = self.attempts_until_candidate();
        let (sign, suffix) = match needs_review {
            true => ("🔧", " (Needs Review)".to_owned()),
            false if n > 1 => ("🤖", format!(" (fixed after {n} attempts)")),
            false => ("🤖", String::new()),
        };
        let what = self.safe(order.text.trim(), MAX_TITLE_CHARS);
        let title = plain(&format!("{sign} Jarvis: {} - {what}", order.intent));
        format!("{}{suffix}", cut(&title, MAX_TITLE_CHARS - suffix.chars().count()))
    }

    /// Returns the body without attempts and marker.
    pub(super) fn body_of_order(&self, order: &Instruction, needs_review: bool) -> String {
        let attempt = self.published();
        let mut body = String::new();
        if needs_review {
            let _ = writeln!(body, "**Not proved:** {} A person must look at it.\n", self.why_unproved(attempt));
        }
        let by = self.run.order.requested_by.as_deref().unwrap_or("somebody");
        let _ = writeln!(body, "### Order\n\n{} ordered to {}:\n", self.span(by), order.intent);
        body.push_str(&self.block(&order.text, MAX_ORDER_CHARS, "text"));
        if let Some(context) = order.context.as_ref().filter(|it| !it.trim().is_empty()) {
            let _ = writeln!(body, "\nContext:\n\n{}", self.block(context, MAX_CONTEXT_CHARS, "text"));
        }
        let _ = writeln!(body, "\n{}", self.facts());
        let Some(attempt) = attempt else { return body };
        let _ = writeln!(body, "### What was done\n\n{}", self.block(&attempt.diagnosis, MAX_DONE_CHARS, "text"));
        body.push_str(&self.proof(attempt));
        let said = attempt.new_failure.as_ref().filter(|it| needs_review && !it.trim().is_empty());
        if let Some(said) = said {
            let end = tail(&self.masker.mask(said), MAX_TESTS_CHARS);
            let _ = writeln!(body, "### What the tests said last\n\n{}", self.block(&end, MAX_TESTS_CHARS, "text"));
        }
        body.push_str(&self.findings(attempt));
        body
    }

    fn why_unproved(&self, attempt: Option<&Attempt>) -> String {
        if self.run.order.test_command.is_none() {
            return "no tests were found that could prove it.".to_owned();
        }
        let kind = attempt.and_then(|it| it.failure_kind);
        if kind.is_some_and(|it| RED.contains(&it)) {
            return match self.attempts_until_candidate() {
                1 => "the tests failed after 1 attempt.".to_owned(),
                n => format!("the tests failed after {n} attempts."),
            };
        }
        format!("{}.", self.run.escalation_reason.map_or("its tests did not end well", Reason::explain))
    }

    /// Counts the attempts up to the one that is shown; one that was given back, or was only proved anew, is none.
    fn attempts_until_candidate(&self) -> usize {
        let Some(last) = self.published() else { return 0 };
        let was_judged = |it: &&Attempt| it.failure_kind.is_some() && !it.is_again;
        self.attempts.iter().filter(|it| it.attempt_no < last.attempt_no).filter(was_judged).count() + 1
    }
}

/// Returns the end of a text.
fn tail(text: &str, max_chars: usize) -> String {
    let n = text.chars().count();
    text.chars().skip(n.saturating_sub(max_chars)).collect()
}
