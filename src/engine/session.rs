//! A worker's hold on one run: every write goes through the lease, and stops for good when the lease is lost.
use crate::domain::{Attempt, Illegal, NewEvent, Patch, Run, RunId, Transition};
use crate::engine::policy::policy_at;
use crate::engine::repositories::Located;
use crate::engine::worker::Backoff;
use crate::engine::{Engine, EngineError};
use crate::guard::policy::Policy;
use crate::store::{Lease, StoreError, StoredOutput};
use crate::workspace::{Base, Preparation, Tree};
use jiff::Timestamp;
use std::future::Future;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// The run as this worker last wrote it, with the right to write it.
#[derive(Debug)]
pub struct Session<'a> {
    pub engine: &'a Engine,
    pub run: Run,
    pub lease: Lease,
    /// Fires when the run was aborted, the lease was lost, or the process shuts down.
    pub cancel: CancellationToken,
    /// Whether fetching dependencies failed before in this step.
    pub cannot_prepare: bool,
    /// What must be fetched before the tests with a patch, as it was found last.
    pub preparation: Option<(Option<Patch>, Option<Preparation>)>,
    /// What was prepared last, by its key: a tree in which nothing else was run.
    pub prepared: Option<(String, Tree)>,
    /// A tree of the failing commit in which nothing was run or written.
    pub untouched: Option<Tree>,
    /// Where the repository is, once it is found.
    pub located: Option<Located>,
    /// The failing commit there, once it is looked up.
    base: OnceCell<Base>,
    /// The policy of that commit, once it is read.
    policy: OnceCell<Result<Policy, String>>,
}

impl<'a> Session<'a> {
    /// Begins to work on a run that was claimed.
    pub const fn new(engine: &'a Engine, run: Run, lease: Lease, cancel: CancellationToken) -> Self {
        Self {
            engine,
            run,
            lease,
            cancel,
            cannot_prepare: false,
            preparation: None,
            prepared: None,
            untouched: None,
            located: None,
            base: OnceCell::const_new(),
            policy: OnceCell::const_new(),
        }
    }

    /// Returns the failing commit, from which every tree and every judgement starts.
    pub async fn base(&self) -> Result<&Base, EngineError> {
        let repo = self.repo()?;
        Ok(self.base.get_or_try_init(|| self.engine.workspace.base(repo, self.run.working_commit())).await?)
    }

    /// Returns the policy of the failing commit, never of the patch.
    pub async fn policy(&self) -> Result<&Result<Policy, String>, EngineError> {
        let base = self.base().await?;
        Ok(self.policy.get_or_try_init(|| policy_at(self.engine.workspace.as_ref(), base, None)).await?)
    }

    /// Asks the store, again and again while it does not answer, for as long as the lease is held.
    ///
    /// A write that went through without an answer is a `Conflict` when it is asked again.
    pub async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        patiently(self.run.id, &self.cancel, ask).await
    }

    pub fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Commits a transition and goes on from it.
    pub async fn commit(&mut self, transition: Result<Transition, Illegal>) -> Result<(), EngineError> {
        let transition = transition?;
        if self.cancel.is_cancelled() {
            return Err(EngineError::Stopped);
        }
        match self.patiently(|| self.engine.store.commit(&transition, Some(&self.lease))).await {
            // Written at an earlier try whose answer was lost: nobody else can have written the very same.
            Err(EngineError::Store(StoreError::Conflict)) if self.is_stored(&transition.run).await? => {}
            written => written?,
        }
        for event in &transition.events {
            tracing::info!(event = event.kind.as_str(), status = transition.run.status.as_str(), "{}", event.message);
        }
        self.run = transition.run;
        Ok(())
    }

    async fn is_stored(&self, run: &Run) -> Result<bool, EngineError> {
        Ok(self.patiently(|| self.engine.store.run(run.id)).await? == *run)
    }

    /// Adds facts to the timeline.
    pub async fn tell(&mut self, events: Vec<NewEvent>) -> Result<(), EngineError> {
        self.commit(self.run.told(events, self.now())).await
    }

    /// Stores what the running attempt learned, with the facts that tell it.
    pub async fn update(&mut self, attempt: &Attempt, events: Vec<NewEvent>) -> Result<(), EngineError> {
        self.commit(self.run.attempt_updated(attempt.clone(), events, self.now())).await
    }

    /// Stores an output, masked.
    pub async fn keep_output(&self, name: &str, bytes: &[u8], dropped_bytes: u64) -> Result<(), EngineError> {
        let output = StoredOutput {
            name: name.to_owned(),
            bytes: self.engine.masker.mask_bytes(bytes),
            dropped_bytes,
            created_at: self.now(),
        };
        self.patiently(|| self.engine.store.put_output(self.run.id, &output, Some(&self.lease))).await
    }
}

async fn patiently<T, F>(run: RunId, cancel: &CancellationToken, ask: impl Fn() -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::quick();
    loop {
        let why = match ask().await {
            Err(StoreError::Unavailable(why)) => why,
            other => return Ok(other?),
        };
        let pause = backoff.pause();
        tracing::warn!(%run, why, seconds = pause.as_secs_f64(), "the database does not answer, waiting");
        tokio::select! {
            () = cancel.cancelled() => return Err(EngineError::Stopped),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A store that gives these answers, one after the other.
    async fn ask(
        answers: Vec<Result<u32, StoreError>>,
        cancel: &CancellationToken,
    ) -> (Result<u32, EngineError>, usize) {
        let (answers, asked) = (Cell::new(answers), Cell::new(0));
        let ended = patiently(RunId::NONE, cancel, || {
            let mut left = answers.take();
            let answer = left.remove(0);
            answers.set(left);
            asked.set(asked.get() + 1);
            async { answer }
        });
        (ended.await, asked.get())
    }

    fn away() -> Result<u32, StoreError> {
        Err(StoreError::Unavailable("restarting".to_owned()))
    }

    #[tokio::test]
    async fn a_database_that_comes_back_gets_the_write() {
        let (ended, asked) = ask(vec![away(), away(), Ok(7)], &CancellationToken::new()).await;
        assert_eq!((ended.unwrap(), asked), (7, 3));
    }

    /// The first try may have gone through: nothing is done a second time.
    #[tokio::test]
    async fn a_conflict_after_silence_ends_the_work() {
        let (ended, asked) = ask(vec![away(), Err(StoreError::Conflict), Ok(7)], &CancellationToken::new()).await;
        assert!(matches!(ended, Err(EngineError::Store(StoreError::Conflict))) && asked == 2);
    }

    #[tokio::test]
    async fn when_the_lease_is_over_nothing_more_is_tried() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let (ended, asked) = ask(vec![away(), Ok(7)], &cancel).await;
        assert!(matches!(ended, Err(EngineError::Stopped)) && asked == 1);
    }
}
