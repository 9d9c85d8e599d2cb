//! How many refusals of one operator are kept: a script that is refused in a loop must not fill the audit chain.
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Refusals of one operator that are kept in a minute.
const PER_MINUTE: u32 = 30;
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
const MAX_NAMES: usize = 10_000;

/// Counts refusals by operator.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_name: Mutex<HashMap<String, Count>>,
}

#[derive(Debug)]
struct Count {
    since: Timestamp,
    kept: u32,
    left_out: u64,
}

impl Refusals {
    /// Returns how many of this operator's were left out since the last one that was kept, or `None`: leave this one out too.
    pub(super) fn admit(&self, name: &str, now: Timestamp) -> Option<u64> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if by_name.len() >= MAX_NAMES && !by_name.contains_key(name) {
            by_name.retain(|_, it| now.duration_since(it.since) < WINDOW);
        }
        let fresh = || Count { since: now, kept: 0, left_out: 0 };
        let count = by_name.entry(name.to_owned()).or_insert_with(fresh);
        if now.duration_since(count.since) >= WINDOW {
            *count = Count { left_out: count.left_out, ..fresh() };
        }
        if count.kept >= PER_MINUTE {
            count.left_out += 1;
            return None;
        }
        count.kept += 1;
        Some(std::mem::take(&mut count.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_counted_and_not_kept() {
        let refusals = Refusals::default();
        let at = |seconds: i64| Timestamp::from_second(1_740_000_000 + seconds).unwrap();
        let kept = (0..1_000).filter(|_| refusals.admit("ann", at(0)).is_some()).count();
        assert_eq!(kept, usize::try_from(PER_MINUTE).unwrap());
        assert_eq!(refusals.admit("bob", at(0)), Some(0));
        assert_eq!(refusals.admit("ann", at(59)), None);
        assert_eq!(refusals.admit("ann", at(60)), Some(971));
        assert_eq!(refusals.admit("ann", at(60)), Some(0));
    }
}
