//! Strict reading of a whole diff: whatever is not understood is an error, because `git apply` might understand it.
use super::ChangeKind;
use super::FileChange;
use super::header::Header;
use super::hunk::read_hunks;
use super::name::BadName;
use std::collections::BTreeSet;

/// Largest patch that is read at all.
pub const MAX_PATCH_BYTES: usize = 8 << 20;

/// Why a patch cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {reason}")]
pub struct Malformed {
    /// Line of the patch, 1-based.
    pub line: usize,
    /// Name the patch gave, as far as one was read.
    pub file: String,
    pub reason: String,
    /// The patch was understood, but a name leads out of the work tree.
    pub is_outside: bool,
}

/// The lines of a patch with the position reached.
pub(super) struct Lines<'a> {
    rest: std::str::Split<'a, char>,
    ahead: Option<&'a str>,
    number: usize,
    file: String,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut rest = text.split('\n');
        let ahead = rest.next();
        Self { rest, ahead, number: 1, file: String::new() }
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.ahead
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let line = self.ahead;
        self.ahead = self.rest.next();
        self.number += 1;
        line
    }

    pub(super) fn name_file(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> Malformed {
        Malformed { line: self.number, file: self.file.clone(), reason: reason.into(), is_outside: false }
    }

    pub(super) fn bad_name(&self, name: &str, bad: BadName) -> Malformed {
        let file = if name.is_empty() { self.file.clone() } else { name.to_owned() };
        Malformed { line: self.number, file, reason: bad.to_string(), is_outside: bad.is_outside() }
    }
}

/// Reads a git unified diff; an empty text is a patch of no files.
pub fn parse(text: &str) -> Result<Vec<FileChange<'_>>, Malformed> {
    let mut lines = Lines::new(text);
    if text.len() > MAX_PATCH_BYTES {
        return Err(lines.error("the patch is too large to be judged"));
    }
    let mut changes: Vec<FileChange<'_>> = Vec::new();
    let (mut seen_old, mut seen_new) = (BTreeSet::new(), BTreeSet::new());
    while let Some(line) = lines.peek() {
        // Only the end of the patch may be blank: between files, git would skip lines that were never judged.
        if line.is_empty() {
            lines.next();
            if lines.peek().is_some_and(|it| !it.is_empty()) {
                return Err(lines.error("blank lines stand between the files"));
            }
            continue;
        }
        let change = read_file(&mut lines)?;
        let is_old_new =
            change.old_path.clone().is_none_or(|it| change.kind == ChangeKind::Copied || seen_old.insert(it));
        if !is_old_new || !change.new_path.clone().is_none_or(|it| seen_new.insert(it)) {
            return Err(lines.error("the same file is changed twice"));
        }
        changes.push(change);
    }
    Ok(changes)
}

fn read_file<'a>(lines: &mut Lines<'a>) -> Result<FileChange<'a>, Malformed> {
    let header = Header::read(lines)?;
    let is_binary = read_binary(lines)?;
    let hunks = if is_binary { Vec::new() } else { read_hunks(lines)? };
    header.into_change(lines, is_binary, hunks)
}

/// Skips a binary body; its data is never looked at, a binary change is refused as a whole.
fn read_binary(lines: &mut Lines<'_>) -> Result<bool, Malformed> {
    match lines.peek() {
        Some(line) if line.starts_with("Binary files ") && line.ends_with(" differ") => {
            lines.next();
            Ok(true)
        }
        Some("GIT binary patch") => {
            lines.next();
            while let Some(line) = lines.peek().filter(|it| !it.starts_with("diff --git ")) {
                if !is_binary_line(line) {
                    return Err(lines.error("a binary patch holds a line that is no data"));
                }
                lines.next();
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn is_binary_line(line: &str) -> bool {
    let size = line.strip_prefix("literal ").or_else(|| line.strip_prefix("delta "));
    match size {
        Some(size) => !size.is_empty() && size.bytes().all(|it| it.is_ascii_digit()),
        None => line.bytes().all(|it| it.is_ascii_graphic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::diff::LineKind;
    use crate::guard::diff::Mode;
    use proptest::prelude::*;

    const PLAIN: &str = "diff --git a/x.py b/x.py\nindex 1111111..2222222 100644\n--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@ def f():\n a\n-b\n+c\n d\n";

    #[test]
    fn a_plain_change_is_read() {
        let [change] = &parse(PLAIN).unwrap()[..] else { panic!("one file") };
        assert_eq!((change.path(), change.kind), ("x.py", ChangeKind::Modified));
        assert_eq!(change.n_changed_lines(), 2);
        assert_eq!(change.hunks[0].lines[1].kind, LineKind::Removed);
    }

    #[test]
    fn names_are_read_in_every_form_git_writes() {
        let cases = [
            ("diff --git a/a b.py b/a b.py\n--- a/a b.py\t\n+++ b/a b.py\t\n@@ -1 +1 @@\n-a\n+b\n", "a b.py"),
            (
                "diff --git \"a/\\303\\251.py\" \"b/\\303\\251.py\"\n--- \"a/\\303\\251.py\"\n+++ \"b/\\303\\251.py\"\n@@ -1 +1 @@\n-a\n+b\n",
                "é.py",
            ),
            ("diff --git a/x b/y b/x b/y\nold mode 100644\nnew mode 100755\n", "x b/y"),
            ("diff --git a/n.py b/n.py\nnew file mode 100644\nindex 0000000..e69de29\n", "n.py"),
            (
                "diff --git a/n.py b/n.py\nnew file mode 100644\nindex 0000000..e69de29\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n",
                "n.py",
            ),
            (
                "diff --git a/n.py b/n.py\ndeleted file mode 100644\nindex e69de29..0000000\n--- a/n.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
                "n.py",
            ),
            (
                "diff --git a/o b.py \"b/n\\\"w.py\"\nsimilarity index 100%\nrename from o b.py\nrename to \"n\\\"w.py\"\n",
                "n\"w.py",
            ),
            (
                "diff --git a/a.py b/b.py\nsimilarity index 80%\nrename from a.py\nrename to b.py\nindex 1111111..2222222 100644\n--- a/a.py\n+++ b/b.py\n@@ -1 +1 @@\n-a\n+b\n",
                "b.py",
            ),
            (
                "diff --git a/i.png b/i.png\nindex 1111111..2222222 100644\nBinary files a/i.png and b/i.png differ\n",
                "i.png",
            ),
            (
                "diff --git a/i.png b/i.png\nindex 1111111..2222222 100644\nGIT binary patch\nliteral 3\nKcmZ?wbhEHb\n\nliteral 0\nHcmV?d00001\n\n",
                "i.png",
            ),
        ];
        for (text, path) in cases {
            let changes = parse(text).unwrap_or_else(|bad| panic!("{bad}\n{text}"));
            assert_eq!(changes[0].path(), path, "{text}");
        }
    }

    #[test]
    fn modes_and_links_are_read() {
        let link = "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n";
        assert_eq!(parse(link).unwrap()[0].new_mode, Some(Mode::Symlink));
        let module = "diff --git a/m b/m\nindex 1111111..2222222 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n";
        assert!(parse(module).unwrap()[0].has_mode(Mode::Submodule));
    }

    #[test]
    fn a_body_that_looks_like_a_header_stays_a_body() {
        let text = "diff --git a/x.sql b/x.sql\n--- a/x.sql\n+++ b/x.sql\n@@ -1,3 +1,3 @@\n--- a/evil\n+++ b/evil\n diff --git a/e b/e\n @@ -1 +1 @@\n";
        let changes = parse(text).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].n_changed_lines(), 2);
    }

    #[test]
    fn whatever_does_not_add_up_is_malformed() {
        let cases = [
            ("text before", "hello\ndiff --git a/x b/x\n"),
            ("a diff that is not git's", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"),
            ("other name in ---", "diff --git a/x b/x\n--- a/y\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"),
            ("other name in +++", "diff --git a/x b/x\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n"),
            ("rename of other names", "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to z\n"),
            ("half a rename", "diff --git a/x b/y\nsimilarity index 100%\nrename from x\n"),
            ("two names without rename", "diff --git a/x b/y\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n"),
            ("too few lines", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a\n+b\n"),
            ("too many lines", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n+c\n"),
            ("overlap", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -5 +5 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n"),
            ("numbers disagree", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -5 +9 @@\n-a\n+b\n"),
            (
                "new file with an old side",
                "diff --git a/x b/x\nnew file mode 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
            ),
            ("/dev/null without new file", "diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+b\n"),
            ("unknown mode", "diff --git a/x b/x\nold mode 100644\nnew mode 104755\n"),
            ("nothing changes", "diff --git a/x b/x\nindex 1111111..2222222 100644\n"),
            ("header twice", "diff --git a/x b/x\nnew file mode 100644\nnew file mode 100755\n"),
            ("unknown header", "diff --git a/x b/x\nevil header\nold mode 100644\nnew mode 100755\n"),
            ("no prefix", "diff --git x x\n--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n"),
            (
                "same file twice",
                "diff --git a/x b/x\nold mode 100644\nnew mode 100755\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
            ),
            ("carriage return in a header", "diff --git a/x b/x\r\n--- a/x\r\n+++ b/x\r\n@@ -1 +1 @@\n-a\n+b\n"),
            (
                "a blank gap",
                "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n\ndiff --git a/y b/y\nold mode 100644\nnew mode 100755\n",
            ),
            ("huge numbers", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,99999999999 +1 @@\n-a\n+b\n"),
            ("text after a binary", "diff --git a/x b/x\nBinary files a/x and b/x differ\n@@ -1 +1 @@\n-a\n+b\n"),
        ];
        for (why, text) in cases {
            assert!(parse(text).is_err(), "{why}");
        }
    }

    #[test]
    fn carriage_returns_and_missing_line_breaks_in_a_body_are_content() {
        let text = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\r\n-b\n\\ No newline at end of file\n+c\r\n\\ No newline at end of file\n";
        let changes = parse(text).unwrap();
        assert_eq!(changes[0].hunks[0].lines[2].text, "c\r");
        assert!(changes[0].hunks[0].lines[2].is_unterminated);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}", lines in proptest::collection::vec("(diff --git a/x b/x|--- a/x|\\+\\+\\+ b/x|@@ -1,[0-9]{1,3} \\+[0-9] @@|[-+ ].{0,5}|rename from x|\\\\ No|GIT binary patch|new file mode 100644)", 0..12)) {
            let _ = parse(&text);
            let _ = parse(&lines.join("\n"));
        }
    }
}
