//! The only way from hostile text to segments.
use crate::console::document::segment::Ground;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Segment;
use crate::evidence::text::MAX_LINE_CHARS;
use crate::evidence::text::is_deceptive;
use unicode_segmentation::UnicodeSegmentation as _;

/// Marks stacked on one character after which further ones are shown by number: more would run over the neighbouring lines.
const MAX_STACKED: usize = 6;

/// How a piece of text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub(super) ink: Ink,
    pub(super) ground: Ground,
    /// Tabs are drawn as arrows, to tell them from spaces.
    pub(super) shows_tabs: bool,
}

impl Style {
    pub(super) fn ink(ink: Ink) -> Self {
        Self { ink, ..Self::default() }
    }
}

/// Turns one line into clean segments, styled by byte offset (asked in ascending order); cut at `MAX_LINE_CHARS`.
///
/// Unlike `clean_line` it drops nothing: an escape sequence is shown with its escape character by number. Strip before where that is not wanted.
pub(super) fn paint(line: &str, mut style_at: impl FnMut(usize) -> Style) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut n_chars = 0;
    for (offset, grapheme) in line.grapheme_indices(true) {
        let style = style_at(offset);
        for (idx, ch) in grapheme.chars().enumerate() {
            if n_chars == MAX_LINE_CHARS {
                push(&mut segments, "…", Ink::Dim, style.ground);
                return segments;
            }
            n_chars += 1;
            match ch {
                '\t' if style.shows_tabs => push(&mut segments, "→   ", style.ink, style.ground),
                '\t' => push(&mut segments, "    ", style.ink, style.ground),
                ch if idx >= MAX_STACKED || matches!(ch, '\r' | '\n') || is_deceptive(ch) => {
                    push(&mut segments, &by_number(ch), Ink::Deceptive, style.ground);
                }
                ch => push(&mut segments, ch.encode_utf8(&mut [0; 4]), style.ink, style.ground),
            }
        }
    }
    segments
}

/// Turns one line into clean segments of one ink.
pub(super) fn paint_plain(line: &str, ink: Ink) -> Vec<Segment> {
    paint(line, |_| Style::ink(ink))
}

/// Returns one line as `paint` would show it.
pub(super) fn shown(line: &str) -> String {
    paint_plain(line, Ink::Plain).into_iter().map(|it| it.text).collect()
}

/// Whether `paint` would show a line exactly as it is.
pub(super) fn is_harmless(line: &str) -> bool {
    line.len() <= MAX_LINE_CHARS && line.bytes().all(|it| (b' '..=b'~').contains(&it))
}

fn by_number(ch: char) -> String {
    format!("⟨U+{:04X}⟩", u32::from(ch))
}

fn push(segments: &mut Vec<Segment>, text: &str, ink: Ink, ground: Ground) {
    match segments.last_mut() {
        Some(last) if last.ink == ink && last.ground == ground => last.text.push_str(text),
        _ => segments.push(Segment::new(text, ink).on(ground)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::text::clean_line;
    use proptest::prelude::*;

    #[test]
    fn deceptive_characters_get_their_own_segments() {
        let segments = paint_plain("a\u{202e}b\x1b[2Jc\td\re", Ink::Plain);
        let texts: Vec<_> = segments.iter().map(|it| (it.text.as_str(), it.ink)).collect();
        assert_eq!(
            texts,
            [
                ("a", Ink::Plain),
                ("⟨U+202E⟩", Ink::Deceptive),
                ("b", Ink::Plain),
                ("⟨U+001B⟩", Ink::Deceptive),
                ("[2Jc    d", Ink::Plain),
                ("⟨U+000D⟩", Ink::Deceptive),
                ("e", Ink::Plain),
            ]
        );
    }

    #[test]
    fn stacked_marks_are_counted_out() {
        let text = shown(&format!("a{}b", "\u{301}".repeat(7)));
        assert_eq!(text, format!("a{}⟨U+0301⟩⟨U+0301⟩b", "\u{301}".repeat(5)));
    }

    #[test]
    fn a_long_line_is_cut_with_a_sign() {
        let text = shown(&"é".repeat(MAX_LINE_CHARS + 1));
        assert_eq!(text.chars().count(), MAX_LINE_CHARS + 1);
        assert!(text.ends_with('…'));
    }

    proptest! {
        #[test]
        fn what_is_painted_passes_the_cleaner(line in "(\\PC|\\p{C}|\\p{M}){0,60}") {
            for segment in paint_plain(&line, Ink::Plain) {
                prop_assert_eq!(clean_line(&segment.text), segment.text);
            }
        }

        #[test]
        fn a_harmless_line_is_shown_as_it_is(line in "[ -~]{0,60}") {
            prop_assert!(is_harmless(&line));
            prop_assert_eq!(shown(&line), line);
        }
    }
}
