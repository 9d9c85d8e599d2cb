//! What a patch consists of once it has been read.
use crate::console::document::words::Pair;
use std::ops::Range;
use std::sync::OnceLock;

/// What happened to a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileKind {
    #[default]
    Modified,
    Added,
    Deleted,
    Renamed,
    Copied,
    /// Only its mode changed.
    Mode,
    Binary,
}

/// One file of a patch. Its public texts are clean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiffFile {
    pub path: String,
    /// Where a renamed or copied file came from.
    pub old_path: Option<String>,
    pub added: usize,
    pub removed: usize,
    /// The row of its header.
    pub first_row: usize,
    pub kind: FileKind,
    /// Old and new mode where it changed; one of them is empty for a new or a deleted file.
    pub mode: Option<(String, String)>,
    /// The paths as the patch has them.
    pub(super) raw_path: String,
    pub(super) raw_old_path: Option<String>,
}

/// Which side of a change a line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Context,
    Added,
    Removed,
}

/// A line of a hunk. Both numbers say where the two files stand at this line, also when it is in one of them only.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) hunk: usize,
    pub(super) sign: Sign,
    pub(super) old: u32,
    pub(super) new: u32,
    /// The text behind the sign, in the patch.
    pub(super) text: Range<usize>,
}

/// One line of the document, before notes are put between.
#[derive(Debug, Clone)]
pub(super) enum Line {
    File(usize),
    Hunk(usize),
    Code(Code),
    /// `\ No newline at end of file`, in the patch.
    Remark(Range<usize>),
    /// Not part of any diff, in the patch.
    Raw(Range<usize>),
    /// The names in a file's header contradict each other.
    Contradiction(String),
    /// So many lines of binary content.
    Binary(usize),
    /// So many lines that are not shown.
    More(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Hunk {
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) new_start: u32,
    /// The header as far as the second `@@`, and the context behind it; both in the patch.
    pub(super) header: Range<usize>,
    pub(super) context: Range<usize>,
    /// The lines of each side, as numbers of lines.
    pub(super) old_lines: Vec<usize>,
    pub(super) new_lines: Vec<usize>,
}

/// Removed lines and the added lines that follow them, as numbers of lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) removed: Vec<usize>,
    pub(super) added: Vec<usize>,
    /// Found out when the first of its rows is asked for.
    pub(super) pairs: OnceLock<Vec<Pair>>,
}

impl Block {
    /// Returns the first and the last line; a block is never empty on either side.
    pub(super) fn span(&self) -> Option<(usize, usize)> {
        Some((*self.removed.first()?, *self.added.last()?))
    }
}

/// Returns the blocks in which lines were replaced, in order.
pub(super) fn blocks(lines: &[Line]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open = Block::default();
    let mut close = |open: &mut Block| {
        let block = std::mem::take(open);
        if block.span().is_some() {
            blocks.push(block);
        }
    };
    for (idx, line) in lines.iter().enumerate() {
        match line {
            Line::Code(Code { sign: Sign::Removed, .. }) => {
                if !open.added.is_empty() {
                    close(&mut open);
                }
                open.removed.push(idx);
            }
            Line::Code(Code { sign: Sign::Added, .. }) => open.added.push(idx),
            Line::Remark(_) => {}
            _ => close(&mut open),
        }
    }
    close(&mut open);
    blocks
}
