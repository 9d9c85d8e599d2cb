//! `JUnit` XML, as the many tools that write it do: nested suites, reruns, stray bytes, files of any quality. Bounded.
use crate::domain::TestReport;
use crate::domain::failure::TestOutcome;
use crate::evidence::report::tally::Counts;
use crate::evidence::report::tally::Names;
use crate::evidence::report::tally::report;
use quick_xml::Reader;
use quick_xml::events::BytesStart;
use quick_xml::events::Event;

/// Bytes of a report that are read.
const MAX_BYTES: usize = 64 << 20;
/// Test cases that are kept.
const MAX_CASES: usize = 200_000;
/// Characters of one message or text that are kept.
const MAX_TEXT: usize = 16 * 1024;
const MAX_DEPTH: usize = 256;
/// Bytes that an account keeps of what failing cases say.
const MAX_TOLD: usize = 64 * 1024;

/// One `testcase` with what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Names of the suites around it, the outermost first.
    pub suites: Vec<String>,
    pub classname: String,
    pub name: String,
    pub file: Option<String>,
    pub line: Option<u64>,
    /// Seconds, as written.
    pub time: Option<String>,
    pub outcome: TestOutcome,
    /// `type` of the failure or error.
    pub error_type: Option<String>,
    pub message: Option<String>,
    /// Text inside the failure or error.
    pub detail: String,
    /// Whether it passed after failing, or was run again.
    pub is_flaky: bool,
}

impl Case {
    /// Returns the name that tells it apart: class and test, else suite and test.
    pub fn full_name(&self) -> String {
        let owner =
            if self.classname.is_empty() { self.suites.last().map_or("", String::as_str) } else { &self.classname };
        if owner.is_empty() { self.name.clone() } else { format!("{owner}.{}", self.name) }
    }
}

/// Why a report could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JunitError {
    #[error("not XML at byte {at}: {message}")]
    Malformed { at: u64, message: String },
    #[error("neither <testsuites> nor <testsuite>")]
    NotJunit,
}

/// Reads the test cases of a report; what is not UTF-8 is replaced.
pub fn cases(xml: &[u8]) -> Result<Vec<Case>, JunitError> {
    let mut cases = Vec::new();
    read(xml, |case| cases.push(case))?;
    Ok(cases)
}

/// Returns what a report says in all.
pub fn parse_junit(xml: &[u8]) -> Result<TestReport, JunitError> {
    let mut account = Account::default();
    account.add(xml)?;
    Ok(account.into_report())
}

/// What the report files of one run say together.
#[derive(Debug, Default)]
pub struct Account {
    names: Names,
    counts: Counts,
    /// What the failing cases say, as a log would.
    told: String,
}

impl Account {
    /// Adds a file, as far as it can be read.
    pub fn add(&mut self, xml: &[u8]) -> Result<(), JunitError> {
        read(xml, |case| self.count(&case))
    }

    /// Whether no file had a test in it.
    pub const fn is_empty(&self) -> bool {
        self.counts.total == 0
    }

    /// Returns counts and failing cases in words, for a log that says nothing of them.
    pub fn to_log(&self) -> String {
        let Counts { total, failed, skipped, .. } = self.counts;
        format!("\nJUnit: {total} tests, {failed} failed, {skipped} skipped\n{}", self.told)
    }

    /// Returns names and counts.
    pub fn into_report(self) -> TestReport {
        report("junit", self.names, Some(self.counts))
    }

    fn count(&mut self, case: &Case) {
        self.counts.total += 1;
        match case.outcome {
            TestOutcome::Passed => self.counts.passed += 1,
            TestOutcome::Skipped => self.counts.skipped += 1,
            TestOutcome::ExpectedFailure => self.counts.expected += 1,
            TestOutcome::Failed | TestOutcome::Errored => {
                self.counts.failed += 1;
                let message = case.message.as_deref().unwrap_or_default();
                let text = format!("FAIL: {}\n{message}\n{}\n", case.full_name(), case.detail.trim_end());
                self.told.push_str(cut(&text, MAX_TOLD.saturating_sub(self.told.len())));
            }
        }
        self.names.record_another(&case.full_name(), case.outcome);
    }
}

/// Hands on the test cases of a report, one at a time.
fn read(xml: &[u8], take: impl FnMut(Case)) -> Result<(), JunitError> {
    let text = String::from_utf8_lossy(&xml[..xml.len().min(MAX_BYTES)]);
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let config = reader.config_mut();
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    let mut state =
        State { open: Vec::new(), n_too_deep: 0, suites: Vec::new(), case: None, n_cases: 0, is_junit: false, take };
    loop {
        let event = reader.read_event().map_err(|error| JunitError::Malformed {
            at: reader.error_position(),
            message: crate::evidence::text::clean_line(&error.to_string()),
        })?;
        match event {
            Event::Start(tag) => state.open(&tag),
            Event::Empty(tag) => {
                state.open(&tag);
                state.close();
            }
            Event::End(_) => state.close(),
            Event::Text(text) => state.text(&text.xml10_content()),
            Event::CData(text) => state.text(&text.into_inner()),
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(ch)) => state.text(ch.encode_utf8(&mut [0; 4])),
                _ => state.text(predefined(&entity)),
            },
            Event::Eof => break,
            _ => (),
        }
        if state.n_cases >= MAX_CASES {
            break;
        }
    }
    if state.is_junit { Ok(()) } else { Err(JunitError::NotJunit) }
}

/// Where the reader stands.
struct State<T> {
    /// Names of the open elements, and whether each opened a suite, a case or a verdict.
    open: Vec<Kind>,
    /// Elements beyond the depth that is followed.
    n_too_deep: usize,
    suites: Vec<String>,
    case: Option<Case>,
    n_cases: usize,
    is_junit: bool,
    take: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Suite,
    Case,
    Verdict,
    Other,
}

impl<T: FnMut(Case)> State<T> {
    fn open(&mut self, tag: &BytesStart<'_>) {
        if self.open.len() >= MAX_DEPTH {
            self.n_too_deep += 1;
            return;
        }
        let name = tag.local_name();
        let kind = match name.as_ref() {
            "testsuites" => {
                self.is_junit = true;
                Kind::Other
            }
            "testsuite" => {
                self.is_junit = true;
                self.suites.push(attribute(tag, "name").unwrap_or_default());
                Kind::Suite
            }
            "testcase" if self.is_junit && self.case.is_none() => {
                self.case = Some(self.new_case(tag));
                Kind::Case
            }
            verdict => self.verdict(verdict, tag),
        };
        self.open.push(kind);
    }

    fn new_case(&self, tag: &BytesStart<'_>) -> Case {
        let status = attribute(tag, "status").or_else(|| attribute(tag, "result")).unwrap_or_default();
        let is_out = ["disabled", "skipped", "notrun", "suppressed"].contains(&status.to_ascii_lowercase().as_str());
        Case {
            suites: self.suites.clone(),
            classname: attribute(tag, "classname").unwrap_or_default(),
            name: attribute(tag, "name").unwrap_or_default(),
            file: attribute(tag, "file"),
            line: attribute(tag, "line").and_then(|it| it.trim().parse().ok()),
            time: attribute(tag, "time"),
            outcome: if is_out { TestOutcome::Skipped } else { TestOutcome::Passed },
            error_type: None,
            message: None,
            detail: String::new(),
            is_flaky: false,
        }
    }

    /// Takes an element inside a case: the worst verdict counts, a rerun that passed is none.
    fn verdict(&mut self, name: &str, tag: &BytesStart<'_>) -> Kind {
        let Some(case) = &mut self.case else { return Kind::Other };
        let outcome = match name {
            "failure" => TestOutcome::Failed,
            "error" => TestOutcome::Errored,
            "skipped" | "disabled" | "ignored" => {
                let is_expected = attribute(tag, "type").is_some_and(|it| it == "pytest.xfail");
                if is_expected { TestOutcome::ExpectedFailure } else { TestOutcome::Skipped }
            }
            "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError" => {
                case.is_flaky = true;
                return Kind::Other;
            }
            _ => return Kind::Other,
        };
        if badness(outcome) > badness(case.outcome) {
            case.outcome = outcome;
            case.message = attribute(tag, "message");
            case.error_type = attribute(tag, "type");
            case.detail.clear();
        }
        Kind::Verdict
    }

    fn close(&mut self) {
        if self.n_too_deep > 0 {
            self.n_too_deep -= 1;
            return;
        }
        match self.open.pop() {
            Some(Kind::Suite) => {
                self.suites.pop();
            }
            Some(Kind::Case) => {
                self.n_cases += 1;
                self.case.take().into_iter().for_each(&mut self.take);
            }
            _ => (),
        }
    }

    fn text(&mut self, text: &str) {
        let in_verdict = self.open.last() == Some(&Kind::Verdict);
        if let (true, Some(case)) = (in_verdict, &mut self.case) {
            let room = MAX_TEXT.saturating_sub(case.detail.len());
            case.detail.push_str(cut(text, room));
        }
    }
}

fn badness(outcome: TestOutcome) -> u8 {
    match outcome {
        TestOutcome::Passed => 0,
        TestOutcome::Skipped => 1,
        TestOutcome::ExpectedFailure => 2,
        TestOutcome::Failed => 3,
        TestOutcome::Errored => 4,
    }
}

/// Returns an attribute with its references resolved; unknown ones stay as written.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.html_attributes().with_checks(false).flatten().find(|it| it.key.local_name().as_ref() == name)?;
    let raw = found.value.as_ref();
    let text = quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), std::borrow::Cow::into_owned);
    Some(cut(&text, MAX_TEXT).to_owned())
}

fn predefined(entity: &str) -> &'static str {
    match entity {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "\u{fffd}",
    }
}

fn cut(text: &str, n_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(n_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nested_suites_and_every_verdict_are_read() {
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="outer"><testsuite name="inner">
            <testcase classname="a.B" name="ok &lt;1&gt;" time="0.1" file="a.py" line="3"/>
            <testcase classname="a.B" name="bad"><failure message="1 &amp; 2" type="E">see <![CDATA[<x>]]> &#65;&lt;</failure><system-out>noise</system-out></testcase>
            <testcase classname="a.B" name="both"><failure message="f"/><error message="e" type="Boom"/></testcase>
            <testcase classname="a.B" name="skip"><skipped/></testcase>
            <testcase classname="a.B" name="xf"><skipped type="pytest.xfail"/></testcase>
            <testcase classname="a.B" name="flaky"><flakyFailure message="once"/></testcase>
        </testsuite></testsuite><testsuite name="solo"><testcase name="t" status="notrun"/></testsuite></testsuites>"#;
        let cases = cases(xml.as_bytes()).unwrap();
        let outcomes: Vec<_> = cases.iter().map(|it| (it.full_name(), it.outcome.as_str())).collect();
        let want = [
            ("a.B.ok <1>", "passed"),
            ("a.B.bad", "failed"),
            ("a.B.both", "errored"),
            ("a.B.skip", "skipped"),
            ("a.B.xf", "expected_failure"),
            ("a.B.flaky", "passed"),
            ("solo.t", "skipped"),
        ];
        assert_eq!(outcomes, want.map(|(name, outcome)| (name.to_owned(), outcome)));
        assert_eq!(cases[0].suites, ["outer", "inner"]);
        assert_eq!((cases[0].file.as_deref(), cases[0].line), (Some("a.py"), Some(3)));
        assert_eq!(cases[1].message.as_deref(), Some("1 & 2"));
        assert_eq!(cases[1].detail, "see <x> A<");
        assert_eq!(cases[2].error_type.as_deref(), Some("Boom"));
        assert!(cases[5].is_flaky);
        let report = parse_junit(xml.as_bytes()).unwrap();
        assert_eq!(
            (report.total, report.passed, report.failed, report.skipped, report.expected_failures),
            (Some(7), Some(2), Some(2), Some(2), Some(1))
        );
    }

    #[test]
    fn files_are_told_together_as_a_log() {
        let mut account = Account::default();
        assert!(account.is_empty());
        assert_eq!(account.add(b"<coverage><testcase name='x'/></coverage>"), Err(JunitError::NotJunit));
        account.add(b"<testsuite><testcase classname='a' name='x'><failure message='1 != 2'>f.py:3</failure></testcase></testsuite>").unwrap();
        account.add(b"<testsuite><testcase classname='b' name='x'/></testsuite>").unwrap();
        assert_eq!(account.to_log(), "\nJUnit: 2 tests, 1 failed, 0 skipped\nFAIL: a.x\n1 != 2\nf.py:3\n");
        let report = account.into_report();
        assert_eq!((report.total, report.failed, report.failing()), (Some(2), Some(1), vec!["a.x".to_owned()]));
        let bad = format!("<testcase name='{0}'><failure>{0}</failure></testcase>", "x".repeat(9_000));
        let mut account = Account::default();
        account.add(format!("<testsuite>{}</testsuite>", bad.repeat(50)).as_bytes()).unwrap();
        assert!(account.to_log().len() < MAX_TOLD + 100);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert_eq!(cases(b"<html></html>"), Err(JunitError::NotJunit));
        assert_eq!(cases(b""), Err(JunitError::NotJunit));
        assert!(matches!(cases(b"<testsuite><testcase name='a'"), Err(JunitError::Malformed { .. })));
        let bad_bytes = cases(b"<testsuite><testcase name=\"a\xff\"/></testsuite>").unwrap();
        assert_eq!(bad_bytes[0].name, "a\u{fffd}");
        let deep = format!("{}<testcase name='x'/>", "<testsuite>".repeat(100_000));
        assert!(cases(deep.as_bytes()).is_ok());
        let bomb = b"<!DOCTYPE x [<!ENTITY a \"aaaa\">]><testsuite><testcase name=\"&a;\"><failure>&a;</failure></testcase></testsuite>";
        assert_eq!(cases(bomb).unwrap()[0].detail, "\u{fffd}");
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), tags in "(<testsuite|<testcase|/>|>|</testcase>|name=\"a\"|<failure|&lt;|&#0;| ){0,30}") {
            let _ = cases(&bytes);
            let _ = cases(tags.as_bytes());
        }
    }
}
