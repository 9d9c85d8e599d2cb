//! Growing pauses between tries, each shortened by chance so that many who wait do not come back at once.
use std::time::Duration;

/// The pauses of one series of tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// For a loop that goes on for ever: one second to thirty.
    pub const fn patient() -> Self {
        Self::between(Duration::from_secs(1), Duration::from_secs(30))
    }

    /// For a write that must go through while a lease lasts.
    pub const fn quick() -> Self {
        Self::between(Duration::from_millis(100), Duration::from_secs(2))
    }

    const fn between(first: Duration, longest: Duration) -> Self {
        Self { first, next: first, longest }
    }

    /// Returns how long to wait now: the pause that is due, less up to a half of it.
    pub fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.longest);
        // Without chance the pauses are merely in step.
        let share = getrandom::u32().map_or(1.0, |it| f64::from(it) / f64::from(u32::MAX));
        due.mul_f64(0.5 + share / 2.0)
    }

    /// Begins again with the shortest.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_again() {
        let mut backoff = Backoff::patient();
        for due in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!((due / 2.0..=due).contains(&pause), "{pause} of {due}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_secs(1));
    }
}
