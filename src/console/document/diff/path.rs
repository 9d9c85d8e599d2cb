//! Paths as git writes them into a diff: with prefixes, and quoted like C strings when they are odd.
use crate::evidence::text::has_deceptive;

/// Returns the path of a `---` or `+++` line; none for `/dev/null`.
pub(super) fn of_side(text: &str) -> Option<String> {
    let text = text.trim_end_matches('\r');
    if text.starts_with('"') {
        return unquote(text).map(|(path, _)| without_prefix(&path).to_owned());
    }
    // Other tools write a timestamp behind a tab.
    let path = text.split('\t').next().unwrap_or_default();
    (path != "/dev/null").then(|| without_prefix(path).to_owned())
}

/// Returns the path of a `rename` or `copy` line, which has no prefix.
pub(super) fn of_rename(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    unquote(text).map_or_else(|| text.to_owned(), |it| it.0)
}

/// Returns old and new path of a `diff --git` line; git writes it so that it can be split only when both are equal or quoted.
pub(super) fn of_header(text: &str) -> Option<(String, String)> {
    let text = text.trim_end_matches('\r');
    if let Some((old, rest)) = unquote(text) {
        let rest = rest.trim_start();
        let new = unquote(rest).map_or_else(|| rest.to_owned(), |it| it.0);
        return Some((without_prefix(&old).to_owned(), without_prefix(&new).to_owned()));
    }
    let splits = || text.match_indices(' ').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let is_same = |it: &(&str, &str)| without_prefix(it.0) == without_prefix(it.1);
    let (old, new) = splits().find(is_same).or_else(|| splits().find(|it| it.1.starts_with(['b', '"'])))?;
    let new = unquote(new).map_or_else(|| new.to_owned(), |it| it.0);
    Some((without_prefix(old).to_owned(), without_prefix(&new).to_owned()))
}

/// Whether a path lies inside the tree and can be given to a program without being taken for something else.
pub(super) fn is_openable(path: &str) -> bool {
    let is_inside = |part: &str| !matches!(part, "" | "." | "..");
    path.split('/').all(is_inside)
        && !path.starts_with('-')
        && !has_deceptive(path)
        && !path.contains(['\n', '\r', '\t'])
}

fn without_prefix(path: &str) -> &str {
    path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path)
}

/// Decodes a quoted path at the start of a text and returns what comes after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?.bytes().enumerate();
    let mut bytes = Vec::new();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'"' => return Some((String::from_utf8_lossy(&bytes).into_owned(), text.get(at + 2..)?)),
            b'\\' => bytes.push(match rest.next()?.1 {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'v' => 11,
                b'f' => 12,
                digit @ b'0'..=b'7' => {
                    let mut octal = || rest.next().map(|it| it.1).filter(|it| (b'0'..=b'7').contains(it));
                    let (second, third) = (octal()?, octal()?);
                    ((digit - b'0') << 6) | ((second - b'0') << 3) | (third - b'0')
                }
                other => other,
            }),
            other => bytes.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_paths_are_decoded() {
        assert_eq!(of_side(r#""a/na\303\257ve \"x\"\t.py""#).unwrap(), "naïve \"x\"\t.py");
        assert_eq!(of_side("b/src/x.py\t2024-01-01").unwrap(), "src/x.py");
        assert_eq!(of_side("/dev/null"), None);
        assert_eq!(of_side(r#""a/broken\30"#), None);
    }

    #[test]
    fn headers_are_split_where_both_names_agree() {
        let pair = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(of_header("a/x b/y.py b/x b/y.py"), pair("x b/y.py", "x b/y.py"));
        assert_eq!(of_header("a/old.py b/new.py"), pair("old.py", "new.py"));
        assert_eq!(of_header(r#""a/\303\251" "b/\303\251""#), pair("é", "é"));
        assert_eq!(of_header("nothing"), None);
    }

    #[test]
    fn only_plain_relative_paths_may_be_opened() {
        for good in ["a.py", "src/a b.py", ".github/x.yml"] {
            assert!(is_openable(good), "{good}");
        }
        for bad in ["/etc/passwd", "../x", "a/../../x", "-c evil", "", "a\u{202e}b", "a\nb", "a//b"] {
            assert!(!is_openable(bad), "{bad:?}");
        }
    }
}
