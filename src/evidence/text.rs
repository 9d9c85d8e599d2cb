//! Makes hostile text safe to show: escape sequences are dropped, other control, bidirectional and invisible characters are shown by number.
use std::fmt::Write as _;

/// Columns after which a shown line is cut.
pub const MAX_LINE_CHARS: usize = 4_000;

/// Returns one line that cannot move a cursor, set a title, reorder text or hide anything; cut at `MAX_LINE_CHARS`.
/// Tabs become four spaces, line breaks a space.
pub fn clean_line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MAX_LINE_CHARS));
    for (n_chars, ch) in Visible::new(text).enumerate() {
        if n_chars == MAX_LINE_CHARS {
            clean.push('…');
            break;
        }
        match ch {
            '\t' => clean.push_str("    "),
            '\n' | '\r' => clean.push(' '),
            ch if is_deceptive(ch) => {
                let _ = write!(clean, "⟨U+{:04X}⟩", u32::from(ch));
            }
            ch => clean.push(ch),
        }
    }
    clean
}

/// Returns a text of several lines, each made safe by `clean_line`; line breaks stay.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for (idx, line) in text.split('\n').enumerate() {
        if idx > 0 {
            clean.push('\n');
        }
        clean.push_str(&clean_line(line.strip_suffix('\r').unwrap_or(line)));
    }
    clean
}

/// Returns a text without escape sequences and control characters, deceptive characters left in: for matching, not for showing.
pub fn strip_escapes(text: &str) -> String {
    Visible::new(text).collect()
}

/// Returns the first `max` names with commas between them, and how many more there are.
pub fn listed(names: &[&str], max: usize) -> String {
    let shown = names.iter().take(max).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(max) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether a character can make text look like something it is not: controls, bidirectional marks, invisible or zero-width characters.
pub fn is_deceptive(ch: char) -> bool {
    let is_plain_space = matches!(ch, '\t' | '\n' | '\r');
    (ch.is_control() && !is_plain_space)
        || matches!(u32::from(ch),
            0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Whether a text has nothing that a reader would see: blanks, invisible characters, or nothing at all.
pub fn is_blank(text: &str) -> bool {
    const BRAILLE_BLANK: char = '\u{2800}';
    Visible::new(text).all(|it| it.is_whitespace() || it == BRAILLE_BLANK || is_deceptive(it))
}

/// Whether a text holds characters that `clean_line` shows by number.
pub fn has_deceptive(text: &str) -> bool {
    text.chars().any(is_deceptive)
}

/// The characters of a text that are not part of an escape sequence (ECMA-48: CSI, OSC, DCS, SOS, PM, APC, and two-byte escapes; 7- and 8-bit).
struct Visible<'a> {
    rest: std::str::Chars<'a>,
}

impl<'a> Visible<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars() }
    }

    /// Skips parameters and the final byte of a CSI sequence.
    fn skip_csi(&mut self) {
        let mut ahead = self.rest.clone();
        while let Some(ch) = ahead.next() {
            match ch {
                '\u{20}'..='\u{3f}' => self.rest = ahead.clone(),
                '\u{40}'..='\u{7e}' => {
                    self.rest = ahead;
                    return;
                }
                _ => return,
            }
        }
    }

    /// Skips a string sequence up to BEL or ST, at most to the end of the line.
    fn skip_string(&mut self) {
        let mut ahead = self.rest.clone();
        while let Some(ch) = ahead.next() {
            match ch {
                '\u{7}' | '\u{9c}' => {
                    self.rest = ahead;
                    return;
                }
                '\u{1b}' => {
                    let mut after = ahead.clone();
                    if after.next() == Some('\\') {
                        ahead = after;
                    }
                    self.rest = ahead;
                    return;
                }
                '\n' => return,
                _ => self.rest = ahead.clone(),
            }
        }
    }
}

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.rest.next()? {
                '\u{1b}' => {
                    let mut ahead = self.rest.clone();
                    match ahead.next() {
                        Some('[') => {
                            self.rest = ahead;
                            self.skip_csi();
                        }
                        Some(']' | 'P' | 'X' | '^' | '_') => {
                            self.rest = ahead;
                            self.skip_string();
                        }
                        Some('\u{20}'..='\u{2f}') => {
                            ahead.next();
                            self.rest = ahead;
                        }
                        Some('\u{30}'..='\u{7e}') => self.rest = ahead,
                        _ => {}
                    }
                }
                '\u{9b}' => self.skip_csi(),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => self.skip_string(),
                '\u{8}' | '\u{7}' | '\0' => {}
                ch => return Some(ch),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_leave_no_trace() {
        for (hostile, shown) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
            ("\x1bPq#0;2;0;0;0\x1b\\x", "x"),
            ("\u{9b}2Jx\u{9d}0;t\u{9c}y", "xy"),
            ("\x1b(Bx\x1bcy", "xy"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("tab\there\r", "tab    here "),
            ("\x1b[31", ""),
        ] {
            assert_eq!(clean_line(hostile), shown, "{hostile:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_blank() {
        for blank in [
            "",
            " \t\r\n",
            "\u{a0}\u{2003}\u{3000}",
            "\u{feff}",
            "\u{200b}\u{200d}\u{2060}",
            "\u{e0041}\u{e007f}",
            "\u{2800}\u{3164}",
            "\x1b[31m\x1b[0m",
            "\0\u{85}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["a", " . ", "\u{200b}x", "é", "修"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_with_a_sign() {
        let clean = clean_line(&"x".repeat(1_000_000));
        assert_eq!(clean.chars().count(), MAX_LINE_CHARS + 1);
        assert!(clean.ends_with('…'));
    }

    proptest::proptest! {
        #[test]
        fn nothing_deceptive_survives(text in ".{0,200}") {
            proptest::prop_assert!(!clean_line(&text).chars().any(|ch| is_deceptive(ch) || ch.is_control()));
        }
    }
}
