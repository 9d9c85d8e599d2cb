//! One pass over a log of any size, in chunks as they come: what is known of the failure at the end, in bounded memory.
use crate::domain::Category;
use crate::domain::Failure;
use crate::domain::TestReport;
use crate::domain::failure::EvidenceLine;
use crate::evidence::candidates::Candidates;
use crate::evidence::classify::Classification;
use crate::evidence::classify::Classifier;
use crate::evidence::files::FileFinder;
use crate::evidence::green::Green;
use crate::evidence::keep::FLOOD;
use crate::evidence::keep::Keeper;
use crate::evidence::keep::Shapes;
use crate::evidence::lines::RawLine;
use crate::evidence::lines::Splitter;
use crate::evidence::mask::Masker;
use crate::evidence::mask::PemState;
use crate::evidence::normalize::MAX_HASHED_LINES;
use crate::evidence::normalize::error_hash;
use crate::evidence::pattern::pattern;
use crate::evidence::prefix::plain_line;
use crate::evidence::reduce;
use crate::evidence::report::Collector;
use crate::evidence::report::junit::Account;
use crate::evidence::text::clean_line;
use crate::evidence::weigh;
use crate::evidence::weigh::Weigher;
use regex::Regex;
use regex::RegexBuilder;
use std::borrow::Cow;
use std::sync::Arc;

/// Characters of a summary.
const MAX_SUMMARY_CHARS: usize = 1_000;
/// Characters of one failure line.
const MAX_EVIDENCE_CHARS: usize = 500;
/// Bytes of a line that may be shown.
const MAX_SHOWN_BYTES: usize = 4 * 1024;
/// Lines from which the reduced log is chosen.
const MAX_CHOICE_LINES: usize = 4_000;
/// Lines after a telling one in which files are looked for.
const FILE_LINES: u32 = 30;
/// What a line with one of the caller's words weighs at least: kept before what tells nothing, after what looks like failure.
const KEYWORD: u16 = 35;
/// Confidence that a command ran into its time limit when nothing else failed: it was seen to.
const TIMED_OUT: f64 = 0.95;

/// What an extraction needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders that count as root of the tree: paths below them are shown relative.
    pub roots: Vec<String>,
    pub masker: Masker,
    /// What the failure is called by who reported it, safe to show. Then only its lines, its hash and its summary are looked for.
    pub error_type: Option<String>,
    /// Tokens of the reduced log; `reduce::DEFAULT_BUDGET_TOKENS` is the usual.
    pub budget_tokens: usize,
    /// What makes a line worth keeping in the reduced log, as [`keywords`] puts it; the hash does not depend on them.
    pub keywords: Option<Regex>,
    /// A log of the same job when it was green: its lines come last in the reduced log. The hash does not depend on it either.
    pub green: Option<Arc<Green>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            masker: Masker::default(),
            error_type: None,
            budget_tokens: reduce::DEFAULT_BUDGET_TOKENS,
            keywords: None,
            green: None,
        }
    }
}

/// Returns one pattern for words as they stand, in upper or lower case, and for patterns; `None` without any. Patterns that take too much memory
/// together are left out.
pub fn keywords<'a>(
    words: impl IntoIterator<Item = &'a str>,
    patterns: impl IntoIterator<Item = &'a str>,
) -> Option<Regex> {
    let words: Vec<String> = words.into_iter().map(regex::escape).collect();
    let patterns = patterns.into_iter().map(|it| format!("(?:{it})"));
    let all: Vec<String> = words.iter().cloned().chain(patterns).collect();
    let build = |any: &[String]| {
        let any = any.join("|");
        RegexBuilder::new(&any).case_insensitive(true).build().ok().filter(|_| !any.is_empty())
    };
    build(&all).or_else(|| build(&words))
}

/// How the command ended whose output this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitHint {
    Failed,
    /// The error type is `Timeout`; the category too, unless the output shows a failure of its own.
    TimedOut,
    /// Only the report of the tests means anything.
    Passed,
}

/// Reads a log as it comes.
#[derive(Debug)]
pub struct Extractor {
    splitter: Splitter,
    reading: Reading,
}

/// Everything that looks at a line.
#[derive(Debug)]
struct Reading {
    options: Options,
    /// Finds the roots in a line.
    roots: Option<Regex>,
    pem: PemState,
    collector: Collector,
    /// What is known of the tests before the end of the log.
    report: Option<TestReport>,
    weigher: Weigher,
    classifier: Classifier,
    candidates: Candidates,
    files: FileFinder,
    /// Lines in which files are still looked for.
    n_file_lines: u32,
    shapes: Shapes,
    keeper: Keeper,
    n_lines: u64,
    n_bytes: u64,
}

/// Reads a whole log at once.
pub fn extract(log: &[u8], options: Options) -> Failure {
    let mut extractor = Extractor::new(options);
    extractor.push(log);
    extractor.finish(ExitHint::Failed)
}

impl Extractor {
    /// Starts at the beginning of a log.
    pub fn new(options: Options) -> Self {
        let reading = Reading {
            roots: roots_pattern(&options.roots),
            files: FileFinder::new(&options.roots),
            options,
            pem: PemState::default(),
            collector: Collector::default(),
            report: None,
            weigher: Weigher::default(),
            classifier: Classifier::default(),
            candidates: Candidates::default(),
            n_file_lines: 0,
            shapes: Shapes::default(),
            keeper: Keeper::default(),
            n_lines: 0,
            n_bytes: 0,
        };
        Self { splitter: Splitter::default(), reading }
    }

    /// Takes the next bytes; where a chunk ends makes no difference.
    pub fn push(&mut self, chunk: &[u8]) {
        self.reading.n_bytes += chunk.len() as u64;
        self.splitter.push(chunk, |line| self.reading.line(line));
    }

    /// Takes what the runner wrote into files, after the last of the output; it counts only where the output says nothing of the tests.
    /// Returns the lines with which the log goes on then.
    pub fn take_account(&mut self, account: Account) -> String {
        self.splitter.finish(|line| self.reading.line(line));
        self.reading.report = std::mem::take(&mut self.reading.collector).finish();
        if self.reading.report.is_some() || account.is_empty() {
            return String::new();
        }
        let text = account.to_log();
        self.push(text.as_bytes());
        self.reading.report = Some(account.into_report());
        text
    }

    /// Returns what is known of the failure.
    pub fn finish(mut self, exit: ExitHint) -> Failure {
        self.splitter.finish(|line| self.reading.line(line));
        self.reading.finish(exit)
    }
}

impl Reading {
    fn line(&mut self, raw: &RawLine<'_>) {
        self.n_lines += 1;
        let lossy = String::from_utf8_lossy(raw.bytes);
        let plain = plain_line(&lossy);
        let plain = relative(&plain, self.roots.as_ref());
        let text = self.shown(&plain, raw.is_cut);
        let is_named = self.options.error_type.is_some();
        if !is_named {
            self.collector.line(&plain);
        }
        let weight = self.weigher.weigh(&text);
        let decayed = if weight > 0 { self.shapes.decayed(&text, weight) } else { 0 };
        if weight > 0 && decayed > u32::from(weight) / FLOOD {
            if !is_named {
                self.classifier.see(&text);
            }
            self.candidates.see(self.n_lines, &text, weight);
        }
        if !is_named && decayed >= u32::from(weigh::WITH_CONTEXT) {
            self.n_file_lines = FILE_LINES;
        }
        if self.n_file_lines > 0 {
            self.n_file_lines -= 1;
            self.files.see(&text);
        }
        let shown = self.shown_weight(&text, weight, decayed);
        self.keeper.see(self.n_lines, &text, shown);
    }

    /// Returns what a line weighs in the reduced log, given what it weighs as evidence.
    fn shown_weight(&mut self, text: &str, weight: u16, decayed: u32) -> u32 {
        let is_keyword = weight < KEYWORD && self.options.keywords.as_ref().is_some_and(|it| it.is_match(text));
        let shown = if is_keyword { self.shapes.decayed(text, KEYWORD).max(decayed) } else { decayed };
        let is_green = shown > 0 && self.options.green.as_ref().is_some_and(|it| it.has(text));
        if is_green { shown / FLOOD } else { shown }
    }

    /// Returns what may be kept of a line. A private key is hidden here, as only here the lines come in order; other secrets are masked at the end,
    /// in the few lines that remain. A cut line loses what could be the first part of a secret.
    fn shown<'a>(&mut self, plain: &'a str, is_cut: bool) -> Cow<'a, str> {
        let margin = self.options.masker.margin();
        let is_long = plain.len() > MAX_SHOWN_BYTES || is_cut;
        let short = if is_long { Cow::Owned(cut(plain, margin)) } else { Cow::Borrowed(plain) };
        self.pem.hide(plain).map_or(short, |hidden| Cow::Owned(if is_long { cut(&hidden, margin) } else { hidden }))
    }

    fn finish(mut self, exit: ExitHint) -> Failure {
        let masker = self.options.masker.clone();
        let clean = |text: &str| clean_line(&masker.mask(text));
        let report = self.report.take().or_else(|| std::mem::take(&mut self.collector).finish());
        let report = report.map(|it| cleaned(it, &clean));
        if report.as_ref().is_some_and(|it| it.failed.unwrap_or(0) > 0 || !it.failing().is_empty()) {
            self.classifier.see_failing_tests();
        }
        for name in self.files.own_exceptions() {
            self.classifier.see_own_exception(name);
        }
        let has_failure = self.candidates.has_failure();
        let Classification { category, confidence, error_type } = verdict(self.classifier.finish(), exit, has_failure);
        let lines = self.failure_lines(|text| shortened(&clean(text), MAX_EVIDENCE_CHARS));
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        let is_named = self.options.error_type.is_some();
        let error_type = self.options.error_type.take().unwrap_or_else(|| clean(&error_type));
        let hash = error_hash(&error_type, &texts);
        let mut summary = texts.iter().map(|text| text.trim()).collect::<Vec<_>>().join(" | ");
        if exit == ExitHint::TimedOut {
            summary = format!("ran into the time limit | {summary}");
        }
        let kept = if is_named { Vec::new() } else { self.keeper.finish(MAX_CHOICE_LINES) };
        let kept: Vec<_> = kept
            .into_iter()
            .map(|it| reduce::Line { number: it.number, text: clean(&it.text), weight: it.weight })
            .collect();
        Failure {
            category,
            confidence,
            error_type,
            summary: shortened(summary.trim_end_matches(" | "), MAX_SUMMARY_CHARS),
            hash,
            files: self.files.finish().iter().map(|file| clean(file)).collect(),
            lines,
            reduced_log: reduce::reduce(&kept, self.n_lines, self.options.budget_tokens),
            report,
            total_lines: self.n_lines,
            total_bytes: self.n_bytes,
        }
    }

    /// Returns the lines that the failure is known by; the last ones of the log when nothing speaks of failure.
    fn failure_lines(&mut self, clean: impl Fn(&str) -> String) -> Vec<EvidenceLine> {
        let lines = std::mem::take(&mut self.candidates).choose(&clean);
        if !lines.is_empty() {
            return lines;
        }
        let last = self.keeper.last_lines(MAX_HASHED_LINES);
        last.into_iter().map(|(number, text)| EvidenceLine { number, text: clean(&text) }).collect()
    }
}

fn verdict(found: Classification, exit: ExitHint, has_failure: bool) -> Classification {
    let error_type = "Timeout".to_owned();
    match exit {
        ExitHint::TimedOut if has_failure => Classification { error_type, ..found },
        ExitHint::TimedOut => Classification { category: Category::Timeout, confidence: TIMED_OUT, error_type },
        ExitHint::Failed | ExitHint::Passed => found,
    }
}

/// Makes the names of a report safe to show and keep.
fn cleaned(mut report: TestReport, clean: &impl Fn(&str) -> String) -> TestReport {
    report.tests =
        std::mem::take(&mut report.tests).into_iter().map(|(name, outcome)| (clean(&name), outcome)).collect();
    report
}

/// Returns a pattern that finds these folders at the beginning of a path, `None` without any.
pub(crate) fn roots_pattern(roots: &[String]) -> Option<Regex> {
    let mut roots: Vec<_> =
        roots.iter().map(|root| root.trim_end_matches(['/', '\\'])).filter(|root| !root.is_empty()).collect();
    roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
    let any = roots.iter().map(|root| regex::escape(root)).collect::<Vec<_>>().join("|");
    (!any.is_empty()).then(|| pattern(&format!(r"(?:/private)?(?:{any})[/\\]")))
}

/// Returns a line with the paths below a root made relative to it.
pub(crate) fn relative<'a>(line: &'a str, roots: Option<&Regex>) -> Cow<'a, str> {
    roots.map_or(Cow::Borrowed(line), |roots| roots.replace_all(line, ""))
}

/// Returns the head of a long line up to a place where no secret can have begun.
fn cut(line: &str, margin: usize) -> String {
    let end = line.floor_char_boundary(MAX_SHOWN_BYTES.min(line.len()).saturating_sub(margin));
    let head = &line[..end];
    let space = head.rfind(char::is_whitespace).filter(|at| end - at <= MAX_SHOWN_BYTES / 4);
    format!("{} …", &head[..space.unwrap_or(end)])
}

fn shortened(text: &str, n_chars: usize) -> String {
    match text.char_indices().nth(n_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(n_chars - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(found.summary, "test_add (test_calc.T.test_add) ... FAIL | FAIL: test_add (test_calc.T.test_add) | AssertionError: -1 != 3".replace("test_add (test_calc.T.test_add) ... FAIL | ", ""));
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
}
