//! Compiles the fixed patterns of this module, each once.
use regex::Regex;
use regex::RegexSet;

/// Returns a compiled pattern that is part of the program.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern compiles")
}

/// Returns a compiled set of patterns that are part of the program.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn pattern_set<'a>(texts: impl IntoIterator<Item = &'a str>) -> RegexSet {
    RegexSet::new(texts).expect("fixed patterns compile")
}
