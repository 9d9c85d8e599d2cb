//! Reads a unified diff line by line. What it does not understand stays in sight as plain text; no line that could change a file is hidden.
use crate::console::document::diff::lines::Code;
use crate::console::document::diff::lines::DiffFile;
use crate::console::document::diff::lines::FileKind;
use crate::console::document::diff::lines::Hunk;
use crate::console::document::diff::lines::Line;
use crate::console::document::diff::lines::Sign;
use crate::console::document::diff::path;
use crate::console::document::paint::shown;
use crate::console::document::pattern::pattern;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Lines of a patch that are kept.
pub(super) const MAX_LINES: usize = 20_000;

static HUNK: LazyLock<Regex> = LazyLock::new(|| pattern(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@"));

/// Header lines that say nothing which the header row does not show.
static SILENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(index [0-9a-f]+\.\.[0-9a-f]+( [0-7]+)?|(dis)?similarity index \d+%|Binary files .* differ)\r?$")
});

/// Lines of binary content.
static BINARY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^((literal|delta) \d+|[A-Za-z][0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{1,65})?\r?$"));

/// A patch, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed {
    pub(super) files: Vec<DiffFile>,
    pub(super) hunks: Vec<Hunk>,
    pub(super) lines: Vec<Line>,
    pub(super) max_number: u32,
    /// Where in the patch the part begins of which no line is kept.
    pub(super) kept_until: usize,
}

/// Reads a patch.
pub(super) fn parse(patch: &str) -> Parsed {
    let mut parser = Parser { patch, ..Parser::default() };
    let mut offset = 0;
    for line in patch.split_inclusive('\n') {
        let end = offset + line.len();
        parser.line(&(offset..end - usize::from(line.ends_with('\n'))), end);
        if parser.n_more == 0 {
            parser.out.kept_until = end;
        }
        offset = end;
    }
    parser.finish()
}

#[derive(Default)]
struct Parser<'a> {
    patch: &'a str,
    out: Parsed,
    part: Part,
    /// Both names in the `diff --git` line.
    header_names: Option<(String, String)>,
    has_new_name: bool,
    /// Lines of the hunk that are still to come on each side, and the numbers of the next.
    old_left: u32,
    new_left: u32,
    old: u32,
    new: u32,
    n_more: usize,
}

/// Where in a file's part of the patch the parser is.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Outside,
    Header,
    Hunks,
    Binary,
}

impl Parser<'_> {
    /// Takes one line; `next` is where the one after it begins.
    fn line(&mut self, range: &Range<usize>, next: usize) {
        let text = &self.patch[range.clone()];
        if self.code(range, text) || self.binary(text) {
            return;
        }
        if let Some(names) = text.strip_prefix("diff --git ") {
            self.open_file(path::of_header(names));
            return;
        }
        let is_in_names = self.part == Part::Header && !self.has_new_name;
        if text.starts_with("--- ") && self.patch[next..].starts_with("+++ ") && !is_in_names {
            self.open_file(None);
        }
        if self.part == Part::Header && self.header(text) {
            return;
        }
        if self.part != Part::Outside
            && let Some(header) = HunkHeader::read(text)
        {
            self.settle_names();
            self.open_hunk(range, &header);
            return;
        }
        let is_remark = text.starts_with('\\');
        self.push(if is_remark { Line::Remark(range.clone()) } else { Line::Raw(range.clone()) });
    }

    /// Keeps a line, or counts it when there are too many.
    fn push(&mut self, line: Line) -> bool {
        let is_kept = self.out.lines.len() < MAX_LINES;
        if is_kept {
            self.out.lines.push(line);
        } else {
            self.n_more += 1;
        }
        is_kept
    }

    fn open_file(&mut self, names: Option<(String, String)>) {
        self.settle_names();
        self.part = Part::Header;
        self.has_new_name = false;
        let raw_path = names.as_ref().map_or_else(String::new, |it| it.1.clone());
        self.header_names = names;
        self.push(Line::File(self.out.files.len()));
        self.out.files.push(DiffFile { raw_path, ..DiffFile::default() });
    }

    /// Takes a line of a file's header; says whether it was one.
    fn header(&mut self, text: &str) -> bool {
        let Some(file) = self.out.files.last_mut() else { return false };
        let text = text.trim_end_matches('\r');
        let is = |key: &str| text.strip_prefix(key);
        if let Some(mode) = is("old mode ").or_else(|| is("deleted file mode ")).filter(|it| is_mode(it)) {
            mode.clone_into(&mut file.mode.get_or_insert_default().0);
            if text.starts_with("deleted") {
                file.kind = FileKind::Deleted;
            }
        } else if let Some(mode) = is("new mode ").or_else(|| is("new file mode ")).filter(|it| is_mode(it)) {
            mode.clone_into(&mut file.mode.get_or_insert_default().1);
            file.kind = if text.starts_with("new file") { FileKind::Added } else { FileKind::Mode };
        } else if let Some(path) = is("rename from ").or_else(|| is("copy from ")) {
            file.raw_old_path = Some(path::of_rename(path));
        } else if let Some(path) = is("rename to ").or_else(|| is("copy to ")) {
            file.kind = if text.starts_with("copy") { FileKind::Copied } else { FileKind::Renamed };
            file.raw_path = path::of_rename(path);
        } else if let Some(path) = is("--- ") {
            match path::of_side(path) {
                Some(path) => file.raw_old_path = Some(path),
                None => file.kind = FileKind::Added,
            }
        } else if let Some(path) = is("+++ ") {
            self.has_new_name = true;
            if let Some(path) = path::of_side(path) {
                file.raw_path = path;
            } else {
                file.kind = FileKind::Deleted;
                file.raw_path = file.raw_old_path.clone().unwrap_or_else(|| std::mem::take(&mut file.raw_path));
            }
        } else if text == "GIT binary patch" {
            file.kind = FileKind::Binary;
            self.part = Part::Binary;
            self.push(Line::Binary(0));
        } else if SILENT.is_match(text) {
            if text.starts_with("Binary") {
                file.kind = FileKind::Binary;
            }
        } else {
            return false;
        }
        true
    }

    /// Takes a line of binary content; says whether it was one.
    fn binary(&mut self, text: &str) -> bool {
        if self.part != Part::Binary {
            return false;
        }
        if !BINARY.is_match(text) {
            self.settle_names();
            return false;
        }
        match self.out.lines.last_mut() {
            Some(Line::Binary(n)) => *n += 1,
            _ => self.n_more += 1,
        }
        true
    }

    /// Ends a file's header: keeps the old path only where it differs, and says so when names contradict each other.
    fn settle_names(&mut self) {
        let was_in_header = matches!(self.part, Part::Header | Part::Binary);
        let Some(file) = self.out.files.last_mut().filter(|_| was_in_header) else { return };
        self.part = Part::Hunks;
        let old = file.raw_old_path.clone().unwrap_or_else(|| file.raw_path.clone());
        if old == file.raw_path {
            file.raw_old_path = None;
        }
        let said = self.header_names.take().filter(|it| it.0 != old || it.1 != file.raw_path);
        if let Some((said_old, said_new)) = said {
            let text =
                format!("the header names {said_old} and {said_new}, the change is to {old} and {}", file.raw_path);
            self.push(Line::Contradiction(text));
        }
    }

    fn open_hunk(&mut self, range: &Range<usize>, header: &HunkHeader) {
        let Some(file) = self.out.files.last_mut() else { return };
        if file.kind == FileKind::Mode {
            file.kind = FileKind::Modified;
        }
        (self.old, self.old_left) = header.old;
        (self.new, self.new_left) = header.new;
        let (file, line) = (self.out.files.len() - 1, self.out.lines.len());
        if self.push(Line::Hunk(self.out.hunks.len())) {
            let middle = range.start + header.len;
            self.out.hunks.push(Hunk {
                file,
                line,
                new_start: header.new.0,
                header: range.start..middle,
                context: middle..range.end,
                old_lines: Vec::new(),
                new_lines: Vec::new(),
            });
        }
    }

    /// Takes a line of the hunk as long as its header promises one; says whether it was one.
    fn code(&mut self, range: &Range<usize>, text: &str) -> bool {
        let sign = match text.bytes().next() {
            Some(b'+') if self.new_left > 0 => Sign::Added,
            Some(b'-') if self.old_left > 0 => Sign::Removed,
            // Mail programs strip the blank of an empty context line.
            Some(b' ') | None if self.old_left > 0 && self.new_left > 0 => Sign::Context,
            Some(b'\\') => return false,
            _ => {
                (self.old_left, self.new_left) = (0, 0);
                return false;
            }
        };
        let idx = self.out.lines.len();
        let (old, new) = (self.old, self.new);
        let text = range.end.min(range.start + 1)..range.end;
        let hunk = self.out.hunks.len().saturating_sub(1);
        let is_kept = self.push(Line::Code(Code { hunk, sign, old, new, text }));
        let Some(file) = self.out.files.last_mut() else { return true };
        file.added += usize::from(sign == Sign::Added);
        file.removed += usize::from(sign == Sign::Removed);
        if let Some(hunk) = self.out.hunks.last_mut().filter(|_| is_kept) {
            if sign != Sign::Added {
                hunk.old_lines.push(idx);
            }
            if sign != Sign::Removed {
                hunk.new_lines.push(idx);
            }
        }
        if sign != Sign::Added {
            (self.old, self.old_left) = (old.saturating_add(1), self.old_left - 1);
        }
        if sign != Sign::Removed {
            (self.new, self.new_left) = (new.saturating_add(1), self.new_left - 1);
        }
        self.out.max_number = self.out.max_number.max(old).max(new);
        true
    }

    fn finish(mut self) -> Parsed {
        self.settle_names();
        for file in &mut self.out.files {
            file.path = shown(&file.raw_path);
            file.old_path = file.raw_old_path.as_deref().map(shown);
        }
        if self.n_more > 0 {
            self.out.lines.push(Line::More(self.n_more));
        }
        self.out
    }
}

fn is_mode(text: &str) -> bool {
    text.len() <= 7 && text.bytes().all(|it| (b'0'..=b'7').contains(&it))
}

/// The numbers in a hunk's header: first line and count, on both sides.
struct HunkHeader {
    old: (u32, u32),
    new: (u32, u32),
    /// Bytes up to the second `@@`.
    len: usize,
}

impl HunkHeader {
    fn read(text: &str) -> Option<Self> {
        let groups = HUNK.captures(text)?;
        let number = |idx: usize| groups.get(idx).map_or(Some(1), |it| it.as_str().parse().ok());
        Some(Self { old: (number(1)?, number(2)?), new: (number(3)?, number(4)?), len: groups.get(0)?.end() })
    }
}
