//! The review screen: one patch, pinned; a newer one is announced, never swapped in under the reader.
use crate::console::document::DiffDocument;
use crate::domain::Digest;
use crate::domain::RunId;

/// A patch being read.
#[derive(Debug)]
pub struct Review {
    pub run: RunId,
    pub attempt_no: u32,
    pub digest: Digest,
    pub document: DiffDocument,
    pub cursor: usize,
    pub offset: usize,
    /// Columns scrolled to the right.
    pub left: usize,
    pub wraps: bool,
    pub shows_why: bool,
    pub needle: String,
    /// Rows that match, in order.
    pub hits: Vec<usize>,
    /// The candidate that came after this patch, if it is another one.
    pub newer: Option<(u32, Digest)>,
}

impl Review {
    /// Returns which match the cursor stands on, from 1, and how many there are.
    pub fn match_position(&self) -> Option<(usize, usize)> {
        let idx = self.hits.iter().position(|it| *it == self.cursor)?;
        Some((idx + 1, self.hits.len()))
    }
}
