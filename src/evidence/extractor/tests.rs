//! Logs of many kinds, and what is known of their failures.
use super::*;
use crate::domain::{Category, TestReport};
use crate::evidence::extractor::reading::MAX_SUMMARY_CHARS;
use crate::evidence::mask::Masker;
use crate::evidence::normalize::MAX_HASHED_LINES;
use crate::evidence::reduce;
use proptest::prelude::*;
use std::sync::Arc;

fn unittest_log(root: &str, seconds: &str, want: u32) -> String {
    format!(
        "test_add (test_calc.T.test_add) ... FAIL
test_ok (test_calc.T.test_ok) ... ok

======================================================================
FAIL: test_add (test_calc.T.test_add)
----------------------------------------------------------------------
Traceback (most recent call last):
  File \"{root}/test_calc.py\", line 4, in test_add
    self.assertEqual(calc.add(1,2),{want})
AssertionError: -1 != {want}

----------------------------------------------------------------------
Ran 2 tests in {seconds}s

FAILED (failures=1)
"
    )
}

fn options(root: &str) -> Options {
    Options { roots: vec![root.to_owned()], ..Options::default() }
}

fn failure(log: &str) -> Failure {
    extract(log.as_bytes(), Options::default())
}

#[test]
fn a_failing_unittest_is_understood() {
    let found = extract(unittest_log("/tmp/tree", "0.001", 3).as_bytes(), options("/tmp/tree"));
    assert_eq!(found.category, Category::Test);
    assert_eq!(found.error_type, "AssertionError");
    assert_eq!(found.files, ["test_calc.py"]);
    assert_eq!(
        found.summary,
        "test_add (test_calc.T.test_add) ... FAIL | FAIL: test_add (test_calc.T.test_add) | AssertionError: -1 != 3"
            .replace("test_add (test_calc.T.test_add) ... FAIL | ", "")
    );
    assert_eq!(found.lines.iter().map(|it| it.number).collect::<Vec<_>>(), [5, 10]);
    assert_eq!(found.report.as_ref().map(TestReport::failing), Some(vec!["test_calc.T.test_add".to_owned()]));
    assert!(found.reduced_log.contains("   10| AssertionError: -1 != 3"), "{}", found.reduced_log);
    assert!(!found.reduced_log.contains("/tmp/tree"));
    assert_eq!((found.total_lines, found.total_bytes), (15, unittest_log("/tmp/tree", "0.001", 3).len() as u64));
}

#[test]
fn a_failure_with_a_name_has_the_same_lines() {
    let log = unittest_log("/tmp/tree", "0.001", 3);
    let found = failure(&log);
    let named =
        |name: &str| extract(log.as_bytes(), Options { error_type: Some(name.to_owned()), ..Options::default() });
    let same = named("AssertionError");
    assert_eq!((&same.hash, &same.lines, &same.summary), (&found.hash, &found.lines, &found.summary));
    let other = named("Flaky");
    assert_eq!((other.error_type.as_str(), &other.lines), ("Flaky", &found.lines));
    assert_ne!(other.hash, found.hash);
    let quiet = extract(b"nothing to see", Options { error_type: Some("X".to_owned()), ..Options::default() });
    assert_eq!(quiet.summary, "nothing to see");
}

#[test]
fn words_and_a_green_log_choose_what_is_shown_and_nothing_else() {
    let pairs = ('a'..='t').flat_map(|one| ('a'..='t').map(move |other| [one, other]));
    let lines: Vec<String> =
        pairs.map(|[one, other]| format!("ERROR cache {one}{other} is cold, going on\nplain\n")).collect();
    let noise = lines.concat();
    let log = format!("{noise}our gizmo stopped\n{noise}{}", unittest_log("/tmp/tree", "0.001", 3));
    let mut reader = crate::evidence::green::GreenReader::new(&[]);
    reader.push(noise.as_bytes());
    let budget_tokens = 500;
    let bare = extract(log.as_bytes(), Options { budget_tokens, ..options("/tmp/tree") });
    let told = Options {
        budget_tokens,
        keywords: keywords(["Gizmo", "(not a group"], ["never .*"]),
        green: Some(Arc::new(reader.finish())),
        ..options("/tmp/tree")
    };
    let told = extract(log.as_bytes(), told);
    for text in ["our gizmo stopped", "self.assertEqual(calc.add(1,2),3)"] {
        assert!(!bare.reduced_log.contains(text), "{text}: {}", bare.reduced_log);
        assert!(told.reduced_log.contains(text), "{text}: {}", told.reduced_log);
    }
    assert_eq!((bare.hash, bare.lines, bare.category), (told.hash, told.lines, told.category));
    assert!(keywords([], []).is_none() && keywords([], ["("]).is_none() && keywords(["a"], ["("]).is_some());
}

#[test]
fn report_files_speak_where_the_output_does_not() {
    let xml = b"<testsuite><testcase classname='m' name='a'><failure>AssertionError: 1 != 2</failure></testcase><testcase classname='m' name='b'/></testsuite>";
    let read = |log: &[u8]| {
        let mut account = Account::default();
        account.add(xml).unwrap();
        let mut extractor = Extractor::new(Options::default());
        extractor.push(log);
        let added = extractor.take_account(account);
        (added, extractor.finish(ExitHint::Failed))
    };
    let (added, silent) = read(b"connect: Connection refused");
    assert!(added.contains("FAIL: m.a\n"), "{added}");
    assert_eq!((silent.category, silent.error_type.as_str()), (Category::Test, "AssertionError"));
    assert_eq!(
        silent.report.map(|it| (it.runner.clone(), it.failing())),
        Some(("junit".to_owned(), vec!["m.a".to_owned()]))
    );
    let (added, spoke) = read(unittest_log("/x", "1", 3).trim_end().as_bytes());
    assert_eq!((added.as_str(), spoke.report.map(|it| it.runner)), ("", Some("unittest".to_owned())));
}

#[test]
fn the_same_failure_elsewhere_and_later_has_the_same_hash() {
    let here = extract(unittest_log("/tmp/abc", "0.001", 3).as_bytes(), options("/tmp/abc"));
    let there = extract(unittest_log("/srv/x/y", "12.5", 3).as_bytes(), options("/srv/x/y"));
    let unknown = extract(unittest_log("/home/me/z", "1.5", 3).as_bytes(), Options::default());
    let other = extract(unittest_log("/tmp/abc", "0.001", 4).as_bytes(), options("/tmp/abc"));
    assert_eq!(here.hash, there.hash);
    assert_eq!(here.hash, unknown.hash);
    assert_ne!(here.hash, other.hash);
}

#[test]
fn ci_columns_and_colours_make_no_difference() {
    let plain = unittest_log("/tmp/abc", "0.001", 3);
    let dress = |line: &str| format!("\u{feff}2026-04-22T16:09:37.3317193Z \x1b[31m{line}\x1b[0m\r\n");
    let dressed = plain.lines().map(dress).collect::<Vec<_>>().concat();
    assert_eq!(failure(&dressed).hash, failure(&plain).hash);
    let column = |line: &str| format!("test\tRun\t2026-04-22T16:09:37.33Z {line}\n");
    let columns = plain.lines().map(column).collect::<Vec<_>>().concat();
    assert_eq!(failure(&columns).hash, failure(&plain).hash);
    assert_eq!(failure(&columns).report, failure(&plain).report);
}

#[test]
fn secrets_reach_no_part_of_a_failure() {
    let masker = Masker::new(["correct-horse".to_owned()]);
    let log = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\nFAILED t.py::test[correct-horse] - x\nError: login with correct-horse at https://u:pa55word@h/\nERROR ghp_16C7e42F292c6912E7710c838347Ae178B4a\n1 failed in 0.1s\n";
    let found = extract(log.as_bytes(), Options { masker, ..Options::default() });
    let json = serde_json::to_string(&found).unwrap();
    for secret in ["correct-horse", "pa55word", "ghp_16", "MIIEow"] {
        assert!(!json.contains(secret), "{secret}: {json}");
    }
    assert!(found.report.is_some_and(|it| it.tests.contains_key("t.py::test[***]")));
}

#[test]
fn hostile_output_is_made_safe_and_stays_bounded() {
    let mut extractor = Extractor::new(Options::default());
    extractor.push(b"\x1b]52;c;ZXZpbA==\x07\x1b[2JError: \xe2\x80\xae evil \xff\n");
    let long = vec![b'x'; 64 * 1024];
    (0..32).for_each(|_| extractor.push(&long));
    extractor.push(b"\n");
    (0..20_000).for_each(|n| extractor.push(format!("Error: number {n} of many {}\n", n * 7919).as_bytes()));
    extractor.push(&unittest_log("/x", "1", 3).into_bytes());
    let found = extractor.finish(ExitHint::Failed);
    let json = serde_json::to_string(&found).unwrap();
    assert!(!json.contains("\\u001b") && !json.contains('\u{202e}') && !json.contains("\\u0007"));
    assert!(json.len() < 80_000, "{}", json.len());
    assert!(found.reduced_log.contains("AssertionError: -1 != 3"));
}

#[test]
fn a_time_limit_is_no_failing_test() {
    let mut extractor = Extractor::new(Options::default());
    extractor.push(b"test_loop (m.T.test_loop) ... ");
    let found = extractor.finish(ExitHint::TimedOut);
    assert_eq!((found.category, found.error_type.as_str()), (Category::Timeout, "Timeout"));
    assert_eq!(found.summary, "ran into the time limit | test_loop (m.T.test_loop) ...");
    let mut extractor = Extractor::new(Options::default());
    extractor.push(b"test_a (m.T.test_a) ... FAIL\nE   AssertionError: 1\n");
    let found = extractor.finish(ExitHint::TimedOut);
    assert_eq!((found.category, found.error_type.as_str()), (Category::Test, "Timeout"));
}

#[test]
fn a_log_without_a_word_of_failure_is_known_by_its_end() {
    let found = failure("hello\nworld\n\n");
    assert_eq!(found.category, Category::Unknown);
    assert_eq!(found.summary, "hello | world");
    let empty = failure("");
    assert_eq!((empty.summary.as_str(), empty.reduced_log.as_str(), empty.total_lines), ("", "", 0));
    assert!(empty.hash.starts_with("v1:"));
}

#[test]
fn what_tests_print_does_not_decide_the_kind() {
    let log = unittest_log("/x", "1", 3)
        .replace("AssertionError: -1 != 3", "PermissionError: [Errno 13] Permission denied: '/etc/x'");
    assert_eq!(failure(&log).category, Category::Test);
    let log = format!(
        "connecting: connection refused\nHTTP 401 Unauthorized\nno space left on device\n{}",
        unittest_log("/x", "1", 3)
    );
    assert_eq!((failure(&log).category, failure(&log).error_type), (Category::Test, "AssertionError".to_owned()));
}

#[test]
fn an_exception_of_the_repository_is_its_own_whatever_it_says() {
    let traceback = |path: &str, line: &str| {
        format!("Traceback (most recent call last):\n  File \"{path}\", line 3, in f\n    g()\n{line}\n")
    };
    let kind = |path: &str, line: &str| {
        let found = extract(traceback(path, line).as_bytes(), options("/tmp/tree"));
        (found.category, found.error_type)
    };
    let own = "/tmp/tree/app.py";
    let library = "/usr/lib/python3.11/socket.py";
    assert_eq!(kind(own, "app.AuthError: HTTP 401 Unauthorized"), (Category::Test, "AuthError".to_owned()));
    assert_eq!(kind(own, "app.OutOfStock: out of memory"), (Category::Test, "OutOfStock".to_owned()));
    assert_eq!(kind(library, "lib.AuthError: HTTP 401 Unauthorized").0, Category::Auth);
    assert_eq!(kind(library, "ConnectionRefusedError: [Errno 111] Connection refused").0, Category::Network);
    assert_eq!(kind(own, "OSError: [Errno 28] No space left on device").0, Category::Resource);
}

#[test]
fn order_and_count_of_passing_tests_make_no_difference() {
    let one = "test b ... FAILED\ntest a ... ok\ntest c ... FAILED\nthread 'c' panicked at src/x.rs:1:1:\nno\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
    let two = "test c ... FAILED\ntest d ... ok\ntest a ... ok\ntest b ... FAILED\nthread 'c' panicked at src/x.rs:9:1:\nno\ntest result: FAILED. 2 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(failure(one).hash, failure(two).hash);
}

#[test]
fn what_stands_above_a_failed_step_is_kept() {
    let noise = |n: std::ops::Range<u32>| {
        n.map(|n| format!("line {n} of many with nothing to say\n")).collect::<Vec<_>>().concat()
    };
    let log = noise(0..3_000)
        + "the odd thing happened\n##[error]Process completed with exit code 3.\n"
        + &noise(3_000..6_000);
    let found = extract(log.as_bytes(), Options { budget_tokens: 400, ..Options::default() });
    assert!(
        found.reduced_log.contains(" 3001| the odd thing happened\n 3002| ##[error]Process"),
        "{}",
        found.reduced_log
    );
    assert!(found.reduced_log.contains("lines left out"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_bytes_in_any_chunks_give_one_result(
        parts in proptest::collection::vec(prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(b"\nFAIL: test_x (m.T.test_x)\n".to_vec()), Just(b"\rTraceback (most recent call last):\n".to_vec()),
            Just(b"\x1b[31mE   AssertionError: 1\n".to_vec()), Just(b"\n##[error]boom\n-----BEGIN PRIVATE KEY-----\n".to_vec()),
            Just(b"Ran 3 tests in 0.1s\n\nFAILED (failures=1)\n".to_vec()),
        ], 0..12),
        cuts in proptest::collection::vec(0_usize..400, 0..6), budget in 0_usize..200,
    ) {
        let log = parts.concat();
        let options = || Options { budget_tokens: budget, ..options("/tmp/tree") };
        let whole = extract(&log, options());
        let mut cuts: Vec<_> = cuts.into_iter().map(|it| it.min(log.len())).collect();
        cuts.sort_unstable();
        let mut extractor = Extractor::new(options());
        let mut from = 0;
        for cut in cuts {
            extractor.push(&log[from..cut]);
            from = cut;
        }
        extractor.push(&log[from..]);
        prop_assert_eq!(&extractor.finish(ExitHint::Failed), &whole);
        prop_assert!(whole.reduced_log.chars().count() <= budget * reduce::CHARS_PER_TOKEN);
        prop_assert!(whole.summary.chars().count() <= MAX_SUMMARY_CHARS && whole.lines.len() <= MAX_HASHED_LINES && whole.files.len() <= 10);
        let shown = whole.summary.clone() + &whole.reduced_log;
        prop_assert!(!shown.chars().any(|ch| ch != '\n' && crate::evidence::text::is_deceptive(ch)));
    }
}
