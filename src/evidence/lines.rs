//! Cuts a stream of bytes into lines with bounded memory, in whatever chunks it comes.
use std::mem;

/// Bytes of one line that are kept.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024;

/// Gathers one line at a time. Of a line redrawn by carriage returns the last state counts.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    line: Vec<u8>,
    is_cut: bool,
    /// A carriage return came and nothing after it yet.
    returned: bool,
    /// Whether anything of the current line has come at all.
    begun: bool,
}

/// One line as it came, without its line break.
#[derive(Debug)]
pub(crate) struct RawLine<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether the line was longer than what is kept.
    pub(crate) is_cut: bool,
}

impl Splitter {
    /// Takes a chunk and hands every line that is complete to `take`.
    pub(crate) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&RawLine<'_>)) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.append(end);
                    self.emit(&mut take);
                }
                None => self.append(piece),
            }
        }
    }

    /// Hands over the last line if it had no line break.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(&RawLine<'_>)) {
        if self.begun {
            self.emit(&mut take);
        }
    }

    fn emit(&mut self, take: &mut impl FnMut(&RawLine<'_>)) {
        take(&RawLine { bytes: &self.line, is_cut: mem::take(&mut self.is_cut) });
        self.line.clear();
        self.returned = false;
        self.begun = false;
    }

    fn append(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        self.begun = true;
        let n_returns = piece.iter().rev().take_while(|byte| **byte == b'\r').count();
        let shown = &piece[..piece.len() - n_returns];
        if shown.is_empty() {
            self.returned = true;
            return;
        }
        let last = shown.iter().rposition(|byte| *byte == b'\r');
        if self.returned || last.is_some() {
            self.line.clear();
            self.is_cut = false;
        }
        let state = last.map_or(shown, |at| &shown[at + 1..]);
        let room = MAX_LINE_BYTES - self.line.len();
        self.is_cut |= state.len() > room;
        self.line.extend_from_slice(&state[..state.len().min(room)]);
        self.returned = n_returns > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| found.push((line.bytes.to_vec(), line.is_cut)));
        }
        splitter.finish(|line| found.push((line.bytes.to_vec(), line.is_cut)));
        found
    }

    #[test]
    fn the_last_state_of_a_redrawn_line_counts() {
        let lines = split(&[b"10%\r50%\r100%\r\nnext\r\n\r\nlast"]);
        let texts: Vec<_> = lines.iter().map(|(line, _)| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(texts, ["100%", "next", "", "last"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = vec![b'x'; 1_000_000];
        let lines = split(&[&long[..10], &long, b"\nshort\n"]);
        assert_eq!(lines[0].0.len(), MAX_LINE_BYTES);
        assert!(lines[0].1);
        assert_eq!(lines[1], (b"short".to_vec(), false));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), Just(b'b')], 0..60),
            cuts in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|it| it.min(text.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text[from..cut]);
                from = cut;
            }
            chunks.push(&text[from..]);
            prop_assert_eq!(split(&chunks), split(&[&text]));
        }
    }
}
