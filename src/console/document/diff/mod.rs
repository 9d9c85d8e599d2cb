//! A patch for review: files, hunks, numbered lines, word-level changes, syntax colours and the guard's findings.
mod draw;
mod lines;
mod note;
mod parse;
mod path;

pub use lines::DiffFile;
pub use lines::FileKind;

use crate::console::document::diff::lines::Block;
use crate::console::document::diff::lines::Line;
use crate::console::document::diff::note::Note;
use crate::console::document::diff::parse::Parsed;
use crate::console::document::highlight::Highlighter;
use crate::console::document::search::Needle;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::domain::Finding;
use crate::evidence::text::has_deceptive;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;

/// A unified diff as rows. Rows are counted from 0; a row that does not exist is empty.
#[derive(Debug, Clone)]
pub struct DiffDocument {
    patch: String,
    /// Names this patch in a highlighter's memory.
    id: u64,
    parsed: Parsed,
    blocks: Vec<Block>,
    notes: Vec<Note>,
    rows: Vec<Place>,
    /// The row of each line.
    row_of_line: Vec<usize>,
    deceptive_rows: Vec<usize>,
    has_deceptive_beyond: bool,
}

/// What a row shows.
#[derive(Debug, Clone, Copy)]
enum Place {
    Line(usize),
    Note(usize),
}

impl DiffDocument {
    /// Reads a patch. Text that is no diff is shown as it is; after 20,000 lines one row says how many follow.
    pub fn new(patch: &str) -> Self {
        let parsed = parse::parse(patch);
        let (kept, beyond) = patch.split_at(parsed.kept_until);
        let mut hasher = DefaultHasher::new();
        kept.hash(&mut hasher);
        let mut document = Self {
            patch: kept.to_owned(),
            id: hasher.finish(),
            blocks: lines::blocks(&parsed.lines),
            notes: Vec::new(),
            rows: Vec::new(),
            row_of_line: Vec::new(),
            deceptive_rows: Vec::new(),
            has_deceptive_beyond: has_deceptive(beyond),
            parsed,
        };
        document.place();
        document
    }

    /// Returns the files in the order of the patch.
    pub fn files(&self) -> &[DiffFile] {
        &self.parsed.files
    }

    /// Counts the rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Draws one row; without a highlighter the code has no syntax colours.
    pub fn row(&self, idx: usize, highlighter: Option<&Highlighter>) -> Row {
        match self.rows.get(idx) {
            Some(Place::Line(line)) => self.draw(*line, highlighter),
            Some(Place::Note(note)) => self.notes[*note].row.clone(),
            None => Row::default(),
        }
    }

    /// Returns the row of the first hunk header below `from`.
    pub fn next_hunk(&self, from: usize) -> Option<usize> {
        self.hunk_rows().find(|it| *it > from)
    }

    /// Returns the row of the last hunk header above `from`.
    pub fn prev_hunk(&self, from: usize) -> Option<usize> {
        self.hunk_rows().take_while(|it| *it < from).last()
    }

    /// Returns the row of the first file header below `from`.
    pub fn next_file(&self, from: usize) -> Option<usize> {
        self.files().iter().map(|it| it.first_row).find(|it| *it > from)
    }

    /// Returns the row of the last file header above `from`.
    pub fn prev_file(&self, from: usize) -> Option<usize> {
        self.files().iter().map(|it| it.first_row).take_while(|it| *it < from).last()
    }

    /// Returns which hunk of how many in the whole patch a row belongs to, counted from 1.
    pub fn hunk_at(&self, row: usize) -> Option<(usize, usize)> {
        let n = self.hunk_rows().take_while(|it| *it <= row).count();
        let hunk = self.parsed.hunks.get(n.checked_sub(1)?)?;
        (self.file_at(row) == Some(hunk.file)).then_some((n, self.parsed.hunks.len()))
    }

    /// Returns which of `files` a row belongs to.
    pub fn file_at(&self, row: usize) -> Option<usize> {
        let n = self.files().iter().take_while(|it| it.first_row <= row).count();
        n.checked_sub(1).filter(|_| row < self.len())
    }

    /// Returns path and line in the new file, for an editor; none where there is no such file, or its path is not one to open.
    pub fn position(&self, row: usize) -> Option<(String, u32)> {
        let file = &self.files()[self.file_at(row)?];
        if matches!(file.kind, FileKind::Deleted | FileKind::Binary) || !path::is_openable(&file.raw_path) {
            return None;
        }
        let line = (0..=row).rev().find_map(|it| match self.line_at(it)? {
            Line::Code(code) => Some(code.new),
            Line::Hunk(hunk) => Some(self.parsed.hunks[*hunk].new_start),
            Line::File(_) => Some(self.first_line_of(row)),
            _ => None,
        });
        Some((file.raw_path.clone(), line.unwrap_or(1).max(1)))
    }

    /// Whether anywhere in the patch a character is shown by number because it could deceive.
    pub fn has_deceptive(&self) -> bool {
        !self.deceptive_rows.is_empty()
    }

    /// Returns the rows with such characters; the last row stands for what is not shown.
    pub fn deceptive_rows(&self) -> Vec<usize> {
        self.deceptive_rows.clone()
    }

    /// Puts findings below the lines they are about, in place of earlier ones.
    pub fn annotate(&mut self, findings: &[Finding]) {
        let gutter = self.gutter_columns();
        let shown = findings.iter().take(note::MAX_NOTES);
        self.notes = shown.map(|it| Note::new(it, &self.parsed, gutter)).collect();
        self.notes.sort_by_key(|it| it.below);
        self.place();
    }

    /// Returns the rows that contain a text, in any case unless it has upper case. `Needle` marks it in a row.
    pub fn search(&self, needle: &str) -> Vec<usize> {
        let Some(needle) = Needle::new(needle) else { return Vec::new() };
        (0..self.len()).filter(|row| needle.is_in(&self.text_of(*row))).collect()
    }

    /// Returns a row's text without numbers and sign.
    pub fn text_of(&self, row: usize) -> String {
        match self.line_at(row) {
            Some(Line::Code(code)) => self.text(code),
            _ => self.row(row, None).content(),
        }
    }

    /// Lays out lines and notes.
    fn place(&mut self) {
        self.rows.clear();
        self.row_of_line.clear();
        let mut notes = self.notes.iter().map(|it| it.below).enumerate().peekable();
        for line in std::iter::once(None).chain((0..self.parsed.lines.len()).map(Some)) {
            if let Some(line) = line {
                self.row_of_line.push(self.rows.len());
                self.rows.push(Place::Line(line));
                if let Line::File(file) = self.parsed.lines[line] {
                    self.parsed.files[file].first_row = self.rows.len() - 1;
                }
            }
            while let Some((note, _)) = notes.next_if(|it| it.1 == line) {
                self.rows.push(Place::Note(note));
            }
        }
        let last = self.rows.len().saturating_sub(1);
        let n_placed = self.parsed.lines.iter().filter(|it| matches!(it, Line::File(_))).count();
        self.parsed.files.iter_mut().skip(n_placed).for_each(|it| it.first_row = last);
        self.deceptive_rows = (0..self.rows.len()).filter(|row| self.is_deceptive_row(*row)).collect();
    }

    fn is_deceptive_row(&self, row: usize) -> bool {
        match self.line_at(row) {
            Some(Line::More(_)) => self.has_deceptive_beyond,
            Some(line) => self.is_deceptive(line),
            None => self.row(row, None).segments.iter().any(|it| it.ink == Ink::Deceptive),
        }
    }

    fn line_at(&self, row: usize) -> Option<&Line> {
        match self.rows.get(row)? {
            Place::Line(line) => self.parsed.lines.get(*line),
            Place::Note(_) => None,
        }
    }

    fn hunk_rows(&self) -> impl Iterator<Item = usize> {
        self.parsed.hunks.iter().map(|it| self.row_of_line[it.line])
    }

    /// Returns where the first hunk of the file at `row` begins in the new file.
    fn first_line_of(&self, row: usize) -> u32 {
        let file = self.file_at(row);
        self.parsed.hunks.iter().find(|it| Some(it.file) == file).map_or(1, |it| it.new_start)
    }
}

#[cfg(test)]
mod tests;
