//! Readings of a patch that a person wrote or mailed: exactly as it is first, then with what commonly happens to patches undone.
//!
//! Whitespace is never ignored: in Python it is the program. Line endings are the one exception, and only for the whole patch at once, so
//! that a file never ends up with a mixture.
use std::borrow::Cow;

/// One way to read a patch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    pub(super) text: Cow<'a, str>,
    /// Leading path components to drop, as in `git apply -p`.
    pub(super) strip: u8,
    /// Whether to count the lines of hunks instead of believing their headers.
    pub(super) recount: bool,
}

/// Returns the readings in the order in which they should be tried; `exists` tells whether a path is in the tree.
pub(super) fn readings<'a>(patch: &'a str, exists: &dyn Fn(&str) -> bool) -> Vec<Reading<'a>> {
    let texts = texts(patch);
    let strips = strips(patch, exists);
    let mut readings = Vec::new();
    for recount in [false, true] {
        for text in &texts {
            readings.extend(strips.iter().map(|strip| Reading { text: text.clone(), strip: *strip, recount }));
        }
    }
    readings
}

/// The patch with line endings as they are or as they were before an editor or a mail program changed them.
fn texts(patch: &str) -> Vec<Cow<'_, str>> {
    let mut whole = Cow::Borrowed(patch);
    if !whole.ends_with('\n') {
        whole.to_mut().push('\n');
    }
    let mut heads = whole.lines_with_ends().filter(|it| is_head(it)).peekable();
    let is_crlf = heads.peek().is_some() && heads.all(|it| it.ends_with("\r\n"));
    if is_crlf {
        // No tool writes its own headers with CR, so all of the patch was converted; the file itself may be LF or CRLF.
        let lf = whole.replace("\r\n", "\n");
        let crlf = with_crlf_bodies(&lf);
        vec![lf.into(), crlf.into()]
    } else if whole.contains("\r\n") {
        vec![whole]
    } else {
        let crlf = with_crlf_bodies(&whole);
        vec![whole, crlf.into()]
    }
}

/// Gives the lines of hunks CRLF endings, as a patch of CRLF files has them.
fn with_crlf_bodies(lf: &str) -> String {
    let mut text = String::with_capacity(lf.len() + lf.len() / 16);
    let mut left = (0_usize, 0_usize);
    for line in lf.lines() {
        let in_hunk = left != (0, 0);
        text.push_str(line);
        match line.as_bytes().first() {
            _ if !in_hunk => left = hunk_lengths(line).unwrap_or_default(),
            Some(b'+') => left.1 = left.1.saturating_sub(1),
            Some(b'-') => left.0 = left.0.saturating_sub(1),
            Some(b'\\') => {}
            _ => left = (left.0.saturating_sub(1), left.1.saturating_sub(1)),
        }
        if in_hunk && !line.starts_with('\\') {
            text.push('\r');
        }
        text.push('\n');
    }
    text
}

/// Reads `@@ -a,b +c,d @@` as `(b, d)`.
fn hunk_lengths(line: &str) -> Option<(usize, usize)> {
    let mut ranges = line.strip_prefix("@@ ")?.split(' ');
    let mut length = |sign| {
        let range = ranges.next()?.strip_prefix(sign)?;
        range.split_once(',').map_or(Some(1), |(_, it)| it.parse().ok())
    };
    Some((length('-')?, length('+')?))
}

fn is_head(line: &str) -> bool {
    ["diff --git ", "--- ", "+++ ", "@@ "].iter().any(|it| line.starts_with(it))
}

/// Which `-p` to try. Paths that are in the tree as they stand are taken as they stand, so that `src/app.py` is never read as `app.py`.
fn strips(patch: &str, exists: &dyn Fn(&str) -> bool) -> Vec<u8> {
    let names = patch.lines().filter_map(|it| it.strip_prefix("--- ").or_else(|| it.strip_prefix("+++ ")));
    let names: Vec<&str> = names.map(|it| it.split('\t').next().unwrap_or_default().trim_end()).collect();
    let names = names.into_iter().filter(|it| !matches!(*it, "/dev/null" | ""));
    let is_prefixed = |it: &str| it.split_once('/').is_some_and(|(first, _)| matches!(first, "a" | "b"));
    let (mut n_plain, mut n_prefixed) = (0, 0);
    for name in names {
        let stripped = name.split_once('/').map(|(_, it)| it);
        if is_prefixed(name) && stripped.is_some_and(exists) {
            n_prefixed += 1;
        } else {
            n_plain += usize::from(exists(name));
        }
    }
    match (n_plain, n_prefixed) {
        (0, _) => vec![1],
        (_, 0) => vec![0],
        _ => vec![1, 0],
    }
}

trait LinesWithEnds {
    fn lines_with_ends(&self) -> std::str::SplitInclusive<'_, char>;
}

impl LinesWithEnds for str {
    fn lines_with_ends(&self) -> std::str::SplitInclusive<'_, char> {
        self.split_inclusive('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "--- a/src/x.py\n+++ b/src/x.py\n@@ -1 +1,2 @@\n-one\n+two\n+-- dash\n";

    fn in_tree(path: &str) -> bool {
        matches!(path, "src/x.py" | "x.py")
    }

    #[test]
    fn the_exact_reading_comes_first() {
        let readings = readings(PATCH, &in_tree);
        assert_eq!(readings[0], Reading { text: PATCH.into(), strip: 1, recount: false });
        assert!(readings.iter().position(|it| it.recount).unwrap() >= readings.len() / 2);
    }

    #[test]
    fn a_lost_last_line_break_is_put_back() {
        assert_eq!(readings(PATCH.trim_end(), &in_tree)[0].text, PATCH);
    }

    #[test]
    fn a_converted_patch_is_converted_back() {
        let converted = PATCH.replace('\n', "\r\n");
        assert_eq!(readings(&converted, &in_tree)[0].text, PATCH);
    }

    #[test]
    fn only_bodies_get_carriage_returns() {
        let expected = "--- a/src/x.py\n+++ b/src/x.py\n@@ -1 +1,2 @@\n-one\r\n+two\r\n+-- dash\r\n";
        assert_eq!(with_crlf_bodies(PATCH), expected);
        let unended = "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n-- \n2.40\n";
        assert_eq!(with_crlf_bodies(unended), "@@ -1 +1 @@\n-a\r\n\\ No newline at end of file\n+b\r\n-- \n2.40\n");
    }

    #[test]
    fn a_path_that_is_there_is_not_stripped() {
        assert_eq!(strips("--- src/x.py\t2024-01-01\n+++ src/x.py\n", &in_tree), [0]);
        assert_eq!(strips(PATCH, &in_tree), [1]);
        assert_eq!(strips("--- /dev/null\n+++ b/new.py\n", &in_tree), [1]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_reading(text in "(@@ -1,2 [+]1 @@|--- a/x|[+]-\\\\ ab\n\r]{0,4}|\n){0,30}") {
            proptest::prop_assert!(!readings(&text, &in_tree).is_empty());
        }
    }
}
