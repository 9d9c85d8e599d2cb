//! A log for reading: errors to jump to, groups to fold, search that keeps the context.
//!
//! Colours that the log itself asks for are dropped with every other escape sequence: what is red here is what this console takes for an error.
mod draw;
mod groups;
mod lines;
mod place;
mod rows;
mod severity;

use crate::console::document::log::groups::GroupReader;
use crate::console::document::log::groups::Groups;
use crate::console::document::log::lines::Lines;
use crate::console::document::log::rows::Rows;
use crate::console::document::log::severity::Severity;
use crate::console::document::paint::is_harmless;
use crate::console::document::paint::shown;
use crate::console::document::search::Needle;
use std::borrow::Cow;
use std::ops::Range;

/// Whether the times that the CI system put before each line are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Timestamps {
    #[default]
    Off,
    /// The time of day, as the log has it.
    Absolute,
}

/// A stored output as rows. Rows are counted from 0, line numbers from 1; both of kept lines only.
#[derive(Debug, Clone)]
pub struct LogDocument {
    name: String,
    lines: Lines,
    /// The lines that report an error, and those that an error is jumped to by.
    error_lines: Vec<usize>,
    errors: Vec<usize>,
    warnings: Vec<usize>,
    groups: Groups,
    needle: Option<Needle>,
    matches: Vec<usize>,
    is_filtered: bool,
    timestamps: Timestamps,
    rows: Rows,
}

impl LogDocument {
    /// Indexes an output. Where bytes were dropped, it has a line that says so.
    pub fn new(name: &str, bytes: &[u8], dropped_bytes: u64) -> Self {
        let lines = Lines::new(bytes, dropped_bytes);
        let (mut error_lines, mut errors, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let mut reader = GroupReader::default();
        for idx in 0..lines.len() {
            let text = lines.text(idx);
            match severity::of(&text) {
                Some(Severity::Error) => {
                    let is_next = severity::is_continued(&text) && error_lines.last().is_some_and(|it| it + 1 == idx);
                    error_lines.push(idx);
                    if !is_next {
                        errors.push(idx);
                    }
                }
                Some(Severity::Warning) => warnings.push(idx),
                None => {}
            }
            reader.line(idx, &text, &lines);
        }
        let mut document = Self {
            name: shown(name),
            groups: reader.finish(lines.len(), &errors),
            lines,
            error_lines,
            errors,
            warnings,
            needle: None,
            matches: Vec::new(),
            is_filtered: false,
            timestamps: Timestamps::Off,
            rows: Rows::default(),
        };
        document.lay_out();
        document
    }

    /// Returns the output's name, clean.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts the rows in sight; a folded group is one.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the row to open the log at: that of the first error.
    pub fn first_error(&self) -> Option<usize> {
        let line = *self.errors.first()?;
        Some(self.rows.row_of(line).unwrap_or_else(|before| before))
    }

    /// Returns the row of the first error below `from`; unfolds what hides it.
    pub fn next_error(&mut self, from: usize) -> Option<usize> {
        let line = after(&self.errors, self.line_of(from)?, |it| self.can_show(it))?;
        self.show(line)
    }

    /// Returns the row of the last error above `from`; unfolds what hides it.
    pub fn prev_error(&mut self, from: usize) -> Option<usize> {
        let line = before(&self.errors, self.line_of(from)?, |it| self.can_show(it))?;
        self.show(line)
    }

    /// Counts the errors that can be jumped to.
    pub fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// Returns which error of how many a row is, counted from 1.
    pub fn error_at(&self, row: usize) -> Option<(usize, usize)> {
        Some((self.errors.binary_search(&self.rows.line_of(row)?).ok()? + 1, self.errors.len()))
    }

    /// Returns the row of the first group's head below `from`.
    pub fn next_group(&self, from: usize) -> Option<usize> {
        let line = self.line_of(from)?;
        self.groups.all.iter().filter(|it| it.head > line).find_map(|it| self.rows.row_of(it.head).ok())
    }

    /// Returns the row of the last group's head above `from`.
    pub fn prev_group(&self, from: usize) -> Option<usize> {
        let line = self.line_of(from)?;
        self.groups.all.iter().rev().filter(|it| it.head < line).find_map(|it| self.rows.row_of(it.head).ok())
    }

    /// Folds or unfolds the group that a row heads, or folds the one it is in; returns the row of the group's head.
    pub fn toggle_fold(&mut self, row: usize) -> usize {
        let Some(line) = self.rows.line_of(row).filter(|_| !self.is_narrowed()) else { return row };
        let Some(idx) = self.groups.around(line) else { return row };
        let group = &mut self.groups.all[idx];
        group.is_folded = !group.is_folded && !group.body().is_empty();
        let head = group.head;
        self.lay_out();
        self.rows.row_of(head).unwrap_or_else(|before| before)
    }

    /// Folds or unfolds all groups.
    pub fn fold_all(&mut self, is_folded: bool) {
        for group in &mut self.groups.all {
            group.is_folded = is_folded && !group.body().is_empty();
        }
        self.lay_out();
    }

    /// Searches all lines, also folded ones, in any case unless the text has upper case; returns how many lines contain it.
    pub fn search(&mut self, needle: &str) -> usize {
        self.needle = Needle::new(needle);
        self.matches = match &self.needle {
            Some(needle) => (0..self.lines.len()).filter(|it| needle.is_in(&self.shown(*it))).collect(),
            None => Vec::new(),
        };
        self.lay_out();
        self.matches.len()
    }

    /// Forgets the search; all lines come back.
    pub fn clear_search(&mut self) {
        self.search("");
    }

    /// Returns the row of the first match below `from`; unfolds what hides it.
    pub fn next_match(&mut self, from: usize) -> Option<usize> {
        let line = after(&self.matches, self.line_of(from)?, |_| true)?;
        self.show(line)
    }

    /// Returns the row of the last match above `from`; unfolds what hides it.
    pub fn prev_match(&mut self, from: usize) -> Option<usize> {
        let line = before(&self.matches, self.line_of(from)?, |_| true)?;
        self.show(line)
    }

    /// Returns which matching line of how many a row is, counted from 1.
    pub fn match_at(&self, row: usize) -> Option<(usize, usize)> {
        Some((self.matches.binary_search(&self.rows.line_of(row)?).ok()? + 1, self.matches.len()))
    }

    /// Shows only lines that match the search, folded or not; without a search it shows all. `line_number` before and `row_of_line` after keep the place.
    pub fn only_matches(&mut self, on: bool) {
        self.is_filtered = on;
        self.lay_out();
    }

    /// Returns the number of a row's line; beyond the end that of the last.
    pub fn line_number(&self, row: usize) -> u64 {
        self.line_of(row).map_or(0, |it| self.lines.number(it))
    }

    /// Returns the row of a line, the nearest before it when it is not in sight; unfolds what hides it.
    pub fn row_of_line(&mut self, line: u64) -> usize {
        let line = self.lines.with_number(line);
        self.show(line).unwrap_or_else(|| self.rows.row_of(line).unwrap_or_else(|before| before))
    }

    /// Returns a row's text without number and sign.
    pub fn text_of(&self, row: usize) -> String {
        self.rows.line_of(row).map(|it| self.shown(it).into_owned()).unwrap_or_default()
    }

    /// Returns the path and line of source code that a row speaks of, as the log has them.
    pub fn position(&self, row: usize) -> Option<(String, u32)> {
        place::in_text(&self.text_of(row))
    }

    /// Chooses whether the CI system's times are shown.
    pub fn timestamps(&mut self, mode: Timestamps) {
        self.timestamps = mode;
    }

    /// Returns the line of a row, of the last one beyond the end.
    fn line_of(&self, row: usize) -> Option<usize> {
        self.rows.line_of(row.min(self.len().checked_sub(1)?))
    }

    /// Whether folding alone can hide a line.
    fn can_show(&self, line: usize) -> bool {
        !self.is_narrowed() || self.rows.row_of(line).is_ok()
    }

    /// Unfolds what hides a line; returns its row.
    fn show(&mut self, line: usize) -> Option<usize> {
        if self.rows.row_of(line).is_err() && !self.is_narrowed() {
            let mut group = self.groups.around(line);
            while let Some(idx) = group {
                let it = &mut self.groups.all[idx];
                it.is_folded &= it.head == line;
                group = it.parent;
            }
            self.lay_out();
        }
        self.rows.row_of(line).ok()
    }

    fn is_narrowed(&self) -> bool {
        self.is_filtered && self.needle.is_some()
    }

    fn lay_out(&mut self) {
        if self.is_narrowed() {
            self.rows = Rows::only(&self.matches);
            return;
        }
        let folded = self.groups.all.iter().filter(|it| it.is_folded).map(groups::Group::body);
        let mut hidden: Vec<Range<usize>> = folded.chain(self.groups.marks.iter().map(|it| *it..it + 1)).collect();
        hidden.sort_unstable_by_key(|it| it.start);
        self.rows = Rows::without(self.lines.len(), hidden.into_iter());
    }

    /// Returns what a line says; not yet clean.
    fn content(&self, line: usize) -> Cow<'_, str> {
        let text = self.lines.text(line);
        match self.groups.headed_by(line).map(|it| &self.groups.all[it]) {
            Some(group) if groups::without_mark(&text).trim().is_empty() => Cow::Owned(group.name.clone()),
            Some(_) => Cow::Owned(groups::without_mark(&text).to_owned()),
            None => text,
        }
    }

    /// Returns what a line says as it is drawn.
    fn shown(&self, line: usize) -> Cow<'_, str> {
        let content = self.content(line);
        if is_harmless(&content) { content } else { Cow::Owned(shown(&content)) }
    }
}

/// Returns the first of some ordered lines after `line` that can be shown.
fn after(lines: &[usize], line: usize, can_show: impl Fn(usize) -> bool) -> Option<usize> {
    lines[lines.partition_point(|it| *it <= line)..].iter().copied().find(|it| can_show(*it))
}

/// Returns the last of some ordered lines before `line` that can be shown.
fn before(lines: &[usize], line: usize, can_show: impl Fn(usize) -> bool) -> Option<usize> {
    lines[..lines.partition_point(|it| *it < line)].iter().rev().copied().find(|it| can_show(*it))
}

#[cfg(test)]
mod tests;
