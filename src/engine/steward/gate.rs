//! Whether a fix may be published, and if not, why, in words.
use crate::domain::operator::is_same_person;
use crate::domain::{
    Digest, EventType, Family, ForgeTerms, NewEvent, OtherPull, Patch, PrState, PullState, Status, Used, Verdict,
    limits,
};
use crate::engine::steward::scene::{Scene, Trouble};
use jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// When a limit of open pull requests is looked at again, and how long a push counts without its pull request.
const SOON: SignedDuration = SignedDuration::from_mins(10);
/// Families that are counted.
pub(in crate::engine) const MAX_FAMILIES: u32 = 500;
/// What is said of a failure that is gone without us.
const GREEN_AGAIN: &str = "green when CI ran it again";
/// Facts of a run that are looked through.
pub(super) const MAX_FACTS: u32 = 1_000;

/// Why a fix stays here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Skip {
    pub(in crate::engine) why: String,
    /// When that may be over by itself.
    pub(super) until: Option<Timestamp>,
    /// The pull request that is in the way.
    pub(super) pull: Option<OtherPull>,
}

impl Skip {
    pub(super) fn always(why: impl Into<String>) -> Self {
        Self { why: why.into(), until: None, pull: None }
    }

    pub(super) fn until(until: Timestamp, why: impl Into<String>) -> Self {
        Self { until: Some(until), ..Self::always(why) }
    }

    /// Because of a pull request that is not ours to write, or another one's.
    pub(super) fn because_of(pull: OtherPull, why: impl Into<String>) -> Self {
        Self { pull: Some(pull), ..Self::always(why) }
    }
}

/// Returns the fact that a fix stays here.
pub(super) fn skipped(why: &str) -> NewEvent {
    NewEvent::new(EventType::PrSkipped, "system", format!("no pull request: {why}"))
}

impl Scene<'_> {
    /// Returns why the fix may not be published, `None` if it may. What is published already stays so.
    pub(super) async fn skip(&self, base_branch: &str) -> Result<Option<Skip>, Trouble> {
        if let Some(why) = self.stays(base_branch) {
            return Ok(Some(Skip::always(why)));
        }
        if let Some(skip) = self.twin().await?.or_else(|| self.waits()) {
            return Ok(Some(skip));
        }
        if self.asked_by().is_none() && self.is_green_again().await? {
            return Ok(Some(Skip::always(GREEN_AGAIN)));
        }
        self.skip_by_number(true).await
    }

    /// Whether the watcher saw that the failure went away without us: in the very run of CI that it is about, and in no other where it was seen too.
    async fn is_green_again(&self) -> Result<bool, Trouble> {
        let Some(ci) = &self.run.order.ci else { return Ok(false) };
        let facts = self.steward.engine.store.events(Some(self.run.id), 0, MAX_FACTS).await?;
        let mut seen = facts.iter().filter(|it| it.kind == EventType::RunRecurred);
        Ok(seen.any(|it| it.payload["green"].is_number() && it.payload["ciRun"] == ci.run_id))
    }

    /// Returns why the candidate may not leave, whoever asks for it.
    pub(super) fn stays(&self, base_branch: &str) -> Option<String> {
        let ci = self.run.order.ci.as_ref();
        if ci.is_none() && self.run.order.instruction.is_none() {
            return Some("it is not known which run of CI it is about".to_owned());
        }
        let Some(attempt) = self.candidate() else { return Some("there is no change".to_owned()) };
        let (n_files, ..) = attempt.proposed_fix.as_ref().map(Patch::stat).unwrap_or_default();
        let max_files = usize::try_from(self.rules.max_file_changes).unwrap_or(usize::MAX);
        // What an order starts from, whoever set up the service has named.
        let is_trusted = ci.is_none_or(|it| it.is_trusted && self.rules.is_trusted(base_branch, &self.default_branch));
        let is_refused = attempt.guard.as_ref().is_some_and(|it| it.verdict == Verdict::Violation);
        Some(match &self.refusal {
            _ if ci.is_some_and(|it| it.is_fork) => "the commit is from a fork".to_owned(),
            Some(why) => format!("the repository's rules cannot be followed: {why}"),
            None if !self.rules.is_enabled => "healing is off here (`enabled: false`)".to_owned(),
            None if !is_trusted => "the branch is none of `trusted_branches`".to_owned(),
            None if is_refused => "the guard refused the patch".to_owned(),
            None if attempt.guard.is_none() => "the guard did not judge the patch".to_owned(),
            None if n_files > max_files => format!("it changes {n_files} files, and the rules allow {max_files}"),
            None => return None,
        })
    }

    /// Returns who asked for a pull request with the candidate.
    pub(super) fn asked_by(&self) -> Option<&str> {
        self.family.asked_by(self.candidate().and_then(|it| it.patch_digest.as_ref()))
    }

    /// Returns why the candidate waits for the word of somebody who has not written it: the forge would follow it from the push on.
    pub(super) fn waits_for_another(&self) -> Option<String> {
        let author = self.candidate()?.waits_for_another()?;
        let is_asked_for = self.asked_by().is_some_and(|it| !is_same_person(it, author));
        (!is_asked_for)
            .then(|| format!("it changes what runs at the forge; somebody other than {author} must ask for it"))
    }

    /// Whether it is so old that nothing but a person's word publishes it.
    fn is_old(&self) -> bool {
        self.candidate().is_some_and(|it| self.now.duration_since(it.created_at) >= DAY)
    }

    /// Whether the run has nothing that could be published before something happens.
    pub(super) fn is_nothing_to_publish(&self) -> bool {
        self.wanted().is_none() || (self.is_old() && self.asked_by().is_none())
    }

    /// Returns why the candidate waits for a person's word.
    fn waits(&self) -> Option<Skip> {
        if let Some(why) = self.waits_for_another() {
            return Some(Skip::always(why));
        }
        self.candidate()?;
        let cooled_until = self.family.cooled_until.filter(|it| *it > self.now);
        match cooled_until {
            _ if self.asked_by().is_some() => None,
            _ if self.rules.needs_approval => {
                Some(Skip::always("a person must ask for it (`require_manual_approval`)"))
            }
            _ if self.is_old() => Some(Skip::always("it is more than a day old; ask for it by hand")),
            Some(until) => {
                let why = format!("a person said no; the failure is left alone until {until:.0}");
                Some(Skip::until(until, why))
            }
            None => None,
        }
    }

    /// Returns which limit is used up; those just pushed and not yet opened count where it is about one more push.
    pub(super) async fn skip_by_number(&self, counts_pushed: bool) -> Result<Option<Skip>, Trouble> {
        let families = self.steward.engine.store.families(&self.family.repository, MAX_FAMILIES).await?;
        let own = counts_pushed.then_some(&self.family.key);
        Ok(used_up(&families, own, &self.steward.engine.forge.terms, self.now))
    }

    /// Whether the run has something that should stand at the forge, and whether it is only to be looked at.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let pull = self.family.pull.as_ref().filter(|it| matches!(it.state, PrState::Open | PrState::None));
        match self.run.status {
            Status::Fixed => Some(Wanted::Proved),
            Status::Escalated if !self.is_refused() => {
                // An order ends in a pull request, also in one that a person must look at.
                let is_order = self.run.order.instruction.is_some();
                (is_order || pull.is_some() || self.asked_by().is_some()).then_some(Wanted::ForReview)
            }
            _ => None,
        }
    }
}

/// Whether a branch was pushed a short while ago, and its pull request is not opened yet.
pub(super) fn is_just_pushed(pull: &PullState, now: Timestamp) -> bool {
    let is_recent = |it: Timestamp| now.duration_since(it) < SOON;
    pull.state == PrState::None && pull.number.is_none() && pull.checks_since.is_some_and(is_recent)
}

/// Returns which limit of a repository is used up, given its families; where it is about one more push for the family `own`, what others have
/// just pushed counts, too.
pub(in crate::engine) fn used_up(
    families: &[Family],
    own: Option<&Digest>,
    terms: &ForgeTerms,
    now: Timestamp,
) -> Option<Skip> {
    let mut limits = limits(families, &[], terms, None, now);
    if let Some(own) = own {
        let others = families.iter().filter(|it| it.key != *own).filter_map(|it| it.pull.as_ref());
        let n_pushed = u32::try_from(others.filter(|it| is_just_pushed(it, now)).count()).unwrap_or(u32::MAX);
        limits.open_prs.used = limits.open_prs.used.saturating_add(n_pushed);
        limits.prs_today.used = limits.prs_today.used.saturating_add(n_pushed);
    }
    let told = |it: Used| format!("{} of {}", it.used, it.limit.unwrap_or_default());
    if limits.open_prs.is_up() {
        return Some(Skip::until(now + SOON, format!("{} pull requests are open", told(limits.open_prs))));
    }
    if limits.prs_today.is_up() {
        let why = format!("{} pull requests in 24 hours", told(limits.prs_today));
        let opened = families.iter().filter_map(|it| it.pull.as_ref()?.opened_at);
        let first = opened.filter(|it| now.duration_since(*it) < DAY).min();
        return Some(Skip::until(first.unwrap_or(now) + DAY, why));
    }
    None
}

/// As what a fix stands at the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Proved,
    /// Not proved: a draft that a person must look at.
    ForReview,
}
