//! What is no part of a candidate: files that the base commit ignores, and what tools leave behind.
//!
//! The rules of the **base commit** count, not those in the tree: an agent can neither hide a new file by editing `.gitignore` (it stays in the
//! difference, for the guard to see) nor make build output a part of its patch. What is left out is not proved either, since a proof starts from
//! a fresh tree with nothing but the patch.
use std::collections::BTreeSet;

/// Folders that tools make, unless the base commit has a folder of that name with tracked files in it.
const LEFTOVER_DIRS: &[&str] = &[
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".venv",
    "venv",
    ".eggs",
    "htmlcov",
    "node_modules",
    ".nyc_output",
    "target",
    ".gradle",
];

/// Endings of folders that Python packaging makes.
const LEFTOVER_DIR_ENDINGS: &[&str] = &[".egg-info", ".dist-info"];

/// Files that tools and editors make.
const LEFTOVER_FILES: &[&str] = &[
    "*.pyc",
    "*.pyo",
    ".coverage",
    ".coverage.*",
    "*.profraw",
    ".DS_Store",
    "Thumbs.db",
    "*.swp",
    "*.swo",
    "*~",
    ".#*",
    "\\#*\\#",
    "*.orig",
    "*.rej",
    ".nfs*",
    ".aider*",
];

/// One ignore file, for the root of a tree, out of all rules that count.
#[derive(Debug, Default)]
pub(super) struct IgnoreRules {
    text: Vec<u8>,
}

impl IgnoreRules {
    /// Starts with rules that have the least say.
    pub(super) fn new(first: &[u8]) -> Self {
        let mut rules = Self { text: first.to_vec() };
        rules.text.push(b'\n');
        rules
    }

    /// Adds the ignore file of `dir` (empty for the root). Files must come parents first, so that the deeper one decides.
    pub(super) fn add_file(&mut self, dir: &[u8], text: &[u8]) {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for line in text.split(|it| *it == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let (sign, pattern) = line.strip_prefix(b"!").map_or((&b""[..], line), |it| (b"!", it));
            self.text.extend_from_slice(sign);
            if !dir.is_empty() {
                self.push_prefix(dir, pattern);
            }
            let pattern = if dir.is_empty() { pattern } else { pattern.strip_prefix(b"/").unwrap_or(pattern) };
            self.text.extend_from_slice(pattern);
            self.text.push(b'\n');
        }
    }

    /// Adds what tools leave behind, but nothing below the folders in `tracked`.
    pub(super) fn add_leftovers(&mut self, tracked: &BTreeSet<Vec<u8>>) {
        let dirs = LEFTOVER_DIRS.iter().map(|it| format!("{it}/\n"));
        let endings = LEFTOVER_DIR_ENDINGS.iter().map(|it| format!("*{it}/\n"));
        let files = LEFTOVER_FILES.iter().map(|it| format!("{it}\n"));
        for line in dirs.chain(endings).chain(files) {
            self.text.extend_from_slice(line.as_bytes());
        }
        for dir in tracked {
            self.text.extend_from_slice(b"!/");
            self.push_escaped(dir);
            self.text.extend_from_slice(b"/\n");
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// A pattern with a slash is meant from its own folder, one without from any folder below.
    fn push_prefix(&mut self, dir: &[u8], pattern: &[u8]) {
        self.text.push(b'/');
        self.push_escaped(dir);
        let inner = pattern.strip_suffix(b"/").unwrap_or(pattern);
        self.text.extend_from_slice(if inner.contains(&b'/') { b"/" } else { b"/**/" });
    }

    fn push_escaped(&mut self, path: &[u8]) {
        for byte in path {
            if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b' ' | b'#' | b'!') {
                self.text.push(b'\\');
            }
            self.text.push(*byte);
        }
    }
}

/// Returns the folders above `path` that are named like leftovers.
pub(super) fn leftover_dirs_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(idx, _)| idx);
    ends.map(|end| &path[..end]).filter(|dir| {
        let name = dir.rsplit(|it| *it == b'/').next().unwrap_or_default();
        LEFTOVER_DIRS.iter().any(|it| it.as_bytes() == name)
            || LEFTOVER_DIR_ENDINGS.iter().any(|it| name.ends_with(it.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_rules_are_written_for_the_root() {
        let mut rules = IgnoreRules::new(b"first");
        rules.add_file(b"", b"\xef\xbb\xbf*.log\r\n# note\n!keep.log\n/build/\n");
        rules.add_file(b"a b/[c]", b"*.tmp\n/top\nx/y\nout/\n!\\!odd\n");
        let expected = "first\n*.log\n!keep.log\n/build/\n/a\\ b/\\[c\\]/**/*.tmp\n/a\\ b/\\[c\\]/top\n/a\\ b/\\[c\\]/x/y\n\
                        /a\\ b/\\[c\\]/**/out/\n!/a\\ b/\\[c\\]/**/\\!odd\n";
        assert_eq!(String::from_utf8_lossy(rules.text()), expected);
    }

    #[test]
    fn folders_named_like_leftovers_are_told() {
        let found: Vec<_> = leftover_dirs_of(b"src/target/deep/node_modules/x.egg-info/f").collect();
        let expected: [&[u8]; 3] =
            [b"src/target", b"src/target/deep/node_modules", b"src/target/deep/node_modules/x.egg-info"];
        assert_eq!(found, expected);
        assert_eq!(leftover_dirs_of(b"target").count(), 0);
    }
}
