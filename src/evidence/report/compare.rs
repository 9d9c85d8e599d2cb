//! Holds the report after a patch against the one before: a green run proves nothing when tests have gone.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::report::go;
use crate::evidence::report::pytest::is_module;
use crate::evidence::text::listed;
use std::collections::BTreeMap;

/// Names that one objection lists.
const MAX_LISTED: usize = 3;

/// Returns what speaks against `after` as a proof, in words; nothing when no test vanished, fell silent, became skipped or expected to fail.
///
/// Names decide where the runner listed all of them, counts where it did not. What a runner reports in the place of tests it could not
/// load (`_FailedTest`, a module that fails to import) is no test: it may go, and what comes in its place may be more. A variant of a test
/// (`test_x[3-6]`, `TestX/3`) may be named after a value that the repair changes: then as many variants must run as before.
pub fn compare(before: &TestReport, after: &TestReport) -> Vec<String> {
    let mut objections = silent_runners(before, after);
    if !objections.is_empty() {
        return objections;
    }
    objections.extend(vanished(before, after));
    objections.extend(fewer(before, after));
    objections.extend(turned(before, after, TestOutcome::Skipped, "skipped"));
    objections.extend(turned(before, after, TestOutcome::ExpectedFailure, "expected to fail"));
    objections.extend(nothing_proved(before, after));
    objections
}

fn silent_runners(before: &TestReport, after: &TestReport) -> Vec<String> {
    let now: Vec<_> = after.runner.split('+').collect();
    let gone = before.runner.split('+').filter(|runner| !now.contains(runner));
    gone.map(|runner| format!("{runner} reported before and is silent now")).collect()
}

fn vanished(before: &TestReport, after: &TestReport) -> Option<String> {
    let is_listed = lists_all(after);
    let gone: Vec<_> = before
        .tests
        .iter()
        .filter(|(name, outcome)| {
            is_package(name) && **outcome != TestOutcome::Skipped || is_listed && is_real(before, name)
        })
        .map(|(name, _)| name.as_str())
        .filter(|name| !after.tests.contains_key(*name))
        .collect();
    let (was, now) = (n_variants(before), n_variants(after));
    let is_renamed = |name: &str| variant_of(before, name).is_some_and(|it| now.get(it) >= was.get(it));
    let gone: Vec<_> = gone.into_iter().filter(|name| !is_renamed(name)).collect();
    (!gone.is_empty())
        .then(|| format!("{} no longer reported: {}", tests(gone.len() as u64), listed(&gone, MAX_LISTED)))
}

/// Returns the test that a name is a variant of: of its parameters, or a part of it.
fn variant_of<'a>(report: &TestReport, name: &'a str) -> Option<&'a str> {
    if name.ends_with(']') {
        return name.split_once('[').map(|(test, _)| test);
    }
    let parts = name.match_indices('/').map(|(at, _)| &name[..at]);
    parts.filter(|_| report.runner.contains("go")).find(|it| report.tests.contains_key(*it))
}

/// Returns how many variants of each test ran.
fn n_variants(report: &TestReport) -> BTreeMap<&str, u64> {
    let mut found = BTreeMap::new();
    let ran = report.tests.iter().filter(|(_, it)| !matches!(it, TestOutcome::Skipped | TestOutcome::ExpectedFailure));
    for test in ran.filter_map(|(name, _)| variant_of(report, name)) {
        *found.entry(test).or_default() += 1;
    }
    found
}

fn fewer(before: &TestReport, after: &TestReport) -> Option<String> {
    let least = before.total?.saturating_sub(n_stand_ins(before));
    match after.total {
        None => Some(format!("{} no longer says how many tests it ran", after.runner)),
        Some(now) if now < least => Some(format!("{} ran, {least} before", tests(now))),
        Some(_) => None,
    }
}

/// Objects to tests that changed to `outcome`: by name where both runs listed all, by number otherwise.
fn turned(before: &TestReport, after: &TestReport, outcome: TestOutcome, words: &str) -> Option<String> {
    let is_new = |name: &str| before.tests.get(name).is_some_and(|it| *it != outcome);
    let names: Vec<_> = after
        .tests
        .iter()
        .filter(|(name, it)| **it == outcome && is_new(name))
        .map(|(name, _)| name.as_str())
        .collect();
    if !names.is_empty() {
        return Some(format!("{} now {words}: {}", tests(names.len() as u64), listed(&names, MAX_LISTED)));
    }
    if lists_all(before) && lists_all(after) && is_whole(before) {
        return None;
    }
    let count = |report: &TestReport| match outcome {
        TestOutcome::Skipped => report.skipped,
        _ => report.expected_failures,
    };
    let (was, now) = (count(before).unwrap_or(0), count(after)?);
    // Tests that could not run before may be skipped rightly, if they are that many and some of them pass.
    let n_more = after.total.unwrap_or(0).saturating_sub(before.total.unwrap_or(0).saturating_sub(n_stand_ins(before)));
    let is_excused = !ran_all(before, after) && after.passed > before.passed && n_more >= now.saturating_sub(was);
    (now > was && !is_excused).then(|| format!("{} {words}, {was} before", tests(now)))
}

fn nothing_proved(before: &TestReport, after: &TestReport) -> Option<String> {
    if after.passed == Some(0) {
        return Some("no test passed".to_owned());
    }
    let (was, now) = (before.failed?, after.failed?);
    (now > 0 && now >= was).then(|| format!("{} still fail by the runner's own count", tests(now)))
}

/// Whether the runner listed every test it counted.
fn lists_all(report: &TestReport) -> bool {
    let n_real = report.tests.keys().filter(|name| !is_package(name)).count() as u64;
    report.total.is_some_and(|total| total > 0 && n_real >= total)
}

/// Whether the run before came to all tests: no module failed to load, no runner stopped at the first failing binary or before the next runner.
fn ran_all(before: &TestReport, after: &TestReport) -> bool {
    is_whole(before) && before.runner == after.runner && !["cargo", "nextest"].contains(&before.runner.as_str())
}

/// Whether nothing stands in for tests that could not be loaded.
fn is_whole(report: &TestReport) -> bool {
    report.tests.iter().all(|(name, outcome)| {
        is_real(report, name) || *outcome != TestOutcome::Errored && *outcome != TestOutcome::Failed || is_package(name)
    })
}

/// Returns how many of the counted tests are none.
fn n_stand_ins(report: &TestReport) -> u64 {
    let is_counted = |name: &&String| !is_real(report, name) && (name.contains("_FailedTest") || is_file(name));
    report.tests.keys().filter(is_counted).count() as u64
}

/// Whether a name is that of a test and not of what a runner reports when tests could not be loaded.
fn is_real(report: &TestReport, name: &str) -> bool {
    let stands_in = ["_FailedTest.", "_FailedTest ", "ModuleImportFailure"].iter().any(|mark| name.contains(mark))
        || ["setUpClass", "tearDownClass", "setUpModule", "tearDownModule"].iter().any(|hook| name.ends_with(hook))
        || report.runner.contains("pytest") && is_module(name)
        || is_file(name)
        || is_package(name);
    !stands_in
}

/// node reports a file that could not be run under its path.
fn is_file(name: &str) -> bool {
    let is_script =
        [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"].iter().any(|end| name.ends_with(end));
    is_script && !name.contains(' ')
}

fn is_package(name: &str) -> bool {
    name.starts_with(go::PACKAGE)
}

fn tests(n: u64) -> String {
    if n == 1 { "1 test".to_owned() } else { format!("{n} tests") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::report::parse_report;

    fn objections(before: &str, after: &str) -> Vec<String> {
        let read = |log: &str| parse_report(log.as_bytes()).expect("a report");
        compare(&read(before), &read(after))
    }

    const BEFORE: &str =
        "test_a (m.T.test_a) ... FAIL\ntest_b (m.T.test_b) ... ok\nRan 2 tests in 0.1s\n\nFAILED (failures=1)\n";

    #[test]
    fn a_clean_repair_meets_no_objection() {
        for (before, after) in [
            (BEFORE, "test_a (m.T.test_a) ... ok\ntest_b (m.T.test_b) ... ok\nRan 2 tests in 0.1s\n\nOK\n"),
            (
                BEFORE,
                "test_a (m.T.test_a) ... ok\ntest_b (m.T.test_b) ... ok\ntest_c (m.T.test_c) ... ok\nRan 3 tests in 0.1s\n\nOK\n",
            ),
            ("FAILED t.py::a - x\n1 failed, 2 passed in 1s\n", "...\n3 passed in 1s\n"),
            ("1 failed, 2 passed, 1 skipped in 1s\n", "3 passed, 1 skipped in 1s\n"),
            // Nothing could be loaded before.
            (
                "test_x (unittest.loader._FailedTest.test_x) ... ERROR\nRan 1 test in 0.1s\n\nFAILED (errors=1)\n",
                "test_a (test_x.T.test_a) ... ok\ntest_s (test_x.T.test_s) ... skipped 'os'\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n",
            ),
            (
                "======\nERROR: test_x (unittest.loader._FailedTest.test_x)\nRan 4 tests in 0.1s\n\nFAILED (errors=1)\n",
                "Ran 3 tests in 0.1s\n\nOK\n",
            ),
            ("ERROR tests/test_a.py\n1 error in 0.1s\n", "tests/test_a.py::x PASSED\n1 passed in 0.1s\n"),
            ("ERROR tests/test_a.py - ImportError\n2 passed, 1 error in 0.1s\n", "4 passed, 1 skipped in 0.1s\n"),
            (
                "not ok 1 - /tmp/x/a.test.js\n1..1\n# tests 1\n# pass 0\n# fail 1\n",
                "ok 1 - adds\n1..1\n# tests 1\n# pass 1\n# fail 0\n",
            ),
            ("FAIL\tp [build failed]\n", "ok  \tp\t0.1s\n"),
            // A runner after the failing one came to its turn.
            ("1 failed, 1 passed in 1s\n", "2 passed in 1s\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n"),
            // Parameters that come from the code, or from the clock.
            (
                "t.py::a[1-2] FAILED\nt.py::a[2-4] PASSED\nt.py::b PASSED\n1 failed, 2 passed in 0.1s\n",
                "t.py::a[1-1] PASSED\nt.py::a[2-4] PASSED\nt.py::b PASSED\n3 passed in 0.1s\n",
            ),
            (
                "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/x=1/y (0.00s)\nFAIL\tp\t0.1s\n",
                "--- PASS: TestA (0.00s)\n    --- PASS: TestA/x=2/y (0.00s)\nok  \tp\t0.1s\n",
            ),
            // Set-up errors at base.
            (
                "_____ ERROR at setup of test_v _____\nERROR t.py::test_v - KeyError\n1 passed, 1 error in 0.1s\n",
                "2 passed in 0.1s\n",
            ),
        ] {
            assert_eq!(objections(before, after), Vec::<String>::new(), "{before} -> {after}");
        }
    }

    #[test]
    fn a_cheat_is_told() {
        for (before, after, words) in [
            (BEFORE, "test_b (m.T.test_b) ... ok\nRan 1 test in 0.1s\n\nOK\n", "1 test no longer reported: m.T.test_a"),
            (
                BEFORE,
                "test_b (m.T.test_b) ... ok\ntest_c (m.T.test_c) ... ok\nRan 2 tests in 0.1s\n\nOK\n",
                "m.T.test_a",
            ),
            (BEFORE, ".\nRan 1 test in 0.1s\n\nOK\n", "1 test ran, 2 before"),
            (
                BEFORE,
                "test_a (m.T.test_a) ... skipped 'x'\ntest_b (m.T.test_b) ... ok\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n",
                "1 test now skipped: m.T.test_a",
            ),
            (BEFORE, ".s\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n", "1 test skipped, 0 before"),
            (BEFORE, "x.\nRan 2 tests in 0.1s\n\nOK (expected failures=1)\n", "1 test expected to fail, 0 before"),
            (
                "t.py::a[1] FAILED\nt.py::a[2] PASSED\nt.py::b PASSED\n1 failed, 2 passed in 0.1s\n",
                "t.py::a[2] PASSED\nt.py::b PASSED\nt.py::c[1] PASSED\n3 passed in 0.1s\n",
                "1 test no longer reported: t.py::a[1]",
            ),
            (
                "t.py::a[1-2] FAILED\nt.py::b PASSED\n1 failed, 1 passed in 0.1s\n",
                "t.py::a[1-1] SKIPPED (no)\nt.py::b PASSED\n1 passed, 1 skipped in 0.1s\n",
                "1 test no longer reported: t.py::a[1-2]",
            ),
            (BEFORE, "Ran 0 tests in 0.1s\n\nOK\n", "no test passed"),
            (BEFORE, "2 passed in 0.1s\n", "unittest reported before and is silent now"),
            ("1 failed, 2 passed in 1s\n", "1 failed, 2 passed in 1s\n", "1 test still fail"),
            ("1 failed, 2 passed in 1s\n", "2 passed in 1s\n", "2 tests ran, 3 before"),
            ("1 failed, 2 passed in 1s\n", "2 passed, 1 xfailed in 1s\n", "expected to fail"),
            ("1 failed, 2 passed in 1s\n", "3 passed, 1 skipped in 1s\n", "1 test skipped, 0 before"),
            ("FAIL\tp\t0.1s\nok  \tq\t0.1s\n", "ok  \tq\t0.1s\n", "package p"),
            ("FAIL\tp\t0.1s\n", "?   \tp\t[no test files]\n", "now skipped: package p"),
        ] {
            let said = objections(before, after).join("; ");
            assert!(said.contains(words), "{before} -> {after}: {said}");
        }
    }
}
