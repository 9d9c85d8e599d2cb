//! Folders that count as root of the tree: what lies below them is told relative to it.
use crate::evidence::pattern::pattern;
use regex::Regex;
use std::borrow::Cow;

/// Returns a pattern that finds these folders at the beginning of a path, `None` without any.
pub(crate) fn roots_pattern(roots: &[String]) -> Option<Regex> {
    let mut roots: Vec<_> =
        roots.iter().map(|root| root.trim_end_matches(['/', '\\'])).filter(|root| !root.is_empty()).collect();
    roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
    let any = roots.iter().map(|root| regex::escape(root)).collect::<Vec<_>>().join("|");
    (!any.is_empty()).then(|| pattern(&format!(r"(?:/private)?(?:{any})[/\\]")))
}

/// Returns a line with the paths below a root made relative to it.
pub(crate) fn relative<'a>(line: &'a str, roots: Option<&Regex>) -> Cow<'a, str> {
    roots.map_or(Cow::Borrowed(line), |roots| roots.replace_all(line, ""))
}
