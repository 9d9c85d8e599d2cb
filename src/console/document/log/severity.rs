//! Which lines report an error or a warning: by the formats of test frameworks, compilers and CI systems, not by the mere word.
use crate::console::document::pattern::pattern;
use regex::Regex;
use std::sync::LazyLock;

/// How bad a line says things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Warning,
    Error,
}

/// Formats that mean an error whatever else the line says.
static ERROR: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        // CI systems
        r"^##\[error\]",
        r"^::error[ :]",
        // pytest, unittest
        r"^E\s{3,}\S",
        r"^(FAILED|ERROR) \S+(::|\.py\b)",
        r"^\S+::\S.* (FAILED|ERROR)\b",
        r"^(FAIL|ERROR): \S+ \(",
        r"^FAILED \((failures|errors)=",
        // exceptions
        r"^([A-Za-z_]\w*\.)*[A-Za-z_]*(Error|Exception)(:|$)",
        r#"^(Uncaught |Caused by: |Exception in thread "|KeyboardInterrupt$)"#,
        // Rust
        r"^error(\[E\d+\])?: ",
        r"^thread '.*panicked at",
        r"^test .+ \.\.\. FAILED",
        r"^\s+(FAIL|ABORT|TIMEOUT|SIG[A-Z]+) \[",
        // Go
        r"^\s*--- FAIL: ",
        r"^FAIL(\t|$)",
        r"^panic: ",
        r"^\S+\.go:\d+:\d+: ",
        // C, TypeScript, Python checkers, JavaScript
        r"^\S[^ ]*[:(]\d+([:,]\d+)?\)?:? (fatal )?error\b",
        r"^\S+:\d+:\d+: [EF]\d{3} ",
        r"^\s+\d+:\d+\s+error\s",
        r"^\s*(✗|✘|✖|×|❌) ",
        r"^\s+● .+ › ",
        r"^FAIL\s+\S+\.\w+$",
        r"^\s*not ok \d+",
        r"^npm (ERR!|error)",
        // shells and tools
        r"^\S*sh: .*: (command )?not found$",
        r"^\S*sh: .*: (No such file or directory|Permission denied)$",
        r": command not found$",
        r"^make(\[\d+\])?: \*\*\* ",
        r"^(fatal|error|Error|FATAL ERROR): \S",
        r"^Found [1-9]\d* errors?\b",
        r"\b(Segmentation fault|core dumped)\b",
    ])
});

/// Level words of loggers at the start of a line, after at most a time.
static ERROR_LEVEL: LazyLock<Regex> = LazyLock::new(|| {
    any(&[r"^[\[\]\dTZ:.,/+\s-]*\[?(ERROR|FATAL|CRITICAL|SEVERE)\b", r#""level"\s*:\s*"(error|fatal|critical)""#])
});

static WARNING: LazyLock<Regex> = LazyLock::new(|| {
    any(&[
        r"^##\[warning\]",
        r"^::warning[ :]",
        r"^warning(\[\w+\])?: ",
        r"^\S[^ ]*[:(]\d+([:,]\d+)?\)?:? warning\b",
        r"^\s+\d+:\d+\s+warning\s",
        r"^npm (WARN|warn)\b",
        r"(^|[\s:])[A-Za-z]*Warning: ",
        r"^[\[\]\dTZ:.,/+\s-]*\[?WARN(ING)?\b",
        r#""level"\s*:\s*"warn"#,
    ])
});

/// Says that there is nothing to report.
static NONE: LazyLock<Regex> = LazyLock::new(|| any(&[r"(?i)\b(0|no) (errors?|failures?|failed|warnings?)\b"]));

fn any(patterns: &[&str]) -> Regex {
    pattern(&format!("(?:{})", patterns.join(")|(?:")))
}

/// Judges a line without escape sequences.
pub(super) fn of(line: &str) -> Option<Severity> {
    if line.is_empty() {
        None
    } else if ERROR.is_match(line) {
        Some(Severity::Error)
    } else if ERROR_LEVEL.is_match(line) {
        (!NONE.is_match(line)).then_some(Severity::Error)
    } else {
        (WARNING.is_match(line) && !NONE.is_match(line)).then_some(Severity::Warning)
    }
}

/// Whether a line only continues the error of the line before it.
pub(super) fn is_continued(line: &str) -> bool {
    line.starts_with("E  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_are_understood() {
        for line in [
            "##[error]Process completed with exit code 1.",
            "::error file=a.py,line=3::boom",
            "E       AssertionError: assert 3 == 4",
            "FAILED tests/test_retry.py::test_budget - AssertionError",
            "ERROR tests/test_x.py - ImportError: no module",
            "tests/test_x.py::test_a FAILED          [ 50%]",
            "FAIL: test_budget (tests.test_retry.RetryTest)",
            "FAILED (failures=1)",
            "ValueError: expected no errors, got 3",
            "subprocess.CalledProcessError: Command failed",
            "error[E0308]: mismatched types",
            "error: could not compile `x`",
            "thread 'main' (1) panicked at src/main.rs:3:5:",
            "test tests::adds ... FAILED",
            "    --- FAIL: TestX/sub (0.00s)",
            "FAIL\texample.com/x\t0.01s",
            "./main.go:3:5: undefined: x",
            "src/x.c:3:5: error: expected ';'",
            "src/x.ts(3,5): error TS2322: Type",
            "a.py:3: error: Incompatible types  [assignment]",
            "  3:5  error  'x' is not defined  no-undef",
            "not ok 3 - adds",
            "npm ERR! code ELIFECYCLE",
            "sh: 1: pytest: not found",
            "make: *** [Makefile:2: test] Error 1",
            "fatal: not a git repository",
            "2024-05-01 12:00:00,123 ERROR db: lost",
            "[ERROR] Failed to execute goal",
            "Segmentation fault (core dumped)",
        ] {
            assert_eq!(of(line), Some(Severity::Error), "{line}");
        }
    }

    #[test]
    fn warnings_are_no_errors() {
        for line in [
            "WARN  retry budget left=0",
            "##[warning]Node 16 is deprecated",
            "warning: unused variable: `x`",
            "src/x.c:3:5: warning: unused",
            "tests/x.py:3: DeprecationWarning: old",
            "12:00:01 WARNING root: slow",
        ] {
            assert_eq!(of(line), Some(Severity::Warning), "{line}");
        }
    }

    #[test]
    fn a_word_is_no_report() {
        for line in [
            "",
            "0 errors, 0 warnings",
            "ERROR count: 0 errors",
            "test error_handling ... ok",
            "Checking for error conditions",
            "    raise ValueError(x)",
            "tests/test_errors.py ......  [100%]",
            "PASSED tests/test_error.py::test_error",
            "errors: 0",
            "=== ERRORS ===",
            "collected 3 items / 0 errors",
            "tests/test_retry.py:88: AssertionError",
            "WARN no warnings",
            "E",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
