//! What a visit knows of a family, and how it writes: held first, done once, recorded afterwards.
use crate::domain::run::candidate;
use crate::domain::{
    Attempt, Digest, EventType, Family, Hold, Illegal, NewEvent, PullState, Reason, Refusal, Run, Status, Transition,
    Verdict,
};
use crate::engine::repositories::NotLocated;
use crate::engine::steward::words::Words;
use crate::engine::steward::{Steward, Visit};
use crate::forge::{ForgeError, PullRequest, Reads, Writes};
use crate::rules::Rules;
use crate::store::StoreError;
use crate::workspace::WorkspaceError;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a write may take before its fate counts as unknown.
const WRITE: Duration = Duration::from_mins(1);
/// How long a family is held for a write: longer than one takes.
const HELD: SignedDuration = SignedDuration::from_secs(75);
/// How long the forge may still be at a write whose answer was lost, and its lists behind it.
const DOUBT: SignedDuration = SignedDuration::from_secs(30);
/// How long a run that was changed by somebody else is left alone.
const LAG: SignedDuration = SignedDuration::from_secs(10);
/// The first pause after a refusal, in seconds; each further one is twice as long.
const PAUSE_S: i64 = 30;
const MAX_PAUSE_S: i64 = 300;
const MAX_TROUBLE_CHARS: usize = 600;

/// What stops a visit, or one step of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    NotLocated(#[from] NotLocated),
    /// The run is not what it was when it was read.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The forge refused the same a short while ago.
    #[error("the forge is left alone until {0}")]
    NotYet(Timestamp),
}

impl Trouble {
    /// Whether only this step came to nothing, and the next ones may go on.
    pub(super) const fn is_of_one_step(&self) -> bool {
        match self {
            Self::Forge(error) => !matches!(error, ForgeError::Later { .. } | ForgeError::Unknown(_)),
            Self::Workspace(_) | Self::NotLocated(_) | Self::NotYet(_) => true,
            Self::Store(_) | Self::Illegal(_) => false,
        }
    }

    /// Whether the forge said no to what was asked.
    pub(super) const fn is_refusal(&self) -> bool {
        let Self::Forge(error) = self else { return false };
        matches!(
            error,
            ForgeError::Refused { .. }
                | ForgeError::Unauthorised(_)
                | ForgeError::NotFound(_)
                | ForgeError::Conflict(_)
        )
    }
}

/// A step's end: `None` goes on with the next one.
pub(super) type Stepped = Result<Option<Visit>, Trouble>;

/// What a visit knows.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) steward: &'a Steward,
    pub(super) reads: Arc<dyn Reads>,
    /// None: nothing may be changed at the forge.
    pub(super) writes: Option<Arc<dyn Writes>>,
    pub(super) family: Family,
    pub(super) run: Run,
    pub(super) attempts: Vec<Attempt>,
    pub(super) default_branch: String,
    pub(super) rules: Arc<Rules>,
    /// Why the repository's rules cannot be followed.
    pub(super) refusal: Option<String>,
    /// How many jobs failed.
    pub(super) failed_jobs: String,
    /// Of how many of them no log was read.
    pub(super) unread_jobs: u64,
    /// What the rules suggested when the logs of CI were read.
    pub(super) suggested: Vec<String>,
    /// The pull request as the forge tells it in this visit.
    pub(super) pull: Option<PullRequest>,
    pub(super) now: Timestamp,
    /// The step that is made.
    pub(super) step: &'static str,
    /// When it is worth looking again although nothing happens here.
    pub(super) look_at: Timestamp,
    /// Whether it is not worth looking again before something happens here.
    pub(super) is_over: bool,
}

impl Scene<'_> {
    pub(super) fn repository(&self) -> String {
        self.family.repository.clone()
    }

    /// Returns what changes something at the forge.
    pub(super) fn writes(&self) -> Result<Arc<dyn Writes>, Trouble> {
        self.writes.clone().ok_or(Trouble::NotYet(self.look_at))
    }

    /// Returns the attempt whose patch is, or would be, published.
    pub(super) fn candidate(&self) -> Option<&Attempt> {
        candidate(&self.attempts)
    }

    /// Whether the guard has nothing to object to in the candidate.
    pub(super) fn is_harmless(&self) -> bool {
        self.candidate().and_then(|it| it.guard.as_ref()).is_some_and(|it| it.verdict == Verdict::Ok)
    }

    /// Whether a person said no to the run.
    pub(super) fn is_refused(&self) -> bool {
        match self.run.status {
            Status::Escalated => self.run.escalation_reason == Some(Reason::Denied),
            Status::Aborted => true,
            _ => false,
        }
    }

    pub(super) fn patch_digest(&self) -> Option<Digest> {
        self.candidate().and_then(|it| it.patch_digest.clone())
    }

    /// Whether the pull request holds the very patch that the run is about: only then its proof, its state and its end are the run's. It may be
    /// from an earlier run, and outlive that one's proof.
    pub(super) fn holds_fix(&self) -> bool {
        let Some(pull) = &self.family.pull else { return false };
        self.patch_digest().as_ref() == Some(&pull.patch)
            && (!self.is_of_another(pull) || (self.run.order.is_trusted() && pull.base_branch == self.run.branch))
    }

    /// Whether a pull request holds the patch of another run.
    pub(super) fn is_of_another(&self, pull: &PullState) -> bool {
        pull.patch_run.is_some_and(|it| it != self.run.id)
    }

    /// Has the family looked at again then, if not before.
    pub(super) fn look_again(&mut self, at: Timestamp) {
        self.look_at = self.look_at.min(at);
    }

    /// Hands what can be told to `tell`.
    pub(super) fn words<T>(&self, tell: impl FnOnce(&Words<'_>) -> T) -> T {
        let web_url = self.reads.web_url(&self.family.repository);
        tell(&Words {
            masker: &self.steward.engine.masker,
            rules: &self.rules,
            web_url: &web_url,
            family: &self.family,
            run: &self.run,
            attempts: &self.attempts,
            failed_jobs: &self.failed_jobs,
            unread_jobs: self.unread_jobs,
            suggested: &self.suggested,
        })
    }

    /// Stores the next version of the family. It is due at once: something may follow from it.
    pub(super) async fn record(
        &mut self,
        facts: Vec<NewEvent>,
        change: impl FnOnce(&mut Family),
    ) -> Result<Option<Visit>, Trouble> {
        let mut next = self.released(self.now);
        change(&mut next);
        self.steward.engine.store.put_family(&next, &facts, self.now).await?;
        self.family = next;
        Ok(Some(Visit::Again))
    }

    /// Changes the pull request's state in the family, if there is one.
    pub(super) async fn record_pull(&mut self, facts: Vec<NewEvent>, change: impl FnOnce(&mut PullState)) -> Stepped {
        self.record(facts, |family| {
            if let Some(pull) = &mut family.pull {
                change(pull);
            }
        })
        .await
    }

    /// Commits a transition of the run, unless somebody else was faster.
    pub(super) async fn commit(&mut self, transition: Transition) -> Result<(), Trouble> {
        self.steward.engine.store.commit(&transition, None).await?;
        self.run = transition.run;
        Ok(())
    }

    /// Whether the forge may be asked again to change what this step wants changed.
    pub(super) fn may_write(&self) -> Result<(), Trouble> {
        let refusal = self.family.refusals.get(self.step).filter(|it| it.retry_at > self.now);
        refusal.map_or(Ok(()), |it| Err(Trouble::NotYet(it.retry_at)))
    }

    /// Makes one write at the forge, with the family held so that nobody else makes the same.
    pub(super) async fn write<T>(&mut self, call: impl Future<Output = Result<T, ForgeError>>) -> Result<T, Trouble> {
        self.may_write()?;
        // A visit that read for long must not begin with a hold that is over.
        self.hold(self.steward.engine.clock.now() + HELD).await?;
        match tokio::time::timeout(WRITE, call).await {
            Ok(Ok(done)) => {
                self.family.refusals.remove(self.step);
                Ok(done)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ForgeError::Unknown("the forge took too long".to_owned()).into()),
        }
    }

    /// Keeps what went wrong, and says when it is tried again.
    pub(super) async fn settle(&mut self, trouble: Trouble) -> Result<Visit, StoreError> {
        let at = match trouble {
            Trouble::Store(error) => return Err(error),
            Trouble::Illegal(_) => self.now + LAG,
            Trouble::NotYet(at) => at,
            Trouble::Forge(ForgeError::Later { until, .. }) => {
                self.let_go(until).await?;
                until
            }
            Trouble::Forge(ForgeError::Unknown(_)) => {
                // Whoever comes looks before it is repeated, and not before lists can show it.
                let until = self.steward.engine.clock.now() + DOUBT;
                self.hold(until).await?;
                until
            }
            other => self.refused(&other.to_string()).await?,
        };
        Ok(Visit::Until(at.max(self.now)))
    }

    /// Keeps what was refused with the step that asked for it; the others go on. Returns when it is tried again.
    pub(super) async fn refused(&mut self, why: &str) -> Result<Timestamp, StoreError> {
        let why = self.steward.engine.safe_text(why, MAX_TROUBLE_CHARS);
        let before = self.family.refusals.get(self.step);
        let tries = before.map_or(0, |it| it.tries);
        let pause = PAUSE_S.saturating_mul(1 << tries.min(10)).min(MAX_PAUSE_S);
        let at = self.steward.engine.clock.now() + SignedDuration::from_secs(pause);
        // A forge that does not answer says the same to all steps.
        let is_new = self.family.refusals.values().all(|it| it.why != why);
        let fact = NewEvent::new(EventType::CiRefused, "system", format!("the forge said no: {why}"))
            .with(json!({ "tries": tries + 1 }));
        let facts: Vec<_> = is_new.then_some(fact).into_iter().collect();
        let mut next = self.released(at);
        next.refusals.insert(self.step.to_owned(), Refusal { why, tries: tries + 1, retry_at: at });
        self.steward.engine.store.put_family(&next, &facts, self.now).await?;
        self.family = next;
        Ok(at)
    }

    /// Leaves the family alone until something happens to it. As old as its failure, it stands behind those that have something left to do.
    pub(super) async fn rest(&mut self) -> Result<(), StoreError> {
        if self.family.due_at.is_none() {
            return Ok(());
        }
        let next = Family { due_at: None, ..self.family.next() };
        self.steward.engine.store.put_family(&next, &[], next.last_seen_at).await?;
        self.family = next;
        Ok(())
    }

    /// Keeps everybody else from writing for the family until then.
    async fn hold(&mut self, until: Timestamp) -> Result<(), StoreError> {
        let mut next = Family { due_at: Some(until), ..self.family.next() };
        next.held = Some(Hold { by: self.steward.me.clone(), until });
        self.steward.engine.store.put_family(&next, &[], self.now).await?;
        self.family = next;
        Ok(())
    }

    /// Returns the next version of the family, which nobody holds.
    fn released(&self, due_at: Timestamp) -> Family {
        let mut next = Family { due_at: Some(due_at), ..self.family.next() };
        next.held = None;
        next
    }

    /// Takes the hold back, where a write came to nothing for sure.
    async fn let_go(&mut self, due_at: Timestamp) -> Result<(), StoreError> {
        if self.family.held.is_none() {
            return Ok(());
        }
        let next = self.released(due_at);
        self.steward.engine.store.put_family(&next, &[], self.now).await?;
        self.family = next;
        Ok(())
    }
}
