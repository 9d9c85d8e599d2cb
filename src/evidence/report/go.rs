//! go test: package lines, `--- PASS/FAIL/SKIP` lines, and `-json`.
//!
//! Packages are listed always, tests only with `-v` or `-json`: a package is a name of its own (`package example.org/x`), counted nowhere.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::pattern::pattern;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::report;
use regex::Regex;
use serde::Deserialize;
use std::sync::LazyLock;

/// What the names of packages begin with.
pub(super) const PACKAGE: &str = "package ";
/// Tests of one package that are kept until its name comes.
const MAX_OPEN: usize = 50_000;

static TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*--- (?P<outcome>PASS|FAIL|SKIP): (?P<name>.+?) \([\d.]+s\)$"));
static PACKAGE_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<verdict>ok  |FAIL|\?   |---)\s+(?P<package>[\w./@~+-]+)\s+(?P<rest>[\d.]+s.*|\(cached\).*|\[.*\].*|coverage: .*)$",
    )
});

#[derive(Debug, Default)]
pub(super) struct Go {
    names: Names,
    /// Tests whose package is not known yet.
    open: Vec<(String, TestOutcome)>,
    is_verbose: bool,
    n_packages: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonEvent {
    action: String,
    #[serde(default)]
    package: String,
    test: Option<String>,
}

impl Go {
    pub(super) fn line(&mut self, line: &str) {
        if line.starts_with('{') {
            if line.contains("\"Action\":") {
                self.json(line);
            }
        } else if line.starts_with("=== RUN ") {
            self.is_verbose = true;
        } else if line.contains("--- ") {
            if let Some(found) = TEST.captures(line)
                && let Some(outcome) = outcome(&found["outcome"])
                && self.open.len() < MAX_OPEN
            {
                self.open.push((found["name"].chars().take(400).collect(), outcome));
            }
        } else if line.starts_with("ok  ") || line.starts_with("FAIL\t") || line.starts_with("?   ") {
            self.package(line);
        }
    }

    fn package(&mut self, line: &str) {
        let Some(found) = PACKAGE_LINE.captures(line) else { return };
        let (package, rest) = (&found["package"], &found["rest"]);
        let outcome = match &found["verdict"] {
            _ if rest.contains("[no test files]") || rest.contains("[no tests to run]") => TestOutcome::Skipped,
            "ok  " => TestOutcome::Passed,
            "FAIL" if rest.contains("failed]") => TestOutcome::Errored,
            "FAIL" => TestOutcome::Failed,
            _ => TestOutcome::Skipped,
        };
        self.n_packages += 1;
        self.names.record(&format!("{PACKAGE}{package}"), outcome);
        for (name, outcome) in std::mem::take(&mut self.open) {
            self.names.record(&format!("{package}.{name}"), outcome);
        }
    }

    fn json(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<JsonEvent>(line) else { return };
        let Some(outcome) = outcome(&event.action.to_ascii_uppercase()) else { return };
        self.is_verbose = true;
        if let Some(test) = event.test {
            self.names.record(&format!("{}.{test}", event.package), outcome);
        } else {
            self.n_packages += 1;
            self.names.record(&format!("{PACKAGE}{}", event.package), outcome);
        }
    }

    pub(super) fn finish(mut self) -> Option<TestReport> {
        if self.n_packages == 0 {
            return None;
        }
        for (name, outcome) in std::mem::take(&mut self.open) {
            self.names.record(&name, outcome);
        }
        let counts = self.is_verbose.then(|| {
            let is_package = |name: &str| name.starts_with(PACKAGE);
            let mut counts = Counts::default();
            for (_, outcome) in self.names.iter().filter(|(name, _)| !is_package(name)) {
                counts.total += 1;
                match outcome {
                    TestOutcome::Passed => counts.passed += 1,
                    TestOutcome::Skipped => counts.skipped += 1,
                    TestOutcome::ExpectedFailure => counts.expected += 1,
                    TestOutcome::Failed | TestOutcome::Errored => counts.failed += 1,
                }
            }
            counts
        });
        Some(report("go", self.names, counts))
    }
}

fn outcome(word: &str) -> Option<TestOutcome> {
    Some(match word {
        "PASS" => TestOutcome::Passed,
        "FAIL" => TestOutcome::Failed,
        "SKIP" => TestOutcome::Skipped,
        _ => return None,
    })
}
