//! Python's unittest (and Django's runner): verbose lines, the headings of failures, `Ran N tests` and the verdict after it.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::number;
use crate::evidence::report::tally::report;
use regex::Regex;
use std::sync::LazyLock;

static STARTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?P<sub>\s*)(?P<method>\w+) \((?P<path>[\w.<>]+)\)(?P<params> [(\[].*[)\]])?(?: \.\.\. ?(?P<rest>.*))?$")
});
static HEADING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?P<kind>FAIL|ERROR|UNEXPECTED SUCCESS): (?P<method>\w+) \((?P<path>[\w.<>]+)\)"));
static VERDICT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:OK|FAILED|NO TESTS RAN)(?: \((?P<counts>.*)\))?$"));

#[derive(Debug, Default)]
pub(super) struct Unittest {
    names: Names,
    /// Names seen before it is sure that this is unittest's output.
    counts: Option<Counts>,
    /// The test whose outcome is still to come.
    pending: Option<String>,
    after_rule: bool,
    /// What `Ran N tests` said, until the verdict comes.
    ran: Option<u64>,
}

impl Unittest {
    pub(super) fn line(&mut self, line: &str) {
        if let Some(total) = self.ran
            && !line.is_empty()
        {
            self.verdict(total, line);
            self.ran = None;
        }
        let after_rule = std::mem::replace(&mut self.after_rule, line.starts_with("======"));
        if after_rule && let Some(found) = HEADING.captures(line) {
            let outcome = if &found["kind"] == "ERROR" { TestOutcome::Errored } else { TestOutcome::Failed };
            self.names.record(&qualified(&found["method"], &found["path"]), outcome);
            return;
        }
        if let Some(rest) = line.strip_prefix("Ran ") {
            if rest.contains(" test") && rest.contains(" in ") {
                self.ran = number(rest);
                self.pending = None;
            }
            return;
        }
        if line.contains(" (")
            && let Some(found) = STARTED.captures(line)
        {
            self.started(&found);
        } else if let Some(name) = self.pending.take() {
            self.outcome_line(name, line);
        }
    }

    fn started(&mut self, found: &regex::Captures<'_>) {
        let name = qualified(&found["method"], &found["path"]);
        let rest = found.name("rest").map(|it| it.as_str());
        match rest.and_then(outcome) {
            // The outcome of a part of a test; the test itself fails with it.
            Some(TestOutcome::Passed) if !found["sub"].is_empty() => (),
            Some(outcome) => self.names.record(&name, outcome),
            None if found["sub"].is_empty() => self.pending = Some(name),
            None => (),
        }
    }

    /// Reads the line of a doc string (`Docs. ... ok`) or an outcome that output of the test pushed to a line of its own.
    fn outcome_line(&mut self, name: String, line: &str) {
        let last = line.rsplit(" ... ").next().unwrap_or(line);
        match outcome(last) {
            Some(outcome) => self.names.record(&name, outcome),
            None => self.pending = Some(name),
        }
    }

    fn verdict(&mut self, total: u64, line: &str) {
        let mut run = Counts { total, ..Counts::default() };
        if let Some(found) = VERDICT.captures(line) {
            for part in found.name("counts").map_or("", |it| it.as_str()).split(", ") {
                let Some((kind, n)) = part.split_once('=') else { continue };
                let n = number(n).unwrap_or(0);
                match kind {
                    "failures" | "errors" | "unexpected successes" => run.failed += n,
                    "skipped" => run.skipped += n,
                    "expected failures" => run.expected += n,
                    _ => (),
                }
            }
        }
        run.passed = total.saturating_sub(run.failed + run.skipped + run.expected);
        self.counts.get_or_insert_default().add(run);
    }

    pub(super) fn finish(mut self) -> Option<TestReport> {
        if let Some(total) = self.ran.take() {
            self.verdict(total, "");
        }
        let counts = self.counts?;
        Some(report("unittest", self.names, Some(counts)))
    }
}

/// Returns `module.Class.method`: Python before 3.11 prints the path without the method.
fn qualified(method: &str, path: &str) -> String {
    if path.rsplit('.').next() == Some(method) { path.to_owned() } else { format!("{path}.{method}") }
}

fn outcome(text: &str) -> Option<TestOutcome> {
    Some(match text.trim() {
        "ok" | "unexpected success" => TestOutcome::Passed,
        "FAIL" => TestOutcome::Failed,
        "ERROR" => TestOutcome::Errored,
        "expected failure" => TestOutcome::ExpectedFailure,
        text if text.starts_with("skipped ") || text == "skipped" => TestOutcome::Skipped,
        _ => return None,
    })
}
