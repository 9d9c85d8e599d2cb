//! The workers of a process: one loop that claims, as many runs at once as it may, and an orderly end.
use crate::clock::instant;
use crate::engine::worker::presence::Presence;
use crate::engine::worker::{Backoff, Shutdown, Worker};
use crate::engine::{Engine, EngineError};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

/// How long an idle process waits for news before it looks again: a run may have become due without any.
const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest time between two looks that found nothing, whatever the news.
const CALM: Duration = Duration::from_millis(200);
/// How often it is looked for runs whose worker is gone.
const SWEEP: Duration = Duration::from_secs(5);

/// The workers of one process.
#[derive(Debug, Clone)]
pub struct Workers {
    engine: Engine,
    concurrency: usize,
    per_repository: u32,
}

/// When the loop ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Stopped,
    /// Nothing is queued and nothing is in hand. A database that is away is an error then.
    Empty,
}

/// What the loop remembers from one round to the next.
#[derive(Debug)]
struct Rounds {
    backoff: Backoff,
    /// Number of the newest event when the queue was last looked at.
    seen: u64,
    looked: Option<Instant>,
    /// When runs that were put back here may be taken again, which is no news to anybody.
    due: BTreeSet<Timestamp>,
    swept: Option<Instant>,
    /// Whether runs of dead workers are about to be free.
    more_follow: bool,
}

impl Rounds {
    /// A run that ended leaves room for one of its repository, so that it is looked for at once.
    fn note_end(&mut self, ended: Result<Option<Timestamp>, JoinError>) {
        self.looked = None;
        match ended {
            Ok(due) => self.due.extend(due),
            Err(error) => broke_off(&error),
        }
    }

    /// Returns how long to wait for news before the queue is looked at anyway.
    fn patience(&mut self, now: Timestamp) -> Duration {
        self.due.retain(|it| *it > now);
        let patience = if self.more_follow { CALM } else { PATIENCE };
        self.due.first().map_or(patience, |it| it.duration_since(now).unsigned_abs().min(patience))
    }
}

impl Workers {
    /// Makes workers for `concurrency` runs at once, of one repository at most `per_repository` over all processes (0 = any number).
    pub fn new(engine: Engine, concurrency: u32, per_repository: u32) -> Self {
        Self { engine, concurrency: usize::try_from(concurrency.max(1)).unwrap_or(1), per_repository }
    }

    /// Works on the queue until `shutdown` asks to stop; outlives a database that is away. Returns when nothing is in hand any more.
    pub async fn run(&self, shutdown: &Shutdown) -> Result<(), EngineError> {
        self.work(shutdown, Until::Stopped).await
    }

    /// Works until nothing is left to do.
    pub async fn drain(&self, shutdown: &Shutdown) -> Result<(), EngineError> {
        self.work(shutdown, Until::Empty).await
    }

    async fn work(&self, shutdown: &Shutdown, until: Until) -> Result<(), EngineError> {
        let worker = Worker { per_repository: self.per_repository, ..Worker::new(self.engine.clone()) };
        let presence = Presence::begin(&worker).await;
        let mut busy = JoinSet::new();
        let mut rounds = Rounds {
            backoff: Backoff::patient(),
            seen: 0,
            looked: None,
            due: BTreeSet::new(),
            swept: None,
            more_follow: false,
        };
        let ended = loop {
            if shutdown.is_asked() {
                break Ok(());
            }
            match self.round(&worker, &mut busy, &mut rounds, shutdown, until).await {
                Ok(true) => rounds.backoff.reset(),
                Ok(false) => break Ok(()),
                Err(error) if until == Until::Empty => break Err(error),
                Err(error) => {
                    let pause = rounds.backoff.pause();
                    tracing::warn!(%error, seconds = pause.as_secs_f64(), "the queue cannot be read, waiting");
                    wait(shutdown, pause).await;
                }
            }
        };
        // Nobody may count on this process from here on.
        presence.end().await;
        self.finish(&mut busy, shutdown).await;
        ended
    }

    /// Claims one run, or waits for what may change that there is none. Returns whether to go on.
    async fn round(
        &self,
        worker: &Worker,
        busy: &mut JoinSet<Option<Timestamp>>,
        rounds: &mut Rounds,
        shutdown: &Shutdown,
        until: Until,
    ) -> Result<bool, EngineError> {
        while let Some(ended) = busy.try_join_next() {
            rounds.note_end(ended);
        }
        if rounds.more_follow || rounds.swept.is_none_or(|it| it.elapsed() >= SWEEP) {
            rounds.swept = Some(instant());
            rounds.more_follow = self.engine.take_back_dead().await?.more_follow;
        }
        if busy.len() >= self.concurrency {
            tokio::select! {
                ended = busy.join_next() => ended.map_or((), |it| rounds.note_end(it)),
                () = wait(shutdown, SWEEP) => {}
            }
            return Ok(true);
        }
        if let Some(left) = rounds.looked.and_then(|it| CALM.checked_sub(it.elapsed())) {
            tokio::select! {
                () = wait(shutdown, left) => {}
                Some(ended) = busy.join_next() => rounds.note_end(ended),
            }
        }
        if let Some((run, lease, since)) = worker.claim(None).await? {
            rounds.looked = None;
            let (worker, token, id) = (worker.clone(), shutdown.token().clone(), run.id);
            let work = async move {
                worker.work_on(run, lease, since, &token).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "the run was dropped, it is taken back when its lease is over");
                    None
                })
            };
            busy.spawn(work.instrument(tracing::info_span!("run", run_id = %id)));
            return Ok(true);
        }
        rounds.looked = Some(instant());
        let may_end = until == Until::Empty && busy.is_empty() && !rounds.more_follow;
        if may_end && !worker.is_anything_left().await? {
            return Ok(false);
        }
        let patience = rounds.patience(self.engine.clock.now());
        tokio::select! {
            () = shutdown.asked() => {}
            Some(ended) = busy.join_next() => rounds.note_end(ended),
            seen = self.engine.store.changed(rounds.seen, patience) => rounds.seen = seen?,
        }
        Ok(true)
    }

    /// Lets what is in hand come to its end for as long as the settings grant, then gives it back.
    async fn finish(&self, busy: &mut JoinSet<Option<Timestamp>>, shutdown: &Shutdown) {
        if !busy.is_empty() {
            tracing::info!(
                runs = busy.len(),
                grace = self.engine.settings.grace.as_secs(),
                "finishing what is in hand"
            );
        }
        tokio::select! {
            () = all(busy) => return,
            () = shutdown.hurried() => {}
            () = tokio::time::sleep(self.engine.settings.grace) => {}
        }
        shutdown.at_once();
        all(busy).await;
    }
}

async fn all(busy: &mut JoinSet<Option<Timestamp>>) {
    while let Some(ended) = busy.join_next().await {
        if let Err(error) = ended {
            broke_off(&error);
        }
    }
}

async fn wait(shutdown: &Shutdown, pause: Duration) {
    tokio::select! {
        () = shutdown.asked() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

fn broke_off(error: &JoinError) {
    tracing::error!(%error, "a worker broke off");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_looked_for_when_it_is_due_and_not_only_when_patience_ends() {
        let now = Timestamp::UNIX_EPOCH;
        let due = |millis| Some(now + Duration::from_millis(millis));
        let mut rounds = Rounds {
            backoff: Backoff::patient(),
            seen: 0,
            looked: Some(instant()),
            due: BTreeSet::new(),
            swept: None,
            more_follow: false,
        };
        assert_eq!(rounds.patience(now), PATIENCE);
        for ended in [due(60_000), due(700), None, due(300)] {
            rounds.note_end(Ok(ended));
        }
        assert!(rounds.looked.is_none(), "a run that ends makes room");
        assert_eq!(rounds.patience(now), Duration::from_millis(300));
        assert_eq!(rounds.patience(now + Duration::from_millis(300)), Duration::from_millis(400));
        assert_eq!(rounds.patience(now + Duration::from_secs(1)), PATIENCE);
    }
}
