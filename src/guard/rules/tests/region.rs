//! Where tests stand among program text.
use crate::guard::lang::Lang;
use crate::guard::scene::pattern;
use crate::guard::view::Stretch;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static RUST_ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"#\[\s*(?:cfg\s*\(\s*(?:all\s*\(\s*)?test\b|(?:\w+::)*(?:test|rstest|test_case)\b)|\bproptest!")
});

/// Returns the lines of a stretch that belong to tests: Rust's test modules and functions, and where they are run,
/// the examples in Python's docstrings.
pub(super) fn test_lines(lang: Lang, is_doctested: bool, stretch: &Stretch<'_>) -> BTreeSet<usize> {
    match lang {
        Lang::Rust => rust(stretch),
        Lang::Python if is_doctested => doctests(stretch),
        _ => BTreeSet::new(),
    }
}

/// From each attribute to the end of the item it stands on.
fn rust(stretch: &Stretch<'_>) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let mut until = 0;
    for (idx, code) in stretch.masked.code.iter().enumerate() {
        if idx >= until && RUST_ATTRIBUTE.is_match(code) {
            until = item_end(stretch, idx);
            lines.extend(idx..until);
        }
    }
    lines
}

/// The line after the item that begins at `start`: after its closing brace, or its semicolon.
fn item_end(stretch: &Stretch<'_>, start: usize) -> usize {
    let mut depth = 0_usize;
    for (idx, code) in stretch.masked.code.iter().enumerate().skip(start) {
        for ch in code.chars() {
            match ch {
                '{' => depth += 1,
                '}' if depth <= 1 => return idx + 1,
                '}' => depth -= 1,
                ';' if depth == 0 => return idx + 1,
                _ => {}
            }
        }
    }
    stretch.raw.len()
}

/// From each `>>>` to the next blank line.
fn doctests(stretch: &Stretch<'_>) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let mut is_inside = false;
    for (idx, raw) in stretch.raw.iter().enumerate() {
        let text = raw.trim();
        is_inside = text.starts_with(">>>")
            || (is_inside && !text.is_empty() && !text.starts_with("\"\"\"") && !text.starts_with("'''"));
        if is_inside {
            lines.insert(idx);
        }
    }
    lines
}
