//! What the test runners say of their own tests, read from a log line by line.
mod cargo;
mod compare;
mod go;
mod javascript;
pub mod junit;
mod nextest;
mod pytest;
mod tally;
mod tap;
mod unittest;

pub use crate::evidence::report::compare::compare;

use crate::domain::TestReport;
use crate::evidence::lines::Splitter;
use crate::evidence::prefix::plain_line;

/// Reads the reports of every known runner while a log goes by.
#[derive(Debug, Default)]
pub struct Collector {
    pytest: pytest::Pytest,
    unittest: unittest::Unittest,
    cargo: cargo::Cargo,
    nextest: nextest::Nextest,
    go: go::Go,
    tap: tap::Tap,
    javascript: javascript::JavaScript,
}

impl Collector {
    /// Takes the next line, without CI prefixes, escape sequences and line break.
    pub fn line(&mut self, line: &str) {
        if line.is_empty() || self.pytest.is_captured(line) | self.cargo.is_captured(line) {
            return;
        }
        self.pytest.line(line);
        self.unittest.line(line);
        self.cargo.line(line);
        self.nextest.line(line);
        self.go.line(line);
        self.tap.line(line);
        self.javascript.line(line);
        if line.ends_with(')') {
            self.javascript.indented_summary(line);
        }
    }

    /// Returns what was reported; several runners in one log are taken together.
    pub fn finish(self) -> Option<TestReport> {
        let tap = self.tap.finish();
        let javascript = self.javascript.finish().filter(|it| tap.is_none() || it.runner != "node");
        let reports = [
            self.pytest.finish(),
            self.unittest.finish(),
            self.cargo.finish(),
            self.nextest.finish(),
            self.go.finish(),
            tap,
            javascript,
        ];
        reports.into_iter().flatten().reduce(joined)
    }
}

/// Returns what a log says of its tests.
pub fn parse_report(log: &[u8]) -> Option<TestReport> {
    let mut collector = Collector::default();
    let mut splitter = Splitter::default();
    splitter.push(log, |line| collector.line(&plain_line(&String::from_utf8_lossy(line.bytes))));
    splitter.finish(|line| collector.line(&plain_line(&String::from_utf8_lossy(line.bytes))));
    collector.finish()
}

fn joined(mut one: TestReport, other: TestReport) -> TestReport {
    let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
    one.runner = format!("{}+{}", one.runner, other.runner);
    one.tests.extend(other.tests);
    one.total = sum(one.total, other.total);
    one.passed = sum(one.passed, other.passed);
    one.failed = sum(one.failed, other.failed);
    one.skipped = sum(one.skipped, other.skipped);
    one.expected_failures = sum(one.expected_failures, other.expected_failures);
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::TestOutcome::{Errored, ExpectedFailure, Failed, Passed, Skipped};

    /// `runner total passed failed skipped expected`
    fn counts(log: &str) -> String {
        let Some(it) = parse_report(log.as_bytes()) else { return "none".to_owned() };
        let n = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |n| n.to_string());
        format!(
            "{} {} {} {} {} {}",
            it.runner,
            n(it.total),
            n(it.passed),
            n(it.failed),
            n(it.skipped),
            n(it.expected_failures)
        )
    }

    fn outcome(log: &str, name: &str) -> Option<crate::domain::failure::TestOutcome> {
        parse_report(log.as_bytes())?.tests.get(name).copied()
    }

    const UNITTEST: &str = "test_bad (unittest.loader._FailedTest.test_bad) ... ERROR
test_add (test_calc.T.test_add) ... FAIL
test_doc (test_calc.T.test_doc)
Docs here. ... ok
test_sk (test_calc.T.test_sk) ... skipped 'why'
test_sub (test_calc.T.test_sub) ... 
  test_sub (test_calc.T.test_sub) (i=1) ... FAIL
test_noisy (test_calc.T.test_noisy) ... printed by the test
ok
test_xf (test_calc.T.test_xf) ... expected failure

======================================================================
ERROR: test_bad (unittest.loader._FailedTest.test_bad)
----------------------------------------------------------------------
ImportError: Failed to import test module: test_bad

======================================================================
FAIL: test_sub (test_calc.T.test_sub) (i=1)
----------------------------------------------------------------------
AssertionError: 1 != 0

----------------------------------------------------------------------
Ran 7 tests in 0.001s

FAILED (failures=2, errors=1, skipped=1, expected failures=1)
";

    #[test]
    fn unittest_is_read() {
        assert_eq!(counts(UNITTEST), "unittest 7 2 3 1 1");
        for (name, want) in [
            ("test_calc.T.test_add", Failed),
            ("test_calc.T.test_doc", Passed),
            ("test_calc.T.test_sk", Skipped),
            ("test_calc.T.test_sub", Failed),
            ("test_calc.T.test_noisy", Passed),
            ("test_calc.T.test_xf", ExpectedFailure),
            ("unittest.loader._FailedTest.test_bad", Errored),
        ] {
            assert_eq!(outcome(UNITTEST, name), Some(want), "{name}");
        }
        assert_eq!(counts("...\n-----\nRan 3 tests in 0.000s\n\nOK\n"), "unittest 3 3 0 0 0");
        assert_eq!(counts("Ran 3 tests in 0.000s\n\nOK (skipped=1, expected failures=1)\n"), "unittest 3 1 0 1 1");
        assert_eq!(counts("Ran 0 tests in 0.000s\n\nNO TESTS RAN\n"), "unittest 0 0 0 0 0");
        assert_eq!(outcome("test_a (m.T) ... ok\nRan 1 test in 0.0s\n\nOK", "m.T.test_a"), Some(Passed));
    }

    #[test]
    fn pytest_is_read() {
        let log = "============================= test session starts ==============================
collected 5 items

tests/test_a.py::test_x PASSED                                           [ 20%]
tests/test_a.py::test_y[a b - c] FAILED                                  [ 40%]
tests/test_a.py::T::test_z SKIPPED (no reason)                           [ 60%]
tests/test_a.py::test_w XFAIL (later)                                    [ 80%]
tests/test_a.py::test_v ERROR                                            [100%]
==================================== ERRORS ====================================
____________________________ ERROR at setup of test_v ____________________________
----------------------------- Captured stdout call -----------------------------
Ran 9 tests in 0.1s

OK
=========================== short test summary info ============================
FAILED tests/test_a.py::test_y[a b - c] - AssertionError: assert 1 == 2
ERROR tests/test_a.py::test_v - KeyError: 'x'
======= 1 failed, 1 passed, 1 skipped, 1 xfailed, 2 warnings, 1 error in 0.12s =======
";
        assert_eq!(counts(log), "pytest 5 1 2 1 1");
        for (name, want) in [
            ("tests/test_a.py::test_x", Passed),
            ("tests/test_a.py::test_y[a b - c]", Failed),
            ("tests/test_a.py::T::test_z", Skipped),
            ("tests/test_a.py::test_w", ExpectedFailure),
            ("tests/test_a.py::test_v", Errored),
        ] {
            assert_eq!(outcome(log, name), Some(want), "{name}");
        }
        assert_eq!(parse_report(log.as_bytes()).map(|it| it.tests.len()), Some(5));
        assert_eq!(counts("..F\nFAILED t.py::test_a - assert 1\n1 failed, 2 passed in 0.03s\n"), "pytest 3 2 1 0 0");
        assert_eq!(
            counts("\x1b[31m= \x1b[1m2 failed\x1b[0m, 3 passed, 1 skipped, 1 xfailed in 0.1s =\x1b[0m"),
            "pytest 7 3 2 1 1"
        );
        assert_eq!(counts("no tests ran in 0.01s"), "pytest 0 0 0 0 0");
        assert_eq!(counts("=== 5 passed, 3 deselected in 61.02s (0:01:01) ==="), "pytest 5 5 0 0 0");
        let broken = "ERROR tests/test_a.py - ImportError: no\n!!!!!! Interrupted: 1 error during collection !!!!!!\n=== 1 error in 0.1s ===";
        assert_eq!(counts(broken), "pytest 0 0 1 0 0");
        assert_eq!(outcome(broken, "tests/test_a.py"), Some(Errored));
        assert_eq!(counts("3 files changed in 0.5s"), "none");
        let odd = "t.py::a[b[c] - d] FAILED\nt.py::a[b] FAILED\nFAILED t.py::a[b[c] - d] - x - y\nFAILED t.py::a[b] - assert 1 - 1\n2 failed in 0.1s\n";
        assert_eq!(
            parse_report(odd.as_bytes()).map(|it| it.failing()),
            Some(vec!["t.py::a[b[c] - d]".to_owned(), "t.py::a[b]".to_owned()])
        );
        assert_eq!(outcome("[gw0] [ 50%] PASSED t.py::a\n1 passed in 1s", "t.py::a"), Some(Passed));
    }

    #[test]
    fn cargo_and_nextest_are_read() {
        let log = "     Running unittests src/lib.rs (target/debug/deps/x-abc)

running 3 tests
test tests::a ... ok
test tests::b ... FAILED
test tests::c ... ignored, later

failures:

---- tests::b stdout ----
running 1 test
test inner ... ok
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
Ran 3 tests in 0.1s

failures:
    tests::b

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s

     Running tests/it.rs (target/debug/deps/it-abc)
running 1 test
test a - should panic ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests x
running 1 test
test src/lib.rs - f (line 3) ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        // What a failing test prints may look like a report; cargo's own result lines end it.
        let quiet = log.replace("test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n", "");
        assert_eq!(counts(&quiet), "cargo 5 3 1 1 0");
        for (name, want) in [
            ("src/lib.rs tests::a", Passed),
            ("src/lib.rs tests::b", Failed),
            ("src/lib.rs tests::c", Skipped),
            ("tests/it.rs a", Passed),
            ("doc x src/lib.rs - f", Passed),
        ] {
            assert_eq!(outcome(&quiet, name), Some(want), "{name}");
        }
        let log = "        PASS [   0.004s] x tests::a\n        FAIL [   0.005s] (2/3) x tests::b\n------------\n     Summary [   0.021s] 3 tests run: 2 passed (1 slow), 1 failed, 1 skipped\n        FAIL [   0.005s] (2/3) x tests::b\n";
        assert_eq!(counts(log), "nextest 4 2 1 1 0");
        assert_eq!(outcome(log, "x tests::b"), Some(Failed));
    }

    #[test]
    fn go_is_read() {
        let log = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n=== RUN   TestB/sub_one\n--- FAIL: TestB (0.00s)\n    --- FAIL: TestB/sub_one (0.00s)\n=== RUN   TestC\n--- SKIP: TestC (0.00s)\nFAIL\nFAIL\texample.org/x\t0.003s\nok  \texample.org/y\t(cached)\n?   \texample.org/z\t[no test files]\nFAIL\texample.org/w [build failed]\nFAIL\n";
        assert_eq!(counts(log), "go 4 1 2 1 0");
        for (name, want) in [
            ("example.org/x.TestA", Passed),
            ("example.org/x.TestB/sub_one", Failed),
            ("package example.org/x", Failed),
            ("package example.org/y", Passed),
            ("package example.org/z", Skipped),
            ("package example.org/w", Errored),
        ] {
            assert_eq!(outcome(log, name), Some(want), "{name}");
        }
        assert_eq!(counts("ok  \texample.org/y\t0.1s\n"), "go - - - - -");
        let json = "{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"TestA\"}\n{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"TestA\",\"Elapsed\":0}\n{\"Action\":\"pass\",\"Package\":\"p\",\"Elapsed\":0}\n";
        assert_eq!(counts(json), "go 1 1 0 0 0");
        assert_eq!(outcome(json, "p.TestA"), Some(Passed));
    }

    #[test]
    fn node_is_read_in_both_of_its_formats() {
        let tap = "TAP version 13\n# Subtest: adds\nnot ok 1 - adds\n  ---\n  error: 'x'\n  ...\nok 2 - two # SKIP\nnot ok 3 - td # TODO\n# Subtest: suite\n    # Subtest: inner\n    ok 1 - inner\n    1..1\nok 4 - suite\n1..4\n# tests 4\n# suites 1\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 1\n# duration_ms 9\n";
        assert_eq!(counts(tap), "node 4 1 1 1 1");
        assert_eq!(outcome(tap, "adds"), Some(Failed));
        assert_eq!(outcome(tap, "two"), Some(Skipped));
        assert_eq!(outcome(tap, "td"), Some(ExpectedFailure));
        let spec = "✖ adds (1.76ms)\n  AssertionError [ERR_ASSERTION]: no\n✔ ok one (0.13ms)\n﹣ sk (0.1ms) # SKIP\n▶ suite\n  ✔ inner (7.4ms)\n▶ suite (7.6ms)\nℹ tests 4\nℹ suites 1\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0\n\n✖ failing tests:\n\ntest at t.test.js:2:1\n✖ adds (1.766098ms)\n";
        assert_eq!(counts(spec), "node 4 2 1 1 0");
        assert_eq!(outcome(spec, "adds"), Some(Failed));
        assert_eq!(outcome(spec, "sk"), Some(Skipped));
        assert_eq!(parse_report(spec.as_bytes()).map(|it| it.tests.len()), Some(4));
        assert_eq!(counts("1..2\nok 1 - a\nnot ok 2 - b\n"), "tap 2 1 1 0 0");
        assert_eq!(counts("ok 1 - said a program\n"), "none");
    }

    #[test]
    fn jest_vitest_and_mocha_are_read() {
        let jest = "FAIL src/a.test.js\n  adds\n    ✓ one (3 ms)\n    ✕ two (1 ms)\n    ○ skipped three\n    ✎ todo four\n\n  ● adds › two\n\nTest Suites: 1 failed, 1 total\nTests:       1 failed, 1 skipped, 1 todo, 1 passed, 4 total\nSnapshots:   0 total\nTime:        0.5 s\n";
        assert_eq!(counts(jest), "jest 4 1 1 1 1");
        assert_eq!(outcome(jest, "src/a.test.js › two"), Some(Failed));
        assert_eq!(outcome(jest, "src/a.test.js › three"), Some(Skipped));
        let vitest = " ✓ src/b.test.ts (3 tests) 5ms\n ❯ src/a.test.ts (3 tests | 1 failed) 8ms\n   × adds 3ms\n     → expected 3 to be 4\n\n Test Files  1 failed | 1 passed (2)\n      Tests  1 failed | 4 passed | 1 skipped (6)\n   Duration  300ms\n";
        assert_eq!(counts(vitest), "vitest 6 4 1 1 0");
        assert_eq!(outcome(vitest, "adds"), Some(Failed));
        let mocha = "  adds\n    ✔ one\n    1) two\n    - three\n\n\n  1 passing (5ms)\n  1 pending\n  1 failing\n\n  1) adds\n       two:\n";
        assert_eq!(counts(mocha), "mocha 3 1 1 1 0");
        assert_eq!(outcome(mocha, "two"), Some(Failed));
        assert_eq!(outcome(mocha, "three"), Some(Skipped));
    }

    #[test]
    fn several_runs_are_taken_together() {
        let log = "Ran 3 tests in 0.1s\n\nOK\nRan 2 tests in 0.1s\n\nFAILED (failures=1)\n1..1\nok 1 - a\n# tests 1\n# pass 1\n# fail 0\n";
        assert_eq!(counts(log), "unittest+node 6 5 1 0 0");
        assert_eq!(counts("nothing here\n"), "none");
    }
}
