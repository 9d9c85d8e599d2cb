//! An attempt that waits for somebody outside: the run stands in the queue meanwhile, and no worker holds it.
use crate::domain::attempt::{Attempt, AttemptStatus};
use crate::domain::event::{EventType, NewEvent};
use crate::domain::run::{PrState, ResolvedBy, Run, Status};
use crate::domain::transition::forge::pr_merged;
use crate::domain::transition::{Illegal, MergedBy, Transition};
use jiff::Timestamp;
use serde_json::json;

impl Run {
    /// The attempt waits for somebody outside, and so does the run: until it is woken, or until `until` by the clock of the database. A worker
    /// that takes it then goes on with the very same attempt.
    pub fn waits(&self, attempt: Attempt, why: &str, until: Timestamp, now: Timestamp) -> Result<Transition, Illegal> {
        let mut released = self.released(&format!("{why}; no worker is needed meanwhile"), now)?;
        for event in &mut released.events {
            event.payload = json!({ "waits": attempt.attempt_no });
        }
        released.run.not_before = Some(until);
        released.attempt = Some(Attempt { waiting_since: Some(now), ..attempt });
        Ok(released)
    }

    /// What its attempt waited for is there, so that a worker may take the run at once.
    pub fn woken(&self, attempts: &[Attempt], message: &str, now: Timestamp) -> Result<Transition, Illegal> {
        let Some(attempt) = self.waiting(attempts) else { return Err(self.illegal("wake")) };
        let run = Self { not_before: None, ..self.next(now) };
        let fact = NewEvent::new(EventType::AttemptThinking, attempt.author.to_string(), message);
        let fact = fact.with(json!({ "idle": true }));
        Ok(Transition { run, attempt: None, events: vec![fact], releases_lease: false })
    }

    /// Somebody merged, at the forge, the very change that is waited for: a person accepted it, and nothing is proved any more.
    pub fn merged_unproved(
        &self,
        attempts: &[Attempt],
        number: u64,
        commit: &str,
        by: MergedBy<'_>,
        now: Timestamp,
    ) -> Result<Transition, Illegal> {
        let Some(attempt) = self.waiting(attempts) else { return Err(self.illegal("merge")) };
        let (actor, merged) = by.words(number);
        let why = format!("{merged}, before its change was judged here");
        let run = Self {
            status: Status::Resolved,
            resolved_by: Some(ResolvedBy::Human),
            pr_number: Some(number),
            pr_state: PrState::Merged,
            not_before: None,
            ..self.next(now)
        };
        let attempt = Attempt {
            status: AttemptStatus::Failed,
            failure_reason: Some(why.clone()),
            waiting_since: None,
            ..attempt.clone()
        };
        let events = vec![pr_merged(&actor, number, commit, &why)];
        Ok(Transition { run, attempt: Some(attempt), events, releases_lease: false })
    }

    /// Returns the attempt that waits for somebody outside, if no worker has the run.
    pub fn waiting<'a>(&self, attempts: &'a [Attempt]) -> Option<&'a Attempt> {
        let is_waiting = |it: &&Attempt| it.status == AttemptStatus::Running && it.waiting_since.is_some();
        attempts.last().filter(is_waiting).filter(|_| self.status == Status::Queued && self.not_before.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Author;
    use crate::domain::order::Order;
    use jiff::SignedDuration;

    fn waiting() -> (Run, Vec<Attempt>) {
        let now = Timestamp::UNIX_EPOCH;
        let run = Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, now);
        let held = run.claimed("w", now).unwrap().run;
        let begun = held.attempt_started(Author::Agent("copilot".to_owned()), None, now).unwrap();
        let until = now + SignedDuration::from_mins(30);
        let waits = begun.run.waits(begun.attempt.unwrap(), "waiting for Copilot", until, now).unwrap();
        assert!(waits.releases_lease && waits.run.not_before == Some(until));
        assert_eq!(waits.events[0].message, "back in the queue: waiting for Copilot; no worker is needed meanwhile");
        (waits.run, vec![waits.attempt.unwrap()])
    }

    #[test]
    fn what_waits_is_woken_and_goes_on_with_its_attempt() {
        let (run, attempts) = waiting();
        assert_eq!((run.status, run.attempt_count, run.budget), (Status::Queued, 1, 2));
        let woken = run.woken(&attempts, "it is ready", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((woken.run.status, woken.run.not_before, woken.attempt), (Status::Queued, None, None));
        assert!(woken.run.woken(&attempts, "it is ready", Timestamp::UNIX_EPOCH).is_err(), "it is awake");
        let taken = run.claimed("w", Timestamp::UNIX_EPOCH).unwrap().run;
        assert!(taken.woken(&attempts, "it is ready", Timestamp::UNIX_EPOCH).is_err(), "a worker has it");
    }

    #[test]
    fn a_merge_of_what_is_waited_for_ends_the_run_and_proves_nothing() {
        let (run, attempts) = waiting();
        let merged =
            run.merged_unproved(&attempts, 9, "beef", MergedBy::Forge(Some("ann")), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((merged.run.status, merged.run.resolved_by), (Status::Resolved, Some(ResolvedBy::Human)));
        assert_eq!((merged.run.pr_number, merged.run.pr_state), (Some(9), PrState::Merged));
        let attempt = merged.attempt.unwrap();
        assert_eq!((attempt.status, attempt.failure_kind), (AttemptStatus::Failed, None));
        let why = attempt.failure_reason.unwrap();
        assert_eq!(why, "pull request #9 was merged at the forge by @ann, before its change was judged here");
        let fixed = Run { status: Status::Fixed, ..run };
        assert!(fixed.merged_unproved(&attempts, 9, "beef", MergedBy::Forge(None), Timestamp::UNIX_EPOCH).is_err());
    }
}
