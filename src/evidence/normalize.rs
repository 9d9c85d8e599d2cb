//! Reduces failure lines to what stays the same when the same program fails again, and hashes them.
//!
//! The order follows Sentry's parameterisation, with what CI adds: workspaces, temporary folders, ports, process ids, seeds. Numbers of up to four
//! digits stay: `3 != 4` and `5 != 6` are two failures. A change of what comes out here is a new version of the hash.
use crate::evidence::pattern::pattern;
use crate::evidence::pattern::pattern_set;
use crate::evidence::prefix::plain_line;
use regex::Regex;
use regex::RegexSet;
use sha2::Digest as _;
use sha2::Sha256;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Name of this algorithm, the first part of every hash.
pub const VERSION: &str = "v1";

/// Lines that enter a hash.
pub const MAX_HASHED_LINES: usize = 5;

/// Characters of a line that are looked at.
const MAX_CHARS: usize = 1_000;

/// What is replaced by what, in this order.
const RULES: &[(&str, &str)] = &[
    (r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+\b", "<email>"),
    // Workspaces of the known runners, then temporary folders, then every other absolute path down to its last part.
    (r"(?:/home/runner/work|/__w|[A-Za-z]:[\\/]a)[\\/][\w.-]+[\\/][\w.-]+[\\/]", ""),
    (r"(?:/github/workspace/|/builds/[\w.-]+/[\w.-]+/)", ""),
    (
        r"(?:/private)?(?:/tmp|/var/tmp|/dev/shm|/var/folders/\w+/\w+/\w)(?:/[\w.@+-]+)*/([\w.@+-]+\.\w{1,6})\b",
        "<tmp>/$1",
    ),
    (r"(?:/private)?(?:/tmp|/var/tmp|/dev/shm|/var/folders/\w+/\w+/\w)(?:/[\w.@+-]+)+/?", "<tmp>"),
    (r"(?i)[a-z]:(?:[\\/]{1,2}[\w.@+ -]+)*[\\/]{1,2}([\w.@+-]+)", "<path>/$1"),
    (r"(^|[\s'\x22`(=\[<,:]|file://)(?:/[\w.@+~-]+)+/([\w.@+~-]+)", "$1<path>/$2"),
    (r"\btmp[a-z0-9_]{8}\b", "<tmp>"),
    (r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"(?i)\b00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\b", "<trace>"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b", "<date>"),
    (r"\b\d{4}/\d\d/\d\d(?: \d\d:\d\d:\d\d)?\b", "<date>"),
    (
        r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? )?(?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{1,4}(?: \d{4})?(?: \d\d:\d\d:\d\d)?\b",
        "<date>",
    ),
    (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
    (r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b", "<ip>"),
    (r"(?i)\[?(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}\]?(?::\d{1,5}\b)?|\[::1?\](?::\d{1,5})?", "<ip>"),
    (r"(?i)\blocalhost:\d{1,5}\b", "localhost"),
    (r"(?i)\b(port[\s=:#]{1,2}|:port=)\d{1,5}\b", "$1<int>"),
    (r"(https?://[\w.<>-]+):\d{1,5}\b", "$1"),
    (r"(?i)\b(p?pid|process|thread|worker|job|attempt|tid|uid|gid|fd|run)([\s=:#]{1,2}|-)\d+\b", "$1$2<int>"),
    (r"^(thread '[^']*') \(\d+\)", "$1"),
    (r"\[pid \d+\]|\[\d{2,}\]", "[<int>]"),
    (r"(?i)\b((?:random[ _-]?)?seed[\s=:]{1,2}|randomly-seed=)\w+", "$1<int>"),
    (r"(?i)\b0x[0-9a-f]+\b", "<hex>"),
    (r"\bh?[0-9a-f]*(?:\d[0-9a-f]*[a-f]|[a-f][0-9a-f]*\d)[0-9a-f]{5,}\b", "<hex>"),
    (r"\b[0-9A-F]*(?:\d[0-9A-F]*[A-F]|[A-F][0-9A-F]*\d)[0-9A-F]{6,}\b", "<hex>"),
    (r"\b(?:\d+h)?\d+m\d+(?:\.\d+)?s\b", "<duration>"),
    (
        r"(?i)\b\d+(?:\.\d+)?(?:e-?\d+)?\s?(?:ns|us|µs|ms|secs?|seconds?|millis(?:econds)?|mins?|minutes?|hours?|hrs?)\b",
        "<duration>",
    ),
    (r"\b\d+(?:\.\d+)?\s?s\b", "<duration>"),
    (r"(?i)\b\d+(?:\.\d+)?\s?(?:bytes?|[kmgt]i?b|b)(?:/s)?\b", "<size>"),
    (r"\b\d+(?:\.\d+)?%", "<percent>"),
    (r"(\.(?:tsx?|jsx?|cs|vb|fs|cpp|[ch]))\(\d+,\d+\)", "$1"),
    (r"(\.[A-Za-z]\w{0,5}):\d+(?::\d+)?(?:-\d+)?\b", "$1"),
    (r"(?i)\b(lines?|ln|col|column|offset|char|position) \d+", "$1 <int>"),
    (r"\b\d{5,}\b", "<int>"),
    (r"\s+", " "),
];

/// Lines that only count or decorate: no part of what failed.
const NOISE: &[&str] = &[
    r"^[-=_*~#.+ ]*$",
    r"^Ran \d+ tests? in ",
    r"^(?:FAILED|OK)(?: \([a-z ]+=\d+(?:, [a-z ]+=\d+)*\))?$",
    r"^NO TESTS RAN$",
    r"^[.FEsxXuR]+(?:\s+\[\s*\d+%\])?$",
    r"^\S+\.py [.FEsxXR]+(?:\s+\[\s*\d+%\])?$",
    r"^=*\s*(?:\d+ [a-z]+(?: [a-z]+)?(?:, )?)+ in [\d.]+s\b.*$",
    r"^=+ .* =+$",
    r"^collected \d+ items?|^collecting ",
    r"^test result: ",
    r"^(?:Tests|Test Suites|Test Files|Snapshots|Time|Duration|Start at):?\s",
    r"^[#ℹ] (?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$",
    r"^\s*\d+ (?:passing|failing|pending)\b",
    r"^running \d+ tests?$",
    r"(?i)^(?:##\[error\])?(?:Error: )?Process completed with exit code \d+\.?$",
    r"^(?:g?make|npm ERR!|npm error).*(?:Error \d+|code ELIFECYCLE|errno \d+|Exit status \d+|A complete log of this run.*)$",
    r"^error: (?:test failed, to rerun pass|\d+ targets? failed|could not compile|aborting due to)",
    r"^Command (?:exited|failed) with .*code \d+",
];

static COMPILED: LazyLock<Vec<(Regex, &'static str)>> =
    LazyLock::new(|| RULES.iter().map(|(text, by)| (pattern(text), *by)).collect());
/// Says which rules find something, with one look at a line.
static FINDS: LazyLock<RegexSet> = LazyLock::new(|| pattern_set(RULES.iter().map(|(text, _)| *text)));
static IS_NOISE: LazyLock<RegexSet> = LazyLock::new(|| pattern_set(NOISE.iter().copied()));

/// Returns a line without what changes from run to run, in lower case; empty when nothing of it tells what failed.
pub fn normalize(line: &str) -> String {
    let plain = plain_line(line);
    let plain = plain.trim().trim_start_matches("##[error]").trim();
    if IS_NOISE.is_match(plain) {
        return String::new();
    }
    let mut text: String = plain.chars().take(MAX_CHARS).collect();
    let mut next_rule = 0;
    // What one rule put in may be what a later one finds: ask again after each that changed something.
    while let Some(rule) = FINDS.matches(&text).iter().find(|rule| *rule >= next_rule) {
        let (regex, by) = &COMPILED[rule];
        if let Cow::Owned(new) = regex.replace_all(&text, *by) {
            text = new;
        }
        next_rule = rule + 1;
    }
    text.trim().to_lowercase()
}

/// Returns `v1:` and the SHA-256 over the type and up to five different normalised lines, whatever their order.
pub fn error_hash<S: AsRef<str>>(error_type: &str, lines: &[S]) -> String {
    let mut seen = BTreeSet::new();
    for line in lines {
        let text = normalize(line.as_ref());
        if !text.is_empty() && seen.len() < MAX_HASHED_LINES {
            seen.insert(text);
        }
    }
    let mut hasher = Sha256::new();
    hasher.update(VERSION);
    hasher.update("\n");
    hasher.update(error_type.trim().to_lowercase());
    for line in seen {
        hasher.update("\n");
        hasher.update(line);
    }
    format!("{VERSION}:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(one: &str, other: &str) {
        assert_eq!(normalize(one), normalize(other), "{one} / {other}");
    }

    #[test]
    fn what_changes_from_run_to_run_is_left_out() {
        same("/tmp/tmpab12cd34/repo/calc.py:12: error", "/tmp/tmpzz99yy88/repo/calc.py:13: error");
        same("  File \"/tmp/x1/a.py\", line 3, in f", "  File \"/tmp/y2/deep/a.py\", line 9, in f");
        same("open '/srv/ci/1/data.json' failed", "open '/home/me/other/data.json' failed");
        same("bind 127.0.0.1:40123: in use", "bind 127.0.0.1:51234: in use");
        same("http://localhost:8080/users gone", "http://localhost:9191/users gone");
        same("<Foo object at 0x7f3a1c2b>", "<Foo object at 0x7fffe001>");
        same("worker pid=812 died", "worker pid=99213 died");
        same("took 1.23s", "took 45ms");
        same("session 3f2a9c1b7d", "session 9b1c2d3e4f");
        same("2026-04-22T16:09:37.33Z FAIL: test_x (t.T.test_x)", "FAIL: test_x (t.T.test_x)");
        same("downloaded 12.5 MB", "downloaded 3 kB");
        same(
            "thread 'tests::a' (12345) panicked at src/lib.rs:3:5:",
            "thread 'tests::a' (77) panicked at src/lib.rs:9:1:",
        );
        same("C:\\Users\\bob\\AppData\\Local\\Temp\\ab\\x.py failed", "D:\\ci\\x.py failed");
        same("using seed 12", "using seed 991");
    }

    #[test]
    fn what_tells_failures_apart_stays() {
        for (one, other) in [
            ("AssertionError: 3 != 4", "AssertionError: 5 != 6"),
            ("FAIL: test_a (t.T.test_a)", "FAIL: test_b (t.T.test_b)"),
            ("KeyError: 'a'", "KeyError: 'b'"),
            ("src/a.rs:1:1: error", "src/b.rs:1:1: error"),
            ("GET http://localhost:1/users 500", "GET http://localhost:1/orders 500"),
            ("error[E0308]: mismatched types", "error[E0277]: mismatched types"),
        ] {
            assert_ne!(normalize(one), normalize(other));
        }
    }

    #[test]
    fn counting_lines_are_no_part_of_a_failure() {
        for line in [
            "Ran 3 tests in 0.001s",
            "FAILED (failures=1, errors=2)",
            "OK (skipped=1)",
            "..F.s",
            "tests/test_a.py ..F [ 66%]",
            "=========== 2 failed, 3 passed in 0.12s ===========",
            "2 failed, 3 passed in 0.12s",
            "----------------------------------------------------------------------",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "ℹ tests 5",
            "##[error]Process completed with exit code 1.",
            "make: *** [Makefile:2: test] Error 1",
        ] {
            assert_eq!(normalize(line), "", "{line}");
        }
        assert_eq!(error_hash("X", &["a", "Ran 3 tests in 0.1s"]), error_hash("x", &["Ran 9 tests in 4s", "A"]));
    }

    #[test]
    fn the_hash_names_its_version_and_keeps_apart_types() {
        let hash = error_hash("KeyError", &["KeyError: 'a'"]);
        assert!(hash.starts_with("v1:") && hash.len() == 3 + 64);
        assert_ne!(hash, error_hash("ValueError", &["KeyError: 'a'"]));
        assert_eq!(error_hash("x", &["a", "b"]), error_hash("x", &["b", "a"]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn times_paths_ports_and_ids_do_not_matter(
            dirs in proptest::collection::vec("[a-z0-9][a-z0-9_]{0,7}", 2..5), port in 1_u16.., pid in 1_u32..999_999, address in 1_u64..,
            millis in 0_u32..100_000, hour in 0..24, uuid in proptest::array::uniform16(0_u8..),
        ) {
            let line = |dir: &str, port: u16, pid: u32, address: u64, millis: u32, hour: i32, id: &str| format!(
                "2026-01-02T{hour:02}:00:00Z /{dir}/calc.py: pid {pid} at 0x{address:x} port {port} on 127.0.0.1:{port} took {millis}ms id {id}"
            );
            let uuid = uuid::Uuid::from_bytes(uuid).to_string();
            let varied = line(&dirs.join("/"), port, pid, address, millis, hour, &uuid);
            let fixed = line("work/x", 80, 1, 1, 1, 1, "550e8400-e29b-41d4-a716-446655440000");
            prop_assert_eq!(error_hash("e", &[&varied]), error_hash("e", &[&fixed]), "{} / {}", normalize(&varied), normalize(&fixed));
        }

        #[test]
        fn normalising_never_panics(text in "(?s).{0,200}") {
            let _ = normalize(&text);
        }
    }
}
