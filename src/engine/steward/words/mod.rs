//! What is written at the forge: titles and bodies of issues, pull requests and comments. Pure; foreign text stays in spans and fences.
mod comments;
mod copilot;
mod issue;
mod order;
mod pull;

pub(super) use copilot::holds_prompt;

use crate::domain::{Attempt, Digest, Family, Run};
use crate::evidence::markdown::{cell, fence, plain, span};
use crate::evidence::mask::{MASK, Masker, PemState};
use crate::rules::Rules;
use std::fmt::Write as _;

/// Most characters of a body; the forge takes 65,536.
const MAX_BODY_CHARS: usize = 60_000;
const MAX_TITLE_CHARS: usize = 120;
/// Most characters of a workflow's name in a title.
const MAX_NAME_CHARS: usize = 60;
/// Most characters of a log or a patch that is shown.
const MAX_LOG_CHARS: usize = 20_000;
/// Most characters of anything that stands within a line.
const MAX_SPAN_CHARS: usize = 300;

/// What stands for a family at the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Issue,
    Pull,
    Seen,
    Closed,
    Held,
    Revert,
    Copilot,
    CopilotLeft,
}

/// A title and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) title: String,
    pub(super) body: String,
}

impl Text {
    /// The same for a text of ours and for how a forge gives it back.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(format!("{}\n\n{}", self.title.trim(), self.body_digest()))
    }

    pub(super) fn body_digest(&self) -> Digest {
        Digest::of(self.body.replace("\r\n", "\n").trim())
    }
}

/// Everything that can be told of a family and its run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) masker: &'a Masker,
    pub(super) rules: &'a Rules,
    /// Page of the repository.
    pub(super) web_url: &'a str,
    pub(super) family: &'a Family,
    pub(super) run: &'a Run,
    pub(super) attempts: &'a [Attempt],
    /// How many jobs failed.
    pub(super) failed_jobs: &'a str,
    /// Of how many of them no log was read.
    pub(super) unread_jobs: u64,
    /// What the rules suggested when the logs of CI were read.
    pub(super) suggested: &'a [String],
}

/// Returns the last line of what we write, by which it is found again.
pub(super) fn marker(kind: Kind, family: &Digest, more: &str) -> String {
    let kind = match kind {
        Kind::Issue => "issue",
        Kind::Pull => "pr",
        Kind::Seen => "seen",
        Kind::Closed => "closed",
        Kind::Held => "held",
        Kind::Revert => "revert",
        Kind::Copilot => "copilot",
        Kind::CopilotLeft => "copilot-left",
    };
    let family = family.as_str().get(..16).unwrap_or_default();
    let more = if more.is_empty() { String::new() } else { format!(" {more}") };
    format!("<!-- paramedic:{kind} v1 family={family}{more} -->")
}

/// Whether a text is marked so. Only its last line counts: what stands above may be anybody's.
pub(super) fn is_marked(body: &str, marker: &str) -> bool {
    body.trim_end().lines().next_back().is_some_and(|it| it.trim() == marker)
}

impl Words<'_> {
    fn facts(&self) -> String {
        let run = self.run;
        let mut table = String::from("| | |\n| --- | --- |\n");
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(table, "| {name} | {} |", cell(&self.safe(value, MAX_SPAN_CHARS)));
        };
        let is_order = run.order.instruction.is_some();
        if !is_order {
            row("Workflow", self.workflow());
        }
        row("Branch", &run.branch);
        row("Commit", if is_order { run.working_commit() } else { &run.commit_sha });
        if !is_order {
            row("Error", self.error_type());
            row("Summary", &run.error_summary);
            if self.unread_jobs > 0 {
                row("Failed jobs", &format!("{}, the logs of {} were not read", self.failed_jobs, self.unread_jobs));
            }
            row("Error hash", &run.error_hash);
        }
        row("Run of Paramedic", &run.id.to_string());
        if let Some(ci) = &run.order.ci {
            // Our own form of the address, not the sender's.
            let _ = writeln!(table, "| Run of CI | [{0}]({1}/actions/runs/{0}) |", ci.run_id, self.web_url);
        }
        table
    }

    fn workflow(&self) -> &str {
        let ci = self.run.order.ci.as_ref().map(|it| it.workflow.as_str());
        ci.or(self.run.order.workflow.as_deref()).filter(|it| !it.trim().is_empty()).unwrap_or("CI")
    }

    /// Returns the workflow's name for a title: what follows it must be seen, too.
    fn short_workflow(&self) -> String {
        self.safe(self.workflow().trim(), MAX_NAME_CHARS)
    }

    fn error_type(&self) -> &str {
        self.run.error_type.as_deref().filter(|it| !it.is_empty()).unwrap_or("failure")
    }

    fn log(&self) -> &str {
        let failure = self.run.failure.as_ref().map(|it| it.reduced_log.as_str());
        failure.filter(|it| !it.is_empty()).unwrap_or(&self.run.error_summary)
    }

    /// Links to a page of the repository; another address is only shown.
    fn link(&self, name: &str, url: &str) -> String {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "/-_.".contains(it);
        match url.strip_prefix(self.web_url) {
            Some(rest) if rest.starts_with('/') && rest.chars().all(is_plain) => format!("[{name}]({url})"),
            _ => format!("{name}: {}", self.span(url)),
        }
    }

    fn span(&self, text: &str) -> String {
        span(&self.safe(text, MAX_SPAN_CHARS))
    }

    fn block(&self, text: &str, max_chars: usize, language: &str) -> String {
        fence(&self.safe(text, max_chars), language)
    }

    /// Masks a foreign text before it is cut, so that no half of a secret is left.
    fn safe(&self, text: &str, max_chars: usize) -> String {
        cut(&self.masker.mask(text), max_chars)
    }

    /// Puts a text together. What still looks like a secret, now that all is in place, goes with its whole line: no span or fence is opened by it.
    fn text(&self, title: &str, body: &str, marker: &str) -> Text {
        let mask_line = |line: &str| {
            let masked = self.masker.mask_line(line, &mut PemState::default());
            if masked == line { line.to_owned() } else { MASK.to_owned() }
        };
        let lines: Vec<String> = body.trim_end().lines().map(mask_line).collect();
        let room = MAX_BODY_CHARS - marker.chars().count() - 2;
        let body = lines.join("\n");
        // All parts are bounded so that this cannot be; a body is never cut within a fence.
        let body = if body.chars().count() > room { "There is too much to be told here.".to_owned() } else { body };
        let title = cut(&plain(&self.masker.mask(title)), MAX_TITLE_CHARS);
        Text { title, body: format!("{body}\n\n{marker}") }
    }
}

fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests;
