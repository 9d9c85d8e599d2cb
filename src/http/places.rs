//! Places for connections: so many altogether, and so many for one address. When all are taken, who never said anything gives way.
use crate::http::address::TrustedProxies;
use crate::http::limits::source;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long whoever just came may be silent in any case: their head is on its way.
const GRACE: Duration = Duration::from_millis(500);

/// The places of one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    proxies: Arc<TrustedProxies>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    by_address: HashMap<IpAddr, usize>,
    /// Those who have not sent a whole head yet, the longest there first.
    silent: BTreeMap<u64, (Instant, CancellationToken)>,
    n_seen: u64,
}

impl Places {
    /// Returns `all` places, of which one address gets at most `per_address` (0 = any number). This machine and trusted proxies speak for
    /// many people, and get as many as there are.
    pub(super) fn new(all: usize, per_address: usize, proxies: Arc<TrustedProxies>) -> Self {
        let all = Arc::new(Semaphore::new(all.clamp(1, Semaphore::MAX_PERMITS)));
        Self { all, per_address, proxies, taken: Arc::default() }
    }

    /// Waits for a free place, for somebody who is there already. When there is none, the one who has been silent for longest loses theirs.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        let mut free = Box::pin(self.all.clone().acquire_owned());
        while let Some(since) = self.silent_since() {
            if let Ok(free) = timeout_at(since + GRACE, &mut free).await {
                return free.ok();
            }
            if self.dismiss(since) {
                break;
            }
        }
        free.await.ok()
    }

    /// Returns since when the longest silent one is there.
    fn silent_since(&self) -> Option<Instant> {
        lock(&self.taken).silent.values().next().map(|it| it.0)
    }

    /// Takes the place of the longest silent one away, unless they spoke meanwhile.
    fn dismiss(&self, since: Instant) -> bool {
        let mut taken = lock(&self.taken);
        let Some(longest) = taken.silent.first_entry().filter(|it| it.get().0 == since) else { return false };
        longest.remove().1.cancel();
        true
    }

    /// Gives a free place to a connection from `peer`; `None` when that address has its share.
    pub(super) fn give(&self, free: OwnedSemaphorePermit, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let is_counted = self.per_address > 0 && !peer.is_loopback() && !self.proxies.trust(peer);
        let address = is_counted.then(|| source(peer));
        let mut taken = lock(&self.taken);
        if let Some(address) = address {
            let n_here = taken.by_address.entry(address).or_default();
            if *n_here >= self.per_address {
                return None;
            }
            *n_here += 1;
        }
        taken.n_seen += 1;
        let (number, must_leave) = (taken.n_seen, CancellationToken::new());
        taken.silent.insert(number, (Instant::now(), must_leave.clone()));
        let (taken, has_spoken) = (self.taken.clone(), AtomicBool::new(false));
        Some(Place { _free: free, address, number, must_leave, has_spoken, taken })
    }
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _free: OwnedSemaphorePermit,
    address: Option<IpAddr>,
    number: u64,
    must_leave: CancellationToken,
    has_spoken: AtomicBool,
    taken: Arc<Mutex<Taken>>,
}

impl Place {
    /// Notes that a whole head came: from here on nobody takes the place away.
    pub(super) fn speaks(&self) {
        if !self.has_spoken.swap(true, Ordering::Relaxed) {
            lock(&self.taken).silent.remove(&self.number);
        }
    }

    /// Returns what says that somebody else needs the place.
    pub(super) fn must_leave(&self) -> CancellationToken {
        self.must_leave.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.silent.remove(&self.number);
        let Some(address) = self.address else { return };
        if let Some(n_here) = taken.by_address.get_mut(&address) {
            *n_here -= 1;
            if *n_here == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> std::sync::MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, per_address: usize) -> Places {
        let proxies = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        Places::new(all, per_address, Arc::new(proxies))
    }

    async fn come(places: &Places, peer: &str) -> Option<Place> {
        places.give(places.free().await.unwrap(), peer.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_proxies_have_all() {
        let places = places(100, 2);
        let mut held = Vec::new();
        for peer in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
            held.push(come(&places, peer).await.unwrap());
        }
        for full in ["192.0.2.1", "2001:db8::3"] {
            assert!(come(&places, full).await.is_none(), "{full}");
        }
        for _ in 0..5 {
            for many in ["127.0.0.1", "::1", "10.1.2.3"] {
                held.push(come(&places, many).await.unwrap());
            }
        }
        assert_eq!(places.all.available_permits(), 100 - held.len(), "whoever is refused holds nothing");
        held.remove(0);
        assert!(come(&places, "192.0.2.1").await.is_some());
        drop(held);
        assert!(lock(&places.taken).by_address.is_empty() && lock(&places.taken).silent.is_empty());
    }

    #[tokio::test]
    async fn whoever_was_silent_for_longest_gives_way() {
        let places = places(3, 0);
        let came = Instant::now();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(come(&places, "192.0.2.1").await.unwrap());
        }
        held[0].speaks();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.free().await }
        });
        held[1].must_leave().cancelled().await;
        assert!(came.elapsed() >= GRACE);
        assert!(!held[0].must_leave().is_cancelled() && !held[2].must_leave().is_cancelled());
        held.remove(1);
        assert!(waiting.await.unwrap().is_some());
    }
}
