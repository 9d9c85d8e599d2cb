//! Draws the lines of a log.
use crate::console::document::log::LogDocument;
use crate::console::document::log::Timestamps;
use crate::console::document::log::groups::Group;
use crate::console::document::paint::paint_plain;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;

impl LogDocument {
    /// Draws one row: number, sign, text, and at the right edge what the sign means. Matches of the search are marked.
    pub fn row(&self, idx: usize) -> Row {
        let Some(line) = self.rows.line_of(idx) else { return Row::default() };
        let columns = self.lines.len().max(100).ilog10() as usize + 1;
        let is_gap = self.lines.gap() == Some(line);
        let number = if is_gap { String::new() } else { self.lines.number(line).to_string() };
        let group = self.groups.headed_by(line).map(|it| &self.groups.all[it]);
        let look = self.look(line, group);
        let mut segments = vec![
            Segment::new(format!("{number:>columns$} "), Ink::LineNumber),
            Segment::new(look.sign, look.sign_ink),
            Segment::new(if is_gap { " ┊ " } else { " │ " }, Ink::LineNumber),
        ];
        if self.timestamps == Timestamps::Absolute {
            segments.push(Segment::new(format!("{:8} ", self.lines.stamp(line).unwrap_or_default()), Ink::Dim));
        }
        let gutter = segments.len();
        segments.extend(paint_plain(&self.content(line), look.ink));
        let row = Row { segments, gutter, tail: look.tail, ..Row::default() };
        match &self.needle {
            Some(needle) => needle.mark(row),
            None => row,
        }
    }

    fn look(&self, line: usize, group: Option<&Group>) -> Look {
        let is_error = self.error_lines.binary_search(&line).is_ok();
        let is_warning = self.warnings.binary_search(&line).is_ok();
        let ink = match group {
            _ if is_error => Ink::Error,
            _ if is_warning => Ink::Warning,
            Some(_) => Ink::Group,
            None if self.lines.gap() == Some(line) => Ink::Note,
            None => Ink::Plain,
        };
        if let Some(group) = group {
            let n = group.body().len();
            let mut tail = vec![Segment::new(format!("({n} line{})", if n == 1 { "" } else { "s" }), Ink::Dim)];
            if group.n_errors > 0 {
                let plural = if group.n_errors == 1 { "" } else { "s" };
                tail.insert(0, Segment::new(format!("✗ {} error{plural} ", group.n_errors), Ink::Error));
            }
            return Look { sign: if group.is_folded { "▸" } else { "▾" }, sign_ink: Ink::Group, ink, tail };
        }
        let n_states = self.lines.n_states(line);
        let (sign, tail) = match ink {
            Ink::Error => ("✗", Some(Segment::new("✗ error", ink))),
            Ink::Warning => ("⚠", Some(Segment::new("⚠ warn", ink))),
            _ if n_states > 1 => (" ", Some(Segment::new(format!("(last of {n_states} states)"), Ink::Dim))),
            _ => (" ", None),
        };
        Look { sign, sign_ink: ink, ink, tail: tail.into_iter().collect() }
    }
}

/// How a line looks.
struct Look {
    sign: &'static str,
    sign_ink: Ink,
    ink: Ink,
    tail: Vec<Segment>,
}
