//! pytest: the summary line, `-v` and xdist lines, and the short summary.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::number;
use crate::evidence::report::tally::report;
use regex::Regex;
use std::sync::LazyLock;

static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^=*\s*(?P<counts>\d+ [a-z]+(?: [a-z]+)?(?:, \d+ [a-z]+(?: [a-z]+)?)*|no tests (?:ran|collected)(?:, [^=]*)?) in [\d.]+s(?: \([\d:, a-z]+\))?\s*=*$",
    )
});
static VERBOSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<name>\S+?::.*?) (?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?: \(.*\))?(?:\s+\[\s*\d+%\])?\s*$",
    )
});
static XDIST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\[gw\d+\] (?:\[\s*\d+%\] )?(?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (?P<name>\S+::.*?)\s*$")
});
static CAPTURED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^-{3,} Captured .+ -{3,}$"));

#[derive(Debug, Default)]
pub(super) struct Pytest {
    names: Names,
    counts: Option<Counts>,
    n_setup_errors: u64,
    is_captured: bool,
}

impl Pytest {
    /// Whether the line belongs to what a test printed, which is nobody's report.
    pub(super) fn is_captured(&mut self, line: &str) -> bool {
        if line.starts_with("---") && CAPTURED.is_match(line) {
            self.is_captured = true;
        } else if line.starts_with("====") || line.starts_with("____") || (self.is_captured && SUMMARY.is_match(line)) {
            self.is_captured = false;
        }
        self.is_captured
    }

    pub(super) fn line(&mut self, line: &str) {
        if let Some((word, rest)) = line.split_once(' ')
            && let Some(outcome) = outcome(word)
        {
            // With `::` it is a test; a module that could not be collected has none.
            let name = self.known(rest).unwrap_or_else(|| id(rest));
            if name.contains("::") || (outcome == TestOutcome::Errored && is_module(name)) {
                self.names.record(name, outcome);
            }
        } else if line.starts_with('_') {
            self.n_setup_errors += u64::from(line.contains(" ERROR at setup of "));
        } else if line.contains("::") {
            let found = VERBOSE.captures(line).or_else(|| XDIST.captures(line));
            if let Some(found) = found
                && let Some(outcome) = outcome(&found["outcome"])
            {
                self.names.record(&found["name"], outcome);
            }
        } else if line.contains("s ") || line.ends_with('s') || line.ends_with(')') || line.ends_with('=') {
            self.summary(line);
        }
    }

    /// Returns the longest name at the beginning of `text`, up to its end or ` - message`, that was reported before.
    fn known<'a>(&self, text: &'a str) -> Option<&'a str> {
        let ends = text.match_indices(" - ").map(|(at, _)| at).chain([text.len()]);
        ends.map(|end| text[..end].trim()).filter(|it| self.names.has(it)).last()
    }

    fn summary(&mut self, line: &str) {
        let Some(found) = SUMMARY.captures(line) else { return };
        let mut run = Counts::default();
        let mut is_pytest = false;
        for part in found["counts"].split(", ") {
            let n = number(part).unwrap_or(0);
            match part.trim_start_matches(|ch: char| ch.is_ascii_digit()).trim() {
                "passed" | "xpassed" => run.passed += n,
                "failed" | "error" | "errors" => run.failed += n,
                "skipped" => run.skipped += n,
                "xfailed" => run.expected += n,
                "deselected" => (),
                other if other.starts_with("no tests") => (),
                _ => continue,
            }
            is_pytest = true;
            if !part.ends_with("error") && !part.ends_with("errors") && !part.ends_with("deselected") {
                run.total += n;
            }
        }
        if is_pytest {
            // A test whose set-up failed is counted as an error and as nothing else; other errors are no tests of their own.
            run.total += std::mem::take(&mut self.n_setup_errors);
            self.counts.get_or_insert_default().add(run);
        }
    }

    pub(super) fn finish(self) -> Option<TestReport> {
        let counts = self.counts?;
        Some(report("pytest", self.names, Some(counts)))
    }
}

fn outcome(word: &str) -> Option<TestOutcome> {
    Some(match word {
        "PASSED" | "XPASS" => TestOutcome::Passed,
        "FAILED" => TestOutcome::Failed,
        "ERROR" => TestOutcome::Errored,
        "SKIPPED" => TestOutcome::Skipped,
        "XFAIL" => TestOutcome::ExpectedFailure,
        _ => return None,
    })
}

/// Returns the node id before ` - message`; the id's own brackets may hold anything.
fn id(text: &str) -> &str {
    let after_brackets = match text.find('[') {
        Some(open) if text.find(" - ").is_none_or(|dash| open < dash) => {
            text.find("] - ").map_or(text.len(), |at| at + 1)
        }
        _ => 0,
    };
    let end = text[after_brackets..].find(" - ").map_or(text.len(), |at| after_brackets + at);
    text[..end].trim()
}

/// Whether a node id is that of a file: pytest names files that it could not collect.
pub(super) fn is_module(id: &str) -> bool {
    !id.contains("::") && id.strip_suffix(".py").is_some()
}
