//! The only place that reads the time.
use jiff::Timestamp;
use std::fmt::Debug;

/// Tells the time; tests bring their own.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Returns a monotonic instant, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
