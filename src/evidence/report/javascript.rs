//! node's spec reporter, jest, vitest and mocha: marked lines and the summaries that tell the four apart.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::number;
use crate::evidence::report::tally::report;
use crate::evidence::report::tap;
use regex::Regex;
use std::sync::LazyLock;

static MARKED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?P<mark>[✔✓√✖✗✘✕×﹣○↓✎]) (?P<name>.+?)(?:\s+\(?[\d.]+ ?m?s\)?)?(?P<directive>\s+# (?:SKIP|TODO).*)?$",
    )
});
/// vitest's lines of whole files carry the number of their tests.
static WHOLE_FILE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\|.*\| )?\S+\.[cm]?[jt]sx?\s+\(.*tests?\b.*\)"));
static JEST_FILE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:PASS|FAIL)\s+(?P<file>\S+\.[cm]?[jt]sx?)\b"));
static PART: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?P<n>\d+) (?P<kind>[a-z]+)"));
static VITEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*Tests\s{2,}(?P<parts>.*?)\s*\((?P<total>\d+)\)$"));
static MOCHA: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s+(?P<n>\d+) (?P<kind>passing|failing|pending)(?: \(.*\))?$"));
static MOCHA_FAILED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s+\d+\) (?P<name>\S.*)$"));
static MOCHA_PENDING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s+- (?P<name>\S.*)$"));

#[derive(Debug, Default)]
pub(super) struct JavaScript {
    names: Names,
    /// Lines that only mocha's output gives a meaning: numbered failures and dashes before the summary.
    mocha_names: Names,
    file: String,
    node: Option<Counts>,
    jest: Option<Counts>,
    vitest: Option<Counts>,
    mocha: Option<Counts>,
    /// node repeats what failed below this heading.
    is_repeating: bool,
}

impl JavaScript {
    pub(super) fn line(&mut self, line: &str) {
        let text = line.trim_start();
        match text.chars().next() {
            Some('✔' | '✓' | '√' | '✖' | '✗' | '✘' | '✕' | '×' | '﹣' | '○' | '↓' | '✎') => {
                self.marked(line);
            }
            Some('ℹ') => tap::count(&mut self.node, text.trim_start_matches('ℹ').trim_start()),
            Some('P' | 'F') if JEST_FILE.is_match(line) => {
                self.file = JEST_FILE.captures(line).map_or_else(String::new, |it| it["file"].to_owned());
            }
            Some('T') => self.summary(line),
            Some('0'..='9') if line.starts_with(' ') => self.mocha(line),
            Some('-') if line.starts_with(' ') && self.mocha.is_none() => {
                if let Some(found) = MOCHA_PENDING.captures(line) {
                    self.mocha_names.record_another(&found["name"], TestOutcome::Skipped);
                }
            }
            _ => (),
        }
    }

    fn marked(&mut self, line: &str) {
        let Some(found) = MARKED.captures(line) else { return };
        let directive = found.name("directive").map_or("", |it| it.as_str());
        let outcome = match &found["mark"] {
            _ if directive.contains("TODO") => TestOutcome::ExpectedFailure,
            _ if directive.contains("SKIP") => TestOutcome::Skipped,
            "✔" | "✓" | "√" => TestOutcome::Passed,
            "﹣" | "○" | "↓" => TestOutcome::Skipped,
            "✎" => TestOutcome::ExpectedFailure,
            _ => TestOutcome::Failed,
        };
        let name = found["name"].trim_start_matches("skipped ").trim_start_matches("todo ");
        self.is_repeating |= name == "failing tests:";
        if self.is_repeating || WHOLE_FILE.is_match(name) {
            return;
        }
        match self.file.as_str() {
            "" => self.names.record_another(name, outcome),
            file => self.names.record_another(&format!("{file} › {name}"), outcome),
        }
    }

    fn mocha(&mut self, line: &str) {
        if let Some(found) = MOCHA.captures(line) {
            let n = number(&found["n"]).unwrap_or(0);
            let counts = self.mocha.get_or_insert_default();
            counts.total += n;
            match &found["kind"] {
                "passing" => counts.passed += n,
                "failing" => counts.failed += n,
                _ => counts.skipped += n,
            }
        } else if self.mocha.is_none()
            && let Some(found) = MOCHA_FAILED.captures(line)
        {
            self.mocha_names.record_another(&found["name"], TestOutcome::Failed);
        }
    }

    fn summary(&mut self, line: &str) {
        if let Some(parts) = line.strip_prefix("Tests:") {
            let run = counts(parts, None);
            self.jest.get_or_insert_default().add(run);
        }
    }

    /// Reads vitest's summary, which is indented.
    pub(super) fn indented_summary(&mut self, line: &str) {
        if let Some(found) = VITEST.captures(line) {
            let run = counts(&found["parts"], number(&found["total"]));
            self.vitest.get_or_insert_default().add(run);
        }
    }

    pub(super) fn finish(mut self) -> Option<TestReport> {
        if let Some(counts) = self.jest {
            return Some(report("jest", self.names, Some(counts)));
        }
        if let Some(counts) = self.vitest {
            return Some(report("vitest", self.names, Some(counts)));
        }
        if let Some(counts) = self.node.filter(|_| self.names.len() > 0) {
            return Some(report("node", self.names, Some(counts)));
        }
        let counts = self.mocha?;
        for (name, outcome) in self.mocha_names.iter() {
            self.names.record_another(name, outcome);
        }
        Some(report("mocha", self.names, Some(counts)))
    }
}

fn counts(parts: &str, total: Option<u64>) -> Counts {
    let mut run = Counts::default();
    for part in PART.captures_iter(parts) {
        let n = number(&part["n"]).unwrap_or(0);
        match &part["kind"] {
            "passed" => run.passed += n,
            "failed" => run.failed += n,
            "skipped" | "pending" => run.skipped += n,
            "todo" => run.expected += n,
            "total" => run.total += n,
            _ => (),
        }
    }
    run.total = total.unwrap_or(run.total);
    run
}
