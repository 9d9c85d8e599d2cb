//! Reduces a log to a budget: the weightiest lines with their neighbours and numbers, never a plain tail.
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Characters that count as one token.
pub const CHARS_PER_TOKEN: usize = 4;
/// Tokens of a reduced log where nothing else is asked for.
pub const DEFAULT_BUDGET_TOKENS: usize = 8_000;

/// Characters of one line that are shown.
const MAX_CHARS: usize = 600;
/// Of a longer line, how many of them are its end.
const END_CHARS: usize = 150;
/// The most that a mark for left out lines takes: `... 18446744073709551615 lines left out ...` and its line break.
const MARK_CHARS: usize = 44;

/// A line that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 1-based, in the whole log; ascending.
    pub number: u64,
    /// Masked and clean.
    pub text: String,
    pub weight: u32,
}

/// Returns the weightiest of `lines`, in order, with marks for what is left out of the log's `total_lines`, in at most
/// `budget_tokens` times four characters.
pub fn reduce(lines: &[Line], total_lines: u64, budget_tokens: usize) -> String {
    let budget = budget_tokens.saturating_mul(CHARS_PER_TOKEN);
    let mut by_weight: Vec<usize> = (0..lines.len()).filter(|idx| lines[*idx].weight > 0).collect();
    by_weight.sort_by_key(|idx| (std::cmp::Reverse(lines[*idx].weight), lines[*idx].number));
    let mut chosen = BTreeSet::new();
    // Every run of lines has at most one mark before it, and one stands at the end.
    let mut used = MARK_CHARS;
    for idx in by_weight {
        let has = |number: Option<u64>| number.is_some_and(|it| chosen.contains(&it));
        let number = lines[idx].number;
        let n_neighbours = usize::from(has(number.checked_sub(1))) + usize::from(has(number.checked_add(1)));
        let cost = shown_chars(&lines[idx]) + if n_neighbours == 0 { MARK_CHARS } else { 0 };
        if used + cost <= budget {
            used += cost;
            chosen.insert(number);
        }
    }
    if chosen.is_empty() {
        return String::new();
    }
    draw(lines.iter().filter(|line| chosen.contains(&line.number)), total_lines)
}

fn draw<'a>(lines: impl Iterator<Item = &'a Line>, total_lines: u64) -> String {
    let mut text = String::new();
    let mut last = 0;
    for line in lines {
        mark(&mut text, line.number.saturating_sub(last + 1));
        let _ = writeln!(text, "{:>5}| {}", line.number, shortened(&line.text));
        last = line.number;
    }
    mark(&mut text, total_lines.saturating_sub(last));
    text
}

fn mark(text: &mut String, n_lines: u64) {
    match n_lines {
        0 => (),
        1 => text.push_str("... 1 line left out ...\n"),
        n => {
            let _ = writeln!(text, "... {n} lines left out ...");
        }
    }
}

fn shown_chars(line: &Line) -> usize {
    let digits = usize::try_from(line.number.checked_ilog10().unwrap_or(0)).unwrap_or(0) + 1;
    digits.max(5) + 3 + line.text.chars().take(MAX_CHARS + 1).count()
}

/// Returns a line with its middle left out if it is long.
fn shortened(text: &str) -> String {
    let n_chars = text.chars().count();
    if n_chars <= MAX_CHARS {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_CHARS - END_CHARS - 3).collect();
    let end: String = text.chars().skip(n_chars - END_CHARS).collect();
    format!("{head} … {end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(number: u64, text: &str, weight: u32) -> Line {
        Line { number, text: text.to_owned(), weight }
    }

    #[test]
    fn the_weightiest_lines_stay_in_order() {
        let lines = [line(1, "start", 5), line(40, "context", 20), line(41, "boom", 100), line(99, "end", 1)];
        assert_eq!(
            reduce(&lines, 120, 1_000),
            "    1| start\n... 38 lines left out ...\n   40| context\n   41| boom\n... 57 lines left out ...\n   99| end\n... 21 lines left out ...\n"
        );
        let small = reduce(&lines, 120, 30);
        assert!(small.contains("   41| boom") && !small.contains("start"), "{small}");
        assert_eq!(reduce(&lines, 120, 0), "");
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            lines in proptest::collection::vec((1_u64..50, ".{0,40}", 0_u32..100), 0..80), budget in 0_usize..400, long in 0_usize..3_000,
        ) {
            let mut number = 0;
            let mut lines: Vec<_> = lines.into_iter().map(|(step, text, weight)| { number += step; line(number, &text, weight) }).collect();
            lines.push(line(number + 7, &"é".repeat(long), 90));
            let reduced = reduce(&lines, number + 1_000_000_000_000, budget);
            prop_assert!(reduced.chars().count() <= budget * CHARS_PER_TOKEN, "{}", reduced.chars().count());
        }
    }
}
