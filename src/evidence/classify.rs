//! Says what kind of failure a log shows, from a table of rules (`rules`).
//!
//! Categories that are never healed (auth, credential, security, network, resource) must not be chosen because a test happens to speak of them:
//! when a test framework reports failing tests, or the code's own exception or compile error explains the red, only ordinary kinds remain.
mod rules;

use crate::domain::Category;
use crate::evidence::classify::rules::Role;
use crate::evidence::classify::rules::SET;
use crate::evidence::classify::rules::TABLE;
use crate::evidence::pattern::pattern;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Confidence where no rule matched.
const UNKNOWN: f64 = 0.5;
/// Different error types that are told apart.
const MAX_TYPES: usize = 64;

/// The kind of a failure, how sure the rule is, and the most specific name of the error.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    pub category: Category,
    /// 0 to 1, from the rule.
    pub confidence: f64,
    /// `AssertionError`, `E0308`, `TS2322` …, else the category's name.
    pub error_type: String,
}

/// Gathers what the lines of one log say.
#[derive(Debug, Clone, Default)]
pub struct Classifier {
    matched: Vec<usize>,
    has_framework: bool,
    has_own_exception: bool,
    /// How often each error type was named, by the rule that matched beside it; `None` where none did.
    types: BTreeMap<(Option<usize>, String), u32>,
}

/// Returns the kind of a failure from its telling lines.
pub fn classify<S: AsRef<str>>(lines: &[S]) -> Classification {
    let mut classifier = Classifier::default();
    for line in lines {
        classifier.see(line.as_ref());
    }
    classifier.finish()
}

impl Classifier {
    /// Takes the next telling line.
    pub fn see(&mut self, line: &str) {
        let error_type = error_type(line);
        let mut any = false;
        for rule in &SET.matches(line.as_bytes()) {
            any = true;
            if !self.matched.contains(&rule) {
                self.matched.push(rule);
                self.has_framework |= TABLE[rule].role == Role::Framework;
            }
            if let Some(name) = error_type {
                self.count(Some(rule), name);
            }
        }
        if let (false, Some(name)) = (any, error_type) {
            self.count(None, name);
        }
    }

    /// Notes that a runner reported failing tests, which no single line need say.
    pub fn see_failing_tests(&mut self) {
        self.has_framework = true;
    }

    /// Notes an exception that the repository's own code raised, whatever it is called and says.
    pub fn see_own_exception(&mut self, name: &str) {
        self.has_own_exception = true;
        self.count(None, name);
    }

    /// Returns the verdict.
    pub fn finish(&self) -> Classification {
        let is_explained = self.has_framework
            || self.has_own_exception
            || self.matched.iter().any(|rule| TABLE[*rule].role == Role::Explains);
        let is_open = |rule: &&usize| !is_explained || TABLE[**rule].role != Role::Outside;
        let best = self
            .matched
            .iter()
            .filter(is_open)
            .min_by(|a, b| TABLE[**b].confidence.total_cmp(&TABLE[**a].confidence).then_with(|| a.cmp(b)));
        let Some(best) = best else {
            let category = if is_explained { Category::Test } else { Category::Unknown };
            let error_type = self.frequent(|_| true).unwrap_or_else(|| category.to_string());
            return Classification { category, confidence: UNKNOWN, error_type };
        };
        let rule = &TABLE[*best];
        let is_kin = |other: Option<usize>| other.is_some_and(|it| TABLE[it].category == rule.category);
        let is_test_run = rule.category == Category::Test;
        let error_type = self
            .frequent(|other| other == Some(*best))
            .or_else(|| rule.error_type.map(str::to_owned))
            .or_else(|| self.frequent(is_kin))
            .or_else(|| self.frequent(|_| is_test_run))
            .unwrap_or_else(|| rule.category.to_string());
        Classification { category: rule.category, confidence: rule.confidence, error_type }
    }

    fn count(&mut self, rule: Option<usize>, name: &str) {
        let key = (rule, name.to_owned());
        if self.types.len() < MAX_TYPES || self.types.contains_key(&key) {
            *self.types.entry(key).or_default() += 1;
        }
    }

    /// Returns the type named most often by the rules that `wanted` accepts; the order of the lines does not matter.
    fn frequent(&self, wanted: impl Fn(Option<usize>) -> bool) -> Option<String> {
        let mut counts = BTreeMap::<&str, u32>::new();
        for ((rule, name), n) in self.types.iter().filter(|((rule, _), _)| wanted(*rule)) {
            let _ = rule;
            let count = counts.entry(name).or_default();
            *count = (*count).max(*n);
        }
        counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0))).map(|(name, _)| name.to_owned())
    }
}

// Every letter beyond ASCII counts as part of a name: all of Unicode's letters would make the pattern a hundred times larger.
static ERROR_TYPE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"\berror\[(?P<rust>E[0-9]{4})\]|\berror:? (?P<code>(?:TS|CS|MSB|NU|C|LNK|AVT)[0-9]{3,5})\b",
        r"|^(?:E\s+|\s+|# |Uncaught |Caused by: |Exception in thread \x22[^\x22]*\x22 )?(?:[A-Za-z_$\u{80}-\u{10FFFF}][A-Za-z0-9_$\u{80}-\u{10FFFF}]*[.:]{1,2})*(?P<class>[A-Z][A-Za-z0-9_]{1,60}(?:Error|Exception|Failure|Exit|Interrupt|Expired|Timeout|Warning))(?: \[[A-Za-z0-9_]+\])?(?::|$|\s*$)",
        r"|^(?:FAILED|ERROR) .* - (?:[A-Za-z_\u{80}-\u{10FFFF}][A-Za-z0-9_\u{80}-\u{10FFFF}]*\.)*(?P<pytest>[A-Z][A-Za-z0-9_\u{80}-\u{10FFFF}]{1,60}(?:Error|Exception|Failure))\b",
        r"|^FAILED .* - (?P<bare>assert) |^\s+name: '(?P<yaml>[A-Z][A-Za-z0-9_\u{80}-\u{10FFFF}]{1,60}Error)'",
        r"|^E\s+(?P<assert>assert) |^thread '.*' (?:\([0-9]+\) )?(?P<panicked>panicked) at|^(?P<panic>panic): ",
        r"|\bnpm (?:ERR!|error) code (?P<npm>E[A-Z0-9]{3,20})\b"
    ))
});

/// Returns the name that a line gives its error.
fn error_type(line: &str) -> Option<&str> {
    let found = ERROR_TYPE.captures(line)?;
    if found.name("assert").or_else(|| found.name("bare")).is_some() {
        return Some("AssertionError");
    }
    if found.name("panicked").is_some() {
        return Some("panic");
    }
    ["rust", "code", "class", "pytest", "yaml", "panic", "npm"]
        .iter()
        .find_map(|name| found.name(name))
        .map(|it| it.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(lines: &[&str]) -> (Category, String) {
        let found = classify(lines);
        assert!((0.0..=1.0).contains(&found.confidence));
        (found.category, found.error_type)
    }

    #[test]
    fn every_kind_is_recognised() {
        for (line, category, error_type) in [
            ("ModuleNotFoundError: No module named 'requests'", Category::Dependency, "ModuleNotFoundError"),
            ("E   ModuleNotFoundError: No module named 'requests'", Category::Dependency, "ModuleNotFoundError"),
            ("ImportError: cannot import name 'x' from 'y' (/tmp/y.py)", Category::Dependency, "ImportError"),
            ("Error: Cannot find module 'left-pad'", Category::Dependency, "MODULE_NOT_FOUND"),
            ("npm ERR! code ERESOLVE", Category::Dependency, "ERESOLVE"),
            ("ERROR: No matching distribution found for nosuch", Category::Dependency, "dependency"),
            ("there is no package called 'dplyr'", Category::Dependency, "dependency"),
            ("sh: 1: pytest: not found", Category::Dependency, "dependency"),
            ("FAILED test_a.py::test_x - körper.KörperÜbelError: 1", Category::Test, "KörperÜbelError"),
            ("SyntaxError: invalid syntax", Category::Syntax, "SyntaxError"),
            ("IndentationError: unexpected indent", Category::Syntax, "IndentationError"),
            ("yaml.scanner.ScannerError: mapping values are not allowed here", Category::Syntax, "ScannerError"),
            ("error[E0308]: mismatched types", Category::Build, "E0308"),
            ("src/a.ts(3,4): error TS2322: Type 'x'", Category::Build, "TS2322"),
            ("main.c:3:4: error: 'x' undeclared", Category::Build, "build"),
            ("BUILD FAILED in 3s", Category::Build, "build"),
            ("AssertionError: 3 != 4", Category::Test, "AssertionError"),
            ("KeyError: 'token'", Category::Test, "KeyError"),
            ("thread 'tests::a' panicked at src/lib.rs:3:5:", Category::Test, "panic"),
            (
                "The job running on runner X has exceeded the maximum execution time of 30 minutes.",
                Category::Timeout,
                "Timeout",
            ),
            ("E   Failed: Timeout >1.0s", Category::Timeout, "Timeout"),
            ("Error: command timed out after 300 s", Category::Timeout, "Timeout"),
            ("OSError: [Errno 28] No space left on device", Category::Resource, "OSError"),
            (
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                Category::Resource,
                "OutOfMemory",
            ),
            ("/bin/sh: 1: ./run.sh: Permission denied", Category::Permission, "PermissionDenied"),
            ("curl: (6) Could not resolve host: pypi.org", Category::Network, "NameResolution"),
            ("connect ECONNREFUSED 127.0.0.1:5432", Category::Network, "ConnectionFailed"),
            ("HTTP 503 from upstream", Category::Network, "ServiceUnavailable"),
            ("ERROR: failed to solve: process \"/bin/sh -c x\" did not complete", Category::Docker, "DockerBuild"),
            ("manifest for python:9.9 not found: manifest unknown", Category::Docker, "DockerPull"),
            ("fatal: Authentication failed for 'https://github.com/x/y/'", Category::Auth, "AuthenticationFailed"),
            ("git@github.com: Permission denied (publickey).", Category::Auth, "AuthenticationFailed"),
            ("HTTP Error 401: Unauthorized", Category::Auth, "AuthenticationFailed"),
            ("Unable to locate credentials. You can configure", Category::Credential, "MissingCredential"),
            ("DEPLOY_TOKEN is not set", Category::Credential, "MissingCredential"),
            ("Error: DEPLOY_TOKEN must be set", Category::Credential, "MissingCredential"),
            ("WRN leaks found: 2", Category::Security, "SecurityFinding"),
        ] {
            assert_eq!(kind(&[line]), (category, error_type.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_mention_is_no_failure_of_that_kind() {
        for line in [
            "usage: run [--timeout SECONDS]",
            "error: unknown option --timeout",
            "meeting room 403 is taken",
            "line 403: nothing",
            "the living room has a broom",
            "forbidden fruit",
            "connecting to the network",
            "docker is nice",
            "found 0 vulnerabilities",
            "request timeout=30",
        ] {
            assert_eq!(kind(&[line]), (Category::Unknown, "unknown".to_owned()), "{line}");
        }
    }

    #[test]
    fn what_a_test_speaks_of_is_not_what_failed() {
        for line in [
            "PermissionError: [Errno 13] Permission denied: '/etc/x'",
            "KeyError: 'token'",
            "TimeoutError: backend timed out after 3 s",
            "AssertionError: '403 Forbidden' != '200 OK'",
            "AssertionError: 'HTTP 401 Unauthorized' != 'HTTP 200'",
            "ConnectionRefusedError: [Errno 111] Connection refused",
            "app.AuthError: Bad credentials",
            "MemoryError",
        ] {
            let report =
                ["FAIL: test_x (test_a.T.test_x)", "Traceback (most recent call last):", line, "FAILED (failures=1)"];
            assert_eq!(kind(&report).0, Category::Test, "{line}");
        }
        for line in [
            "expected fine, got error: 503 Service Unavailable",
            "FAIL: want ok, got No space left on device",
            "status: got HTTP 403 Forbidden, want 200",
            "expected:<200> but was:<HTTP 401>",
        ] {
            assert_eq!(kind(&[line]).0, Category::Test, "{line}");
        }
        assert_eq!(kind(&["AssertionError: 'HTTP 401 Unauthorized' != 'x'"]).0, Category::Test);
        let report = ["FAIL: test_x (a.T.test_x)", "PermissionError: [Errno 13] Permission denied"];
        assert_eq!(kind(&report), (Category::Test, "PermissionError".to_owned()));
    }

    #[test]
    fn ordinary_kinds_outrank_the_framework_that_reports_them() {
        let report = ["ERROR: test_a (unittest.loader._FailedTest.test_a)", "ModuleNotFoundError: No module named 'x'"];
        assert_eq!(kind(&report), (Category::Dependency, "ModuleNotFoundError".to_owned()));
        let report = ["ERROR: test_a (unittest.loader._FailedTest.test_a)", "SyntaxError: invalid syntax"];
        assert_eq!(kind(&report), (Category::Syntax, "SyntaxError".to_owned()));
    }

    #[test]
    fn the_order_of_lines_makes_no_difference() {
        let mut lines =
            vec!["KeyError: 'a'", "AssertionError: 1 != 2", "AssertionError: 2 != 3", "FAIL: test_x (a.T.test_x)"];
        let forward = kind(&lines);
        lines.reverse();
        assert_eq!(kind(&lines), forward);
        assert_eq!(forward.1, "AssertionError");
    }
}
