//! Textual editing that keeps a file's newline style and everything it does not touch.

/// Returns the line break a text uses: that of its first line.
pub(super) fn newline(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns the lines of a text with their breaks.
pub(super) fn with_breaks(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Inserts `line` so that it becomes the line of index `idx` (0-based); mends a missing break before it.
pub(super) fn insert_line(text: &str, idx: usize, line: &str) -> String {
    let eol = newline(text);
    let lines = with_breaks(text);
    let idx = idx.min(lines.len());
    let mut edited: String = lines[..idx].concat();
    if !edited.is_empty() && !edited.ends_with('\n') {
        edited.push_str(eol);
    }
    edited.push_str(line);
    edited.push_str(eol);
    edited.push_str(&lines[idx..].concat());
    edited
}

/// Inserts `piece` at byte `at`, which must be a boundary between characters.
pub(super) fn insert_at(text: &str, at: usize, piece: &str) -> Option<String> {
    let (before, after) = text.split_at_checked(at)?;
    Some(format!("{before}{piece}{after}"))
}

/// Returns where a new `name` goes among `names`: in its place if they are sorted, else after the last. `key` is what they are sorted by.
pub(super) fn place(names: &[String], name: &str, key: impl Fn(&str) -> String) -> usize {
    let keys: Vec<_> = names.iter().map(|it| key(it)).collect();
    if keys.len() < 2 || !keys.is_sorted() {
        return names.len();
    }
    let name = key(name);
    keys.iter().position(|it| *it > name).unwrap_or(names.len())
}

/// Returns the white space a line opens with.
pub(super) fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Returns the byte at which the line that holds byte `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |it| it + 1)
}

/// Returns the byte after the line that holds byte `at`, its break included.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |it| at + it + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_inserted_in_the_style_of_the_file() {
        for (text, idx, edited) in [
            ("", 0, "x\n"),
            ("a", 1, "a\nx\n"),
            ("a\n", 1, "a\nx\n"),
            ("a\r\nb\r\n", 1, "a\r\nx\r\nb\r\n"),
            ("a\r\nb", 2, "a\r\nb\r\nx\r\n"),
            ("a\nb", 1, "a\nx\nb"),
        ] {
            assert_eq!(insert_line(text, idx, "x"), edited, "{text:?} at {idx}");
        }
    }
}
