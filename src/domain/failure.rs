//! What is known of a failure: its kind, its lines, its hash, and what the test runner reported.
use crate::domain::names::named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

named! {
    /// The kind of a failure: seed 001's fifteen rules fold into ten kinds, plus three that are never healed.
    Category {
        Dependency = "dependency",
        Syntax = "syntax",
        Test = "test",
        Build = "build",
        Timeout = "timeout",
        Resource = "resource",
        Permission = "permission",
        Network = "network",
        Docker = "docker",
        Auth = "auth",
        Credential = "credential",
        Security = "security",
        Unknown = "unknown",
    }
}

named! {
    /// How one test ended.
    TestOutcome {
        Passed = "passed",
        Failed = "failed",
        Errored = "errored",
        Skipped = "skipped",
        ExpectedFailure = "expected_failure",
    }
}

/// What a test runner said of its tests: names where it told them, counts where it told only those.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// Which runner's output was understood: `pytest`, `unittest`, `cargo`, `go`, `jest`, `node`, `junit` …
    pub runner: String,
    /// Outcome by test name, as far as the runner printed names.
    pub tests: BTreeMap<String, TestOutcome>,
    /// How many tests the runner says it ran, skipped ones included.
    pub total: Option<u64>,
    pub passed: Option<u64>,
    pub failed: Option<u64>,
    pub skipped: Option<u64>,
    pub expected_failures: Option<u64>,
}

impl TestReport {
    /// Returns the names of the tests that failed or errored, sorted.
    pub fn failing(&self) -> Vec<String> {
        let bad = |it: &TestOutcome| matches!(it, TestOutcome::Failed | TestOutcome::Errored);
        self.tests.iter().filter(|(_, outcome)| bad(outcome)).map(|(name, _)| name.clone()).collect()
    }
}

/// One line of a log that counts as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceLine {
    /// Line number in the raw log, 1-based.
    pub number: u64,
    pub text: String,
}

/// Everything read out of one failing log. All texts are sanitised and masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub category: Category,
    /// 0 to 1; from the rule that matched, not from a model.
    pub confidence: f64,
    /// Short type for people: `AssertionError`, `ModuleNotFoundError`, `E0308`, or the category.
    pub error_type: String,
    /// The most telling failure lines, joined by ` | `, at most 1,000 characters.
    pub summary: String,
    /// `v1:` and the SHA-256 over type and normalised failure lines; stable across times, paths, ports, pids, ids.
    pub hash: String,
    /// The failure lines the hash was taken over, before normalisation.
    pub lines: Vec<EvidenceLine>,
    /// Files named by the failure, relative to the work tree, at most ten, innermost frame first.
    pub files: Vec<String>,
    /// The log reduced to a budget: weighted lines with context and `NNN| ` line numbers.
    pub reduced_log: String,
    pub report: Option<TestReport>,
    pub total_lines: u64,
    pub total_bytes: u64,
}

impl Failure {
    /// Returns what is known where nothing failed, or nothing was run.
    pub fn none(report: Option<TestReport>) -> Self {
        Self {
            category: Category::Unknown,
            confidence: 0.0,
            error_type: String::new(),
            summary: String::new(),
            hash: String::new(),
            lines: Vec::new(),
            files: Vec::new(),
            reduced_log: String::new(),
            report,
            total_lines: 0,
            total_bytes: 0,
        }
    }

    /// Whether there is no failure in it.
    pub fn is_none(&self) -> bool {
        self.hash.is_empty()
    }

    /// Returns the eight characters of the hash that branch names carry.
    pub fn hash8(hash: &str) -> String {
        let hash = hash.rsplit(':').next().unwrap_or(hash);
        hash.chars().take(8).collect()
    }
}
