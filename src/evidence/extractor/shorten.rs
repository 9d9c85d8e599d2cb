//! What is left of a text that is too long to be shown.

/// Bytes of a line that may be shown.
pub(super) const MAX_SHOWN_BYTES: usize = 4 * 1024;

/// Returns the head of a long line up to a place where no secret can have begun.
pub(super) fn cut(line: &str, margin: usize) -> String {
    let end = line.floor_char_boundary(MAX_SHOWN_BYTES.min(line.len()).saturating_sub(margin));
    let head = &line[..end];
    let space = head.rfind(char::is_whitespace).filter(|at| end - at <= MAX_SHOWN_BYTES / 4);
    format!("{} …", &head[..space.unwrap_or(end)])
}

/// Returns the first characters of a text, and that there are more.
pub(super) fn shortened(text: &str, n_chars: usize) -> String {
    match text.char_indices().nth(n_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(n_chars - 1).chain(['…']).collect(),
    }
}
