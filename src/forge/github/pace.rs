//! How fast GitHub is asked: the limits that its answers tell, one writer at a time, and silence where it asks for that.
use crate::clock::Clock;
use crate::domain::Budget;
use crate::forge::ForgeError;
use crate::forge::github::transport::Answer;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Reads that are under way at once.
const READERS: usize = 4;
/// Of these, logs and archives: each may take many minutes, and what is short must not wait for them.
const STREAMERS: usize = 3;
/// The first silence where GitHub does not say how long; each that follows is twice as long.
const SILENCE: SignedDuration = SignedDuration::from_mins(1);
const MAX_SILENCE: SignedDuration = SignedDuration::from_mins(15);
/// The longest wait that an answer may order: its limits are by the hour.
const MAX_ORDERED: SignedDuration = SignedDuration::from_mins(65);
/// How many minutes the pace is taken from.
const MINUTES: i64 = 10;

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A connection.
    pub connect: Duration,
    /// Silence in the middle of an answer.
    pub silence: Duration,
    /// A whole answer.
    pub answer: Duration,
    /// A whole log.
    pub log: Duration,
    /// From the end of one write to the next.
    pub between_writes: Duration,
    /// Before a read is tried again; four times that before it is tried once more.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            answer: Duration::from_mins(1),
            log: Duration::from_mins(15),
            between_writes: Duration::from_secs(1),
            retry: Duration::from_secs(1),
        }
    }
}

/// What all requests of a client share.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    timing: Timing,
    readers: Semaphore,
    streamers: Semaphore,
    /// When the last write ended. Held over a write.
    writer: tokio::sync::Mutex<Option<Instant>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    budget: Budget,
    /// Silences since GitHub last took something.
    n_silences: u32,
    /// Seconds by which GitHub's clock is ahead.
    skew_s: Option<i64>,
    /// Requests by minute, the latest ones.
    recent: Vec<(i64, u64)>,
}

/// The turn of the one writer; the pause before the next begins when it is dropped.
#[derive(Debug)]
pub(super) struct WriteTurn<'a>(tokio::sync::MutexGuard<'a, Option<Instant>>);

impl Drop for WriteTurn<'_> {
    fn drop(&mut self) {
        *self.0 = Some(Instant::now());
    }
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, timing: Timing) -> Self {
        Self {
            clock,
            timing,
            readers: Semaphore::new(READERS),
            streamers: Semaphore::new(STREAMERS),
            writer: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// Waits for a turn to read. `None` never happens: nobody closes the gate.
    pub(super) async fn reader(&self) -> Option<SemaphorePermit<'_>> {
        self.readers.acquire().await.ok()
    }

    /// Waits for a turn to read what may be long.
    pub(super) async fn streamer(&self) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>) {
        (self.streamers.acquire().await.ok(), self.reader().await)
    }

    /// Waits for the turn to write, and until the last write is long enough ago.
    pub(super) async fn writer(&self) -> WriteTurn<'_> {
        let last = self.writer.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + self.timing.between_writes).await;
        }
        WriteTurn(last)
    }

    /// Returns how long to wait before a read is tried for the `n`th time again, counted from 0.
    pub(super) fn pause(&self, n: u32) -> Duration {
        self.timing.retry.saturating_mul(4_u32.saturating_pow(n)).mul_f64(jitter())
    }

    /// Counts a request, or says until when there are none.
    pub(super) fn admit(&self) -> Result<(), ForgeError> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(until) = state.budget.blocked_until.filter(|it| *it > now) {
            let why = state.budget.why.clone().unwrap_or_default();
            return Err(ForgeError::Later { until, why });
        }
        (state.budget.blocked_until, state.budget.why) = (None, None);
        state.budget.requests += 1;
        let minute = now.as_second().div_euclid(60);
        state.recent.retain(|(at, _)| (minute - MINUTES + 1..=minute).contains(at));
        match state.recent.iter_mut().find(|(at, _)| *at == minute) {
            Some((_, n)) => *n += 1,
            None => state.recent.push((minute, 1)),
        }
        Ok(())
    }

    /// Learns from an answer what is left; an answer that says "too much" becomes the time to come again.
    pub(super) fn learn(&self, answer: &Answer) -> Result<(), ForgeError> {
        let headers = &answer.headers;
        let now = self.clock.now();
        let mut state = self.state();
        let date =
            headers.get("date").and_then(|it| it.to_str().ok()).and_then(|it| jiff::fmt::rfc2822::parse(it).ok());
        let date = date.map(|it| it.timestamp());
        state.skew_s = date.map(|it| it.duration_since(now).as_secs()).or(state.skew_s);
        // What GitHub calls a time is a time of its own clock; only how far away it is matters here.
        let reset = whole::<i64>(headers, "x-ratelimit-reset").and_then(|it| Timestamp::from_second(it).ok());
        let reset =
            reset.map(|it| now + it.duration_since(date.unwrap_or(now)).clamp(SignedDuration::ZERO, MAX_ORDERED));
        let remaining = whole::<u32>(headers, "x-ratelimit-remaining");
        if headers.get("x-ratelimit-resource").is_none_or(|it| it == "core") && remaining.is_some() {
            let budget = &mut state.budget;
            (budget.limit, budget.remaining, budget.resets_at) =
                (whole(headers, "x-ratelimit-limit"), remaining, reset);
        }
        if answer.status == StatusCode::NOT_MODIFIED {
            state.budget.unchanged += 1;
        }
        let ordered =
            whole::<u32>(headers, "retry-after").map(|it| SignedDuration::from_secs(i64::from(it)).min(MAX_ORDERED));
        let is_secondary = answer.says("secondary rate limit") || answer.says("abuse");
        let is_limit = match answer.status.as_u16() {
            429 => true,
            403 => ordered.is_some() || remaining == Some(0) || is_secondary,
            503 => ordered.is_some(),
            _ => false,
        };
        if !is_limit {
            if !answer.status.is_server_error() {
                state.n_silences = 0;
            }
            return Ok(());
        }
        let of_the_hour = reset.filter(|_| remaining == Some(0) && !is_secondary);
        let until = match (ordered, of_the_hour) {
            (Some(wait), _) => now + wait,
            (None, Some(reset)) => reset + SignedDuration::from_secs(1),
            (None, None) => {
                let wait = SILENCE.saturating_mul(2_i32.saturating_pow(state.n_silences)).min(MAX_SILENCE);
                now + wait.mul_f64(jitter())
            }
        };
        let why = if of_the_hour.is_some() && ordered.is_none() {
            "the requests of this hour are used up"
        } else if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            "GitHub is not available"
        } else {
            "GitHub asks for a pause"
        };
        // Others that were under way say the same a moment later; that is one silence, and the longest of them counts.
        if state.budget.blocked_until.is_none_or(|it| it <= now) {
            state.n_silences = state.n_silences.saturating_add(1).min(16);
        }
        let until = state.budget.blocked_until.map_or(until, |it| it.max(until));
        state.budget.blocked_until = Some(until);
        state.budget.why = Some(why.to_owned());
        Err(ForgeError::Later { until, why: why.to_owned() })
    }

    /// Returns the time at which something that did not work may be tried again.
    pub(super) fn later(&self) -> Timestamp {
        self.clock.now() + SILENCE
    }

    pub(super) fn budget(&self) -> Budget {
        let state = self.state();
        let recent: u64 = state.recent.iter().map(|(_, n)| n).sum();
        let blocked = state.budget.blocked_until.filter(|it| *it > self.clock.now());
        let why = state.budget.why.clone().filter(|_| blocked.is_some());
        Budget { per_hour: recent * 6, blocked_until: blocked, why, ..state.budget.clone() }
    }

    /// Returns the time by GitHub's clock; by ours until it has told its own.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(SignedDuration::from_secs(self.skew_s().unwrap_or(0))).unwrap_or(now)
    }

    /// Returns the seconds by which GitHub's clock is ahead of ours.
    pub(super) fn skew_s(&self) -> Option<i64> {
        self.state().skew_s
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a whole number that a header holds.
fn whole<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Returns a factor from 0.8 to 1.2, so that many do not come back at the same time.
fn jitter() -> f64 {
    let share = getrandom::u32().map_or(0.5, |it| f64::from(it) / f64::from(u32::MAX));
    0.8 + 0.4 * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr as _;

    #[derive(Debug)]
    struct Stopped(Mutex<Timestamp>);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn pace() -> (Pace, Arc<Stopped>) {
        let clock = Arc::new(Stopped(Mutex::new(Timestamp::from_str("2026-11-21T12:00:00Z").unwrap())));
        (Pace::new(clock.clone(), Timing::default()), clock)
    }

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        Answer::whole(StatusCode::from_u16(status).unwrap(), headers, body.as_bytes().to_vec())
    }

    fn seconds(pace: &Pace, answer: &Answer) -> Option<i64> {
        let now = pace.clock.now();
        match pace.learn(answer) {
            Err(ForgeError::Later { until, .. }) => Some(until.duration_since(now).as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_reset_is_as_far_away_as_github_means_whatever_the_clocks_say() {
        let (pace, _) = pace();
        // Its clock is an hour ahead, and half an hour is left: 13:30 there.
        let head = [
            ("date", "Sat, 21 Nov 2026 13:00:00 GMT"),
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795267800"),
        ];
        assert_eq!(seconds(&pace, &answer(403, &head, "")), Some(1_801));
        assert_eq!((pace.skew_s(), pace.budget().limit, pace.budget().remaining), (Some(3_600), Some(5_000), Some(0)));
        assert_eq!(pace.now().duration_since(pace.clock.now()), SignedDuration::from_hours(1));
        assert!(matches!(pace.admit(), Err(ForgeError::Later { .. })));
    }

    #[test]
    fn silences_grow_until_github_takes_something_again() {
        let (pace, clock) = pace();
        let limit = answer(403, &[], "{\"message\": \"You have exceeded a secondary rate limit\"}");
        let mut least = 48;
        for _ in 0..8 {
            let wait = seconds(&pace, &limit).unwrap();
            assert!((least..=1_080).contains(&wait), "{wait}");
            // Another that was under way at the time says it again; that does not count twice.
            let again = seconds(&pace, &limit).unwrap();
            assert!(again >= wait);
            least = (least * 2).min(720);
            *clock.0.lock().unwrap() += SignedDuration::from_hours(1);
            pace.admit().unwrap();
        }
        pace.learn(&answer(200, &[], "")).unwrap();
        assert!(seconds(&pace, &limit).unwrap() <= 72);
    }

    #[test]
    fn what_is_a_limit_and_what_is_not() {
        for (status, headers, body, expected) in [
            (429, &[("retry-after", "7")][..], "", Some(7)),
            (403, &[("retry-after", "7")], "", Some(7)),
            (503, &[("retry-after", "7")], "", Some(7)),
            (429, &[("retry-after", "999999999")], "", Some(3_900)),
            (403, &[("x-ratelimit-remaining", "12")], "{\"message\": \"Resource not accessible\"}", None),
            (503, &[], "", None),
            (404, &[("x-ratelimit-remaining", "0")], "", None),
            (200, &[("x-ratelimit-remaining", "0")], "", None),
            (200, &[("x-ratelimit-remaining", "many"), ("date", "yesterday")], "", None),
        ] {
            assert_eq!(seconds(&pace().0, &answer(status, headers, body)), expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_ten_minutes() {
        let (pace, clock) = pace();
        for _ in 0..30 {
            pace.admit().unwrap();
            *clock.0.lock().unwrap() += SignedDuration::from_secs(60);
        }
        assert_eq!((pace.budget().requests, pace.budget().per_hour), (30, 60));
    }

    #[tokio::test]
    async fn writers_wait_for_each_other() {
        let timing = Timing { between_writes: Duration::from_millis(50), ..Timing::default() };
        let pace = Pace::new(pace().1, timing);
        drop(pace.writer().await);
        let since = Instant::now();
        drop(pace.writer().await);
        assert!(since.elapsed() >= timing.between_writes);
    }
}
