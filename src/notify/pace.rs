//! How often and how fast a target is tried again.
use std::time::Duration;

/// The pace of retries: each wait is `factor` times the one before, a fifth more or less by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// How often one event is tried.
    pub tries: u32,
    pub first_wait: Duration,
    pub factor: u32,
    /// How long all waits for one event may take together; a target that asks for more is given up.
    pub all_waits: Duration,
    /// How long one try may take.
    pub limit: Duration,
}

impl Default for Pace {
    /// Five tries within about two minutes.
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_secs(2),
            factor: 3,
            all_waits: Duration::from_secs(100),
            limit: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// Returns how long to wait after `n_tried` tries that waited `waited` in all; none = give up.
    ///
    /// `chance` is any number: it spreads the tries of several senders. What the other side asked for (`asked`) is kept to.
    pub(super) fn wait(
        &self,
        n_tried: u32,
        waited: Duration,
        asked: Option<Duration>,
        chance: u64,
    ) -> Option<Duration> {
        if n_tried >= self.tries {
            return None;
        }
        let steady = self.first_wait * self.factor.saturating_pow(n_tried.saturating_sub(1));
        let permille = 800 + u32::try_from(chance % 401).unwrap_or(0);
        let wait = (steady * permille / 1_000).max(asked.unwrap_or_default());
        (waited + wait <= self.all_waits).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tries_fit_into_two_minutes_by_whatever_chance() {
        for chance in [0, 200, 400, u64::MAX] {
            let pace = Pace::default();
            let (mut waited, mut n_tried) = (Duration::ZERO, 1);
            while let Some(wait) = pace.wait(n_tried, waited, None, chance) {
                waited += wait;
                n_tried += 1;
            }
            assert_eq!(n_tried, 5, "{chance}");
            assert!((60..=100).contains(&waited.as_secs()), "{waited:?}");
        }
    }

    #[test]
    fn what_the_other_side_asks_for_is_kept_to_or_given_up() {
        let pace = Pace::default();
        let asked = |seconds| pace.wait(1, Duration::ZERO, Some(Duration::from_secs(seconds)), 0);
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(3_600), None);
        assert!(asked(0).is_some_and(|it| it >= Duration::from_millis(1_600)));
    }
}
