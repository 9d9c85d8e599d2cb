//! cargo nextest: status lines and the summary.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::number;
use crate::evidence::report::tally::report;
use regex::Regex;
use std::sync::LazyLock;

static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:TRY \d+ )?(?P<status>PASS|FAIL|LEAK|TIMEOUT|ABORT|SIG[A-Z]+|SKIP|FLAKY \d+/\d+|FLAKY)\s+\[[^\]]*\]\s+(?:\(\s*\d+/\d+\)\s+)?(?P<name>\S.*)$",
    )
});
static SUMMARY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*Summary \[[^\]]*\]\s+(?:(?P<ran>\d+)/)?(?P<total>\d+) tests? run: (?P<counts>.*)$"));
static COUNT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?P<n>\d+) (?P<kind>passed|failed|timed out|exec failed|skipped)"));

#[derive(Debug, Default)]
pub(super) struct Nextest {
    names: Names,
    counts: Option<Counts>,
}

impl Nextest {
    pub(super) fn line(&mut self, line: &str) {
        if !line.contains('[') || !line.contains(']') {
            return;
        }
        if let Some(found) = SUMMARY.captures(line) {
            let mut run = Counts { total: number(&found["total"]).unwrap_or(0), ..Counts::default() };
            for part in COUNT.captures_iter(&found["counts"]) {
                let n = number(&part["n"]).unwrap_or(0);
                match &part["kind"] {
                    "passed" => run.passed += n,
                    "skipped" => run.skipped += n,
                    _ => run.failed += n,
                }
            }
            run.total += run.skipped;
            self.counts.get_or_insert_default().add(run);
        } else if let Some(found) = STATUS.captures(line) {
            let outcome = match &found["status"] {
                "PASS" | "LEAK" => TestOutcome::Passed,
                "SKIP" => TestOutcome::Skipped,
                status if status.starts_with("FLAKY") => TestOutcome::Passed,
                _ => TestOutcome::Failed,
            };
            self.names.record(&found["name"], outcome);
        }
    }

    pub(super) fn finish(self) -> Option<TestReport> {
        let counts = self.counts?;
        Some(report("nextest", self.names, Some(counts)))
    }
}
