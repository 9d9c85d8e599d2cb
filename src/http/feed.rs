//! The newest events for all streams: one task follows the backlog, so that a hundred readers ask the database no more than one, and none at all asks nothing.
use crate::backlog::{Backlog, BacklogError};
use crate::domain::{Event, EventType, RunId};
use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Events that are kept for streams; whoever is further behind reads them from the store.
const MAX_EVENTS: usize = 2_048;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Events that are asked for at once.
const PAGE: u32 = 500;
/// How long to wait when the backlog does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// An event as a stream tells it.
#[derive(Debug, Clone)]
pub struct Told {
    pub seq: u64,
    pub run: RunId,
    /// The whole message of the stream.
    pub frame: Bytes,
}

/// What stands in the data of a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    seq: u64,
    run_id: RunId,
    event_type: EventType,
    #[serde(rename = "type")]
    kind: EventType,
    actor: &'a str,
    message: &'a str,
    payload: &'a Value,
    created_at: Timestamp,
}

impl From<&Event> for Told {
    fn from(event: &Event) -> Self {
        let data = Data {
            seq: event.seq,
            run_id: event.run_id,
            event_type: event.kind,
            kind: event.kind,
            actor: &event.actor,
            message: &event.message,
            payload: &event.payload,
            created_at: event.created_at,
        };
        // JSON has no bare line breaks, so it is one line of data.
        let json = serde_json::to_string(&data).unwrap_or_default();
        Self { seq: event.seq, run: event.run_id, frame: format!("id: {}\ndata: {json}\n\n", event.seq).into() }
    }
}

/// The newest events, and places for those who listen. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    recent: Arc<Mutex<Recent>>,
    /// Number of the newest event that is known; none while nobody listens, and before the first answer of the backlog.
    newest: Arc<watch::Sender<Option<u64>>>,
    places: Arc<Semaphore>,
    max_streams: usize,
    /// Somebody began to listen.
    listened: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Recent {
    /// One after the other, without gaps.
    events: VecDeque<Told>,
    bytes: usize,
}

impl Feed {
    /// Returns a feed for so many streams at once.
    pub fn new(max_streams: usize) -> Self {
        let max_streams = max_streams.min(Semaphore::MAX_PERMITS);
        Self {
            recent: Arc::default(),
            newest: Arc::new(watch::Sender::new(None)),
            places: Arc::new(Semaphore::new(max_streams)),
            max_streams,
            listened: Arc::default(),
        }
    }

    /// Returns a place for one stream, `None` when all are taken.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        self.listened.notify_one();
        Some(place)
    }

    fn has_listeners(&self) -> bool {
        self.places.available_permits() < self.max_streams
    }

    /// Follows the backlog until `shutdown` fires.
    pub async fn follow(&self, backlog: Arc<dyn Backlog>, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.follow_on(backlog.as_ref())).await;
    }

    async fn follow_on(&self, backlog: &dyn Backlog) {
        loop {
            if !self.has_listeners() {
                self.forget();
                self.listened.notified().await;
            }
            if let Err(error) = self.catch_up(backlog).await {
                tracing::warn!(%error, "the events cannot be followed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn catch_up(&self, backlog: &dyn Backlog) -> Result<(), BacklogError> {
        let known = *self.newest.borrow();
        let Some(known) = known else {
            let is_empty = backlog.events(0, 1).await?.is_empty();
            let newest = if is_empty { 0 } else { backlog.newest(0).await? };
            self.newest.send_replace(Some(newest));
            return Ok(());
        };
        if backlog.newest(known).await? <= known {
            return Ok(());
        }
        let events = backlog.events(known, PAGE).await?;
        let Some(last) = events.last().map(|it| it.seq) else { return Ok(()) };
        self.keep(events.iter().map(Told::from));
        self.newest.send_replace(Some(last));
        Ok(())
    }

    /// Begins anew with the next listener: what happens until then is left to the store.
    fn forget(&self) {
        self.newest.send_replace(None);
        *self.recent.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
    }

    fn keep(&self, told: impl Iterator<Item = Told>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for told in told {
            recent.bytes += told.frame.len();
            recent.events.push_back(told);
        }
        while recent.events.len() > MAX_EVENTS || recent.bytes > MAX_BYTES {
            let Some(oldest) = recent.events.pop_front() else { break };
            recent.bytes -= oldest.frame.len();
        }
    }

    /// Returns the number of the newest event, once it is known.
    pub async fn newest(&self) -> u64 {
        self.wait(|_| true).await
    }

    /// Waits until there is an event after `seq`.
    pub async fn after(&self, seq: u64) {
        self.wait(|newest| newest > seq).await;
    }

    async fn wait(&self, is_enough: impl Fn(u64) -> bool) -> u64 {
        let mut newest = self.newest.subscribe();
        let found = newest.wait_for(|it| it.is_some_and(&is_enough)).await.map(|it| it.unwrap_or_default());
        match found {
            Ok(newest) => newest,
            // The sender lives in `self`, so that this cannot be.
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns events after `seq`, at most `max`, in order; `None` where the next one is kept no more.
    pub fn recent(&self, seq: u64, max: usize) -> Option<Vec<Told>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = recent.events.front()?.seq;
        let skipped = usize::try_from((seq + 1).checked_sub(first)?).ok()?;
        Some(recent.events.iter().skip(skipped).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seq: u64, bytes: usize) -> Told {
        Told { seq, run: RunId::NONE, frame: vec![b'x'; bytes].into() }
    }

    fn seqs(feed: &Feed, seq: u64, max: usize) -> Option<Vec<u64>> {
        feed.recent(seq, max).map(|it| it.iter().map(|it| it.seq).collect())
    }

    #[test]
    fn what_is_kept_has_no_gaps_and_bounds() {
        let feed = Feed::new(1);
        assert_eq!(seqs(&feed, 0, 9), None);
        feed.keep((5..=9).map(|seq| told(seq, 1)));
        assert_eq!(seqs(&feed, 3, 9), None, "4 is missing");
        assert_eq!(seqs(&feed, 4, 2), Some(vec![5, 6]));
        assert_eq!(seqs(&feed, 9, 2), Some(vec![]));
        feed.keep([told(10, MAX_BYTES - 1)].into_iter());
        assert_eq!(seqs(&feed, 8, 9), Some(vec![9, 10]));
        assert_eq!(seqs(&feed, 7, 9), None, "the oldest went");
        feed.keep((11..=u64::try_from(MAX_EVENTS).unwrap() + 20).map(|seq| told(seq, 0)));
        assert_eq!(seqs(&feed, 20, 1), Some(vec![21]));
        assert_eq!(seqs(&feed, 19, 1), None);
    }

    #[test]
    fn places_run_out_and_come_back() {
        let feed = Feed::new(1);
        let place = feed.place().unwrap();
        assert!(feed.place().is_none());
        drop(place);
        assert!(feed.place().is_some());
    }
}
