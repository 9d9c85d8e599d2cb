//! Constant regular expressions.
use regex::Regex;

/// Compiles a constant pattern.
#[expect(clippy::expect_used, reason = "the patterns are constants, and tests compile each of them")]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// Compiles a constant pattern for text that may not be UTF-8.
#[expect(clippy::expect_used, reason = "the patterns are constants, and tests compile each of them")]
pub(super) fn byte_pattern(text: &str) -> regex::bytes::Regex {
    regex::bytes::Regex::new(text).expect("a valid pattern")
}
