//! Which words differ between the old and the new version of a line.
use similar::DiffTag;
use similar::TextDiff;
use std::ops::Range;

/// Share of equal text (blanks aside) from which two lines count as versions of one.
const MIN_RATIO: f64 = 0.5;

/// Bytes above which a line is not compared.
const MAX_BYTES: usize = 1_000;

/// Added lines that are tried for one removed line.
const LOOK_AHEAD: usize = 6;

/// Comparisons per block of changes.
const MAX_COMPARISONS: usize = 300;

/// The byte ranges that differ, in both versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) old: Vec<Range<usize>>,
    pub(super) new: Vec<Range<usize>>,
}

/// A removed and an added line that are versions of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) removed: usize,
    pub(super) added: usize,
    pub(super) changes: Changes,
}

/// Pairs the removed lines of one block with the added ones, both in order; unlike lines stay alone.
pub(super) fn pairs(removed: &[&str], added: &[&str]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut from = 0;
    let mut budget = MAX_COMPARISONS;
    for (idx, old) in removed.iter().enumerate() {
        let mut best: Option<(f64, Pair)> = None;
        for (offset, new) in added.iter().enumerate().skip(from).take(LOOK_AHEAD.min(budget)) {
            budget -= 1;
            let Some((ratio, changes)) = compare(old, new) else { continue };
            if best.as_ref().is_none_or(|(it, _)| *it < ratio) {
                best = Some((ratio, Pair { removed: idx, added: offset, changes }));
            }
        }
        if let Some((_, pair)) = best {
            from = pair.added + 1;
            pairs.push(pair);
        }
    }
    pairs
}

/// Returns how alike two lines are and where they differ; none when they are too unlike, too long, or equal.
#[expect(clippy::cast_precision_loss, reason = "line lengths are far below 2^52")]
fn compare(old: &str, new: &str) -> Option<(f64, Changes)> {
    if old == new || old.len().max(new.len()) > MAX_BYTES {
        return None;
    }
    let total = n_visible(old) + n_visible(new);
    let ratio = |equal: usize| if total == 0 { 1.0 } else { 2.0 * equal as f64 / total as f64 };
    if ratio(n_visible(old).min(n_visible(new))) < MIN_RATIO {
        return None;
    }
    let diff = TextDiff::from_unicode_words(old, new);
    let old_ends = ends(diff.iter_old_slices());
    let new_ends = ends(diff.iter_new_slices());
    let mut equal = 0;
    let mut changes = Changes::default();
    for op in diff.ops() {
        let old_range = bytes(&old_ends, op.old_range());
        let new_range = bytes(&new_ends, op.new_range());
        if op.tag() == DiffTag::Equal {
            equal += old.get(old_range).map_or(0, n_visible);
        } else {
            extend(&mut changes.old, old_range, old);
            extend(&mut changes.new, new_range, new);
        }
    }
    let ratio = ratio(equal);
    (ratio >= MIN_RATIO).then_some((ratio, changes))
}

/// Adds a range; joins it with the one before when only blanks lie between.
fn extend(ranges: &mut Vec<Range<usize>>, range: Range<usize>, text: &str) {
    if range.is_empty() {
        return;
    }
    match ranges.last_mut() {
        Some(last) if text.get(last.end..range.start).is_some_and(|it| it.trim().is_empty()) => last.end = range.end,
        _ => ranges.push(range),
    }
}

fn n_visible(text: &str) -> usize {
    text.chars().filter(|it| !it.is_whitespace()).count()
}

/// Returns the byte offset after each token.
fn ends<'a>(tokens: impl Iterator<Item = &'a str>) -> Vec<usize> {
    tokens
        .scan(0, |end, token| {
            *end += token.len();
            Some(*end)
        })
        .collect()
}

fn bytes(ends: &[usize], tokens: Range<usize>) -> Range<usize> {
    let border = |n: usize| n.checked_sub(1).and_then(|it| ends.get(it)).copied().unwrap_or(0);
    border(tokens.start)..border(tokens.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed<'a>(old: &'a str, new: &'a str) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
        let (_, changes) = compare(old, new)?;
        let cut = |text: &'a str, ranges: Vec<Range<usize>>| ranges.into_iter().map(|it| &text[it]).collect();
        Some((cut(old, changes.old), cut(new, changes.new)))
    }

    #[test]
    fn only_the_words_that_differ_are_changed() {
        for (old, new, expected) in [
            ("if self._left < 1:", "if self._left <= 0:", Some((vec!["1"], vec!["= 0"]))),
            ("retries = 3", "retries = 4", Some((vec!["3"], vec!["4"]))),
            ("call(a, b)", "call(a, b, naïve)", Some((vec![], vec![", naïve"]))),
            ("\tmake", "    make", Some((vec!["\t"], vec!["    "]))),
            ("same", "same", None),
            ("return False", "import os, sys", None),
        ] {
            assert_eq!(changed(old, new), expected, "{old:?} -> {new:?}");
        }
    }

    #[test]
    fn like_lines_find_each_other_over_unlike_ones() {
        let removed = ["let a = 1;", "let total = a + b;"];
        let added = ["// a remark of some length", "let a = 2;", "let total = a - b;"];
        let found: Vec<_> = pairs(&removed, &added).into_iter().map(|it| (it.removed, it.added)).collect();
        assert_eq!(found, [(0, 1), (1, 2)]);
    }

    #[test]
    fn a_huge_block_is_given_up_on() {
        let removed = vec!["value = 1"; 5_000];
        let added = vec!["other thing entirely"; 5_000];
        assert!(pairs(&removed, &added).is_empty());
    }

    proptest! {
        #[test]
        fn ranges_lie_on_character_borders(old in "[a-c é界\u{301}\t]{0,20}", new in "[a-c é界\u{301}\t]{0,20}") {
            if let Some((ratio, changes)) = compare(&old, &new) {
                prop_assert!((MIN_RATIO..=1.0).contains(&ratio));
                prop_assert!(changes.old.iter().all(|it| old.get(it.clone()).is_some()));
                prop_assert!(changes.new.iter().all(|it| new.get(it.clone()).is_some()));
                let rest = |text: &str, ranges: &[Range<usize>]| {
                    let is_in = |at: &usize| ranges.iter().any(|it| it.contains(at));
                    text.char_indices().filter(|(at, ch)| !is_in(at) && !ch.is_whitespace()).map(|it| it.1).collect::<String>()
                };
                prop_assert_eq!(rest(&old, &changes.old), rest(&new, &changes.new));
            }
        }
    }
}
