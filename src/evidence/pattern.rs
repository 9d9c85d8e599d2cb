//! Compiles the fixed patterns of this module, each once.
use regex::Regex;
use regex::RegexSet;
use regex::RegexSetBuilder;
use regex::bytes;

/// Memory for the states of one set; with less it falls back to a search that is a hundred times slower.
const DFA_BYTES: usize = 4 << 20;

/// Returns a compiled pattern that is part of the program.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(&ascii_words(text)).expect("a fixed pattern compiles")
}

/// Returns a compiled set of patterns that are part of the program.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn pattern_set<'a>(texts: impl IntoIterator<Item = &'a str>) -> RegexSet {
    let texts = texts.into_iter().map(ascii_words);
    RegexSetBuilder::new(texts).dfa_size_limit(DFA_BYTES).build().expect("fixed patterns compile")
}

/// Returns a set of patterns that look at bytes: several times smaller and faster, and letters of one byte are all they ask about.
#[expect(clippy::expect_used, reason = "every pattern is a literal of this module and compiled by its tests")]
pub(crate) fn byte_pattern_set<'a>(texts: impl IntoIterator<Item = &'a str>) -> bytes::RegexSet {
    bytes::RegexSetBuilder::new(texts).unicode(false).dfa_size_limit(DFA_BYTES).build().expect("fixed patterns compile")
}

/// Returns a pattern whose `\b` knows ASCII letters only. With any others in the text, Unicode's `\b` falls back to a search that is a hundred times slower.
fn ascii_words(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        match (ch, chars.as_str().chars().next()) {
            ('\\', Some('b')) => ascii.push_str(r"(?-u:\b)"),
            ('\\', Some(escaped)) => ascii.extend(['\\', escaped]),
            _ => {
                ascii.push(ch);
                continue;
            }
        }
        chars.next();
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_word_boundaries_change() {
        assert_eq!(ascii_words(r"\b\d\\b\bx[\]b]"), r"(?-u:\b)\d\\b(?-u:\b)x[\]b]");
        assert!(pattern(r"\bab\b").is_match("\u{e9} ab \u{fffd}"));
    }
}
