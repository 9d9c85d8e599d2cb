//! Keeps what may be shown of a log: weighty lines with their neighbours, the head, the tail; bounded whatever the log's size.
use crate::evidence::weigh;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::Hasher as _;

/// Lines at the end of a log that are kept.
const TAIL_LINES: usize = 100;
/// Lines at its beginning.
const HEAD_LINES: u64 = 4;
/// Neighbours of a weighty line.
const BEFORE: usize = 3;
const AFTER: u32 = 8;
/// What stands above the mark with which a CI system says that a step failed.
const BEFORE_ANCHOR: usize = 15;
const ANCHOR: u32 = 80;
/// When more than this is kept, the lighter half goes.
const MAX_KEPT_BYTES: usize = 2 << 20;
const MAX_KEPT_LINES: usize = 16_000;
/// Different shapes of lines of one weight whose repeats are counted; more of them are a flood.
const MAX_SHAPES: usize = 4_000;
/// Repeats of one shape that keep their full weight.
const FULL_REPEATS: u32 = 2;
/// A line that is less than this part of what it weighed is noise.
pub(crate) const FLOOD: u32 = 8;

/// A line as it is kept; the text may still hold secrets.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) weight: u32,
}

#[derive(Debug, Default)]
struct Recent {
    number: u64,
    text: String,
    is_kept: bool,
}

/// Decides line by line what is kept.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    kept: Vec<Kept>,
    n_bytes: usize,
    recent: VecDeque<Recent>,
    /// How many lines are still neighbours of a weighty one, and how much they weigh.
    after: u32,
    after_weight: u32,
}

/// Counts how often lines of the same shape came.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    counts: HashMap<u16, HashMap<u64, u32>>,
}

impl Shapes {
    /// Returns what a line still weighs: one that comes again and again tells less each time.
    pub(crate) fn decayed(&mut self, text: &str, weight: u16) -> u32 {
        let shape = shape(text);
        let counts = self.counts.entry(weight).or_default();
        let weight = u32::from(weight);
        if counts.len() >= MAX_SHAPES && !counts.contains_key(&shape) {
            return weight / FLOOD;
        }
        let n_times = counts.entry(shape).or_default();
        *n_times = n_times.saturating_add(1);
        weight * FULL_REPEATS / (*n_times).max(FULL_REPEATS)
    }
}

impl Keeper {
    /// Takes the next line with what it still weighs.
    pub(crate) fn see(&mut self, number: u64, text: &str, weight: u32) {
        let is_anchor = weight > 0 && text.starts_with("##[error]");
        let has_context = is_anchor || weight >= u32::from(weigh::WITH_CONTEXT);
        if has_context {
            let (n_lines, weight) = if is_anchor { (BEFORE_ANCHOR, weight.max(ANCHOR)) } else { (BEFORE, weight) };
            self.keep_before(n_lines, weight / 4);
        }
        let as_neighbour = if self.after > 0 && !text.trim().is_empty() { self.after_weight + self.after } else { 0 };
        let as_head = if number <= HEAD_LINES { 6 } else { 0 };
        let weight = weight.max(as_neighbour).max(as_head);
        self.after = self.after.saturating_sub(1);
        if has_context {
            self.after = AFTER;
            self.after_weight = weight / 4;
        }
        if weight > 0 {
            self.keep(number, text.to_owned(), weight);
        }
        self.remember(number, text, weight > 0);
    }

    /// Returns the heaviest lines and the tail, by number, at most `n_lines`.
    pub(crate) fn finish(mut self, n_lines: usize) -> Vec<Kept> {
        let n_recent = self.recent.len();
        for (idx, line) in std::mem::take(&mut self.recent).into_iter().enumerate() {
            let is_near_end = n_recent - idx <= 15;
            if !line.is_kept && !line.text.trim().is_empty() {
                self.kept.push(Kept { number: line.number, text: line.text, weight: if is_near_end { 8 } else { 2 } });
            }
        }
        self.kept.sort_by_key(|line| (Reverse(line.weight), line.number));
        self.kept.truncate(n_lines);
        self.kept.sort_by_key(|line| line.number);
        self.kept
    }

    /// Returns the last lines that hold anything, by number.
    pub(crate) fn last_lines(&self, n_lines: usize) -> Vec<(u64, String)> {
        let full = self.recent.iter().rev().filter(|line| !line.text.trim().is_empty());
        let mut last: Vec<_> = full.take(n_lines).map(|line| (line.number, line.text.clone())).collect();
        last.reverse();
        last
    }

    fn keep_before(&mut self, n_lines: usize, weight: u32) {
        let from = self.recent.len().saturating_sub(n_lines);
        for idx in from..self.recent.len() {
            let line = &mut self.recent[idx];
            if !line.is_kept && !line.text.trim().is_empty() {
                line.is_kept = true;
                let (number, text) = (line.number, line.text.clone());
                self.keep(number, text, weight);
            }
        }
    }

    fn keep(&mut self, number: u64, text: String, weight: u32) {
        if weight == 0 {
            return;
        }
        self.n_bytes += text.len() + size_of::<Kept>();
        self.kept.push(Kept { number, text, weight });
        if self.n_bytes > MAX_KEPT_BYTES || self.kept.len() > MAX_KEPT_LINES {
            self.kept.sort_by_key(|line| (Reverse(line.weight), line.number));
            self.kept.truncate(self.kept.len() / 2);
            self.kept.shrink_to(MAX_KEPT_LINES);
            self.n_bytes = self.kept.iter().map(|line| line.text.len() + size_of::<Kept>()).sum();
        }
    }

    fn remember(&mut self, number: u64, text: &str, is_kept: bool) {
        let mut line = match self.recent.len() {
            TAIL_LINES => self.recent.pop_front().unwrap_or_default(),
            _ => Recent::default(),
        };
        line.number = number;
        line.is_kept = is_kept;
        line.text.clear();
        line.text.push_str(text);
        self.recent.push_back(line);
    }
}

/// Returns a digest of a line with its numbers left out.
pub(crate) fn shape(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    let mut kept = [0; 256];
    let mut n_kept = 0;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_digit()).take(kept.len()) {
        kept[n_kept] = byte;
        n_kept += 1;
    }
    hasher.write(&kept[..n_kept]);
    hasher.finish()
}
