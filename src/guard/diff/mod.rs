//! A git unified diff as values: what changed, under which name and mode, line by line.
mod header;
mod hunk;
mod name;
mod parse;

pub use name::{BadName, decode_name};
pub use parse::{MAX_PATCH_BYTES, Malformed, parse};

/// What a patch does to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Deleted,
    Modified,
    Renamed,
    Copied,
}

/// The file modes git knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Regular,
    Executable,
    Symlink,
    Submodule,
}

impl Mode {
    /// Reads the six octal digits git writes; anything else is no mode of a file.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "100644" => Some(Self::Regular),
            "100755" => Some(Self::Executable),
            "120000" => Some(Self::Symlink),
            "160000" => Some(Self::Submodule),
            _ => None,
        }
    }
}

/// Whether a line of a hunk stays, comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    Context,
    Added,
    Removed,
}

/// One line of a hunk, without its sign and line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HunkLine<'a> {
    pub kind: LineKind,
    pub text: &'a str,
    /// The file ends in this line without a line break.
    pub is_unterminated: bool,
}

/// One `@@` block. Line numbers are 1-based; an empty side names the line before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk<'a> {
    pub old_start: u32,
    pub new_start: u32,
    pub lines: Vec<HunkLine<'a>>,
}

/// Everything a patch says of one file. Names are decoded and known to stay inside the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange<'a> {
    /// Name at the base commit; none where the file is new.
    pub old_path: Option<String>,
    /// Name after the patch; none where the file goes.
    pub new_path: Option<String>,
    pub kind: ChangeKind,
    pub old_mode: Option<Mode>,
    pub new_mode: Option<Mode>,
    pub is_binary: bool,
    pub hunks: Vec<Hunk<'a>>,
}

impl FileChange<'_> {
    /// Returns the name a person would use: the new one, or the old one of a deleted file.
    pub fn path(&self) -> &str {
        self.new_path.as_deref().or(self.old_path.as_deref()).unwrap_or_default()
    }

    /// Returns every name the change touches, once each.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let old = self.old_path.as_deref().filter(|it| self.new_path.as_deref() != Some(*it));
        self.new_path.as_deref().into_iter().chain(old)
    }

    /// Returns how many lines come and go.
    pub fn n_changed_lines(&self) -> usize {
        let lines = self.hunks.iter().flat_map(|it| &it.lines);
        lines.filter(|it| it.kind != LineKind::Context).count()
    }

    /// Whether a regular file only gains its executable bit.
    pub fn is_exec_bit_only(&self) -> bool {
        self.kind == ChangeKind::Modified
            && self.hunks.is_empty()
            && !self.is_binary
            && (self.old_mode, self.new_mode) == (Some(Mode::Regular), Some(Mode::Executable))
    }

    /// Whether either side has `mode`.
    pub fn has_mode(&self, mode: Mode) -> bool {
        self.old_mode == Some(mode) || self.new_mode == Some(mode)
    }
}
