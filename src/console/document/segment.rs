//! The plain data that a view draws: rows of segments, each with its meaning.
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ink {
    #[default]
    Plain,
    Dim,
    Added,
    Removed,
    /// The changed words of an added line.
    AddedWord,
    /// The changed words of a removed line.
    RemovedWord,
    HunkHeader,
    FileHeader,
    LineNumber,
    Error,
    Warning,
    /// The head line of a foldable group.
    Group,
    /// A remark about the text that is no part of it.
    Note,
    /// What was searched for.
    Match,
    /// What was searched for, where the cursor is.
    CurrentMatch,
    Keyword,
    /// A string literal.
    Text,
    Number,
    Comment,
    Function,
    Type,
    /// Stands for a character that could deceive the reader.
    Deceptive,
}

/// What lies behind a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ground {
    #[default]
    None,
    Added,
    Removed,
    AddedWord,
    RemovedWord,
    /// Where the cursor is; only the view sets it.
    Selected,
}

/// A piece of clean text with one meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    pub text: String,
    pub ink: Ink,
    pub ground: Ground,
}

impl Segment {
    /// Makes a segment without a ground; `text` is the program's own or has been cleaned.
    pub fn new(text: impl Into<String>, ink: Ink) -> Self {
        Self { text: text.into(), ink, ground: Ground::None }
    }

    /// Returns the segment on another ground.
    #[must_use]
    pub fn on(mut self, ground: Ground) -> Self {
        self.ground = ground;
        self
    }

    /// Counts terminal columns.
    pub fn width(&self) -> usize {
        self.text.graphemes(true).map(UnicodeWidthStr::width).sum()
    }
}

/// One line of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    pub segments: Vec<Segment>,
    /// How many of the first segments are line numbers and signs: they stay when the row is scrolled sideways.
    pub gutter: usize,
    /// Belongs at the right edge; `clip` and `wrap` put it there when there is room.
    pub tail: Vec<Segment>,
    /// Behind the whole line, up to the right edge.
    pub ground: Ground,
}

impl Row {
    /// Makes a row of segments without a gutter.
    pub fn of(segments: Vec<Segment>) -> Self {
        Self { segments, ..Self::default() }
    }

    /// Returns the gutter's segments and the content's.
    pub fn split(&self) -> (&[Segment], &[Segment]) {
        self.segments.split_at(self.gutter.min(self.segments.len()))
    }

    /// Returns gutter and content as plain text.
    pub fn text(&self) -> String {
        self.segments.iter().map(|it| it.text.as_str()).collect()
    }

    /// Returns the text right of the gutter.
    pub fn content(&self) -> String {
        self.split().1.iter().map(|it| it.text.as_str()).collect()
    }

    /// Counts the terminal columns of gutter and content.
    pub fn width(&self) -> usize {
        self.segments.iter().map(Segment::width).sum()
    }

    /// Returns the row as the one the cursor is on: its matches become current ones.
    #[must_use]
    pub fn current(mut self) -> Self {
        for segment in self.segments.iter_mut().filter(|it| it.ink == Ink::Match) {
            segment.ink = Ink::CurrentMatch;
        }
        self
    }

    /// Returns the row with `ground` wherever it had none.
    #[must_use]
    pub fn on(mut self, ground: Ground) -> Self {
        let bare = |it: &&mut Segment| it.ground == Ground::None;
        for segment in self.segments.iter_mut().chain(&mut self.tail).filter(bare) {
            segment.ground = ground;
        }
        if self.ground == Ground::None {
            self.ground = ground;
        }
        self
    }
}
