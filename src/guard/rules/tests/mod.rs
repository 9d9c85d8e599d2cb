//! Tests are the proof: new ones are welcome, existing ones stay as they are.
mod braces;
mod patterns;
mod python;
mod region;

use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::rules::tests::region::test_lines;
use crate::guard::scene::Scene;
use crate::guard::view::FileView;
use crate::guard::view::Line;
use crate::guard::view::Of;
use crate::guard::view::Stretch;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub(crate) use patterns::holds_tests;

/// How far an insertion is slid along equal lines: git may draw the same insertion at several places.
const MAX_SLIDES: usize = 20;

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    check_added(file, findings);
    if file.is_test && !is_free(file) {
        check_existing(file, findings);
    } else {
        check_tests_inside(scene, file, findings);
    }
}

/// What lies among tests without deciding what they prove.
fn is_free(file: &FileView<'_>) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let is_requirements = name.contains("requirements") && name.contains(".txt") && file.removed().next().is_none();
    let is_prose = file.lang == Lang::Prose && !name.to_lowercase().ends_with(".txt");
    let is_in_place = file.change.old_path == file.change.new_path;
    file.change.is_exec_bit_only() || (is_in_place && (is_requirements || is_prose))
}

/// Rules about every added line: skipped tests, assertions that hold by themselves, loaders beside tests.
fn check_added(file: &FileView<'_>, findings: &mut Findings) {
    if let Some(skip) = patterns::skip(file.lang, file.is_test) {
        for (line, found) in file.fresh(skip, Of::Code) {
            let reason = format!("{} keeps a test from running or from failing; make it pass", excerpt(found));
            findings.violation(file.path, Some(line.number), "test-skipped", reason);
        }
    }
    let is_tested = file.is_test || file.lang == Lang::Rust;
    for line in file.added().filter(|it| is_tested && patterns::is_trivial_assertion(it.code, it.raw)) {
        let reason = "asserts what is always true; assert what the code returns";
        findings.violation(file.path, Some(line.number), "trivial-assertion", reason);
    }
    let is_loader = file.is_test && file.path.ends_with("__init__.py");
    if let Some(line) = file.added().find(|it| is_loader && !it.code.trim().trim_matches(['"', '\'']).trim().is_empty())
    {
        let reason = "code in the `__init__.py` of tests runs before every test";
        findings.violation(file.path, Some(line.number), "test-changed", reason);
    }
}

fn check_existing(file: &FileView<'_>, findings: &mut Findings) {
    match file.change.kind {
        ChangeKind::Deleted => {
            let reason = "deletes a test, or what tests are measured by; fix the code under test instead";
            return findings.violation(file.path, None, "test-deleted", reason);
        }
        ChangeKind::Renamed => {
            let reason = "renames a test, so that it may no longer be found; leave it where it is";
            findings.violation(file.path, None, "test-renamed", reason);
        }
        ChangeKind::Modified if patterns::is_snapshot(file.path) => {
            let reason = "rewrites a recorded expectation; fix the code so that it gives what was recorded";
            return findings.violation(file.path, None, "snapshot-changed", reason);
        }
        ChangeKind::Added | ChangeKind::Copied => return,
        ChangeKind::Modified => {}
    }
    let everywhere = |_: &Stretch<'_>, _: usize| true;
    check_runs(file, findings, &everywhere, &everywhere);
}

/// Tests that stand among program text: Rust's test modules, Python's examples in docstrings.
fn check_tests_inside(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    if !file.is_existing() {
        return;
    }
    let is_doctested = scene.command.uses_doctest && file.lang == Lang::Python;
    let lines = |side: &[Stretch<'_>]| -> Vec<BTreeSet<usize>> {
        side.iter().map(|it| test_lines(file.lang, is_doctested, it)).collect()
    };
    let (before, after) = (lines(&file.before), lines(&file.after));
    if before.iter().chain(&after).all(BTreeSet::is_empty) {
        return;
    }
    if file.change.kind == ChangeKind::Deleted {
        let reason = "deletes a file with tests in it; fix the code under test instead";
        return findings.violation(file.path, None, "test-deleted", reason);
    }
    let find = |sides: &[Stretch<'_>], sets: &[BTreeSet<usize>], of: &Stretch<'_>, idx: usize| {
        sides.iter().position(|it| std::ptr::eq(it, of)).is_some_and(|at| sets[at].contains(&idx))
    };
    check_runs(file, findings, &|of, idx| find(&file.before, &before, of, idx), &|of, idx| {
        find(&file.after, &after, of, idx)
    });
}

/// Most runs of changes in one file of tests; a patch of more is no addition of tests.
const MAX_RUNS: usize = 50;

type Scope<'s> = &'s dyn Fn(&Stretch<'_>, usize) -> bool;

/// Judges each run of changes: what goes, and where it is allowed, what comes.
fn check_runs(file: &FileView<'_>, findings: &mut Findings, is_old: Scope<'_>, is_new: Scope<'_>) {
    let removed = runs_of(&file.before);
    let added = runs_of(&file.after);
    let numbers: BTreeSet<usize> = removed.keys().chain(added.keys()).copied().collect();
    if numbers.len() > MAX_RUNS {
        return findings.violation(
            file.path,
            None,
            "test-changed",
            "changes tests in too many places to be judged one by one",
        );
    }
    for run in numbers {
        let (old, new) = (removed.get(&run), added.get(&run));
        if text_of(old) == text_of(new) {
            continue;
        }
        let lost: Vec<Line<'_>> =
            old.into_iter().flat_map(|it| it.lines_in(is_old)).filter(|it| patterns::counts(file.lang, it)).collect();
        if !lost.is_empty() {
            object_to_loss(file, &lost, &text_of(new), findings);
        } else if let Some(new) = new.filter(|it| it.lines_in(is_new).next().is_some() && !is_new_tests(file, it)) {
            let reason = "adds lines inside existing tests or beside them; add whole new tests, best in a new file";
            findings.violation(file.path, Some(new.stretch.number(new.start)), "test-changed", reason);
        }
    }
}

/// Objects once for each run, by the worst of what is lost.
fn object_to_loss(file: &FileView<'_>, lost: &[Line<'_>], kept: &[&str], findings: &mut Findings) {
    let is_kept = |line: &&Line<'_>| kept.iter().any(|it| it.trim() == line.raw.trim());
    let test = lost
        .iter()
        .find(|it| (patterns::is_test(file.lang, it.code) || it.raw.trim().starts_with(">>>")) && !is_kept(it));
    let assertion = lost.iter().find(|it| patterns::is_assertion(it.code));
    let (line, rule, reason) = match (test, assertion) {
        (Some(line), _) => (line, "test-removed", "removes or renames a test; make it pass instead"),
        (None, Some(line)) => {
            (line, "assertion-changed", "changes an existing assertion; fix the code so that it holds")
        }
        (None, None) => {
            (&lost[0], "test-changed", "changes an existing line of a test; fix the code under test instead")
        }
    };
    findings.violation(file.path, Some(line.number), rule, format!("{reason}: {}", excerpt(line.raw)));
}

/// The changed lines of one side that share a run.
struct Run<'s, 'a> {
    stretch: &'s Stretch<'a>,
    start: usize,
    end: usize,
}

impl<'s> Run<'s, '_> {
    fn lines(&self) -> impl Iterator<Item = Line<'s>> {
        let stretch = self.stretch;
        (self.start..self.end).filter_map(move |idx| stretch.line(idx))
    }

    fn lines_in(&self, scope: Scope<'_>) -> impl Iterator<Item = Line<'s>> {
        let stretch = self.stretch;
        (self.start..self.end).filter(move |idx| scope(stretch, *idx)).filter_map(move |idx| stretch.line(idx))
    }
}

fn text_of<'s>(run: Option<&Run<'s, '_>>) -> Vec<&'s str> {
    run.into_iter().flat_map(Run::lines).map(|it| it.raw.trim_end()).collect()
}

fn runs_of<'s, 'a>(side: &'s [Stretch<'a>]) -> BTreeMap<usize, Run<'s, 'a>> {
    let mut runs = BTreeMap::new();
    for stretch in side {
        for (idx, run) in stretch.runs.iter().enumerate().filter_map(|(idx, run)| Some((idx, (*run)?))) {
            runs.entry(run).or_insert(Run { stretch, start: idx, end: idx }).end = idx + 1;
        }
    }
    runs
}

/// Whether a run adds whole new tests and touches nothing that was there.
fn is_new_tests(file: &FileView<'_>, run: &Run<'_, '_>) -> bool {
    let is_harmless = |idx: usize| {
        let is_text = run.stretch.masked.starts_in_string.get(idx).copied().unwrap_or(false);
        run.stretch.line(idx).is_some_and(|it| !patterns::counts(file.lang, &it)) && !is_text
    };
    if file.lang.is_code() && (run.start..run.end).all(is_harmless) {
        return true;
    }
    let (Some(before), true) = (file.before.first(), file.is_whole) else { return false };
    placements(run).into_iter().any(|(start, end)| match file.lang {
        Lang::Python => python::is_new_tests(before, run.stretch, start, end),
        lang if lang.has_braces() => braces::is_new_tests(lang, before, run.stretch, start, end),
        _ => false,
    })
}

/// The run and every place it could be slid to along equal lines; the text is the same at each.
fn placements(run: &Run<'_, '_>) -> Vec<(usize, usize)> {
    let (raw, runs) = (&run.stretch.raw, &run.stretch.runs);
    let mut places = vec![(run.start, run.end)];
    let (mut start, mut end) = (run.start, run.end);
    while places.len() <= MAX_SLIDES && start > 0 && runs[start - 1].is_none() && raw[start - 1] == raw[end - 1] {
        (start, end) = (start - 1, end - 1);
        places.push((start, end));
    }
    let (mut start, mut end) = (run.start, run.end);
    while places.len() <= 2 * MAX_SLIDES && end < raw.len() && runs[end].is_none() && raw[start] == raw[end] {
        (start, end) = (start + 1, end + 1);
        places.push((start, end));
    }
    places
}
