//! Everything that looks at a line, and what is known when the last one was seen.
use crate::domain::Category;
use crate::domain::Failure;
use crate::domain::TestReport;
use crate::domain::failure::EvidenceLine;
use crate::evidence::candidates::Candidates;
use crate::evidence::classify::Classification;
use crate::evidence::classify::Classifier;
use crate::evidence::extractor::ExitHint;
use crate::evidence::extractor::Options;
use crate::evidence::extractor::roots::relative;
use crate::evidence::extractor::roots::roots_pattern;
use crate::evidence::extractor::shorten::MAX_SHOWN_BYTES;
use crate::evidence::extractor::shorten::cut;
use crate::evidence::extractor::shorten::shortened;
use crate::evidence::files::FileFinder;
use crate::evidence::keep::FLOOD;
use crate::evidence::keep::Keeper;
use crate::evidence::keep::Shapes;
use crate::evidence::lines::RawLine;
use crate::evidence::mask::PemState;
use crate::evidence::normalize::MAX_HASHED_LINES;
use crate::evidence::normalize::error_hash;
use crate::evidence::prefix::plain_line;
use crate::evidence::reduce;
use crate::evidence::report::Collector;
use crate::evidence::text::clean_line;
use crate::evidence::weigh;
use crate::evidence::weigh::Weigher;
use regex::Regex;
use std::borrow::Cow;

/// Characters of a summary.
pub(super) const MAX_SUMMARY_CHARS: usize = 1_000;
/// Characters of one failure line.
const MAX_EVIDENCE_CHARS: usize = 500;
/// Lines from which the reduced log is chosen.
const MAX_CHOICE_LINES: usize = 4_000;
/// Lines after a telling one in which files are looked for.
const FILE_LINES: u32 = 30;
/// What a line with one of the caller's words weighs at least: kept before what tells nothing, after what looks like failure.
const KEYWORD: u16 = 35;
/// Confidence that a command ran into its time limit when nothing else failed: it was seen to.
const TIMED_OUT: f64 = 0.95;

/// Everything that looks at a line.
#[derive(Debug)]
pub(super) struct Reading {
    options: Options,
    /// Finds the roots in a line.
    roots: Option<Regex>,
    pem: PemState,
    pub(super) collector: Collector,
    /// What is known of the tests before the end of the log.
    pub(super) report: Option<TestReport>,
    weigher: Weigher,
    classifier: Classifier,
    candidates: Candidates,
    files: FileFinder,
    /// Lines in which files are still looked for.
    n_file_lines: u32,
    shapes: Shapes,
    keeper: Keeper,
    n_lines: u64,
    pub(super) n_bytes: u64,
}

impl Reading {
    /// Starts at the first line.
    pub(super) fn new(options: Options) -> Self {
        Self {
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
        }
    }

    /// Takes the next line.
    pub(super) fn line(&mut self, raw: &RawLine<'_>) {
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

    /// Returns what is known of the failure.
    pub(super) fn finish(mut self, exit: ExitHint) -> Failure {
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
