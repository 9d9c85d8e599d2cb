//! How often somebody may ask: logins by name and by address, wrong tokens and unsigned webhooks by address, and requests by operator.
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// How often; 0 = any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Logins of one name in a minute, right or wrong.
    pub logins_per_minute: u32,
    /// Logins from one address in a minute.
    pub logins_per_minute_and_address: u32,
    /// Wrong tokens from one address in a minute.
    pub failures_per_minute_and_address: u32,
    /// Webhooks with a wrong signature, or none, from one address in a minute. A busy sender with an old secret is to read why it is refused.
    pub unsigned_per_minute_and_address: u32,
    /// Requests of one operator in a second, in the long run.
    pub requests_per_second: u32,
    /// Requests of one operator at once.
    pub request_burst: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            logins_per_minute: 10,
            logins_per_minute_and_address: 30,
            failures_per_minute_and_address: 60,
            unsigned_per_minute_and_address: 600,
            requests_per_second: 50,
            request_burst: 200,
        }
    }
}

/// Too often: come back after this time, in whole seconds from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    pub seconds: u64,
}

/// Counts who asks how often. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limits<C: Clock = DefaultClock> {
    logins_of_name: Arc<Limit<C>>,
    logins_from_address: Arc<Limit<C>>,
    failures: Arc<Limit<C>>,
    unsigned: Arc<Limit<C>>,
    requests: Arc<Limit<C>>,
}

impl Limits {
    pub fn new(rates: Rates) -> Self {
        Self::with_clock(rates, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(rates: Rates, clock: &C) -> Self {
        let per_minute = |n| Arc::new(Limit::new(n, n, Duration::from_mins(1), clock));
        Self {
            logins_of_name: per_minute(rates.logins_per_minute),
            logins_from_address: per_minute(rates.logins_per_minute_and_address),
            failures: per_minute(rates.failures_per_minute_and_address),
            unsigned: per_minute(rates.unsigned_per_minute_and_address),
            requests: Arc::new(Limit::new(
                rates.requests_per_second,
                rates.request_burst,
                Duration::from_secs(1),
                clock,
            )),
        }
    }

    /// Counts a login before its password is looked at. What an address has too many of is not counted against the name.
    pub fn login(&self, name: &str, address: IpAddr) -> Result<(), TooOften> {
        self.logins_from_address.check(source(address))?;
        self.logins_of_name.check(name)
    }

    /// Counts a token that was wrong. Who shows a right one is not held up by it, whoever else is at that address.
    pub fn failure(&self, address: IpAddr) -> Result<(), TooOften> {
        self.failures.check(source(address))
    }

    /// Counts a webhook whose signature was wrong. Who signs is not held up by it, whoever else is at that address.
    pub fn unsigned(&self, address: IpAddr) -> Result<(), TooOften> {
        self.unsigned.check(source(address))
    }

    /// Counts a request of an operator.
    pub fn request(&self, operator: &str) -> Result<(), TooOften> {
        self.requests.check(operator)
    }
}

type Counts<C> = RateLimiter<u16, DashMapStateStore<u16>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One limit for many keys. A key is counted in one of 65,536 places, chosen by a hash that nobody outside can foresee: the memory is
/// bounded whatever is sent, and two keys seldom share a place.
struct Limit<C: Clock> {
    counts: Option<Counts<C>>,
    clock: C,
    hasher: RandomState,
}

impl<C: Clock + Clone> Limit<C> {
    /// Allows `burst` at once and `n` in each `period`; any number for 0.
    fn new(n: u32, burst: u32, period: Duration, clock: &C) -> Self {
        let quota = NonZeroU32::new(n).and_then(|it| Quota::with_period(period / it.get()));
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let counts =
            quota.map(|it| RateLimiter::new(it.allow_burst(burst), DashMapStateStore::default(), clock.clone()));
        Self { counts, clock: clock.clone(), hasher: RandomState::new() }
    }

    fn check(&self, key: impl Hash) -> Result<(), TooOften> {
        let Some(counts) = &self.counts else { return Ok(()) };
        let [low, high, ..] = self.hasher.hash_one(key).to_le_bytes();
        let place = u16::from_le_bytes([low, high]);
        counts.check_key(&place).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            TooOften { seconds: wait.as_secs() + 1 }
        })
    }
}

impl<C: Clock> std::fmt::Debug for Limit<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit").field("is_on", &self.counts.is_some()).finish_non_exhaustive()
    }
}

/// What is counted as one address: of IPv6 the network, because a single machine has that many of them.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limits(rates: Rates) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limits::with_clock(rates, &clock), clock)
    }

    #[test]
    fn a_name_is_tried_ten_times_a_minute_from_wherever() {
        let (limits, clock) = limits(Rates::default());
        let attempt = |idx: u32| limits.login("ann", address(&format!("192.0.2.{idx}")));
        for idx in 0..10 {
            assert_eq!(attempt(idx), Ok(()), "{idx}");
        }
        assert_eq!(attempt(11), Err(TooOften { seconds: 6 + 1 }));
        assert_eq!(limits.login("bob", address("192.0.2.1")), Ok(()));
        clock.advance(Duration::from_secs(6));
        assert_eq!(attempt(12), Ok(()));
        assert!(attempt(13).is_err());
        clock.advance(Duration::from_mins(1));
        assert_eq!((0..20).filter(|idx| attempt(100 + idx).is_ok()).count(), 10);
    }

    #[test]
    fn an_address_tries_thirty_names_a_minute() {
        let (limits, _) = limits(Rates::default());
        let tries =
            |text: &str| (0..100).filter(|idx| limits.login(&format!("{text}{idx}"), address(text)).is_ok()).count();
        assert_eq!(tries("192.0.2.1"), 30);
        assert_eq!(tries("::ffff:192.0.2.1"), 0, "the same one, written otherwise");
        assert_eq!((tries("2001:db8::1"), tries("2001:db8::ffff:2"), tries("2001:db8:0:1::1")), (30, 0, 30));
    }

    #[test]
    fn failures_and_requests_have_limits_of_their_own() {
        let (limits, clock) = limits(Rates { requests_per_second: 2, request_burst: 5, ..Rates::default() });
        let (ann, bob) = ("ann", "bob");
        assert_eq!((0..100).filter(|_| limits.failure(address("192.0.2.1")).is_ok()).count(), 60);
        assert_eq!((0..1_000).filter(|_| limits.unsigned(address("192.0.2.1")).is_ok()).count(), 600);
        assert_eq!((0..100).filter(|_| limits.request(ann).is_ok()).count(), 5);
        assert_eq!(limits.request(bob), Ok(()));
        clock.advance(Duration::from_secs(1));
        assert_eq!((0..100).filter(|_| limits.request(ann).is_ok()).count(), 2);
    }

    #[test]
    fn zero_is_any_number() {
        let off = Rates {
            logins_per_minute: 0,
            logins_per_minute_and_address: 0,
            failures_per_minute_and_address: 0,
            unsigned_per_minute_and_address: 0,
            requests_per_second: 0,
            request_burst: 0,
        };
        let (limits, _) = limits(off);
        let one = address("192.0.2.1");
        assert!((0..10_000).all(|_| limits.login("ann", one).is_ok() && limits.failure(one).is_ok()));
    }

    #[test]
    fn however_many_keys_there_are_the_memory_is_bounded() {
        let (limits, _) = limits(Rates::default());
        for idx in 0..200_000_u32 {
            let _ = limits.request(&idx.to_string());
        }
        let counts = limits.requests.counts.as_ref().unwrap();
        assert!(counts.len() <= 65_536, "{}", counts.len());
    }
}
