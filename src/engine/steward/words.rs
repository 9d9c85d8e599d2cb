//! What is written at the forge: titles and bodies of issues, pull requests and comments. Pure; foreign text stays in spans and fences.
use crate::domain::run::candidate;
use crate::domain::{Attempt, AttemptStatus, ChecksState, Digest, Family, PrState, Reason, Run, Status, Verdict};
use crate::evidence::markdown::{cell, fence, plain, span};
use crate::evidence::mask::{MASK, Masker, PemState};
use crate::rules::{Placeholder, Rules};
use std::fmt::Write as _;

/// Most characters of a body; the forge takes 65,536.
const MAX_BODY_CHARS: usize = 60_000;
const MAX_TITLE_CHARS: usize = 120;
/// Most characters of a workflow's name in a title.
const MAX_NAME_CHARS: usize = 60;
/// Most characters of a log or a patch that is shown.
const MAX_LOG_CHARS: usize = 20_000;
const MAX_DIAGNOSIS_CHARS: usize = 6_000;
/// Most characters of anything that stands within a line.
const MAX_SPAN_CHARS: usize = 300;
const MAX_ROWS: usize = 20;
const MAX_SUGGESTIONS: usize = 5;

/// What stands for a family at the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Issue,
    Pull,
    Seen,
    Closed,
    Held,
    Revert,
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
    /// Returns the tracking issue as it should be now.
    pub(super) fn issue(&self) -> Text {
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

    /// Returns the pull request as it should be now.
    pub(super) fn pull(&self, needs_review: bool) -> Text {
        let run = self.run;
        let template = &self.rules.pull_request;
        let mut title = match &template.title {
            Some(title) => title.fill(|it| plain(&self.value(it))),
            None => format!("Heal {}: {}", self.short_workflow(), self.error_type()),
        };
        let suffix = if needs_review { " (Needs Review)" } else { "" };
        title = format!("{}{suffix}", cut(&plain(&title), MAX_TITLE_CHARS - suffix.len()));
        let mut body = match &template.description {
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
        if let Some(attempt) = candidate(self.attempts) {
            let _ = writeln!(body, "### Why\n\n{}", self.block(&attempt.diagnosis, MAX_DIAGNOSIS_CHARS, "text"));
            body.push_str(&self.proof(attempt));
            body.push_str(&self.findings(attempt));
        }
        body.push_str(&self.attempts_table());
        let asked = run.order.requested_by.as_deref().or(self.family.wanted_by.as_deref());
        if let Some(by) = asked {
            let _ = writeln!(body, "\nAsked for by {}.", self.span(by));
        }
        let digest =
            candidate(self.attempts).and_then(|it| it.patch_digest.as_ref()).map(Digest::short).unwrap_or_default();
        let more = format!("run={} patch={digest}", run.id);
        self.text(&title, &body, &marker(Kind::Pull, &self.family.key, &more))
    }

    /// Returns the day's comment about the failure being seen again; `day` as in 2026-03-01.
    pub(super) fn seen(&self, day: &str) -> String {
        let family = self.family;
        let mut body = format!("Seen again: {} times by now, last at {:.0}.\n", family.count, family.last_seen_at);
        if let Some(url) = &family.last_url {
            let _ = writeln!(body, "\n{}", self.link("The last run", url));
        }
        self.text("", &body, &marker(Kind::Seen, &family.key, &format!("day={day}"))).body
    }

    /// Returns what is said where a pull request is closed because of a decision here.
    pub(super) fn closed(&self, number: u64) -> String {
        let why = match self.run.status {
            Status::Aborted => "The run was stopped.".to_owned(),
            _ => {
                format!("This fix was refused: {}", self.span(self.run.escalation_note.as_deref().unwrap_or_default()))
            }
        };
        self.text("", &format!("{why}\n"), &marker(Kind::Closed, &self.family.key, &format!("pull={number}"))).body
    }

    /// Returns what is said where the issue is closed.
    pub(super) fn held(&self, number: u64, is_seen: bool) -> String {
        let how = if is_seen {
            "CI is green with it"
        } else {
            "the failure did not come back in the set time, in which CI did not run"
        };
        let body = format!("Fixed by #{number}: {how}.\n");
        self.text("", &body, &marker(Kind::Held, &self.family.key, &format!("pull={number}"))).body
    }

    /// Returns the proposal to take a merge back.
    pub(super) fn revert(&self, number: u64, merged: &str) -> Text {
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

    /// Returns where the run stands, in one line.
    fn standing(&self) -> String {
        let run = self.run;
        let pull = self.family.pull.as_ref();
        let number = pull.and_then(|it| it.number).map(|it| format!("#{it}"));
        let mut line = match (run.status, &number) {
            (Status::Queued | Status::Running, _) => "being worked on".to_owned(),
            (Status::Fixed, Some(number)) => format!("a fix is proposed in {number}"),
            (Status::Fixed, None) => "a fix is proved".to_owned(),
            (Status::Escalated, _) => {
                let reason = run.escalation_reason.map(Reason::explain).unwrap_or_default();
                format!("a person must act: {reason}")
            }
            (Status::Resolved, Some(number)) if run.pr_state == PrState::Merged => format!("fixed by {number}"),
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

    fn facts(&self) -> String {
        let run = self.run;
        let mut table = String::from("| | |\n| --- | --- |\n");
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(table, "| {name} | {} |", cell(&self.safe(value, MAX_SPAN_CHARS)));
        };
        row("Workflow", self.workflow());
        row("Branch", &run.branch);
        row("Commit", &run.commit_sha);
        row("Error", self.error_type());
        row("Summary", &run.error_summary);
        row("Error hash", &run.error_hash);
        row("Run of Paramedic", &run.id.to_string());
        if let Some(ci) = &run.order.ci {
            // Our own form of the address, not the sender's.
            let _ = writeln!(table, "| Run of CI | [{0}]({1}/actions/runs/{0}) |", ci.run_id, self.web_url);
        }
        table
    }

    fn proof(&self, attempt: &Attempt) -> String {
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
            let why = attempt.failure_reason.as_deref().unwrap_or("not proved");
            let _ = writeln!(text, "{}: {}\n", self.span(command), self.span(why));
        }
        if let Some(digest) = &attempt.patch_digest {
            let _ = writeln!(text, "Patch {}.\n", span(&format!("sha256:{digest}")));
        }
        text
    }

    fn findings(&self, attempt: &Attempt) -> String {
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
                AttemptStatus::Succeeded => "proved",
                _ => attempt.failure_reason.as_deref().unwrap_or("under way"),
            };
            let by = cell(&self.safe(&attempt.author.to_string(), MAX_SPAN_CHARS));
            let _ =
                writeln!(table, "| {} | {by} | {} |", attempt.attempt_no, cell(&self.safe(outcome, MAX_SPAN_CHARS)));
        }
        table
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
        let Some(patch) = candidate(self.attempts).and_then(|it| it.proposed_fix.as_ref()) else {
            return String::new();
        };
        let (files, added, removed) = patch.stat();
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        format!("{files}, +{added} -{removed}")
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
mod tests {
    use super::*;
    use crate::domain::{Author, Order, Patch};
    use jiff::Timestamp;

    const WEB: &str = "https://github.com/acme/shop";
    const SECRET: &str = "hunter2-hunter2";

    fn now() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn run(text: &str) -> Run {
        let mut run = Run::queued("acme/shop", "main", &"ab".repeat(20), Order::default(), 3, now());
        run.order.workflow = Some(text.to_owned());
        run.branch = text.to_owned();
        run.error_type = Some(text.to_owned());
        run.error_summary = text.to_owned();
        run.escalation_note = Some(text.to_owned());
        run
    }

    fn attempt(text: &str) -> Attempt {
        let mut attempt = Attempt::started(1, Author::Agent(text.to_owned()), None, now());
        attempt.diagnosis = text.to_owned();
        attempt.failure_reason = Some(text.to_owned());
        attempt.proposed_fix = Some(Patch(text.to_owned()));
        attempt
    }

    /// Returns everything that is ever written, made of this foreign text.
    fn all(text: &str, rules: &str) -> Vec<Text> {
        let masker = Masker::new([SECRET.to_owned()]);
        let rules = Rules::read(rules.as_bytes()).unwrap().0;
        let run = run(text);
        let attempts = [attempt(text)];
        let mut family = Family::first_seen(&run, "v1:1a2b3c4d", Some(text.to_owned()), now());
        family.skipped = Some(text.to_owned());
        let words = Words {
            masker: &masker,
            rules: &rules,
            web_url: WEB,
            family: &family,
            run: &run,
            attempts: &attempts,
            failed_jobs: "1",
            suggested: &[text.to_owned()],
        };
        let comment = |body: String| Text { title: String::new(), body };
        vec![
            words.issue(),
            words.pull(true),
            words.pull(false),
            words.revert(7, "abc"),
            comment(words.seen("2026-03-01")),
            comment(words.closed(7)),
            comment(words.held(7, true)),
        ]
    }

    /// Returns a body without what stands in fences and spans, as a reader of Markdown takes it.
    fn prose(body: &str) -> String {
        let mut prose = String::new();
        let mut fence: Option<usize> = None;
        for line in body.lines() {
            let ticks = line.chars().take_while(|it| *it == '`').count();
            match fence {
                Some(open) if ticks >= open && line.chars().all(|it| it == '`') => fence = None,
                Some(_) => {}
                None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
                None => prose.extend([without_spans(line).as_str(), "\n"]),
            }
        }
        assert_eq!(fence, None, "a fence stays open:\n{body}");
        prose
    }

    fn without_spans(line: &str) -> String {
        let chars: Vec<char> = line.chars().collect();
        let (mut at, mut rest) = (0, String::new());
        let run_at = |at: usize| chars[at..].iter().take_while(|it| **it == '`').count();
        while at < chars.len() {
            let n = run_at(at);
            if n == 0 {
                rest.push(chars[at]);
                at += 1;
                continue;
            }
            let mut end = at + n;
            while end < chars.len() && run_at(end) != n {
                end += run_at(end).max(1);
            }
            assert!(end < chars.len(), "a span stays open: {line}");
            at = end + n;
        }
        rest
    }

    #[test]
    fn mentions_of_the_rules_are_the_only_live_ones() {
        let rules = "notifications:\n  mentions:\n    default: [\"@ann\", \"acme/ops\"]\n";
        let texts = all("@everyone fixes #1 `", rules);
        assert!(prose(&texts[0].body).contains("cc @ann @acme/ops"));
        assert_eq!(prose(&texts[0].body).matches('@').count(), 2, "{}", texts[0].body);
        for text in &texts[1..] {
            assert!(!prose(&text.body).contains('@'), "{}", text.body);
        }
    }

    #[test]
    fn templates_are_filled_and_the_evidence_follows() {
        let rules = "pull_request:\n  title_template: 'Fix {workflow_name} #{run_id}'\n  description_template: |\n    **Hi** {changes_description} {branch}\n";
        let text = &all("x | y", rules)[2];
        assert!(text.title.starts_with("Fix x | y ＃"), "{}", text.title);
        assert!(text.body.starts_with("**Hi** ` 0 files, +0 -0 ` ` x | y `\n"), "{}", text.body);
        assert!(
            text.body.contains("### Proof")
                && text.body.lines().last().unwrap().starts_with("<!-- paramedic:pr v1 family=")
        );
    }

    #[test]
    fn what_failed_is_in_the_title_however_long_the_workflow_is_called() {
        let mut run = run(&"é".repeat(400));
        run.error_type = Some("KeyError".to_owned());
        let (masker, family) = (Masker::default(), Family::first_seen(&run, "v1:1a2b3c4d", None, now()));
        let words = Words {
            masker: &masker,
            rules: &Rules::read(b"").unwrap().0,
            web_url: WEB,
            family: &family,
            run: &run,
            attempts: &[],
            failed_jobs: "1",
            suggested: &[],
        };
        for title in [words.issue().title, words.pull(true).title] {
            assert!(title.contains("é… fails: KeyError") || title.contains("é…: KeyError"), "{title}");
        }
    }

    #[test]
    fn a_megabyte_of_failure_fits() {
        for text in all(&"`@x #1 \n```\n".repeat(90_000), "") {
            assert!(text.body.chars().count() <= MAX_BODY_CHARS && text.title.chars().count() <= MAX_TITLE_CHARS);
            assert!(!text.body.contains("too much"));
        }
    }

    #[test]
    fn a_marker_counts_where_we_put_it_only() {
        let family = Digest::of("family");
        let ours = marker(Kind::Issue, &family, "");
        assert!(is_marked(&format!("text\n\n{ours}\n"), &ours));
        assert!(!is_marked(&format!("```\n{ours}\n```\n"), &ours));
        for text in all(&ours, "") {
            assert!(!is_marked(&text.body, &ours) || text.title.starts_with("🔧"), "{}", text.body);
        }
    }

    #[test]
    fn only_pages_of_the_repository_are_links() {
        for (url, is_link) in [
            ("https://github.com/acme/shop/actions/runs/7", true),
            ("https://github.com/acme/shop.evil/x", false),
            ("https://github.com/acme/shop/x) @all", false),
            ("javascript:alert(1)", false),
        ] {
            let body = &all(url, "")[4].body;
            assert_eq!(body.contains("[The last run]("), is_link, "{body}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn foreign_text_names_nobody_and_no_secret_is_told(text in "([ -~\\n]|`{1,5}|\\n```|@all|#12|<!--|password=|hunter2-hunter2|-----BEGIN PRIVATE KEY-----){0,30}") {
            for made in all(&text, "") {
                let prose = prose(&made.body);
                proptest::prop_assert!(!prose.contains('@') && !prose.contains("#12"), "{}", made.body);
                proptest::prop_assert!(!made.body.contains(SECRET) && !made.title.contains(SECRET));
                proptest::prop_assert!(!made.title.contains(['@', '#']) || made.title.starts_with("Revert #7"), "{}", made.title);
            }
        }
    }
}
