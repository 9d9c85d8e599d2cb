//! The pen: puts cleaned text, boxes and rows of segments into cells.
use crate::console::document::Ground;
use crate::console::document::Ink;
use crate::console::document::Row;
use crate::console::document::clip;
use crate::console::document::wrap;
use crate::console::theme::Role;
use crate::console::theme::Theme;
use crate::evidence::text::clean_line;
use crate::evidence::text::is_deceptive;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// A piece of text with its meaning.
pub type Piece = (String, Role);

/// Returns a piece of the program's own or of foreign text; it is cleaned when it is put.
pub fn piece(text: impl Into<String>, role: Role) -> Piece {
    (text.into(), role)
}

/// Writes into a buffer in the colours of a theme.
#[derive(Debug)]
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
}

impl<'a> Pen<'a> {
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme }
    }

    /// Returns the whole area.
    pub fn area(&self) -> Rect {
        self.buffer.area
    }

    pub fn theme(&self) -> &'a Theme {
        self.theme
    }

    pub fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Empties an area.
    pub fn fill(&mut self, area: Rect, role: Role) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            self.buffer[position].reset();
        }
        self.buffer.set_style(area, self.theme.style(role));
    }

    /// Lays a role's style over an area, keeping the text.
    pub fn tint(&mut self, area: Rect, role: Role) {
        self.buffer.set_style(area.intersection(self.buffer.area), self.theme.style(role));
    }

    /// Puts text, cut to `width` with a sign; returns the column behind it.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        self.put_styled(x, y, width, text, self.theme.style(role))
    }

    fn put_styled(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() || width == 0 {
            return x;
        }
        let text = cut(&clean_line(text), usize::from(width));
        self.buffer.set_stringn(x, y, text, usize::from(width), style).0
    }

    /// Puts pieces after each other; returns the column behind them.
    pub fn pieces(&mut self, x: u16, y: u16, width: u16, pieces: &[Piece]) -> u16 {
        let end = x.saturating_add(width);
        let mut at = x;
        for (text, role) in pieces {
            at = self.put(at, y, end.saturating_sub(at), text, *role);
        }
        at
    }

    /// Puts text against the right edge of a line.
    pub fn put_right(&mut self, area: Rect, text: &str, role: Role) {
        let text = cut(&clean_line(text), usize::from(area.width));
        let width = columns(&text);
        self.put(area.right().saturating_sub(width), area.y, width, &text, role);
    }

    /// Puts a row of a document that was clipped or wrapped to the area's width.
    pub fn row(&mut self, area: Rect, row: &Row) {
        let line = Rect { height: 1, ..area };
        self.buffer.set_style(line.intersection(self.buffer.area), self.ground(row.ground));
        let mut at = area.x;
        for segment in row.segments.iter().chain(&row.tail) {
            let style = self.ink(segment.ink).patch(self.ground(segment.ground));
            let room = usize::from(area.right().saturating_sub(at));
            if room == 0 || area.y >= self.buffer.area.bottom() {
                return;
            }
            at = self.buffer.set_stringn(at, area.y, &segment.text, room, style).0;
        }
    }

    /// Puts a document's rows from `offset` on, wrapped, or clipped behind the column `left`; a sign in the first column shows the cursor.
    pub fn rows(
        &mut self,
        area: Rect,
        offset: usize,
        cursor: usize,
        left: Option<usize>,
        row_at: impl Fn(usize) -> Option<Row>,
    ) {
        let text = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(1), ..area };
        let mut y = area.y;
        for idx in offset.. {
            let Some(row) = row_at(idx).filter(|_| y < area.bottom()) else { return };
            let lines = match left {
                Some(left) => vec![clip(&row, left, text.width)],
                None => wrap(&row, text.width),
            };
            for line in lines {
                if y < area.bottom() {
                    self.row(Rect { y, height: 1, ..text }, &line);
                    if idx == cursor {
                        self.put(area.x, y, 1, "▌", Role::Title);
                    }
                    y += 1;
                }
            }
        }
    }

    fn ink(&self, ink: Ink) -> Style {
        self.theme.style(match ink {
            Ink::Plain => Role::Text,
            Ink::Dim => Role::Dim,
            Ink::Added => Role::DiffAdded,
            Ink::Removed => Role::DiffRemoved,
            Ink::AddedWord => Role::DiffAddedWord,
            Ink::RemovedWord => Role::DiffRemovedWord,
            Ink::HunkHeader => Role::DiffHunk,
            Ink::FileHeader => Role::DiffFile,
            Ink::LineNumber => Role::LineNumber,
            Ink::Error => Role::LogError,
            Ink::Warning => Role::LogWarning,
            Ink::Group => Role::LogGroup,
            Ink::Note => Role::Note,
            Ink::Match => Role::Match,
            Ink::CurrentMatch => Role::MatchCurrent,
            Ink::Keyword => Role::SyntaxKeyword,
            Ink::Text => Role::SyntaxString,
            Ink::Number => Role::SyntaxNumber,
            Ink::Comment => Role::SyntaxComment,
            Ink::Function => Role::SyntaxFunction,
            Ink::Type => Role::SyntaxType,
            Ink::Deceptive => Role::Deceptive,
        })
    }

    fn ground(&self, ground: Ground) -> Style {
        match ground {
            Ground::None => Style::default(),
            Ground::Added => self.theme.style(Role::GroundAdded),
            Ground::Removed => self.theme.style(Role::GroundRemoved),
            Ground::AddedWord => self.theme.style(Role::GroundAddedWord),
            Ground::RemovedWord => self.theme.style(Role::GroundRemovedWord),
            Ground::Selected => self.theme.style(Role::Selection),
        }
    }

    /// Draws a box with a title above and a remark below; returns the lines inside.
    pub fn frame(&mut self, area: Rect, title: &[Piece], foot: &str, is_focused: bool) -> Rect {
        let role = if is_focused { Role::BorderFocused } else { Role::Border };
        self.frame_in(area, title, foot, role, is_focused)
    }

    /// Draws a box in a role's colour, thick or thin.
    pub fn frame_in(&mut self, area: Rect, title: &[Piece], foot: &str, role: Role, is_thick: bool) -> Rect {
        if area.width < 4 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let signs = if is_thick {
            ["┏", "━", "┓", "┃", "┗", "┛"]
        } else {
            ["┌", "─", "┐", "│", "└", "┘"]
        };
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        let style = self.theme.style(role);
        let flat = signs[1].repeat(usize::from(area.width - 2));
        for (y, start, end) in [(area.y, signs[0], signs[2]), (bottom, signs[4], signs[5])] {
            self.put_styled(area.x, y, 1, start, style);
            self.put_styled(area.x + 1, y, area.width - 2, &flat, style);
            self.put_styled(right, y, 1, end, style);
        }
        for y in area.y + 1..bottom {
            self.put_styled(area.x, y, 1, signs[3], style);
            self.put_styled(right, y, 1, signs[3], style);
        }
        let width = area.width.saturating_sub(4);
        if !title.is_empty() {
            let mut spaced = vec![piece(" ", role)];
            spaced.extend(title.iter().cloned());
            spaced.push(piece(" ", role));
            self.pieces(area.x + 2, area.y, width, &spaced);
        }
        if !foot.is_empty() {
            self.put(area.x + 2, bottom, width, &format!(" {foot} "), Role::Dim);
        }
        crate::console::layout::inner(area)
    }

    /// Replaces what must never be in a cell, whatever put it there; in ASCII mode, our own signs too.
    pub fn scrub(&mut self) {
        let deceptive = self.theme.style(Role::Deceptive);
        for cell in &mut self.buffer.content {
            let symbol = cell.symbol();
            if symbol.chars().any(is_deceptive) {
                cell.set_symbol("?").set_style(deceptive);
            } else if let Some(plain) = ascii_of(symbol).filter(|_| self.theme.is_ascii) {
                cell.set_symbol(plain);
            }
        }
    }
}

fn ascii_of(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "⚑" | "⚠" => "!",
        "●" => "*",
        "✗" => "x",
        "○" => "o",
        "⊘" => "/",
        "│" | "┃" => "|",
        "─" | "━" | "−" => "-",
        "✓" | "┌" | "┐" | "└" | "┘" | "┏" | "┓" | "┗" | "┛" => "+",
        "▌" | "›" | "▸" | "→" => ">",
        "…" => "~",
        "·" => ".",
        "←" => "<",
        "↑" => "^",
        "▾" | "↓" => "v",
        _ => return None,
    })
}

/// Returns the `idx`th line of an area, also when it lies below it.
pub fn line_at(area: Rect, idx: usize) -> Rect {
    Rect { y: area.y.saturating_add(u16::try_from(idx).unwrap_or(u16::MAX)), height: 1, ..area }
}

/// Returns a number of lines as a height.
pub fn height_of(n_lines: usize) -> u16 {
    u16::try_from(n_lines).unwrap_or(u16::MAX)
}

/// Returns how many columns a text takes.
pub fn columns(text: &str) -> u16 {
    u16::try_from(text.graphemes(true).map(UnicodeWidthStr::width).sum::<usize>()).unwrap_or(u16::MAX)
}

/// Cuts a text to `width` columns, with `…` where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if usize::from(columns(text)) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        kept.push_str(grapheme);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Breaks a text into lines of at most `width` columns, at spaces where there are some.
pub fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in clean_line(paragraph).split(' ') {
            let mut word = word.to_owned();
            if !line.is_empty() && usize::from(columns(&line)) + 1 + usize::from(columns(&word)) > width {
                lines.push(std::mem::take(&mut line));
            }
            while usize::from(columns(&word)) > width {
                let head = take_columns(&word, width);
                if head.len() == word.len() {
                    break;
                }
                word = word[head.len()..].to_owned();
                lines.push(head);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines
}

fn take_columns(text: &str, width: usize) -> String {
    let mut used = 0;
    let taken: String = text
        .graphemes(true)
        .take_while(|it| {
            used += it.width();
            used <= width
        })
        .collect();
    // A character wider than the whole line is taken nevertheless, or the line would never end.
    if taken.is_empty() { text.graphemes(true).next().unwrap_or_default().to_owned() } else { taken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns_not_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn words_wrap_and_long_words_break() {
        assert_eq!(wrap_words("the budget was spent", 10), ["the budget", "was spent"]);
        assert_eq!(wrap_words("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap_words("日本語", 1), ["日", "本", "語"]);
        assert!(wrap_words("", 10).is_empty());
    }
}
