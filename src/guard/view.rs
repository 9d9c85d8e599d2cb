//! One changed file as the rules see it: its text before and after, as far as known, with code told from strings and comments.
use crate::guard::diff::ChangeKind;
use crate::guard::diff::FileChange;
use crate::guard::diff::Hunk;
use crate::guard::diff::LineKind;
use crate::guard::lang::Lang;
use crate::guard::mask::Masked;
use crate::guard::mask::mask;
use regex::Regex;
use std::collections::BTreeMap;

/// A stretch of lines that stand together: a whole file, or one side of a hunk where the file is not known.
#[derive(Debug, Default)]
pub(crate) struct Stretch<'a> {
    /// Line number of the first line, 1-based.
    pub(crate) first: u32,
    pub(crate) raw: Vec<&'a str>,
    pub(crate) masked: Masked,
    /// For each line the run of changes it belongs to, where it is changed.
    pub(crate) runs: Vec<Option<usize>>,
}

/// One changed line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'v> {
    pub(crate) number: u32,
    pub(crate) raw: &'v str,
    /// The line with strings and comments blanked.
    pub(crate) code: &'v str,
    /// Neighbouring changes, removed and added, share a run.
    pub(crate) run: usize,
}

/// Which text of a line a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Raw,
    Code,
}

impl<'v> Line<'v> {
    pub(crate) fn text(&self, of: Of) -> &'v str {
        match of {
            Of::Raw => self.raw,
            Of::Code => self.code,
        }
    }
}

impl<'a> Stretch<'a> {
    /// A text that no change touches.
    pub(crate) fn unchanged(text: &'a str, lang: Lang) -> Self {
        let raw = lines_of(text);
        Self { first: 1, runs: vec![None; raw.len()], raw, ..Self::default() }.mask(lang)
    }

    fn push(&mut self, raw: &'a str, run: Option<usize>) {
        self.raw.push(raw);
        self.runs.push(run);
    }

    fn mask(mut self, lang: Lang) -> Self {
        self.masked = mask(lang, &self.raw);
        self
    }

    /// Returns the line number of a line of the stretch.
    pub(crate) fn number(&self, idx: usize) -> u32 {
        self.first.saturating_add(u32::try_from(idx).unwrap_or(u32::MAX))
    }

    pub(crate) fn line(&self, idx: usize) -> Option<Line<'_>> {
        let (raw, code) = (self.raw.get(idx)?, self.masked.code.get(idx)?);
        Some(Line {
            number: self.number(idx),
            raw,
            code,
            run: self.runs.get(idx).copied().flatten().unwrap_or(usize::MAX),
        })
    }

    /// Returns the changed lines.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Line<'_>> {
        (0..self.raw.len()).filter(|idx| self.runs[*idx].is_some()).filter_map(|idx| self.line(idx))
    }

    /// Returns the code of all lines, joined.
    pub(crate) fn code(&self) -> String {
        self.masked.code.join("\n")
    }
}

/// One changed file as the rules see it.
#[derive(Debug)]
pub(crate) struct FileView<'a> {
    pub(crate) change: &'a FileChange<'a>,
    pub(crate) path: &'a str,
    pub(crate) lang: Lang,
    /// The file is a test by the policy, or holds tests by its content.
    pub(crate) is_test: bool,
    /// Whether `before` and `after` are the whole file.
    pub(crate) is_whole: bool,
    pub(crate) before: Vec<Stretch<'a>>,
    pub(crate) after: Vec<Stretch<'a>>,
}

/// The hunks of a file do not fit its text at the base commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Line at the base commit, 1-based.
    pub(crate) line: u32,
}

impl<'a> FileView<'a> {
    /// Lays the change over the text at the base commit; without that text only the hunks are seen.
    pub(crate) fn new(change: &'a FileChange<'a>, base: Option<&'a str>, is_test: bool) -> Result<Self, Misfit> {
        let path = change.path();
        let first_line = base.and_then(|it| it.lines().next()).or_else(|| {
            change.hunks.first().filter(|it| it.old_start <= 1).and_then(|it| it.lines.first()).map(|it| it.text)
        });
        let lang = Lang::of(path, first_line);
        let base = match change.kind {
            ChangeKind::Added => Some(""),
            _ => base,
        };
        let (before, after) = match base {
            Some(base) => {
                let (before, after) = overlay(base, &change.hunks)?;
                (vec![before], vec![after])
            }
            None => change.hunks.iter().enumerate().map(|(idx, hunk)| split(hunk, idx)).unzip(),
        };
        let mask = |it: Vec<Stretch<'a>>| it.into_iter().map(|it| it.mask(lang)).collect();
        Ok(Self { change, path, lang, is_test, is_whole: base.is_some(), before: mask(before), after: mask(after) })
    }

    pub(crate) fn added(&self) -> impl Iterator<Item = Line<'_>> {
        self.after.iter().flat_map(Stretch::changed)
    }

    pub(crate) fn removed(&self) -> impl Iterator<Item = Line<'_>> {
        self.before.iter().flat_map(Stretch::changed)
    }

    /// Whether the file exists before the patch.
    pub(crate) fn is_existing(&self) -> bool {
        !matches!(self.change.kind, ChangeKind::Added | ChangeKind::Copied)
    }

    /// Returns the added lines that match, with the match, where the patch did not merely move or reword the line around it:
    /// the same line removed elsewhere, or the same match removed next to it, is nothing new.
    pub(crate) fn fresh<'v>(&'v self, regex: &Regex, of: Of) -> Vec<(Line<'v>, &'v str)> {
        let mut moved: BTreeMap<&str, usize> = BTreeMap::new();
        let mut reworded: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for line in self.removed() {
            let mut is_match = false;
            for found in regex.find_iter(line.text(of)) {
                is_match = true;
                *reworded.entry((line.run, found.as_str().trim())).or_default() += 1;
            }
            if is_match {
                *moved.entry(line.raw.trim()).or_default() += 1;
            }
        }
        let mut fresh = Vec::new();
        for line in self.added() {
            let matches: Vec<&str> = regex.find_iter(line.text(of)).map(|it| it.as_str().trim()).collect();
            if matches.is_empty() || take(&mut moved, &line.raw.trim()) {
                continue;
            }
            let new = matches.into_iter().find(|it| !take(&mut reworded, &(line.run, *it)));
            fresh.extend(new.map(|it| (line, it)));
        }
        fresh
    }
}

fn take<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    match counts.get_mut(key) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

/// The lines of a text as git counts them.
fn lines_of(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}

fn overlay<'a>(base: &'a str, hunks: &'a [Hunk<'a>]) -> Result<(Stretch<'a>, Stretch<'a>), Misfit> {
    let mut rest = lines_of(base).into_iter();
    let (mut before, mut after) =
        (Stretch { first: 1, ..Stretch::default() }, Stretch { first: 1, ..Stretch::default() });
    let mut run = 0;
    for hunk in hunks {
        let n_old = hunk.lines.iter().filter(|it| it.kind != LineKind::Added).count();
        let n_above = (hunk.old_start as usize).saturating_sub(usize::from(n_old > 0));
        while before.raw.len() < n_above {
            let line = rest.next().ok_or(Misfit { line: hunk.old_start })?;
            before.push(line, None);
            after.push(line, None);
        }
        for line in &hunk.lines {
            if line.kind != LineKind::Added {
                let at_base = rest.next().ok_or(Misfit { line: before.number(before.raw.len()) })?;
                if at_base.trim_end() != line.text.trim_end() {
                    return Err(Misfit { line: before.number(before.raw.len()) });
                }
            }
            push_line(line.kind, line.text, &mut run, &mut before, &mut after);
        }
        run += 1;
    }
    for line in rest {
        before.push(line, None);
        after.push(line, None);
    }
    Ok((before, after))
}

fn split<'a>(hunk: &'a Hunk<'a>, idx: usize) -> (Stretch<'a>, Stretch<'a>) {
    // Runs of different hunks must differ; no hunk has as many.
    let mut run = idx << 32;
    let mut before = Stretch { first: hunk.old_start.max(1), ..Stretch::default() };
    let mut after = Stretch { first: hunk.new_start.max(1), ..Stretch::default() };
    for line in &hunk.lines {
        push_line(line.kind, line.text, &mut run, &mut before, &mut after);
    }
    (before, after)
}

fn push_line<'a>(kind: LineKind, text: &'a str, run: &mut usize, before: &mut Stretch<'a>, after: &mut Stretch<'a>) {
    match kind {
        LineKind::Context => {
            *run += 1;
            before.push(text, None);
            after.push(text, None);
        }
        LineKind::Removed => before.push(text, Some(*run)),
        LineKind::Added => after.push(text, Some(*run)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::diff::parse;

    const PATCH: &str =
        "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -2,3 +2,4 @@\n b\n-c # noqa\n+C # noqa\n+x\n d\n";

    #[test]
    fn a_change_is_laid_over_its_base() {
        let changes = parse(PATCH).unwrap();
        let view = FileView::new(&changes[0], Some("a\nb\nc # noqa\nd\ne\n"), false).unwrap();
        assert_eq!(view.after[0].raw, ["a", "b", "C # noqa", "x", "d", "e"]);
        assert_eq!(view.added().map(|it| it.number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(view.removed().map(|it| it.number).collect::<Vec<_>>(), [3]);
        assert_eq!(view.added().next().unwrap().code.trim_end(), "C");
    }

    #[test]
    fn without_a_base_the_hunks_are_seen() {
        let changes = parse(PATCH).unwrap();
        let view = FileView::new(&changes[0], None, false).unwrap();
        assert!(!view.is_whole);
        assert_eq!(view.added().map(|it| it.number).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_change_that_does_not_fit_is_told() {
        let changes = parse(PATCH).unwrap();
        for base in ["", "a\nb\nX\nd\n", "a\nb\nc # noqa\n"] {
            assert!(FileView::new(&changes[0], Some(base), false).is_err(), "{base:?}");
        }
    }

    #[test]
    fn a_reworded_or_moved_match_is_nothing_new() {
        let regex = Regex::new("# noqa").unwrap();
        let changes = parse(PATCH).unwrap();
        let view = FileView::new(&changes[0], None, false).unwrap();
        assert!(view.fresh(&regex, Of::Raw).is_empty());
        assert_eq!(view.fresh(&Regex::new("x").unwrap(), Of::Raw).len(), 1);
    }
}
