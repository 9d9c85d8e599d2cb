//! Names and counts that a runner's output yields, bounded whatever a log holds.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use std::collections::BTreeMap;

/// Bytes of test names that one runner may keep.
const MAX_NAME_BYTES: usize = 2 << 20;
/// What a name takes beside its text.
const NAME_OVERHEAD: usize = 96;
/// Tests of one name that are told apart.
const MAX_REPEATS: u32 = 1_000;
/// Characters of one test name that are kept.
const MAX_NAME_CHARS: usize = 400;

/// Outcomes by test name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    tests: BTreeMap<String, TestOutcome>,
    n_bytes: usize,
    /// How many tests share a name, where it is more than one.
    repeats: BTreeMap<String, u32>,
}

impl Names {
    /// Notes how a test ended; the last word on a name counts.
    pub(super) fn record(&mut self, name: &str, outcome: TestOutcome) {
        let name: String = name.trim().chars().take(MAX_NAME_CHARS).collect();
        if name.is_empty() {
            return;
        }
        if let Some(known) = self.tests.get_mut(&name) {
            *known = outcome;
        } else if self.n_bytes < MAX_NAME_BYTES {
            self.n_bytes += name.len() + NAME_OVERHEAD;
            self.tests.insert(name, outcome);
        }
    }

    /// Notes one more test, though another of its name may be there.
    pub(super) fn record_another(&mut self, name: &str, outcome: TestOutcome) {
        let name: String = name.trim().chars().take(MAX_NAME_CHARS).collect();
        if !self.tests.contains_key(&name) {
            return self.record(&name, outcome);
        }
        let n_times = self.repeats.entry(name.clone()).or_insert(1);
        if *n_times < MAX_REPEATS {
            *n_times += 1;
            let numbered = format!("{name} #{n_times}");
            self.record(&numbered, outcome);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tests.contains_key(name)
    }

    pub(super) fn len(&self) -> usize {
        self.tests.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, TestOutcome)> {
        self.tests.iter().map(|(name, outcome)| (name, *outcome))
    }
}

/// What a runner's summary says, summed over its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: u64,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    pub(super) expected: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.expected = self.expected.saturating_add(other.expected);
    }
}

/// Makes the report of one runner.
pub(super) fn report(runner: &str, names: Names, counts: Option<Counts>) -> TestReport {
    TestReport {
        runner: runner.to_owned(),
        tests: names.tests,
        total: counts.map(|it| it.total),
        passed: counts.map(|it| it.passed),
        failed: counts.map(|it| it.failed),
        skipped: counts.map(|it| it.skipped),
        expected_failures: counts.map(|it| it.expected),
    }
}

/// Returns the first number of a text.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.trim_start().split(|ch: char| !ch.is_ascii_digit()).next()?;
    digits.parse().ok()
}
