//! The tracking issue.
use crate::domain::run::candidate;
use crate::domain::{ChecksState, PrState, PullState, Reason, Status};
use crate::engine::steward::words::{Kind, MAX_LOG_CHARS, Text, Words, marker};
use crate::evidence::markdown::span;
use std::fmt::Write as _;

const MAX_SUGGESTIONS: usize = 5;

impl Words<'_> {
    /// Returns the tracking issue as it should be now.
    pub(in crate::engine::steward) fn issue(&self) -> Text {
        let run = self.run;
        let title = format!("🔧 Auto-Heal: {} fails: {}", self.short_workflow(), self.error_type());
        let mut body = String::new();
        let _ = writeln!(body, "{} fails on {}.\n", span(self.workflow()), span(&run.branch));
        body.push_str(&self.facts());
        let _ = writeln!(body, "\n### What failed\n\n{}", self.block(self.log(), MAX_LOG_CHARS, "text"));
        body.push_str(&self.suggestions());
        let mentions = self.rules.notifications.mentions(self.workflow());
        if !mentions.is_empty() {
            let names: Vec<String> = mentions.iter().map(|it| format!("@{it}")).collect();
            let _ = writeln!(body, "\ncc {}", names.join(" "));
        }
        let _ = writeln!(body, "\n---\n\n**Where it stands:** {}", self.standing());
        self.text(&title, &body, &marker(Kind::Issue, &self.family.key, ""))
    }

    /// Returns where the run stands, in one line.
    fn standing(&self) -> String {
        let run = self.run;
        let pull = self.family.pull.as_ref();
        let is_here = |it: &&PullState| run.status != Status::Fixed || self.holds_candidate(it);
        let pull = pull.filter(is_here);
        let number = pull.and_then(|it| it.number).map(|it| format!("#{it}"));
        let mut line = match (run.status, &number) {
            (Status::Queued | Status::Running, _) => "being worked on".to_owned(),
            (Status::Fixed, Some(number)) => format!("a fix is proposed in {number}"),
            (Status::Fixed, None) => "a fix is proved".to_owned(),
            (Status::Escalated, _) => {
                let reason = run.escalation_reason.map(Reason::explain).unwrap_or_default();
                format!("a person must act: {reason}")
            }
            (Status::Resolved, Some(number)) if run.pr_state == PrState::Merged => {
                match pull.and_then(|it| it.hands_off.as_ref()) {
                    Some(why) => format!("{number} was merged, and not as it was proved: {}", self.span(why)),
                    None => format!("fixed by {number}"),
                }
            }
            (Status::Resolved, _) => "a fix was accepted".to_owned(),
            (Status::Aborted, _) => "stopped by a person".to_owned(),
        };
        if let Some(pull) = pull.filter(|it| it.state == PrState::Open && run.status == Status::Fixed) {
            let checks = match pull.checks {
                ChecksState::None => "",
                ChecksState::Pending => "; CI runs",
                ChecksState::Green => "; CI is green",
                ChecksState::Red => "; CI is red",
                ChecksState::Absent => "; CI did not run on it",
            };
            line.push_str(checks);
            if pull.hands_off.is_some() {
                line.push_str("; somebody else pushed to it, so that it is left alone");
            }
        }
        if let Some(why) = self.family.skipped.as_ref().filter(|_| number.is_none()) {
            let _ = write!(line, "; no pull request: {}", self.span(why));
        }
        line
    }

    fn holds_candidate(&self, pull: &PullState) -> bool {
        candidate(self.attempts).is_some_and(|it| it.patch_digest.as_ref() == Some(&pull.patch))
    }

    fn suggestions(&self) -> String {
        let suggested = self.suggested.iter().map(String::as_str);
        let patterns = self.rules.analysis.failure_patterns.iter();
        let here = patterns.filter(|it| self.log().lines().any(|line| it.pattern.is_match(line)));
        let mut fitting: Vec<&str> = Vec::new();
        for it in suggested.chain(here.map(|it| it.suggestion.as_str())) {
            if fitting.len() < MAX_SUGGESTIONS && !fitting.contains(&it) {
                fitting.push(it);
            }
        }
        if fitting.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = fitting.iter().map(|it| format!("- {}\n", self.span(it))).collect();
        format!("\n### What may help\n\n{}", lines.concat())
    }
}
