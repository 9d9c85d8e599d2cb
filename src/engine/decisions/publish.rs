//! A person asks for a pull request that would not be opened otherwise.
use crate::domain::operator::is_same_person;
use crate::domain::run::candidate;
use crate::domain::{Attempt, Digest, EventType, Family, NewEvent, Reason, Run, Status, Verdict};
use crate::engine::decisions::pulls::{HOLDS_ANOTHER, holds_another, no};
use crate::engine::decisions::{Done, Operator};
use crate::engine::steward::gate;
use crate::engine::steward::twin::twin_among;
use crate::engine::{Engine, EngineError};
use crate::store::StoreError;
use serde_json::json;

impl Engine {
    /// Lets a patch be published that would not be otherwise: an escalated run's as a draft, or a proved one that waits for a person's word.
    pub(super) async fn publish(
        &self,
        run: Run,
        attempts: &[Attempt],
        operator: &Operator,
    ) -> Result<Done, EngineError> {
        let family = self.store.family_of_run(run.id).await?;
        let what = if run.order.is_of_a_path() { "of a folder on a machine" } else { "not of a watched repository" };
        let family = family.ok_or_else(|| no(format!("this run is {what}; there is nowhere to publish it")))?;
        // The author of what runs at the forge needs another person's word also where a pull request is open for it to follow on.
        let author = candidate(attempts).and_then(Attempt::waits_for_another);
        let digest = candidate(attempts).and_then(|it| it.patch_digest.as_ref());
        if run.escalation_reason == Some(Reason::Denied) {
            return Err(no("it was denied, and a no stands; `retry` it first"));
        }
        if let Some((number, pull)) = family.open_pull() {
            if digest.is_some() && holds_another(pull, run.id, digest) {
                return Err(no(format!("pull request #{number}: {HOLDS_ANOTHER}")));
            }
            if author.is_none() || digest == Some(&pull.patch) {
                return Ok(Done::Repeat { message: format!("pull request #{number} is open already"), run });
            }
        }
        if let Some(why) = self.why_not_there(&family.repository) {
            return Err(no(format!("no pull request can be opened: {why}")));
        }
        if !matches!(run.status, Status::Fixed | Status::Escalated) {
            return Err(no(format!("cannot publish a run that is {}", run.status)));
        }
        let attempt = candidate(attempts).ok_or_else(|| no("there is no patch to publish"))?;
        if attempt.guard.as_ref().is_none_or(|it| it.verdict == Verdict::Violation) {
            return Err(no("the guard refused the patch; it is not published"));
        }
        if !run.order.is_trusted() {
            return Err(no("the branch is not trusted: its patch stays here, get it with `paramedic diff`"));
        }
        if author.is_some_and(|it| is_same_person(it, &operator.name)) {
            let by = &operator.name;
            return Err(no(format!(
                "{by} wrote this patch, which changes what runs at the forge; another person must ask"
            )));
        }
        let now = self.clock.now();
        let comes = self.comes(&family, &run, digest).await?;
        if family.asked_by(digest).is_some_and(|it| is_same_person(it, &operator.name)) {
            return Ok(Done::Repeat { message: format!("already asked for; it {comes}"), run });
        }
        let fact = NewEvent::new(EventType::PrWanted, format!("human:{}", operator.name), "asked for a pull request")
            .with(json!({ "patchDigest": attempt.patch_digest, "note": operator.note }));
        let next = Family {
            wanted_by: Some(operator.name.clone()),
            wanted_patch: attempt.patch_digest.clone(),
            skipped: None,
            other_pull: None,
            cooled_until: None,
            due_at: Some(now),
            ..family.next()
        };
        self.store.put_family(&next, &[fact], now).await?;
        let kind = if run.status == Status::Fixed { "a pull request" } else { "a draft" };
        Ok(Done::Changed { message: format!("{kind} {comes}"), run })
    }

    /// Returns when a pull request that a person asked for comes, in words: their word opens what would wait for one, and no limit is lifted by it.
    async fn comes(&self, family: &Family, run: &Run, patch: Option<&Digest>) -> Result<String, StoreError> {
        let now = self.clock.now();
        let families = self.store.families(&family.repository, gate::MAX_FAMILIES).await?;
        if let Some(skip) = gate::used_up(&families, Some(&family.key), &self.forge.terms, now) {
            return Ok(format!("is opened when there is room: {}", skip.why));
        }
        Ok(match twin_among(families, &family.key, run, patch, now).map(|it| it.number) {
            Some(Some(number)) => format!("is not needed: pull request #{number} has this very fix, and is followed"),
            Some(None) => "is not needed: another failure's, with this very fix, is opened in a moment".to_owned(),
            None => "is opened in a moment; where something is in the way, `show` says what".to_owned(),
        })
    }
}
