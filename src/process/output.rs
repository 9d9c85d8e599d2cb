//! Keeps the head and the tail of an output of any size.
use crate::process::Kept;
use std::collections::VecDeque;

/// Bytes kept from the beginning.
const HEAD: usize = 1 << 20;
/// Bytes kept before the end.
const TAIL: usize = 3 << 20;

/// Takes an output in chunks and keeps both ends of it.
#[derive(Debug)]
pub struct Keeper {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
    head_limit: usize,
    tail_limit: usize,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self::with_limits(HEAD, TAIL)
    }

    /// Keeps so many bytes from the beginning, and so many before the end.
    pub fn with_limits(head_limit: usize, tail_limit: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), dropped: 0, head_limit, tail_limit }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let n_head = bytes.len().min(self.head_limit - self.head.len());
        let (to_head, rest) = bytes.split_at(n_head);
        self.head.extend_from_slice(to_head);
        // Of a chunk larger than the tail only its own end can stay.
        let (skipped, to_tail) = rest.split_at(rest.len().saturating_sub(self.tail_limit));
        let n_over = (self.tail.len() + to_tail.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..n_over);
        self.tail.extend(to_tail);
        self.dropped += (skipped.len() + n_over) as u64;
    }

    /// Returns what was kept.
    pub fn finish(self) -> Kept {
        Kept { head: self.head, tail: self.tail.into(), dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn both_ends_are_kept_and_the_middle_is_counted(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        ) {
            let mut keeper = Keeper::with_limits(10, 25);
            for chunk in &chunks {
                keeper.push(chunk);
            }
            let kept = keeper.finish();
            let all = chunks.concat();
            let n_head = all.len().min(10);
            let n_tail = (all.len() - n_head).min(25);
            prop_assert_eq!(&kept.head, &all[..n_head]);
            prop_assert_eq!(&kept.tail, &all[all.len() - n_tail..]);
            prop_assert_eq!(kept.dropped, (all.len() - n_head - n_tail) as u64);
        }
    }
}
