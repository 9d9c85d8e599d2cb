//! The guard's findings, put below the lines they are about.
use crate::console::document::diff::lines::Code;
use crate::console::document::diff::lines::Line;
use crate::console::document::diff::lines::Sign;
use crate::console::document::diff::parse::Parsed;
use crate::console::document::paint::paint_plain;
use crate::console::document::paint::shown;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use crate::domain::Finding;
use crate::domain::Verdict;

/// Findings that are shown.
pub(super) const MAX_NOTES: usize = 1_000;

/// A finding and the line below which it stands; none = above the first.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) below: Option<usize>,
    pub(super) row: Row,
}

impl Note {
    /// Finds the place of a finding: its line, else the head of its file, else the top.
    pub(super) fn new(finding: &Finding, parsed: &Parsed, gutter: usize) -> Self {
        let file = parsed
            .files
            .iter()
            .position(|it| it.raw_path == finding.file)
            .or_else(|| parsed.files.iter().position(|it| it.raw_old_path.as_ref() == Some(&finding.file)));
        let line = file.zip(finding.line).and_then(|(file, number)| line_of(parsed, file, number));
        let head = file.and_then(|file| parsed.lines.iter().position(|it| matches!(it, Line::File(it) if *it == file)));
        Self { below: line.or(head), row: row(finding, gutter, line.is_some(), file.is_some()) }
    }
}

/// Returns the line that holds line `number` of the new file.
fn line_of(parsed: &Parsed, file: usize, number: u32) -> Option<usize> {
    parsed.hunks.iter().filter(|it| it.file == file).flat_map(|it| &it.new_lines).copied().find(|idx| {
        matches!(&parsed.lines[*idx], Line::Code(Code { new, sign, .. }) if *new == number && *sign != Sign::Removed)
    })
}

fn row(finding: &Finding, gutter: usize, is_at_line: bool, is_at_file: bool) -> Row {
    let (sign, ink) = match finding.verdict {
        Verdict::Ok => ("✓ ok", Ink::Note),
        Verdict::NeedsTwoKeys => ("⚠ needs two keys", Ink::Warning),
        Verdict::Violation => ("✗ violation", Ink::Error),
    };
    let place = match finding.line {
        _ if is_at_line => String::new(),
        Some(line) if is_at_file => format!("line {line}: "),
        Some(line) => format!("{}:{line}: ", finding.file),
        None if is_at_file => String::new(),
        None => format!("{}: ", finding.file),
    };
    let mut segments = vec![Segment::new(" ".repeat(gutter), Ink::LineNumber), Segment::new(sign, ink)];
    segments.push(Segment::new(format!(" {} ", shown(&finding.rule)), Ink::Dim));
    segments.extend(paint_plain(&format!("{place}{}", finding.reason), Ink::Note));
    Row { segments, gutter: 1, ..Row::default() }
}
