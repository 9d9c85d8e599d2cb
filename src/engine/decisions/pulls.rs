//! The pull request of a run that somebody decides on: what an approve does with it, and what the decisions share.
use crate::domain::run::candidate;
use crate::domain::{Attempt, Digest, Family, PrState, PullState, Run, RunId};
use crate::engine::{Engine, EngineError};
use crate::store::StoreError;
use jiff::SignedDuration;

/// How often something small is stored again because somebody else changed the family in the meantime.
pub(super) const MAX_ROUNDS: usize = 10;
/// How long a merge that somebody began is left to them.
pub(super) const UNDER_WAY: SignedDuration = SignedDuration::from_mins(2);
pub(super) const MAX_WORDS: usize = 1_000;
pub(super) const HOLDS_ANOTHER: &str = "it holds another run's fix; close it there, and this one gets its own";

/// What an approve does with the pull request of its run.
pub(super) enum Way {
    /// There is none, and none is to be: the fix is accepted here alone.
    Here,
    /// There could be one, and nobody asked for it: the fix is accepted here alone, too.
    Unasked,
    /// It is merged first.
    Merge(Box<Family>),
}

pub(super) fn no(why: impl Into<String>) -> EngineError {
    EngineError::Precondition(why.into())
}

impl Engine {
    /// Returns what an approve of a run does at the forge. The error says why it can do neither yet.
    pub(super) async fn way_of(&self, run: &Run, attempts: &[Attempt]) -> Result<Way, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let patch = candidate(attempts).and_then(|it| it.patch_digest.as_ref());
        let is_asked_for = family.as_ref().is_some_and(|it| it.asked_by(patch).is_some());
        let refusal = self.why_not_there(&run.repository);
        let open = family.as_ref().and_then(Family::open_pull).map(|it| it.0);
        let number = open.or(run.pr_number.filter(|_| run.pr_state == PrState::Open));
        match (family, number) {
            (Some(_) | None, Some(number)) if refusal.is_some() => Err(no(format!(
                "pull request #{number} is open and cannot be merged from here: {}; merge or close it there",
                refusal.unwrap_or_default()
            ))),
            (Some(family), Some(_)) if open.is_some() => Ok(Way::Merge(Box::new(family))),
            (Some(family), Some(number)) if has_merged(&family) => Err(no(format!(
                "pull request #{number} was merged before; retry the run, and approve what comes of it"
            ))),
            (_, Some(number)) => {
                Err(no(format!("pull request #{number} is not followed any more; merge or close it there")))
            }
            (Some(family), None) => match (&family.skipped, family.trouble()) {
                _ if refusal.is_some() => Ok(Way::Here),
                // One stands that is not this run's to merge, so that an approve would be a word without a deed.
                (Some(why), _) if family.other_pull.as_ref().is_some_and(|it| it.is_open) => {
                    Err(no(format!("{why}; merge or close it there")))
                }
                (Some(_), _) if !is_asked_for && run.order.is_trusted() => Ok(Way::Unasked),
                (Some(_), _) if !is_asked_for => Ok(Way::Here),
                (_, Some(trouble)) => Err(no(format!("its pull request is not open yet: {trouble}"))),
                (_, None) => {
                    Err(no("its pull request is not open yet; look at its checks when it is, and approve again"))
                }
            },
            (None, None) => Ok(Way::Here),
        }
    }

    /// Returns why nothing is changed at the forge for a repository, in words.
    pub(super) fn why_not_there(&self, repository: &str) -> Option<String> {
        if self.forge.writes.is_none() {
            return Some(self.forge.why_not.clone().unwrap_or_else(|| "nothing is changed at the forge".to_owned()));
        }
        (!self.forge.terms.watches(repository)).then(|| format!("the settings do not watch {repository} any more"))
    }

    /// Refuses what would contradict a merge that somebody's word has begun: it may be done any moment.
    pub(super) async fn check_not_merging(&self, run: &Run) -> Result<(), EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let Some((number, pull)) = family.as_ref().and_then(Family::open_pull) else { return Ok(()) };
        match &pull.merging {
            Some(it) if self.clock.now().duration_since(it.at) < UNDER_WAY => Err(no(format!(
                "pull request #{number} is being merged by the word of {}; look again in a moment",
                it.by
            ))),
            _ => Ok(()),
        }
    }

    /// Changes a family, again and again where somebody else was faster.
    pub(super) async fn change_family(&self, key: &Digest, change: impl Fn(&mut Family)) -> Result<(), EngineError> {
        for _ in 0..MAX_ROUNDS {
            let Some(family) = self.store.family(key).await? else { return Ok(()) };
            let mut next = family.next();
            change(&mut next);
            match self.store.put_family(&next, &[], self.clock.now()).await {
                Err(StoreError::Conflict) => {}
                done => return Ok(done?),
            }
        }
        Err(EngineError::Store(StoreError::Conflict))
    }
}

/// Whether a pull request holds the patch of another run, and not this one.
pub(super) fn holds_another(pull: &PullState, run: RunId, patch: Option<&Digest>) -> bool {
    patch != Some(&pull.patch) && pull.patch_run.is_some_and(|it| it != run)
}

pub(super) fn has_merged(family: &Family) -> bool {
    family.pull.as_ref().is_some_and(|it| it.state == PrState::Merged)
}
