//! Whether a fix may be published, and if not, why, in words.
use crate::domain::{EventType, Family, NewEvent, Patch, PrState, Reason, Status, Used, Verdict, limits};
use crate::engine::steward::scene::{Scene, Trouble};
use jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Families that are counted.
const MAX_FAMILIES: u32 = 500;
/// Facts of a run that are looked through.
const MAX_FACTS: u32 = 1_000;

/// Why a fix stays here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) why: String,
    /// When that may be over by itself.
    pub(super) until: Option<Timestamp>,
}

impl Skip {
    fn always(why: impl Into<String>) -> Self {
        Self { why: why.into(), until: None }
    }
}

/// Returns the fact that a fix stays here.
pub(super) fn skipped(why: &str) -> NewEvent {
    NewEvent::new(EventType::PrSkipped, "system", format!("no pull request: {why}"))
}

impl Scene<'_> {
    /// Returns why the fix may not be published, `None` if it may. What is published already stays so.
    pub(super) async fn skip(&self, base_branch: &str) -> Result<Option<Skip>, Trouble> {
        if let Some(skip) = self.skip_by_rules(base_branch) {
            return Ok(Some(skip));
        }
        if self.family.wanted_by.is_none() && self.is_green_again().await? {
            return Ok(Some(Skip::always("CI was green when it ran the same commit again")));
        }
        let families = self.steward.engine.store.families(&self.family.repository, MAX_FAMILIES).await?;
        Ok(self.skip_by_number(&families))
    }

    /// Whether the watcher saw that the failure went away without us.
    async fn is_green_again(&self) -> Result<bool, Trouble> {
        let facts = self.steward.engine.store.events(Some(self.run.id), 0, MAX_FACTS).await?;
        Ok(facts.iter().any(|it| it.kind == EventType::RunRecurred && it.payload["green"].is_number()))
    }

    fn skip_by_rules(&self, base_branch: &str) -> Option<Skip> {
        let terms = &self.steward.engine.forge.terms;
        let Some(ci) = &self.run.order.ci else {
            return Some(Skip::always("it is not known which run of CI it is about"));
        };
        let attempt = self.candidate()?;
        let is_wanted = self.family.wanted_by.is_some();
        let (n_files, ..) = attempt.proposed_fix.as_ref().map(Patch::stat).unwrap_or_default();
        let max_files = usize::try_from(self.rules.max_file_changes).unwrap_or(usize::MAX);
        let is_refused = attempt.guard.as_ref().is_none_or(|it| it.verdict == Verdict::Violation);
        let is_old = self.now.duration_since(attempt.created_at) >= DAY;
        let why = match () {
            () if !terms.watches(&self.family.repository) => "the repository is not watched".to_owned(),
            () if ci.is_fork => "the commit is from a fork".to_owned(),
            () if self.refusal.is_some() => {
                format!("the repository's rules cannot be followed: {}", self.refusal.as_deref()?)
            }
            () if !self.rules.is_enabled => "healing is off here (`enabled: false`)".to_owned(),
            () if !ci.is_trusted || !self.rules.is_trusted(base_branch, &ci.default_branch) => {
                "the branch is none of `trusted_branches`".to_owned()
            }
            () if is_refused => "the guard refused the patch".to_owned(),
            () if n_files > max_files => format!("it changes {n_files} files, and the rules allow {max_files}"),
            () if is_wanted => return None,
            () if self.rules.needs_approval => "a person must ask for it (`require_manual_approval`)".to_owned(),
            () if is_old => "it was proved more than a day ago; ask for it by hand".to_owned(),
            () => {
                let until = self.family.cooled_until.filter(|it| *it > self.now)?;
                let why = format!("a person said no; the failure is left alone until {until:.0}");
                return Some(Skip { why, until: Some(until) });
            }
        };
        Some(Skip::always(why))
    }

    fn skip_by_number(&self, families: &[Family]) -> Option<Skip> {
        let limits = limits(families, &[], &self.steward.engine.forge.terms, None, self.now);
        let told = |it: Used| format!("{} of {}", it.used, it.limit.unwrap_or_default());
        if limits.open_prs.is_up() {
            let why = format!("{} pull requests are open", told(limits.open_prs));
            return Some(Skip { why, until: Some(self.now + SignedDuration::from_mins(10)) });
        }
        if limits.prs_today.is_up() {
            let why = format!("{} pull requests in 24 hours", told(limits.prs_today));
            let opened = families.iter().filter_map(|it| it.pull.as_ref()?.opened_at);
            let first = opened.filter(|it| self.now.duration_since(*it) < DAY).min();
            return Some(Skip { why, until: Some(first.unwrap_or(self.now) + DAY) });
        }
        None
    }

    /// Whether the run has something that should stand at the forge, and whether it is only to be looked at.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let pull = self.family.pull.as_ref().filter(|it| it.state != PrState::Closed);
        match self.run.status {
            Status::Fixed => Some(Wanted::Proved),
            Status::Escalated if self.run.escalation_reason != Some(Reason::Denied) => {
                (pull.is_some() || self.family.wanted_by.is_some()).then_some(Wanted::ForReview)
            }
            _ => None,
        }
    }
}

/// As what a fix stands at the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Proved,
    /// Not proved: a draft that a person must look at.
    ForReview,
}
