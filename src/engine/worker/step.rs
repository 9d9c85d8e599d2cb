//! One step of a held run: find its repository, reproduce, one attempt; and what becomes of the run when the step breaks off.
use crate::domain::{Attempt, AttemptStatus, Reason, Transition};
use crate::engine::EngineError;
use crate::engine::baseline::Baseline;
use crate::engine::session::Session;
use crate::engine::worker::Backoff;
use crate::store::StoreError;
use tokio_util::sync::CancellationToken;

/// How often a last write is tried when the database does not answer; the lease ends on its own anyway.
const LAST_TRIES: usize = 6;

impl Session<'_> {
    pub(super) async fn step(&mut self) -> Result<(), EngineError> {
        if let Err(why) = self.find_repository().await? {
            let why = self.engine.safe_text(&why.0, 1_000);
            // What a fork has may be out of reach, and that is nobody's fault.
            let is_fork = self.run.order.ci.as_ref().is_some_and(|it| it.is_fork);
            let reason = if is_fork { Reason::UntrustedBranch } else { Reason::Infrastructure };
            return self.decline(reason, &why).await;
        }
        let has_tests = self.ensure_test_command().await?;
        if self.run.order.instruction.is_some() {
            if self.run.failure.is_none() {
                self.survey().await?;
            }
        } else if !has_tests {
            let note = "no test command was found; name one with --test, \"no tests\" is never a pass";
            return self.decline(Reason::NoTests, note).await;
        } else if self.run.failure.is_none()
            && let Baseline::Declined(reason, note) = self.reproduce().await?
        {
            let note = self.engine.safe_text(&note, 1_000);
            return self.decline(reason, &note).await;
        }
        if let Err(why) = self.policy().await? {
            let why = self.engine.safe_text(why, 1_000);
            return self.decline(Reason::PolicyViolation, &why).await;
        }
        self.attempt().await
    }

    /// Escalates before an attempt, or before the one goes on that was begun already: that one is over.
    async fn decline(&mut self, reason: Reason, note: &str) -> Result<(), EngineError> {
        let mut escalated = self.run.escalated(reason, note, self.now())?;
        escalated.attempt = self.running_attempt().await?.map(|it| ended(it, note));
        self.commit(Ok(escalated)).await
    }

    /// Turns an error into what becomes of the run: dropped, given back, or escalated.
    pub(super) async fn settle(
        &mut self,
        result: Result<(), EngineError>,
        shutdown: &CancellationToken,
    ) -> Result<(), EngineError> {
        let error = match result {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // What is in doubt is dropped, never done twice.
        let lost = matches!(error, EngineError::Store(StoreError::Conflict | StoreError::NotFound));
        if shutdown.is_cancelled() && !lost {
            return self.give_back().await;
        }
        if lost || matches!(error, EngineError::Stopped) {
            return Ok(());
        }
        if let EngineError::Store(StoreError::Broken(_) | StoreError::Unavailable(_)) = error {
            return Err(error);
        }
        let note = self.engine.safe_text(&error.to_string(), 1_000);
        self.give_up(&note).await
    }

    /// Puts the run back into the queue; the attempt it was in ends without counting.
    async fn give_back(&self) -> Result<(), EngineError> {
        let attempt = self.running_attempt().await?;
        self.write_last(self.run.given_back(attempt, "its worker was stopped", self.now())?).await
    }

    /// Escalates: something is wrong with this machine, or with what the run needs.
    async fn give_up(&self, note: &str) -> Result<(), EngineError> {
        let mut escalated = self.run.escalated(Reason::Infrastructure, note, self.now())?;
        escalated.attempt = self.running_attempt().await?.map(|it| ended(it, note));
        self.write_last(escalated).await
    }

    async fn running_attempt(&self) -> Result<Option<Attempt>, EngineError> {
        let mut backoff = Backoff::quick();
        for _ in 1..LAST_TRIES {
            match self.engine.store.attempts(self.run.id).await {
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(backoff.pause()).await,
                attempts => return Ok(attempts?.pop().filter(|it| it.status == AttemptStatus::Running)),
            }
        }
        Err(EngineError::Stopped)
    }

    /// Writes what the step ends with, also when the work was cancelled. Somebody else's change, or our own that went through unanswered, is fine.
    async fn write_last(&self, transition: Transition) -> Result<(), EngineError> {
        let mut backoff = Backoff::quick();
        for _ in 1..LAST_TRIES {
            match self.engine.store.commit(&transition, Some(&self.lease)).await {
                Ok(()) | Err(StoreError::Conflict) => return Ok(()),
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(backoff.pause()).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Stopped)
    }
}

/// Returns an attempt that is over although nothing was judged.
fn ended(attempt: Attempt, why: &str) -> Attempt {
    Attempt { status: AttemptStatus::Failed, failure_reason: Some(why.to_owned()), waiting_since: None, ..attempt }
}
