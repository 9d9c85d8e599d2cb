//! Says how telling a log line is: what failed weighs most, what only mentions failure little, everything else nothing.
use crate::evidence::pattern::pattern;
use crate::evidence::pattern::pattern_set;
use regex::Regex;
use regex::RegexSet;
use std::sync::LazyLock;

/// An error with its message, an exception, a panic.
pub(crate) const ERROR: u16 = 100;
/// The name of a failing test.
pub(crate) const NAME: u16 = 90;
/// The least weight of a line that a hash is taken over when there is one.
pub(crate) const TELLING: u16 = 60;
/// The least weight of a line whose neighbours are kept.
pub(crate) const WITH_CONTEXT: u16 = 40;
/// A line that only holds a word of failure.
pub(crate) const MENTION: u16 = 10;

/// The cheap first look: without one of these words a line weighs nothing.
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)err|fail|exce|panic|assert|traceback|fatal|abort|killed|segfault|segmentation|core dumped|undefined|unresolved|denied|refused",
        r"|not found|no such|cannot|can't|could not|couldn't|unable|unknown|invalid|missing|mismatch|unexpected|expected|received:|unauthorized|forbidden",
        r"|timed? ?out|timeout|deadline|no space|quota|out of memory|oom|vulnerab|leak|secret|credential|token|certificate|resolve host|name resolution|manifest",
        r"|not ok|left: |right: |!==|got |warn|__main__|file \x22|-->|caused by|stack|command exited|no module|required|not set|getaddrinfo|unreachable|conflict",
        r"|[✖✗✘✕×●✕]|^E  |^>  |rerun|cve-|exceeded|was cancel|was killed|signal|no tests|exit (?:code|status)|panicked|todo!|main\.|returned"
    ))
});

/// Weight and shape; the heaviest that matches counts.
const SHAPES: &[(u16, &str)] = &[
    // Exceptions, with pytest's `E   ` or TAP's `# ` before them.
    (
        ERROR,
        r"^(?:E\s+|# |\s{2,8})?(?:[A-Za-z_][\w]*[.:/]{1,2})*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Failure|Fault|Timeout|Expired)(?: \[\w+\])?(?::.*|\s*)$",
    ),
    (ERROR, r"^E\s+(?:assert\b|Failed:|fixture '|\w*Error\b)"),
    (ERROR, r"\berror(?:\[E\d{4}\]|:? TS\d{3,5}\b|:? [A-Z]{2,8}\d{3,5}\b)"),
    (ERROR, r"^thread '.*' (?:\(\d+\) )?panicked at|^\s*assertion .*failed"),
    (ERROR, r"(?i)^\S+?:\d+(?::\d+)?: (?:fatal )?error\b"),
    (ERROR, r"^panic: |^fatal error: |^fatal: "),
    (ERROR, r"^Exception in thread |^Caused by: \S|^Uncaught |^Unhandled"),
    (ERROR, r"(?i)^(?:/\S+: |sh: |bash: )?(?:line )?(?:\d+: )?\S+: (?:command )?not found$|: command not found$"),
    (
        ERROR,
        r"(?i)undefined reference to|undefined symbol|cannot find -l|multiple definition of|no rule to make target",
    ),
    (ERROR, r"(?i)\b(?:cannot find module|cannot find package|no module named|module_not_found)\b"),
    (
        ERROR,
        r"(?i)\bno space left on device|\bout of memory\b|\bdisk quota exceeded|^killed$|segmentation fault|core dumped",
    ),
    (95, r"^\s+\S+_test\.go:\d+: |^\s+\S+\.go:\d+: "),
    (95, r"^\S+\.go:\d+:\d+: "),
    (95, r"^\s*\S.{0,200} !== \S"),
    // Names of failing tests.
    (NAME, r"^(?:FAIL|ERROR): \w+ \("),
    (NAME, r"^(?:FAILED|ERROR) \S+(?:\.py|::)"),
    (NAME, r"^test .* \.\.\. FAILED$"),
    (NAME, r"^\s*--- FAIL: "),
    (NAME, r"^\s*not ok \d+"),
    (NAME, r"^\s*[✖✗✘✕×] \S"),
    (NAME, r"^\s*● \S"),
    (NAME, r"^\s+\d+\) \S"),
    (NAME, r"^\s*(?:FAIL|SIGABRT|SIGSEGV|TIMEOUT) +\["),
    (NAME, r"^\s*FAIL\s+\S+\.[cm]?[jt]sx?\b|^FAIL\t\S+"),
    (NAME, r"<<< (?:FAILURE|ERROR)!"),
    (88, r"^(?:FAIL|FAILED|NOT OK|FAILURE)\b[: ]\s*\S"),
    (85, r"(?i)^\s*(?:error|err|fatal|critical)\b[^\w\s]? ?.{3,}"),
    (85, r"^(?:E: |npm (?:ERR!|error) |ERROR |\[ERROR\] |ERR! )\S"),
    (85, r"^##\[error\]"),
    (80, r"^\s*\d+:\d+\s+error\s"),
    (75, r"^\s*(?:Expected|Received|expected|received|left|right|actual|\s*Left|\s*Right):? "),
    (75, r"^\s*expect\(.*\)\."),
    (70, r"(?i)\b(?:failed|failure|unable|could ?n[o']t|cannot|can't) (?:to )?\w"),
    (70, r"(?i)\b(?:timed out|permission denied|access denied|connection refused|no such file)\b"),
    (65, r"(?i)\b(?:error|exception|fatal|panic)\b\s*[:\]]"),
    // Context of a failure: kept, but no part of the hash.
    (50, r"^Traceback \(most recent call last\)|^\s+File \x22|^\s*--> \S+:\d+|^>\s|^E\s{2,}"),
    (
        45,
        r"^(?:FAILED|OK) \(|^=+ .*(?:failed|error).* =+$|^test result: FAILED|^\S+\.py:\d+: |^error: (?:test failed|could not compile|aborting|\d+ targets?)",
    ),
    (45, r"(?i)^(?:##\[error\])?(?:Error: )?process completed with exit code|^make.*\*\*\* |Error \d+$"),
    (30, r"(?i)\b(?:error|failed|failure|exception|fatal|panic|assert\w*|traceback|denied|refused)\b"),
    (MENTION, r"(?i)\bwarn"),
];

/// What passes or counts nothing: weighs little whatever words it has; the first four nothing at all.
const HARMLESS: &[&str] = &[
    r"(?:\.\.\. |\s)(?:ok|PASSED|passed|skipped.*|expected failure)(?:\s+\[\s*\d+%\])?$",
    r"^\s*(?:ok \d+|ok\s|PASS|✓|✔|√|SKIP|--- (?:PASS|SKIP)|=== (?:RUN|PAUSE|CONT))\b",
    r"^\s*[✓✔√﹣○] ",
    r"^\s*(?:not ok \d+|✖) .*# (?i:TODO|SKIP)\b",
    r"(?i)\b(?:0|no) (?:errors?|failures?|failed|warnings?|vulnerabilities)\b",
    r"(?i)^\s*(?:\S+: )?warning\b|^\s*\S+Warning: ",
    r"^(?:error: (?:test failed|could not compile|aborting|\d+ targets? failed)|test result: )",
    r"^\s*(?:Compiling|Downloading|Downloaded|Collecting|Installing|Checking|Fetching|Requirement already|Using cached|npm (?:WARN|warn|notice)) ",
    r"(?i)^##\[(?:group|endgroup|command|debug)\]",
    r"(?i)^(?:##\[error\])?(?:Error: )?process completed with exit code",
    r"^(?:FAILED|OK) \(|^Ran \d+ tests?",
    r"^[#ℹ] (?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ",
    r"^\s*(?:failures|errors):$|^\s*✖ failing tests:$",
    r"^(?:g?make\[?\d*\]?: \*\*\*|npm (?:ERR!|error) (?:code ELIFECYCLE|errno|A complete log|Exit status|Test failed|path|command|Lifecycle|workspace|location))",
    r"^-{4,} Captured |^_{4,}.*_{4,}$|^={4,}.*={4,}$",
];
const N_PASSING: usize = 4;
/// What a harmless line is at most taken for.
const HARMLESS_CAP: u16 = 45;

static SHAPE_SET: LazyLock<RegexSet> = LazyLock::new(|| pattern_set(SHAPES.iter().map(|(_, text)| *text)));
static HARMLESS_SET: LazyLock<RegexSet> = LazyLock::new(|| pattern_set(HARMLESS.iter().copied()));
static PLAIN_EXCEPTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:E\s+)?(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:: .*)?$"));

/// Weighs the lines of one log in their order.
#[derive(Debug, Default)]
pub(crate) struct Weigher {
    in_traceback: bool,
}

impl Weigher {
    /// Returns the weight of the next line.
    pub(crate) fn weigh(&mut self, line: &str) -> u16 {
        if self.in_traceback
            && let Some(weight) = self.weigh_in_traceback(line)
        {
            return weight;
        }
        if !WORDS.is_match(line) {
            return 0;
        }
        if line.starts_with("Traceback (most recent call last)") {
            self.in_traceback = true;
        }
        let heaviest = SHAPE_SET.matches(line).iter().map(|idx| SHAPES[idx].0).max().unwrap_or(MENTION);
        match HARMLESS_SET.matches(line).iter().next() {
            Some(idx) if idx < N_PASSING => 0,
            Some(_) => heaviest.min(HARMLESS_CAP) / 2,
            None => heaviest,
        }
    }

    /// After Python's frames comes the exception, whatever its name is.
    fn weigh_in_traceback(&mut self, line: &str) -> Option<u16> {
        if line.starts_with([' ', '\t']) {
            return Some(if line.trim_start().starts_with("File \"") { 50 } else { 20 });
        }
        self.in_traceback = false;
        PLAIN_EXCEPTION.is_match(line).then_some(ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(line: &str) -> u16 {
        Weigher::default().weigh(line)
    }

    #[test]
    fn what_failed_weighs_most() {
        for line in [
            "AssertionError: 3 != 4",
            "E   AssertionError: assert 3 == 4",
            "E   assert 3 == 4",
            "ModuleNotFoundError: No module named 'x'",
            "requests.exceptions.ConnectionError: gone",
            "error[E0308]: mismatched types",
            "src/a.ts(3,4): error TS2322: no",
            "thread 'tests::a' panicked at src/lib.rs:3:5:",
            "AssertionError [ERR_ASSERTION]: no",
            "  AssertionError [ERR_ASSERTION]: no",
            "main.c:3:4: error: expected ';'",
            "sh: 1: pytest: not found",
            "java.lang.NullPointerException: x",
        ] {
            assert_eq!(weight(line), ERROR, "{line}");
        }
        for line in [
            "FAIL: test_a (t.T.test_a)",
            "FAILED tests/test_a.py::test_b - KeyError",
            "test tests::a ... FAILED",
            "--- FAIL: TestX (0.00s)",
            "not ok 3 - adds",
            "✖ adds (1ms)",
            "  ● adds › two",
        ] {
            assert_eq!(weight(line), NAME, "{line}");
        }
    }

    #[test]
    fn what_passes_weighs_nothing() {
        for line in [
            "test tests::error_is_shown ... ok",
            "tests/test_a.py::test_error PASSED [ 50%]",
            "test_failure (t.T.test_failure) ... ok",
            "✔ handles error (1ms)",
            "Installing collected packages: a",
            "all is well",
        ] {
            assert_eq!(weight(line), 0, "{line}");
        }
        assert!(weight("0 errors, 0 warnings") < WITH_CONTEXT);
        assert!(weight("DeprecationWarning: asyncio error") < WITH_CONTEXT);
        assert!(weight("error: test failed, to rerun pass `--lib`") < TELLING);
        assert!(weight("FAILED (failures=1)") < TELLING);
    }

    #[test]
    fn any_name_is_an_exception_after_a_traceback() {
        let mut weigher = Weigher::default();
        let weights: Vec<_> = [
            "Traceback (most recent call last):",
            "  File \"a.py\", line 1, in f",
            "    g()",
            "shop.OutOfStock: apples",
        ]
        .map(|line| weigher.weigh(line))
        .into();
        assert_eq!(weights, [50, 50, 20, ERROR]);
        assert_eq!(weigher.weigh("shop.OutOfStock: apples"), 0);
    }
}
