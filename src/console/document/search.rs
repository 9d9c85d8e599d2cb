//! What a person searches for: literal text, in any case unless it has upper case.
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use regex::Regex;
use regex::RegexBuilder;
use std::ops::Range;

/// Characters of a search that count.
const MAX_NEEDLE_CHARS: usize = 256;

/// A literal text to look for; smart case.
#[derive(Debug, Clone)]
pub struct Needle {
    regex: Regex,
}

impl Needle {
    /// Makes a needle; none when there is nothing to look for.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let literal: String = text.chars().take(MAX_NEEDLE_CHARS).collect();
        let has_upper = literal.chars().any(char::is_uppercase);
        let regex = RegexBuilder::new(&regex::escape(&literal)).case_insensitive(!has_upper).build().ok()?;
        Some(Self { regex })
    }

    /// Whether a text contains it.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns a row with every occurrence in its content marked, also across segments.
    #[must_use]
    pub fn mark(&self, mut row: Row) -> Row {
        let content = row.content();
        let found: Vec<Range<usize>> = self.regex.find_iter(&content).map(|it| it.range()).collect();
        if found.is_empty() {
            return row;
        }
        let mut offset = 0;
        for segment in row.segments.split_off(row.gutter.min(row.segments.len())) {
            let end = offset + segment.text.len();
            cut_at(&segment, offset, &found, &mut row.segments);
            offset = end;
        }
        row
    }
}

/// Splits one segment, which begins at `offset`, at the borders of what was found.
fn cut_at(segment: &Segment, offset: usize, found: &[Range<usize>], out: &mut Vec<Segment>) {
    let end = offset + segment.text.len();
    let mut at = offset;
    let mut push = |from: usize, to: usize, ink: Ink| {
        if let Some(text) = segment.text.get(from - offset..to - offset).filter(|it| !it.is_empty()) {
            out.push(Segment::new(text, ink).on(segment.ground));
        }
    };
    for range in found.iter().filter(|it| offset < it.end && it.start < end) {
        let (from, to) = (range.start.max(offset), range.end.min(end));
        push(at, from, segment.ink);
        push(from, to, if segment.ink == Ink::Deceptive { Ink::Deceptive } else { Ink::Match });
        at = to;
    }
    push(at, end, segment.ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_finds_any_case_and_upper_case_finds_itself() {
        let lower = Needle::new("retries").unwrap();
        assert!(lower.is_in("max RETRIES reached") && lower.is_in("retries==4"));
        let upper = Needle::new("Retries").unwrap();
        assert!(upper.is_in("Retries") && !upper.is_in("retries"));
        assert!(Needle::new("").is_none());
    }

    #[test]
    fn a_needle_is_literal() {
        let needle = Needle::new("a.b(").unwrap();
        assert!(needle.is_in("x a.b( y") && !needle.is_in("axb("));
    }

    #[test]
    fn a_match_is_marked_across_segments_but_not_in_the_gutter() {
        let row = Row {
            segments: vec![
                Segment::new("ab ", Ink::LineNumber),
                Segment::new("xa", Ink::Keyword),
                Segment::new("by ab", Ink::Plain),
            ],
            gutter: 1,
            ..Row::default()
        };
        let marked = Needle::new("ab").unwrap().mark(row);
        let texts: Vec<_> = marked.segments.iter().map(|it| (it.text.as_str(), it.ink)).collect();
        assert_eq!(
            texts,
            [
                ("ab ", Ink::LineNumber),
                ("x", Ink::Keyword),
                ("a", Ink::Match),
                ("b", Ink::Match),
                ("y ", Ink::Plain),
                ("ab", Ink::Match)
            ]
        );
        assert_eq!(marked.gutter, 1);
        assert_eq!(marked.current().segments[2].ink, Ink::CurrentMatch);
    }
}
