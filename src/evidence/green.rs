//! What a green log says, too, is not what is red: remembers the lines of a log so that another one can be read without them.
use crate::evidence::extractor::relative;
use crate::evidence::extractor::roots_pattern;
use crate::evidence::keep::shape;
use crate::evidence::lines::RawLine;
use crate::evidence::lines::Splitter;
use crate::evidence::prefix::plain_line;
use regex::Regex;
use std::collections::HashSet;

/// Different lines that are remembered.
const MAX_LINES: usize = 200_000;

/// The lines of a green log, whatever numbers stand in them.
#[derive(Debug, Default)]
pub struct Green {
    shapes: HashSet<u64>,
}

impl Green {
    /// Whether the green log has such a line.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.shapes.contains(&shape(line))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }
}

/// Reads a green log as it comes, in bounded memory.
#[derive(Debug)]
pub struct GreenReader {
    splitter: Splitter,
    roots: Option<Regex>,
    green: Green,
}

impl GreenReader {
    /// Starts at the beginning of a log; `roots` are the folders below which paths count as relative.
    pub fn new(roots: &[String]) -> Self {
        Self { splitter: Splitter::default(), roots: roots_pattern(roots), green: Green::default() }
    }

    /// Takes the next bytes; where a chunk ends makes no difference.
    pub fn push(&mut self, chunk: &[u8]) {
        let Self { splitter, roots, green } = self;
        splitter.push(chunk, |line| see(green, roots.as_ref(), line));
    }

    /// Returns what is remembered.
    pub fn finish(mut self) -> Green {
        let Self { splitter, roots, green } = &mut self;
        splitter.finish(|line| see(green, roots.as_ref(), line));
        self.green
    }
}

fn see(green: &mut Green, roots: Option<&Regex>, raw: &RawLine<'_>) {
    let lossy = String::from_utf8_lossy(raw.bytes);
    let plain = plain_line(&lossy);
    let plain = relative(&plain, roots);
    if !plain.trim().is_empty() && green.shapes.len() < MAX_LINES {
        green.shapes.insert(shape(&plain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_make_no_difference() {
        let mut reader = GreenReader::new(&["/home/runner/work/shop/shop".to_owned()]);
        reader.push(b"2026-11-20T10:00:00.1Z error: retry 3 of 5 in /home/runner/work/shop/shop/a.py\nlast ");
        reader.push(b"line");
        let green = reader.finish();
        assert!(green.has("error: retry 1 of 5 in a.py") && green.has("last line"));
        assert!(!green.has("error: retry of in b.py") && !green.has(""));
        assert!(GreenReader::new(&[]).finish().is_empty());
    }
}
