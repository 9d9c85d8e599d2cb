//! Test Anything Protocol: node's runner when its output is no terminal, and any other producer that states a plan.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::report;
use regex::Regex;
use std::sync::LazyLock;

static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<indent>\s*)(?P<not>not )?ok (?P<n>\d+)(?: -)?(?: (?P<name>.*?))??(?:\s+# (?P<directive>(?i:SKIP|TODO))\S*(?: .*)?| # time=.*)?\s*$",
    )
});
static PLAN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\s*)1\.\.\d+(?:\s+#.*)?$"));

#[derive(Debug, Default)]
pub(super) struct Tap {
    names: Names,
    has_plan: bool,
    /// Results that stand at the margin.
    top: Counts,
    /// node's `# tests 3` lines.
    node: Option<Counts>,
}

impl Tap {
    pub(super) fn line(&mut self, line: &str) {
        let text = line.trim_start();
        if text.starts_with("ok ") || text.starts_with("not ok ") {
            self.result(line);
        } else if text.starts_with("1..") {
            self.has_plan |= PLAN.is_match(line);
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            count(&mut self.node, rest);
        }
    }

    fn result(&mut self, line: &str) {
        let Some(found) = RESULT.captures(line) else { return };
        let directive = found.name("directive").map(|it| it.as_str().to_ascii_uppercase());
        let outcome = match (directive.as_deref(), found.name("not")) {
            (Some("SKIP"), _) => TestOutcome::Skipped,
            (Some(_), _) => TestOutcome::ExpectedFailure,
            (None, Some(_)) => TestOutcome::Failed,
            (None, None) => TestOutcome::Passed,
        };
        let name = found.name("name").map_or_else(|| format!("test {}", &found["n"]), |it| it.as_str().to_owned());
        self.names.record_another(&name, outcome);
        if found["indent"].is_empty() {
            self.top.total += 1;
            match outcome {
                TestOutcome::Passed => self.top.passed += 1,
                TestOutcome::Skipped => self.top.skipped += 1,
                TestOutcome::ExpectedFailure => self.top.expected += 1,
                TestOutcome::Failed | TestOutcome::Errored => self.top.failed += 1,
            }
        }
    }

    pub(super) fn finish(self) -> Option<TestReport> {
        if self.names.len() == 0 {
            return None;
        }
        match self.node {
            Some(counts) => Some(report("node", self.names, Some(counts))),
            None if self.has_plan && self.top.total > 0 => Some(report("tap", self.names, Some(self.top))),
            None => None,
        }
    }
}

/// Adds one of node's summary lines (`tests 3`, `pass 2` …), which end each run.
pub(super) fn count(counts: &mut Option<Counts>, text: &str) {
    let Some((word, n)) = text.split_once(' ') else { return };
    let Ok(n) = n.trim().parse::<u64>() else { return };
    match word {
        "tests" => counts.get_or_insert_default().total += n,
        "pass" => counts.get_or_insert_default().passed += n,
        "fail" | "cancelled" => counts.get_or_insert_default().failed += n,
        "skipped" => counts.get_or_insert_default().skipped += n,
        "todo" => counts.get_or_insert_default().expected += n,
        _ => (),
    }
}
