//! Waiting for news: at once from this process, by asking from others. The question is one indexed read, and rare while nothing happens.
use crate::clock::instant;
use crate::store::StoreError;
use crate::store::sqlite::read;
use sqlx::SqlitePool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::time::Instant;
use tokio::sync::Notify;

/// How often others are asked about while things happen.
const BUSY: Duration = Duration::from_millis(200);
/// How often when nothing happened for a while.
const IDLE: Duration = Duration::from_secs(1);
/// How long things are held to be happening after the last news.
const CALM: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct News {
    notify: Arc<Notify>,
    /// When this process began to look.
    since: Instant,
    /// Milliseconds from then to the last news.
    last: Arc<AtomicU64>,
}

impl Default for News {
    fn default() -> Self {
        Self { notify: Arc::default(), since: instant(), last: Arc::default() }
    }
}

impl News {
    /// Tells the tasks of this process that something was stored.
    pub(super) fn wake(&self) {
        self.mark();
        self.notify.notify_waiters();
    }

    fn mark(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    fn pause(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        if self.since.elapsed().saturating_sub(last) < CALM { BUSY } else { IDLE }
    }

    pub(super) async fn wait(&self, readers: &SqlitePool, after: u64, patience: Duration) -> Result<u64, StoreError> {
        let began = instant();
        loop {
            let woken = self.notify.notified();
            tokio::pin!(woken);
            // From here on a wake is not missed, though it come before the wait.
            woken.as_mut().enable();
            let newest = read::last_seq(readers).await?;
            if newest > after {
                self.mark();
                return Ok(newest);
            }
            let Some(left) = patience.checked_sub(began.elapsed()).filter(|it| !it.is_zero()) else {
                return Ok(newest);
            };
            let _ = tokio::time::timeout(self.pause().min(left), woken).await;
        }
    }
}
