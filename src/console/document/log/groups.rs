//! Finds what can be folded: the groups that CI systems mark, and the sections of test output.
use crate::console::document::log::lines::Lines;
use crate::console::document::pattern::pattern;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Groups inside groups; deeper ones are plain lines.
const MAX_DEPTH: usize = 12;

static SECTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"section_(start|end):\d+:([\w.-]+)"));
static PYTEST_SECTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^={3,} (\S.*?) ={3,}$"));
static PYTEST_SUMMARY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bin \d+(\.\d+)?s\b"));
static PYTEST_TEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^_+ \S.* _+$"));
static UNITTEST_TEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(FAIL|ERROR): \S"));
static CARGO_TEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^---- .+ (stdout|stderr) ----$"));
static GO_END: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(--- (PASS|FAIL|SKIP): |PASS$|FAIL(\t|$)|ok  \t)"));

/// Lines that can be folded below their first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) head: usize,
    /// The line after the last.
    pub(super) end: usize,
    pub(super) parent: Option<usize>,
    /// What to call it when its first line has no text.
    pub(super) name: String,
    pub(super) n_errors: usize,
    pub(super) is_folded: bool,
}

impl Group {
    /// Returns the lines that folding hides.
    pub(super) fn body(&self) -> Range<usize> {
        self.head + 1..self.end.max(self.head + 1)
    }
}

/// The groups of a log in the order of their heads, and the lines that only end one.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    pub(super) all: Vec<Group>,
    pub(super) marks: Vec<usize>,
}

impl Groups {
    /// Returns the innermost group that holds a line.
    pub(super) fn around(&self, line: usize) -> Option<usize> {
        let mut idx = self.all.partition_point(|it| it.head <= line).checked_sub(1)?;
        while line >= self.all[idx].end {
            idx = self.all[idx].parent?;
        }
        Some(idx)
    }

    /// Returns the group whose head a line is.
    pub(super) fn headed_by(&self, line: usize) -> Option<usize> {
        self.all.binary_search_by_key(&line, |it| it.head).ok()
    }
}

/// Returns the text of a line without the mark that makes it a group's head.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix("##[group]").or_else(|| text.strip_prefix("::group::")).unwrap_or(text)
}

/// What opened a group, and so what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// GitHub ends the group of a step before the step's output; it goes on until the next step.
    Step,
    Marked,
    Section(String),
    Pytest,
    PytestTest,
    Unittest,
    Cargo,
    Go,
}

impl Kind {
    fn is_marked(&self) -> bool {
        matches!(self, Self::Step | Self::Marked | Self::Section(_))
    }
}

/// Reads the lines of a log in order.
#[derive(Debug, Default)]
pub(super) struct GroupReader {
    out: Groups,
    open: Vec<(usize, Kind)>,
    /// The line before is a rule of `=`, after which unittest names a failure.
    is_after_rule: bool,
}

impl GroupReader {
    /// Takes line `idx` and its text.
    pub(super) fn line(&mut self, idx: usize, text: &str, lines: &Lines) {
        if lines.gap() == Some(idx) {
            // The gap stays in sight, and nothing is known of what began before it.
            self.close_while(idx, |_| true);
            return;
        }
        let marks = lines.section_marks(idx);
        if !marks.is_empty() {
            self.sections(idx, &String::from_utf8_lossy(marks), text);
        } else if let Some(title) = text.strip_prefix("##[group]").or_else(|| text.strip_prefix("::group::")) {
            let is_step = text.starts_with("##[group]Run ");
            self.close_while(idx, |it| !it.is_marked() || is_step);
            self.open(idx, title, if is_step { Kind::Step } else { Kind::Marked });
        } else if matches!(text.trim_end(), "##[endgroup]" | "::endgroup::") {
            self.out.marks.push(idx);
            self.close_while(idx, |it| !it.is_marked());
            if self.open.last().is_some_and(|it| it.1 == Kind::Marked) {
                self.close(idx);
            }
        } else if text == "Post job cleanup." {
            self.close_while(idx, |_| true);
        } else {
            self.test_output(idx, text.trim_end());
        }
    }

    /// Ends what is still open and counts errors; groups without any are folded.
    pub(super) fn finish(mut self, n_lines: usize, errors: &[usize]) -> Groups {
        self.close_while(n_lines, |_| true);
        for group in &mut self.out.all {
            let below = |line: usize| errors.partition_point(|it| *it < line);
            group.n_errors = below(group.end) - below(group.head);
            group.is_folded = group.n_errors == 0 && group.body().len() > 1;
        }
        self.out
    }

    fn sections(&mut self, idx: usize, marks: &str, text: &str) {
        let mut has_head = false;
        for mark in SECTION.captures_iter(marks) {
            let name = &mark[2];
            if &mark[1] == "end" {
                let is_it = |it: &Kind| matches!(it, Kind::Section(it) if it == name);
                if self.open.iter().any(|it| is_it(&it.1)) {
                    self.close_while(idx, |it| !is_it(it));
                    self.close(idx);
                }
            } else if !has_head {
                has_head = true;
                self.close_while(idx, |it| !it.is_marked());
                self.open(idx, name, Kind::Section(name.to_owned()));
            }
        }
        if !has_head && text.trim().is_empty() {
            self.out.marks.push(idx);
        }
    }

    fn test_output(&mut self, idx: usize, text: &str) {
        let is_after_rule = std::mem::replace(&mut self.is_after_rule, is_rule(text, '='));
        let Some(first) = text.bytes().next() else { return };
        match first {
            b'=' if text.starts_with("=== RUN ") => self.reopen(idx, &Kind::Go),
            b'=' if self.is_after_rule => self.close_kind(idx, &Kind::Unittest),
            b'=' if PYTEST_SECTION.is_match(text) => {
                self.close_while(idx, |it| !it.is_marked());
                if !PYTEST_SUMMARY.is_match(text) {
                    self.open(idx, "", Kind::Pytest);
                }
            }
            b'_' if self.has_open(&Kind::Pytest) && PYTEST_TEST.is_match(text) => self.reopen(idx, &Kind::PytestTest),
            b'F' | b'E' if is_after_rule && UNITTEST_TEST.is_match(text) => self.reopen(idx, &Kind::Unittest),
            b'R' if text.starts_with("Ran ") => self.close_kind(idx, &Kind::Unittest),
            b'-' if CARGO_TEST.is_match(text) => self.reopen(idx, &Kind::Cargo),
            b'f' if text == "failures:" => self.close_kind(idx, &Kind::Cargo),
            b't' if text.starts_with("test result: ") => self.close_kind(idx, &Kind::Cargo),
            b'-' | b'P' | b'F' | b'o' if GO_END.is_match(text) => self.close_kind(idx + 1, &Kind::Go),
            _ => {}
        }
    }

    fn has_open(&self, kind: &Kind) -> bool {
        self.open.iter().any(|it| it.1 == *kind)
    }

    fn reopen(&mut self, idx: usize, kind: &Kind) {
        self.close_kind(idx, kind);
        self.open(idx, "", kind.clone());
    }

    /// Closes the open group of a kind of test output, and what is open inside it.
    fn close_kind(&mut self, end: usize, kind: &Kind) {
        if self.has_open(kind) {
            self.close_while(end, |it| it != kind && !it.is_marked());
            if self.open.last().is_some_and(|it| it.1 == *kind) {
                self.close(end);
            }
        }
    }

    fn close_while(&mut self, end: usize, is_to_close: impl Fn(&Kind) -> bool) {
        while self.open.last().is_some_and(|it| is_to_close(&it.1)) {
            self.close(end);
        }
    }

    fn close(&mut self, end: usize) {
        if let Some((idx, _)) = self.open.pop() {
            self.out.all[idx].end = end;
        }
    }

    fn open(&mut self, head: usize, name: &str, kind: Kind) {
        if self.open.len() < MAX_DEPTH {
            let parent = self.open.last().map(|it| it.0);
            self.open.push((self.out.all.len(), kind));
            let name = name.to_owned();
            self.out.all.push(Group { head, end: head + 1, parent, name, n_errors: 0, is_folded: false });
        }
    }
}

fn is_rule(text: &str, sign: char) -> bool {
    text.len() >= 20 && text.chars().all(|it| it == sign)
}
