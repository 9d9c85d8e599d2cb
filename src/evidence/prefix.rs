//! Takes off what CI systems put before each line: byte order mark, timestamp, job and step columns, section markers.
use crate::evidence::text::strip_escapes;
use std::borrow::Cow;

/// Shortest timestamp that is recognised: `2026-04-22T16:09:37Z`.
const TIMESTAMP_LEN: usize = 20;

/// Returns what a program printed: no escape sequences, no CI columns.
pub(crate) fn plain_line(raw: &str) -> Cow<'_, str> {
    if needs_stripping(raw) {
        let clean = strip_escapes(raw);
        return Cow::Owned(strip_prefix(&clean).to_owned());
    }
    Cow::Borrowed(strip_prefix(raw))
}

fn needs_stripping(text: &str) -> bool {
    // 0xC2 leads the two-byte forms of the 8-bit controls.
    text.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0xC2)
}

/// Returns a line without the columns that a CI system put before it.
pub(crate) fn strip_prefix(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    if let Some(rest) = after_timestamp(line) {
        return rest;
    }
    let mut columns = line.splitn(3, '\t');
    if let (Some(_), Some(_), Some(rest)) = (columns.next(), columns.next(), columns.next())
        && let Some(rest) = after_timestamp(rest.trim_start_matches('\u{feff}'))
    {
        return rest;
    }
    if line.starts_with("section_start:") || line.starts_with("section_end:") {
        return "";
    }
    line
}

/// Returns what follows an RFC 3339 timestamp in UTC and GitLab's stream mark behind it.
fn after_timestamp(line: &str) -> Option<&str> {
    let bytes = line.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = bytes.len() >= TIMESTAMP_LEN
        && shape.iter().zip(bytes).all(|(want, got)| if *want == b'd' { got.is_ascii_digit() } else { want == got });
    if !fits {
        return None;
    }
    let rest = line.get(shape.len()..)?.trim_start_matches(|ch: char| ch == '.' || ch.is_ascii_digit());
    let rest = rest.strip_prefix('Z')?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    Some(after_stream_mark(rest))
}

fn after_stream_mark(rest: &str) -> &str {
    match rest.as_bytes() {
        [a, b, b'O' | b'E', b' ' | b'+', ..] if a.is_ascii_digit() && b.is_ascii_digit() => &rest[4..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_columns_are_taken_off() {
        for (raw, plain) in [
            ("\u{feff}2026-04-22T16:09:37.3317193Z ##[group]Run", "##[group]Run"),
            ("test\tUNKNOWN STEP\t\u{feff}2026-04-22T16:09:37.3317193Z boom", "boom"),
            ("2026-04-22T16:09:37Z \u{1b}[31mred\u{1b}[0m", "red"),
            ("2024-05-22T12:43:46.962646Z 00O hello", "hello"),
            ("section_start:1560896352:step", ""),
            ("a\tb\tc", "a\tb\tc"),
            ("2026-04-22 is a day", "2026-04-22 is a day"),
            ("E   assert 1 == 2", "E   assert 1 == 2"),
        ] {
            assert_eq!(plain_line(raw), plain, "{raw:?}");
        }
    }
}
