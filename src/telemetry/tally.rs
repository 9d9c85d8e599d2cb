//! What an event counts as. Pure, so that the rules can be read and tested at one place.
use crate::domain::{AttemptStatus, Event, EventType, Provider, Status};
use jiff::Timestamp;
use serde_json::Value;

/// What the counters remember of a run while it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) provider: Provider,
    pub(super) is_running: bool,
    /// When its attempt began.
    pub(super) attempt_since: Option<Timestamp>,
}

/// One step of one counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Count {
    Status(Status),
    Attempt(AttemptStatus),
    /// How long an attempt took, in seconds.
    Took(f64),
    Validation {
        passed: bool,
    },
    Pr(&'static str),
    Human(&'static str),
    LeaseLost,
}

/// Returns what an event counts as, and brings `known` up to date.
///
/// That a worker took a run is no event of its own: the first event of its work tells it.
pub(super) fn counts(event: &Event, known: &mut Known) -> Vec<Count> {
    use EventType as E;
    let says = |key: &str| event.payload.get(key).and_then(Value::as_bool).unwrap_or(false);
    let is_human = event.actor.starts_with("human:");
    let mut counts = Vec::new();
    let is_work = matches!(
        event.kind,
        E::AttemptStarted | E::AttemptReproduced | E::AttemptProposed | E::AttemptGuarded | E::AttemptValidated
    ) || matches!(event.kind, E::AttemptSucceeded | E::AttemptFailed)
        || (event.kind == E::RunEscalated && !says("idle"))
        || (event.kind == E::RunRequeued && !is_human && !says("idle"));
    if is_work && !known.is_running {
        known.is_running = true;
        counts.push(Count::Status(Status::Running));
    }
    let mut rest = |counts: &mut Vec<Count>, status| {
        known.is_running = false;
        counts.push(Count::Status(status));
    };
    match event.kind {
        E::RunQueued => rest(&mut counts, Status::Queued),
        E::RunRequeued => {
            rest(&mut counts, Status::Queued);
            if is_human {
                counts.push(Count::Human("retry"));
            }
            if says("leaseLost") {
                counts.push(Count::LeaseLost);
            }
        }
        E::RunEscalated => rest(&mut counts, Status::Escalated),
        E::RunApproved => {
            counts.push(Count::Human("approve"));
            if says("final") {
                rest(&mut counts, Status::Resolved);
            }
        }
        E::RunDenied => {
            counts.push(Count::Human("deny"));
            rest(&mut counts, Status::Escalated);
        }
        E::RunAborted => {
            counts.push(Count::Human("abort"));
            rest(&mut counts, Status::Aborted);
        }
        E::RunHumanFixed => counts.push(Count::Human("human-fix")),
        E::AttemptStarted => {
            counts.push(Count::Attempt(AttemptStatus::Running));
            known.attempt_since = Some(event.created_at);
        }
        E::AttemptSucceeded => {
            counts.push(Count::Attempt(AttemptStatus::Succeeded));
            rest(&mut counts, Status::Fixed);
        }
        E::AttemptFailed => counts.push(Count::Attempt(AttemptStatus::Failed)),
        E::AttemptValidated => counts.push(Count::Validation { passed: says("passed") }),
        E::PrOpened => counts.push(Count::Pr("opened")),
        E::PrSkipped => counts.push(Count::Pr("skipped")),
        E::PrMerged => {
            counts.push(Count::Pr("merged"));
            // Where a person approved it here, that was told and counted before.
            if event.actor == "system" && says("final") {
                rest(&mut counts, Status::Resolved);
            }
        }
        E::PrUpdated => counts.push(Count::Pr("updated")),
        E::PrReady => counts.push(Count::Pr("ready")),
        E::PrWanted => counts.push(Count::Human("publish")),
        E::PrRefused => counts.push(Count::Pr("refused")),
        E::PrClosed => counts.push(Count::Pr("closed")),
        E::RunCreated
        | E::AttemptReproduced
        | E::AttemptThinking
        | E::AttemptProposed
        | E::AttemptGuarded
        | E::AccessRefused
        | E::OperatorAdded
        | E::OperatorRevoked
        | E::OperatorTokenIssued
        | E::IssueOpened
        | E::IssueCommented
        | E::IssueClosed
        | E::PrChecksPassed
        | E::PrChecksFailed
        | E::BranchDeleted
        | E::CiRerun
        | E::CiCancelled
        | E::CiApproved
        | E::CiRefused
        | E::RunRecurred => {}
    }
    if matches!(event.kind, E::AttemptSucceeded | E::AttemptFailed | E::RunAborted)
        && let Some(since) = known.attempt_since.take()
    {
        counts.push(Count::Took(event.created_at.duration_since(since).as_secs_f64().max(0.0)));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;
    use serde_json::json;

    fn told(story: &[(EventType, &str, Value)]) -> Vec<Count> {
        let mut known = Known { provider: Provider::Github, is_running: false, attempt_since: None };
        let mut counted = Vec::new();
        for (second, (kind, actor, payload)) in (0..).zip(story) {
            let event = Event {
                seq: 1,
                run_id: RunId::NONE,
                run_version: 1,
                kind: *kind,
                actor: (*actor).to_owned(),
                message: String::new(),
                payload: payload.clone(),
                created_at: Timestamp::from_second(second * 10).unwrap(),
                prev: Event::genesis(),
                digest: Event::genesis(),
            };
            counted.extend(counts(&event, &mut known));
        }
        counted
    }

    #[test]
    fn a_heal_with_one_retry_counts_every_step_once() {
        use EventType as E;
        let nothing = || Value::Null;
        let counted = told(&[
            (E::RunCreated, "system", nothing()),
            (E::RunQueued, "system", nothing()),
            (E::AttemptReproduced, "system", nothing()),
            (E::AttemptStarted, "playbook", nothing()),
            (E::AttemptValidated, "system", json!({ "passed": false })),
            (E::AttemptFailed, "playbook", nothing()),
            (E::RunRequeued, "system", nothing()),
            (E::AttemptStarted, "playbook", nothing()),
            (E::AttemptValidated, "system", json!({ "passed": true })),
            (E::AttemptSucceeded, "playbook", nothing()),
            (E::RunApproved, "human:ann", json!({ "final": true })),
        ]);
        assert_eq!(
            counted,
            [
                Count::Status(Status::Queued),
                Count::Status(Status::Running),
                Count::Attempt(AttemptStatus::Running),
                Count::Validation { passed: false },
                Count::Attempt(AttemptStatus::Failed),
                Count::Took(20.0),
                Count::Status(Status::Queued),
                Count::Status(Status::Running),
                Count::Attempt(AttemptStatus::Running),
                Count::Validation { passed: true },
                Count::Attempt(AttemptStatus::Succeeded),
                Count::Status(Status::Fixed),
                Count::Took(20.0),
                Count::Human("approve"),
                Count::Status(Status::Resolved),
            ]
        );
    }

    /// No worker held the run when the forge was heard of: it never ran.
    #[test]
    fn what_happens_at_a_forge_is_no_work() {
        use EventType as E;
        let red = told(&[
            (E::PrOpened, "system", Value::Null),
            (E::PrChecksFailed, "system", Value::Null),
            (E::RunRequeued, "system", json!({ "idle": true })),
        ]);
        assert_eq!(red, [Count::Pr("opened"), Count::Status(Status::Queued)]);
        let declined = told(&[
            (E::RunCreated, "system", Value::Null),
            (E::RunEscalated, "system", json!({ "reason": "rate_limited", "idle": true })),
        ]);
        assert_eq!(declined, [Count::Status(Status::Escalated)]);
        let elsewhere = told(&[(E::PrMerged, "system", json!({ "final": true }))]);
        assert_eq!(elsewhere, [Count::Pr("merged"), Count::Status(Status::Resolved)]);
        let here = told(&[
            (E::RunApproved, "human:ann", json!({ "final": true })),
            (E::PrMerged, "human:ann", json!({ "final": true })),
        ]);
        assert_eq!(here, [Count::Human("approve"), Count::Status(Status::Resolved), Count::Pr("merged")]);
    }

    #[test]
    fn a_lost_lease_is_told_from_a_retry_and_from_a_persons() {
        use EventType as E;
        let lost = told(&[(E::RunRequeued, "system", json!({ "leaseLost": true }))]);
        assert_eq!(lost, [Count::Status(Status::Running), Count::Status(Status::Queued), Count::LeaseLost]);
        let person = told(&[(E::RunRequeued, "human:ann", Value::Null)]);
        assert_eq!(person, [Count::Status(Status::Queued), Count::Human("retry")]);
    }
}
