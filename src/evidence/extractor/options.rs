//! What an extraction needs to know.
use crate::evidence::green::Green;
use crate::evidence::mask::Masker;
use crate::evidence::reduce;
use regex::Regex;
use regex::RegexBuilder;
use std::sync::Arc;

/// What an extraction needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders that count as root of the tree: paths below them are shown relative.
    pub roots: Vec<String>,
    pub masker: Masker,
    /// What the failure is called by who reported it, safe to show. Then only its lines, its hash and its summary are looked for.
    pub error_type: Option<String>,
    /// Tokens of the reduced log; `reduce::DEFAULT_BUDGET_TOKENS` is the usual.
    pub budget_tokens: usize,
    /// What makes a line worth keeping in the reduced log, as [`keywords`] puts it; the hash does not depend on them.
    pub keywords: Option<Regex>,
    /// A log of the same job when it was green: its lines come last in the reduced log. The hash does not depend on it either.
    pub green: Option<Arc<Green>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            masker: Masker::default(),
            error_type: None,
            budget_tokens: reduce::DEFAULT_BUDGET_TOKENS,
            keywords: None,
            green: None,
        }
    }
}

/// Returns one pattern for words as they stand, in upper or lower case, and for patterns; `None` without any. Patterns that take too much memory
/// together are left out.
pub fn keywords<'a>(
    words: impl IntoIterator<Item = &'a str>,
    patterns: impl IntoIterator<Item = &'a str>,
) -> Option<Regex> {
    let words: Vec<String> = words.into_iter().map(regex::escape).collect();
    let patterns = patterns.into_iter().map(|it| format!("(?:{it})"));
    let all: Vec<String> = words.iter().cloned().chain(patterns).collect();
    let build = |any: &[String]| {
        let any = any.join("|");
        RegexBuilder::new(&any).case_insensitive(true).build().ok().filter(|_| !any.is_empty())
    };
    build(&all).or_else(|| build(&words))
}
