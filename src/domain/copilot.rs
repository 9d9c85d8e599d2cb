//! What GitHub's coding agent is asked for a family. The wish is stored before anything is written at the forge, so that nobody asks twice.
use crate::domain::attempt::Attempt;
use crate::domain::ids::RunId;
use crate::domain::names::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

named! {
    /// How GitHub's coding agent was asked.
    Asked {
        /// The tracking issue was assigned to it.
        Assigned = "assigned",
        /// A comment on the tracking issue mentions it.
        Mentioned = "mentioned",
        /// A comment on its own pull request mentions it.
        Again = "again",
    }
}

named! {
    /// How far the change of its pull request is.
    #[derive(Default)]
    CopilotChange {
        /// It is still at work, or was not asked yet.
        #[default]
        Growing = "growing",
        /// Its branch has come to rest: the change can be taken.
        Ready = "ready",
        /// Its pull request was closed, or merged elsewhere, before that.
        Closed = "closed",
    }
}

/// A wish to be done by GitHub's coding agent, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopilotAsk {
    pub run_id: RunId,
    /// The attempt whose candidate its change is to be.
    pub attempt_no: u32,
    /// From 1: how often it was wanted for the run. A change that was refuted begins the next one.
    pub round: u32,
    /// What a person said to the agents.
    pub hint: Option<String>,
    /// Until when it is waited for.
    pub until: Timestamp,
    /// None: it is not asked yet.
    pub asked: Option<Asked>,
    /// Why the issue could not be assigned to it, in words.
    pub refusal: Option<String>,
    /// Whether the issue was assigned to it.
    pub is_assigned: bool,
    /// Whether the issue is assigned to it for an earlier run, so that assigning it again would tell it nothing.
    pub must_release: bool,
    /// The newest number of issues and pull requests when it was asked: its own pull request has a higher one.
    pub since: Option<u64>,
    /// Its pull request.
    pub pull: Option<u64>,
    /// Where the branch of its pull request is, and since when it is known to be there.
    #[serde(default)]
    pub head: Option<(String, Timestamp)>,
    #[serde(default)]
    pub change: CopilotChange,
    /// Its pull request for an earlier run, which was not told yet that nothing more is done with it.
    #[serde(default)]
    pub earlier_pull: Option<u64>,
    /// Where its branch was when its change was refuted.
    pub refuted: Option<String>,
    /// Where its branch was when its change was taken.
    pub taken: Option<String>,
    /// What was last told of the wait.
    pub told: Option<String>,
    /// Whether its pull request was told how the run ended.
    pub is_left: bool,
}

impl CopilotAsk {
    /// Returns what is wanted now, where `before` was: the same for as long as no change of it was taken and came to nothing, was refused, or is to
    /// be another by a person's hint. Then a new round begins.
    pub fn wanted(
        before: Option<&Self>,
        run_id: RunId,
        attempt_no: u32,
        earlier: &[Attempt],
        hint: Option<&str>,
        until: Timestamp,
    ) -> Self {
        let hint = hint.map(str::to_owned);
        let Some(before) = before.filter(|it| it.run_id == run_id) else {
            let first = Self::first(run_id, attempt_no, hint, until);
            let earlier_pull = before.and_then(|it| it.pull.filter(|_| !it.is_left).or(it.earlier_pull));
            return Self { must_release: before.is_some_and(|it| it.is_assigned), earlier_pull, ..first };
        };
        // A worker that lost the run changes nothing any more.
        if before.attempt_no >= attempt_no {
            return before.clone();
        }
        // An attempt that was given back was never judged.
        let was_judged = |it: &Attempt| it.attempt_no == before.attempt_no && it.failure_kind.is_some();
        let is_hinted = hint.is_some() && hint != before.hint;
        let is_refuted = before.taken.is_some() && (before.is_left || is_hinted || earlier.iter().any(was_judged));
        // Who was let off, when the run seemed to be over, must be asked anew.
        let is_let_off = before.is_left || (before.asked == Some(Asked::Assigned) && !before.is_assigned);
        if !is_refuted && !is_let_off {
            return Self {
                attempt_no,
                until,
                taken: None,
                change: CopilotChange::Growing,
                head: None,
                ..before.clone()
            };
        }
        Self {
            attempt_no,
            round: before.round + 1,
            hint,
            until,
            asked: None,
            refusal: None,
            refuted: before.taken.clone().or_else(|| before.refuted.clone()),
            taken: None,
            change: CopilotChange::Growing,
            head: None,
            told: None,
            is_left: false,
            ..before.clone()
        }
    }

    /// Returns what is left of it when its pull request was closed or merged by somebody: nothing is waited for any more, and the next attempt
    /// begins anew.
    #[must_use]
    pub fn closed(&self, now: Timestamp) -> Self {
        let first = Self::first(self.run_id, self.attempt_no, self.hint.clone(), now);
        Self { round: self.round + 1, must_release: self.is_assigned, earlier_pull: self.earlier_pull, ..first }
    }

    /// Returns what is waited for, in words; `issue` is the tracking issue.
    pub fn words(&self, issue: Option<u64>) -> String {
        let on = issue.map(|it| format!(" on issue #{it}")).unwrap_or_default();
        match (&self.told, self.asked, self.pull) {
            (Some(told), ..) => told.clone(),
            (None, None, _) => "it is not asked yet".to_owned(),
            (None, _, Some(number)) => format!("its pull request #{number} may still grow"),
            (None, Some(Asked::Mentioned), None) => format!("it is mentioned{on} and has opened no pull request"),
            (None, Some(_), None) => format!("it was asked{on} and has opened no pull request"),
        }
    }

    const fn first(run_id: RunId, attempt_no: u32, hint: Option<String>, until: Timestamp) -> Self {
        Self {
            run_id,
            attempt_no,
            round: 1,
            hint,
            until,
            asked: None,
            refusal: None,
            is_assigned: false,
            must_release: false,
            since: None,
            pull: None,
            head: None,
            change: CopilotChange::Growing,
            earlier_pull: None,
            refuted: None,
            taken: None,
            told: None,
            is_left: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::{AttemptFailure, Author};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ended(attempt_no: u32, failure_kind: Option<AttemptFailure>) -> Attempt {
        let started = Attempt::started(attempt_no, Author::Agent("copilot".to_owned()), None, at(0));
        Attempt { failure_kind, ..started }
    }

    #[test]
    fn it_is_asked_again_only_after_its_change_was_refuted() {
        let run = RunId::random();
        let wanted = |before: Option<&CopilotAsk>, no: u32, earlier: &[Attempt]| {
            CopilotAsk::wanted(before, run, no, earlier, Some("look"), at(i64::from(no)))
        };
        let first = wanted(None, 1, &[]);
        assert_eq!((first.round, first.asked, first.must_release), (1, None, false));
        let asked = CopilotAsk { asked: Some(Asked::Assigned), is_assigned: true, pull: Some(9), ..first };
        assert_eq!(wanted(Some(&asked), 1, &[]), asked, "a worker that takes it over asks nothing");
        assert_eq!(wanted(Some(&asked), 0, &[]), asked);
        let late = wanted(Some(&asked), 2, &[ended(1, Some(AttemptFailure::AgentTimedOut))]);
        assert_eq!((late.asked, late.round, late.until), (Some(Asked::Assigned), 1, at(2)), "it may still come");

        let taken = CopilotAsk { taken: Some("c0ffee".to_owned()), ..asked };
        let given_back = wanted(Some(&taken), 2, &[ended(1, None)]);
        assert_eq!((given_back.asked, given_back.taken, given_back.refuted), (Some(Asked::Assigned), None, None));
        let left = CopilotAsk { is_left: true, ..taken.clone() };
        assert_eq!(wanted(Some(&left), 2, &[ended(1, None)]).round, 2, "a person refused it");
        let hinted = CopilotAsk { hint: None, ..taken.clone() };
        assert_eq!((wanted(Some(&hinted), 2, &[ended(1, None)]).round), 2, "a person said something new");
        let closed = wanted(Some(&taken.closed(at(9))), 2, &[ended(1, None)]);
        assert_eq!((closed.round, closed.asked, closed.pull, closed.must_release), (2, None, None, true));
        let refuted = wanted(Some(&taken), 2, &[ended(1, Some(AttemptFailure::StillRed))]);
        assert_eq!((refuted.asked, refuted.round, refuted.refuted.as_deref()), (None, 2, Some("c0ffee")));
        assert_eq!((refuted.pull, refuted.taken), (Some(9), None));
    }

    #[test]
    fn for_another_run_it_must_be_taken_off_first() {
        let first = CopilotAsk::first(RunId::random(), 1, None, at(0));
        let assigned = CopilotAsk { is_assigned: true, pull: Some(9), since: Some(7), ..first };
        let next = CopilotAsk::wanted(Some(&assigned), RunId::random(), 1, &[], None, at(1));
        assert_eq!((next.must_release, next.is_assigned, next.pull, next.since), (true, false, None, None));
    }
}
