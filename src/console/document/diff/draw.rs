//! Draws the lines of a patch.
use crate::console::document::diff::DiffDocument;
use crate::console::document::diff::lines::Code;
use crate::console::document::diff::lines::DiffFile;
use crate::console::document::diff::lines::FileKind;
use crate::console::document::diff::lines::Hunk;
use crate::console::document::diff::lines::Line;
use crate::console::document::diff::lines::Sign;
use crate::console::document::highlight::Highlighter;
use crate::console::document::highlight::Inks;
use crate::console::document::highlight::StreamId;
use crate::console::document::paint::Style;
use crate::console::document::paint::is_harmless;
use crate::console::document::paint::paint;
use crate::console::document::paint::paint_plain;
use crate::console::document::paint::shown;
use crate::console::document::segment::Ground;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use crate::console::document::words;
use crate::evidence::text::MAX_LINE_CHARS;
use crate::evidence::text::has_deceptive;
use std::ops::Range;

impl DiffDocument {
    /// Draws one line.
    pub(super) fn draw(&self, line: usize, highlighter: Option<&Highlighter>) -> Row {
        match &self.parsed.lines[line] {
            Line::File(file) => Row::of(file_header(&self.parsed.files[*file])),
            Line::Hunk(hunk) => self.indented(self.hunk_header(&self.parsed.hunks[*hunk])),
            Line::Code(code) => self.code(line, code, highlighter),
            Line::Remark(range) => self.indented(paint_plain(self.raw(range), Ink::Dim)),
            Line::Raw(range) => Row::of(paint_plain(self.raw(range), Ink::Plain)),
            Line::Contradiction(text) => self.indented(paint_plain(&format!("⚠ {text}"), Ink::Warning)),
            Line::Binary(n) => self.indented(vec![Segment::new(format!("binary content, {n} lines"), Ink::Dim)]),
            Line::More(n) => Row::of(vec![Segment::new(format!("… {n} more lines"), Ink::Warning)]),
        }
    }

    /// Returns a line of code as clean text.
    pub(super) fn text(&self, code: &Code) -> String {
        shown(self.raw(&code.text))
    }

    /// Whether a line has characters that are shown by number, or would be if the line were shown whole.
    pub(super) fn is_deceptive(&self, line: &Line) -> bool {
        let is_odd = |text: &str| {
            !is_harmless(text)
                && (has_deceptive(text) || paint_plain(text, Ink::Plain).iter().any(|it| it.ink == Ink::Deceptive))
        };
        match line {
            Line::File(file) => {
                let file = &self.parsed.files[*file];
                is_odd(&file.raw_path) || file.raw_old_path.as_deref().is_some_and(is_odd)
            }
            Line::Hunk(hunk) => is_odd(self.raw(&self.parsed.hunks[*hunk].context)),
            Line::Code(Code { text, .. }) | Line::Remark(text) | Line::Raw(text) => is_odd(self.raw(text)),
            Line::Contradiction(text) => is_odd(text),
            Line::Binary(_) | Line::More(_) => false,
        }
    }

    /// Counts the columns left of the code.
    pub(super) fn gutter_columns(&self) -> usize {
        2 * self.number_columns() + 4
    }

    fn number_columns(&self) -> usize {
        self.parsed.max_number.max(10).ilog10() as usize + 1
    }

    /// Returns a line of the patch, without the carriage return of its line end.
    fn raw(&self, range: &Range<usize>) -> &str {
        let text = self.patch.get(range.clone()).unwrap_or_default();
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// Puts a row behind an empty gutter.
    fn indented(&self, content: Vec<Segment>) -> Row {
        let mut segments = vec![Segment::new(" ".repeat(self.gutter_columns()), Ink::LineNumber)];
        segments.extend(content);
        Row { segments, gutter: 1, ..Row::default() }
    }

    fn hunk_header(&self, hunk: &Hunk) -> Vec<Segment> {
        let mut segments = paint_plain(self.raw(&hunk.header), Ink::HunkHeader);
        segments.extend(paint_plain(self.raw(&hunk.context), Ink::Dim));
        segments
    }

    fn code(&self, line: usize, code: &Code, highlighter: Option<&Highlighter>) -> Row {
        let look = Look::of(code.sign);
        let width = self.number_columns();
        let number = |n: u32, is_there: bool| if is_there { n.to_string() } else { String::new() };
        let old = number(code.old, code.sign != Sign::Added);
        let new = number(code.new, code.sign != Sign::Removed);
        let mut segments = vec![
            Segment::new(format!("{old:>width$} {new:>width$} "), Ink::LineNumber).on(look.ground),
            Segment::new(look.sign, look.ink).on(look.ground),
        ];
        let inks = highlighter.map_or_else(Inks::default, |it| self.inks(line, code, it));
        let changes = self.changes(line, code.sign);
        let text = self.raw(&code.text);
        let style_at = |at: usize| {
            let is_word = changes.iter().any(|it| it.contains(&at));
            let syntax = inks.get(inks.partition_point(|it| it.0.end <= at)).filter(|it| it.0.contains(&at));
            let ink = syntax.map_or(if is_word { look.word_ink } else { look.ink }, |it| it.1);
            Style { ink, ground: if is_word { look.word_ground } else { look.ground }, shows_tabs: is_word }
        };
        segments.extend(paint(text, style_at));
        // A changed line end is invisible otherwise; in unchanged lines it would be noise.
        if code.sign != Sign::Context && text.len() < code.text.len() {
            segments.push(Segment::new("␍", Ink::Dim).on(style_at(text.len()).ground));
        }
        let n_cut = if text.len() > MAX_LINE_CHARS { text.chars().skip(MAX_LINE_CHARS).count() } else { 0 };
        let tail = (n_cut > 0).then(|| Segment::new(format!("… {n_cut} more characters"), Ink::Warning));
        Row { segments, gutter: 2, tail: tail.into_iter().collect(), ground: look.ground }
    }

    fn inks(&self, line: usize, code: &Code, highlighter: &Highlighter) -> Inks {
        let Some(hunk) = self.parsed.hunks.get(code.hunk) else { return Inks::default() };
        let is_new_side = code.sign != Sign::Removed;
        let lines = if is_new_side { &hunk.new_lines } else { &hunk.old_lines };
        let Ok(idx) = lines.binary_search(&line) else { return Inks::default() };
        let id = StreamId { document: self.id, hunk: code.hunk, is_new_side };
        let file = &self.parsed.files[hunk.file];
        let old_path = file.raw_old_path.as_ref().filter(|_| !is_new_side);
        highlighter.inks(id, old_path.unwrap_or(&file.raw_path), idx, |at| {
            match lines.get(at).map(|it| &self.parsed.lines[*it]) {
                Some(Line::Code(code)) => self.raw(&code.text),
                _ => "",
            }
        })
    }

    /// Returns what differs between a line and its other version.
    fn changes(&self, line: usize, sign: Sign) -> &[Range<usize>] {
        let next = self.blocks.partition_point(|it| it.span().is_some_and(|(_, last)| last < line));
        let Some(block) = self.blocks.get(next).filter(|it| it.span().is_some_and(|(first, _)| first <= line)) else {
            return &[];
        };
        let pairs = block.pairs.get_or_init(|| {
            let texts = |lines: &[usize]| lines.iter().map(|it| self.whole(*it)).collect::<Vec<_>>();
            words::pairs(&texts(&block.removed), &texts(&block.added))
        });
        let found = match sign {
            Sign::Removed => pairs.iter().find(|it| block.removed[it.removed] == line).map(|it| &it.changes.old),
            Sign::Added => pairs.iter().find(|it| block.added[it.added] == line).map(|it| &it.changes.new),
            Sign::Context => None,
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Returns a line of code with its carriage return, so that a changed line end counts as a change.
    fn whole(&self, line: usize) -> &str {
        match &self.parsed.lines[line] {
            Line::Code(code) => self.patch.get(code.text.clone()).unwrap_or_default(),
            _ => "",
        }
    }
}

/// How the lines of one side look.
struct Look {
    sign: &'static str,
    ink: Ink,
    word_ink: Ink,
    ground: Ground,
    word_ground: Ground,
}

impl Look {
    const fn of(sign: Sign) -> Self {
        match sign {
            Sign::Context => Self {
                sign: "  ",
                ink: Ink::Plain,
                word_ink: Ink::Plain,
                ground: Ground::None,
                word_ground: Ground::None,
            },
            Sign::Added => Self {
                sign: "+ ",
                ink: Ink::Added,
                word_ink: Ink::AddedWord,
                ground: Ground::Added,
                word_ground: Ground::AddedWord,
            },
            Sign::Removed => Self {
                sign: "- ",
                ink: Ink::Removed,
                word_ink: Ink::RemovedWord,
                ground: Ground::Removed,
                word_ground: Ground::RemovedWord,
            },
        }
    }
}

fn file_header(file: &DiffFile) -> Vec<Segment> {
    let mut segments = Vec::new();
    if let Some(old) = &file.raw_old_path {
        segments.extend(paint_plain(old, Ink::FileHeader));
        segments.push(Segment::new(" → ", Ink::Dim));
    }
    segments.extend(paint_plain(&file.raw_path, Ink::FileHeader));
    if file.added + file.removed > 0 {
        segments.push(Segment::new(format!("  +{}", file.added), Ink::Added));
        segments.push(Segment::new(format!(" −{}", file.removed), Ink::Removed));
    }
    let word = match file.kind {
        FileKind::Modified => "",
        FileKind::Added => "  new file",
        FileKind::Deleted => "  deleted",
        FileKind::Renamed => "  renamed",
        FileKind::Copied => "  copied",
        FileKind::Mode => "  mode",
        FileKind::Binary => "  binary",
    };
    let mode = match &file.mode {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => format!("  {old} → {new}"),
        Some((old, new)) => format!("  {old}{new}"),
        None => String::new(),
    };
    segments.push(Segment::new(format!("{word}{mode}"), Ink::Note));
    segments.retain(|it| !it.text.is_empty());
    segments
}
