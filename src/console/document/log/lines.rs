//! The stored bytes of a log, cut into lines; each is made readable only when it is asked for.
use crate::console::document::pattern::byte_pattern;
use crate::domain::output::gap;
use crate::evidence::text::strip_escapes;
use regex::bytes::Regex;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// Bytes of a line that are looked at.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Lines by which a log is judged to have timestamps.
const SAMPLE: usize = 20;

/// What a CI system puts before each line: GitHub a timestamp, GitLab also the stream.
static STAMP: LazyLock<Regex> =
    LazyLock::new(|| byte_pattern(r"^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)(?:\.\d+)?Z(?: (?:[0-9a-f]{2}[OE][ +])?|$)"));

/// GitLab's section marks at the start of a line.
static SECTIONS: LazyLock<Regex> = LazyLock::new(|| {
    byte_pattern(r"^(?:\x1b\[0K)*(?:section_(?:start|end):\d+:[0-9A-Za-z_.-]+(?:\[[^\]\r\n]*\])?\r?(?:\x1b\[0K)*)+")
});

/// The lines of a log, counted from 0. Where bytes were left out stands a line of its own: the gap.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where each line begins.
    starts: Vec<usize>,
    gap: Option<usize>,
    has_stamps: bool,
}

impl Lines {
    /// Indexes a log. Where bytes were dropped, the log has a line that says so.
    pub(super) fn new(bytes: &[u8], dropped: u64) -> Self {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut lines = Self { bytes: bytes.to_vec(), starts: Vec::new(), gap: None, has_stamps: false };
        let mut offset = 0;
        for line in bytes.split_inclusive(|it| *it == b'\n') {
            lines.starts.push(offset);
            offset += line.len();
        }
        let gap = gap(dropped);
        lines.gap = (dropped > 0).then(|| (0..lines.len()).find(|it| lines.raw(*it) == gap.as_bytes())).flatten();
        lines.has_stamps = lines.is_stamped();
        lines
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn gap(&self) -> Option<usize> {
        self.gap
    }

    /// Returns the number that a line is called by, from 1; the gap has that of the line before.
    pub(super) fn number(&self, idx: usize) -> u64 {
        (idx + 1 - usize::from(self.gap.is_some_and(|gap| gap <= idx))) as u64
    }

    /// Returns the line with a number, the nearest when there is none.
    pub(super) fn with_number(&self, number: u64) -> usize {
        let idx = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let idx = if self.gap.is_some_and(|gap| gap <= idx) { idx.saturating_add(1) } else { idx };
        idx.min(self.len().saturating_sub(1))
    }

    /// Returns the time of day that the CI system put before a line.
    pub(super) fn stamp(&self, idx: usize) -> Option<&str> {
        let groups = STAMP.captures(self.raw(idx)).filter(|_| self.has_stamps)?;
        std::str::from_utf8(groups.get(1)?.as_bytes()).ok()
    }

    /// Returns GitLab's section marks at the start of a line, as they are.
    pub(super) fn section_marks(&self, idx: usize) -> &[u8] {
        let line = self.unstamped(idx);
        &line[..end_of_marks(line)]
    }

    /// Returns a line without what the CI system put before it, without escape sequences, and of a progress display only the last state.
    pub(super) fn text(&self, idx: usize) -> Cow<'_, str> {
        let line = last_state(self.unmarked(idx));
        let cut = line.len().min(MAX_LINE_BYTES);
        let text = String::from_utf8_lossy(&line[..cut]);
        let is_plain = text.bytes().all(|it| (b' '..=b'~').contains(&it) || it == b'\t');
        if is_plain && cut == line.len() {
            return text;
        }
        let mut text = strip_escapes(&text);
        if cut < line.len() {
            text.push('…');
        }
        Cow::Owned(text)
    }

    /// Counts the states of a progress display: texts that carriage returns have overwritten, and the last.
    pub(super) fn n_states(&self, idx: usize) -> usize {
        self.unmarked(idx).split(|it| *it == b'\r').filter(|it| is_visible(it)).count()
    }

    /// Returns a line as it is stored, without its line end.
    fn raw(&self, idx: usize) -> &[u8] {
        let at = |idx: usize| self.starts.get(idx).copied().unwrap_or(self.bytes.len());
        let line: Range<usize> = at(idx)..at(idx + 1);
        let line = self.bytes.get(line).unwrap_or_default();
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    fn unstamped(&self, idx: usize) -> &[u8] {
        let line = self.raw(idx);
        let stamp = if self.has_stamps { STAMP.find(line) } else { None };
        &line[stamp.map_or(0, |it| it.end())..]
    }

    fn unmarked(&self, idx: usize) -> &[u8] {
        let line = self.unstamped(idx);
        &line[end_of_marks(line)..]
    }

    /// Whether the timestamps belong to the log as a whole, and not to what a program printed now and then.
    fn is_stamped(&self) -> bool {
        let sample = (0..self.len()).map(|it| self.raw(it)).filter(|it| !it.trim_ascii().is_empty()).take(SAMPLE);
        let (with, all) = sample.fold((0, 0), |(with, all), it| (with + usize::from(STAMP.is_match(it)), all + 1));
        with > 0 && with * 5 >= all * 4
    }
}

fn end_of_marks(line: &[u8]) -> usize {
    let may_have = line.starts_with(b"\x1b") || line.starts_with(b"section_");
    SECTIONS.find(line).filter(|_| may_have).map_or(0, |it| it.end())
}

/// Returns what a terminal would show last of a line with carriage returns.
fn last_state(line: &[u8]) -> &[u8] {
    if !line.contains(&b'\r') {
        return line;
    }
    line.rsplit(|it| *it == b'\r').find(|it| is_visible(it)).unwrap_or_default()
}

fn is_visible(piece: &[u8]) -> bool {
    let piece = &piece[..piece.len().min(MAX_LINE_BYTES)];
    if piece.contains(&0x1b) {
        return !strip_escapes(&String::from_utf8_lossy(piece)).trim().is_empty();
    }
    !piece.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8]) -> Vec<String> {
        let lines = Lines::new(bytes, 0);
        (0..lines.len()).map(|it| lines.text(it).into_owned()).collect()
    }

    #[test]
    fn lines_are_made_readable() {
        for (bytes, expected) in [
            (&b"a\nb\r\n\nc"[..], vec!["a", "b", "", "c"]),
            (b"a\n", vec!["a"]),
            (b"", vec![]),
            (b"\x1b[31mred\x1b[0m \x1b]52;c;eA==\x07text", vec!["red text"]),
            (b"10%\r50%\r100%\r\nx\x1b[K\r\x1b[K", vec!["100%", "x"]),
            (b"caf\xff\xe9", vec!["caf\u{fffd}\u{fffd}"]),
            (b"section_start:15:build[collapsed=true]\r\x1b[0KBuild it", vec!["Build it"]),
            (b"\x1b[0Ksection_end:16:build\r\x1b[0Ksection_start:16:test\r\x1b[0K\x1b[0KTest", vec!["Test"]),
        ] {
            assert_eq!(texts(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn timestamps_of_the_ci_system_are_taken_off_and_those_of_a_program_are_not() {
        let github = b"\xef\xbb\xbf2024-05-01T12:34:56.1234567Z a\n2024-05-01T12:34:57.0Z \n2024-05-01T12:34:57.0Z b\n";
        let lines = Lines::new(github, 0);
        assert_eq!([lines.text(0), lines.text(1), lines.text(2)], ["a", "", "b"]);
        assert_eq!(lines.stamp(0), Some("12:34:56"));
        let gitlab = b"2024-05-01T12:34:56.123456Z 00O hello";
        assert_eq!(texts(gitlab), ["hello"]);
        let program = b"start\n2024-05-01T12:34:56Z INFO a\nend";
        assert_eq!(texts(program)[1], "2024-05-01T12:34:56Z INFO a");
        assert_eq!(Lines::new(program, 0).stamp(1), None);
    }

    #[test]
    fn the_gap_has_a_line_but_no_number() {
        let lines = Lines::new(b"one\ntwo\n[1234 bytes were not kept]\nend\nfin\n", 1234);
        assert_eq!(lines.gap(), Some(2));
        let numbers: Vec<_> = (0..lines.len()).map(|it| lines.number(it)).collect();
        assert_eq!(numbers, [1, 2, 2, 3, 4]);
        assert_eq!(Lines::new(b"[1234 bytes were not kept]\n", 99).gap(), None);
        assert_eq!([1, 2, 3, 4, 99].map(|it| lines.with_number(it)), [0, 1, 3, 4, 4]);
    }

    #[test]
    fn a_megabyte_on_one_line_is_cut() {
        let text = &texts(&b"x".repeat(1 << 20))[0];
        assert!(text.len() < MAX_LINE_BYTES + 8 && text.ends_with('…'));
    }
}
