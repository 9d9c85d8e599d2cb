//! Compiles the fixed patterns of this module, each once.
use regex::Regex;
use regex::RegexSet;
use regex::bytes;

/// Memory for the states of one set; with less it falls back to a search that is a hundred times slower.
const DFA_BYTES: usize = 4 << 20;

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

/// Returns a set of patterns that look at bytes: several times smaller and faster, and letters of one byte are all they ask about.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn byte_pattern_set<'a>(texts: impl IntoIterator<Item = &'a str>) -> bytes::RegexSet {
    bytes::RegexSetBuilder::new(texts).unicode(false).dfa_size_limit(DFA_BYTES).build().expect("fixed patterns compile")
}
