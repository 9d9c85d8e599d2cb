//! Comments, and the proposal to take a merge back.
use crate::domain::Status;
use crate::engine::steward::words::{Kind, Text, Words, marker};
use std::fmt::Write as _;

impl Words<'_> {
    /// Returns the day's comment about the failure being seen again; `day` as in 2026-03-01.
    pub(in crate::engine::steward) fn seen(&self, day: &str) -> String {
        let family = self.family;
        let mut body = format!("Seen again: {} times by now, last at {:.0}.\n", family.count, family.last_seen_at);
        if let Some(url) = &family.last_url {
            let _ = writeln!(body, "\n{}", self.link("The last run", url));
        }
        self.text("", &body, &marker(Kind::Seen, &family.key, &format!("day={day}"))).body
    }

    /// Returns what is said where a pull request is closed because of a decision here.
    pub(in crate::engine::steward) fn closed(&self, number: u64) -> String {
        let why = match self.run.status {
            Status::Aborted => "The run was stopped.".to_owned(),
            _ => {
                format!("This fix was refused: {}", self.span(self.run.escalation_note.as_deref().unwrap_or_default()))
            }
        };
        self.text("", &format!("{why}\n"), &marker(Kind::Closed, &self.family.key, &format!("pull={number}"))).body
    }

    /// Returns what is said where the issue is closed.
    pub(in crate::engine::steward) fn held(&self, number: u64, is_seen: bool) -> String {
        let how = if is_seen {
            "CI is green with it"
        } else {
            "the failure did not come back in the set time, in which CI did not run"
        };
        let body = format!("Fixed by #{number}: {how}.\n");
        self.text("", &body, &marker(Kind::Held, &self.family.key, &format!("pull={number}"))).body
    }

    /// Returns the proposal to take a merge back.
    pub(in crate::engine::steward) fn revert(&self, number: u64, merged: &str) -> Text {
        let title = format!("Revert #{number}: the failure is back");
        let mut body = format!("#{number} was merged as {merged}, and the failure that it was to fix is back.\n\n");
        body.push_str(&self.facts());
        if let Some(issue) = &self.family.issue {
            let _ = writeln!(body, "\nTracking issue: #{}", issue.number);
        }
        body.push_str("\nThis takes the change back as it was made. A person decides whether that is better.\n");
        let made = self.text("", &body, &marker(Kind::Revert, &self.family.key, &format!("pull={number}")));
        Text { title, ..made }
    }
}
