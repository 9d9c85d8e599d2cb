//! Rows as text for golden tests.
use crate::console::document::segment::Ground;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use crate::evidence::text::clean_line;

/// Writes a row with the name of each ink (and word ground) around its text: `‹Keyword:def›`.
pub(super) fn sketch(row: &Row) -> String {
    let piece = |segment: &Segment| match (segment.ink, segment.ground) {
        (Ink::Plain | Ink::LineNumber, Ground::None | Ground::Added | Ground::Removed) => segment.text.clone(),
        (ink, ground @ (Ground::AddedWord | Ground::RemovedWord)) => format!("‹{ink:?}/{ground:?}:{}›", segment.text),
        (ink, _) => format!("‹{ink:?}:{}›", segment.text),
    };
    let mut text: String = row.segments.iter().map(piece).collect();
    if !row.tail.is_empty() {
        text.push_str(" ⟶ ");
        text.extend(row.tail.iter().map(piece));
    }
    text
}

/// Whether a row holds only text that the cleaner lets through.
pub(super) fn is_clean(row: &Row) -> bool {
    row.segments.iter().chain(&row.tail).all(|it| clean_line(&it.text) == it.text)
}
