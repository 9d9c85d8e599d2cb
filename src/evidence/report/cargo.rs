//! cargo test: the lines of each test binary, summed over all binaries.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::number;
use crate::evidence::report::tally::report;
use regex::Regex;
use std::sync::LazyLock;

static RUNNING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s+(?:Running (?:unittests |benches )?(?P<target>\S+)(?: \(.*\))?|Doc-tests (?P<doc>\S+))$")
});
static TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^test (?P<name>.+?)(?: - should panic)? \.\.\. (?P<outcome>ok|FAILED|ignored)(?:, .*| <[\d.]+s>)?$")
});
static LATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^test (?P<name>.+?)(?: - should panic)? \.\.\. "));
static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"test result: (?:ok|FAILED)\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<ignored>\d+) ignored; (?P<measured>\d+) measured",
    )
});
static LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r" \(line \d+\)"));

#[derive(Debug, Default)]
pub(super) struct Cargo {
    names: Names,
    counts: Option<Counts>,
    target: String,
    in_run: bool,
    is_captured: bool,
    pending: Option<String>,
}

impl Cargo {
    /// Whether the line belongs to what a failing test printed.
    pub(super) fn is_captured(&mut self, line: &str) -> bool {
        if self.in_run && line.starts_with("---- ") && line.ends_with(" ----") {
            self.is_captured = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.is_captured = false;
        }
        self.is_captured
    }

    pub(super) fn line(&mut self, line: &str) {
        if line.starts_with("test ") {
            self.test(line);
        } else if let Some(rest) = line.strip_prefix("running ") {
            self.in_run |= rest.ends_with(" test") || rest.ends_with(" tests");
        } else if line.starts_with("  ") && (line.contains("Running ") || line.contains("Doc-tests ")) {
            if let Some(found) = RUNNING.captures(line) {
                let doc = found.name("doc").map(|it| format!("doc {}", it.as_str()));
                self.target = doc.or_else(|| found.name("target").map(|it| it.as_str().to_owned())).unwrap_or_default();
            }
        } else if let Some(name) = self.pending.take() {
            match outcome(line) {
                Some(outcome) => self.record(&name, outcome),
                None => self.pending = Some(name),
            }
        }
    }

    fn test(&mut self, line: &str) {
        if let Some(found) = RESULT.captures(line) {
            let n = |name: &str| number(&found[name]).unwrap_or(0);
            let mut run = Counts { passed: n("passed") + n("measured"), failed: n("failed"), ..Counts::default() };
            run.skipped = n("ignored");
            run.total = run.passed + run.failed + run.skipped;
            self.counts.get_or_insert_default().add(run);
            self.in_run = false;
            self.pending = None;
        } else if let Some(found) = TEST.captures(line) {
            if let Some(outcome) = outcome(&found["outcome"]) {
                self.record(&found["name"], outcome);
            }
        } else if let Some(found) = LATE.captures(line) {
            self.pending = Some(found["name"].to_owned());
        }
    }

    fn record(&mut self, name: &str, outcome: TestOutcome) {
        // The line of a doc test moves with the code around it.
        let name = LINE.replace(name, "");
        match self.target.as_str() {
            "" => self.names.record(&name, outcome),
            target => self.names.record(&format!("{target} {name}"), outcome),
        }
    }

    pub(super) fn finish(self) -> Option<TestReport> {
        let counts = self.counts?;
        Some(report("cargo", self.names, Some(counts)))
    }
}

fn outcome(text: &str) -> Option<TestOutcome> {
    Some(match text {
        "ok" => TestOutcome::Passed,
        "FAILED" => TestOutcome::Failed,
        "ignored" => TestOutcome::Skipped,
        _ => return None,
    })
}
