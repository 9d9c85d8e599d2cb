//! Fits rows into a width, counted in terminal columns.
use crate::console::document::segment::Ground;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns of content below which a gutter no longer stays in place.
const MIN_CONTENT: usize = 12;

/// Columns of content below which the tail is left out.
const MIN_CONTENT_BESIDE_TAIL: usize = 24;

/// Returns the columns `skip_columns..` of a row's content beside its gutter, at most `width` columns in all.
///
/// A wide character cut by either edge leaves a blank. The row is filled up to `width` when it has a ground or a tail.
pub fn clip(row: &Row, skip_columns: usize, width: u16) -> Row {
    let frame = Frame::new(row, width.into());
    let mut line = Line::default();
    let mut column = 0;
    let end = skip_columns.saturating_add(frame.room);
    for (segment, grapheme, columns) in graphemes(frame.content) {
        let (from, to) = (column, column + columns);
        column = to;
        // Behind a wide character that was cut, even one without width is out of sight.
        if from > end || (from == end && columns > 0) {
            break;
        }
        if to <= skip_columns && (columns > 0 || skip_columns > 0) {
            continue;
        }
        if from < skip_columns {
            let half = to.min(end) - skip_columns;
            line.push(segment, &" ".repeat(half), half);
        } else if to > end {
            line.push(segment, &" ".repeat(end - from), end - from);
        } else {
            line.push(segment, grapheme, columns);
        }
    }
    frame.finish(frame.gutter.to_vec(), line, true)
}

/// Returns a row as many rows, none wider than `width`; the gutter is blank from the second on.
///
/// A character wider than the whole room becomes `…`.
pub fn wrap(row: &Row, width: u16) -> Vec<Row> {
    if width == 0 {
        return Vec::new();
    }
    let frame = Frame::new(row, width.into());
    let blank: Vec<_> =
        frame.gutter.iter().map(|it| Segment::new(" ".repeat(it.width()), it.ink).on(it.ground)).collect();
    let mut lines = vec![Line::default()];
    for (segment, grapheme, columns) in graphemes(frame.content) {
        let (grapheme, columns) = if columns > frame.room { ("…", 1) } else { (grapheme, columns) };
        if lines.last().is_some_and(|it| it.columns + columns > frame.room) {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.push(segment, grapheme, columns);
        }
    }
    let gutter = |idx| if idx == 0 { frame.gutter.to_vec() } else { blank.clone() };
    lines.into_iter().enumerate().map(|(idx, line)| frame.finish(gutter(idx), line, idx == 0)).collect()
}

/// How a row's parts share a width.
struct Frame<'a> {
    gutter: &'a [Segment],
    content: &'a [Segment],
    tail: &'a [Segment],
    ground: Ground,
    /// Columns for content.
    room: usize,
    /// Columns between gutter and right edge.
    beside_gutter: usize,
}

impl<'a> Frame<'a> {
    fn new(row: &'a Row, width: usize) -> Self {
        let (mut gutter, mut content) = row.split();
        let gutter_columns: usize = gutter.iter().map(Segment::width).sum();
        let mut beside_gutter = width.saturating_sub(gutter_columns);
        if beside_gutter < MIN_CONTENT {
            (gutter, content, beside_gutter) = (&[], &row.segments, width);
        }
        let mut tail: &[Segment] = &row.tail;
        let tail_columns: usize = tail.iter().map(Segment::width).sum();
        let mut room = beside_gutter;
        match beside_gutter.checked_sub(tail_columns + 1) {
            Some(rest) if !tail.is_empty() && rest >= MIN_CONTENT_BESIDE_TAIL => room = rest,
            _ => tail = &[],
        }
        Self { gutter, content, tail, ground: row.ground, room, beside_gutter }
    }

    fn finish(&self, gutter: Vec<Segment>, line: Line, has_tail: bool) -> Row {
        let tail: &[Segment] = if has_tail { self.tail } else { &[] };
        let tail_columns: usize = tail.iter().map(Segment::width).sum();
        let n_gutter = gutter.len();
        let mut segments = gutter;
        segments.extend(line.segments);
        let blank = self.beside_gutter.saturating_sub(line.columns + tail_columns);
        if blank > 0 && (self.ground != Ground::None || !tail.is_empty()) {
            segments.push(Segment::new(" ".repeat(blank), Ink::Plain).on(self.ground));
        }
        segments.extend(tail.iter().map(|it| {
            let ground = if it.ground == Ground::None { self.ground } else { it.ground };
            it.clone().on(ground)
        }));
        Row { segments, gutter: n_gutter, tail: Vec::new(), ground: self.ground }
    }
}

/// The content of one row while it is put together.
#[derive(Default)]
struct Line {
    segments: Vec<Segment>,
    columns: usize,
    /// Where in the row the last segment came from.
    source: usize,
}

impl Line {
    fn push(&mut self, (source, segment): (usize, &Segment), text: &str, columns: usize) {
        self.columns += columns;
        match self.segments.last_mut() {
            Some(last) if self.source == source => last.text.push_str(text),
            _ => self.segments.push(Segment::new(text, segment.ink).on(segment.ground)),
        }
        self.source = source;
    }
}

/// Walks segments as `((number, segment), grapheme, columns)`.
fn graphemes(segments: &[Segment]) -> impl Iterator<Item = ((usize, &Segment), &str, usize)> {
    segments.iter().enumerate().flat_map(|source| source.1.text.graphemes(true).map(move |it| (source, it, it.width())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(content: &str) -> Row {
        Row {
            segments: vec![Segment::new("12 ", Ink::LineNumber), Segment::new(content, Ink::Plain)],
            gutter: 1,
            ..Row::default()
        }
    }

    #[test]
    fn clipping_keeps_the_gutter_and_moves_the_content() {
        let row = numbered("abcdefghijklmnopqrstuvwxyz");
        assert_eq!(clip(&row, 0, 16).text(), "12 abcdefghijklm");
        assert_eq!(clip(&row, 20, 16).text(), "12 uvwxyz");
        assert_eq!(clip(&row, 99, 16).text(), "12 ");
        assert_eq!(clip(&row, 1, 8).text(), "2 abcdef", "too narrow for a gutter");
    }

    #[test]
    fn a_wide_character_cut_in_half_leaves_a_blank() {
        let row = Row::of(vec![Segment::new("a界b界c", Ink::Plain)]);
        assert_eq!(clip(&row, 0, 2).text(), "a ");
        assert_eq!(clip(&row, 2, 4).text(), " b界");
        assert_eq!(clip(&row, 3, 2).text(), "b ");
        let marked = Row::of(vec![Segment::new("a界", Ink::Plain), Segment::new("\u{301}", Ink::Plain)]);
        assert_eq!(clip(&marked, 0, 2).text(), "a ", "a mark of its own segment behind the cut goes too");
    }

    #[test]
    fn a_combining_mark_goes_where_its_letter_goes() {
        let row = Row::of(vec![Segment::new("e\u{301}xo\u{308}", Ink::Plain)]);
        assert_eq!(clip(&row, 0, 1).text(), "e\u{301}");
        assert_eq!(clip(&row, 1, 5).text(), "xo\u{308}");
    }

    #[test]
    fn the_tail_stands_at_the_right_edge_when_there_is_room() {
        let row = Row { tail: vec![Segment::new("✗ error", Ink::Error)], ..numbered("boom") };
        assert_eq!(clip(&row, 0, 40).text(), format!("12 boom{}✗ error", " ".repeat(26)));
        assert_eq!(clip(&row, 0, 20).text(), "12 boom");
        assert_eq!(wrap(&row, 40)[0].width(), 40);
    }

    #[test]
    fn wrapping_leaves_the_gutter_blank_from_the_second_row_on() {
        let rows = wrap(&numbered("abcdefghijklmnop界r"), 16);
        let texts: Vec<_> = rows.iter().map(Row::text).collect();
        assert_eq!(texts, ["12 abcdefghijklm", "   nop界r"]);
        assert!(wrap(&numbered("x"), 0).is_empty());
        assert_eq!(wrap(&numbered("x").on(Ground::Added), 20)[0].width(), 20, "a ground fills the row");
    }

    proptest! {
        #[test]
        fn clipped_widths_are_exact(
            parts in proptest::collection::vec("[a-z界é\u{301}한🚀 ]{0,12}", 0..5), skip in 0_usize..40, width in 0_u16..40,
        ) {
            let row = Row::of(parts.into_iter().map(|it| Segment::new(it, Ink::Plain)).collect());
            let clipped = clip(&row, skip, width);
            prop_assert_eq!(clipped.width(), row.width().saturating_sub(skip).min(width.into()));
            let filled = clip(&row.on(Ground::Added), skip, width);
            prop_assert_eq!(filled.width(), usize::from(width));
        }

        #[test]
        fn wrapped_rows_fit_and_lose_nothing(
            gutter in "[0-9 ]{0,6}", parts in proptest::collection::vec("[a-z界é\u{301}한🚀 ]{0,30}", 0..4), width in 2_u16..40,
        ) {
            let mut segments = vec![Segment::new(gutter, Ink::LineNumber)];
            segments.extend(parts.into_iter().map(|it| Segment::new(it, Ink::Plain)));
            let row = Row { segments, gutter: 1, ..Row::default() };
            let rows = wrap(&row, width);
            prop_assert!(rows.iter().all(|it| it.width() <= width.into()));
            let content: String = rows.iter().map(Row::content).collect();
            let is_beside = rows[0].gutter == 1;
            prop_assert_eq!(content, if is_beside { row.content() } else { row.text() });
        }
    }
}
