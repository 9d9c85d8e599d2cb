//! Random walks: whatever workers and people do in whatever order, the state machine keeps its promises.
use super::at;
use super::by;
use super::hint;
use super::run_in;
use crate::domain::Attempt;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Judgement;
use crate::domain::Patch;
use crate::domain::Pending;
use crate::domain::Reason;
use crate::domain::Run;
use crate::domain::Status;
use crate::domain::Verdict;
use crate::domain::run::candidate;
use crate::domain::transition::Decided;
use crate::domain::transition::Illegal;
use crate::domain::transition::Transition;
use proptest::prelude::*;

const PEOPLE: [&str; 3] = ["ann", "bob", "cid"];

/// One thing that a worker or a person tries to do.
#[derive(Debug, Clone)]
enum Step {
    Claim,
    Release,
    GiveBack,
    Start,
    Wait,
    Wake,
    Prove(Verdict),
    Fail,
    GiveUp,
    Approve(usize),
    Deny(usize),
    Abort(usize),
    Retry(usize),
    FixByHand(usize),
    Hint(usize),
}

/// A run with its attempts, as a store would hold them.
#[derive(Debug, Clone)]
struct World {
    run: Run,
    attempts: Vec<Attempt>,
}

impl World {
    fn new() -> Self {
        Self { run: Run { attempt_count: 0, version: 1, budget: 3, ..run_in(Status::Queued) }, attempts: Vec::new() }
    }

    /// Tries `step`, and returns what would be committed.
    fn ask(&self, step: &Step, second: i64) -> Result<Decided, Illegal> {
        let (run, now) = (&self.run, at(second));
        let commit = |it| Decided::Change(Box::new(it));
        let decision = |who: &usize| crate::domain::transition::Decision { now, ..by(PEOPLE[*who]) };
        match step {
            Step::Claim => run.claimed("w", now).map(commit),
            Step::Release => run.released("lost", now).map(commit),
            Step::GiveBack => run.given_back(self.attempts.last().cloned(), "stopped", now).map(commit),
            Step::Start => run.attempt_started(self.author(), None, now).map(commit),
            Step::Wait => {
                run.waits(self.judged(AttemptStatus::Running, Verdict::Ok), "waiting", at(999), now).map(commit)
            }
            Step::Wake => run.woken(&self.attempts, "it is there", now).map(commit),
            Step::Prove(verdict) => run.fixed(self.judged(AttemptStatus::Succeeded, *verdict), now).map(commit),
            Step::Fail => {
                let verdict = (run.budget == 0).then(|| (Reason::Exhausted, "spent".to_owned()));
                run.attempt_failed(self.judged(AttemptStatus::Failed, Verdict::Ok), verdict, now).map(commit)
            }
            Step::GiveUp => run.escalated(Reason::Flaky, "flaky", now).map(commit),
            Step::Approve(who) => run.approve(&self.attempts, &decision(who)),
            Step::Deny(who) => run.deny(&self.attempts, &decision(who)),
            Step::Abort(who) => run.abort(&self.attempts, &decision(who)),
            Step::Retry(who) => run.retry(&decision(who)),
            Step::FixByHand(who) => {
                let patch = Patch(format!("patch at {second}"));
                run.human_fix(Pending::Patch { by: PEOPLE[*who].to_owned(), patch, note: None }, &decision(who))
            }
            Step::Hint(who) => run.human_fix(hint(), &decision(who)),
        }
    }

    fn author(&self) -> Author {
        match &self.run.pending {
            Some(Pending::Patch { by, .. }) => Author::Human(by.clone()),
            Some(Pending::Again { by, .. }) => by.clone(),
            Some(Pending::Hint { .. }) | None => Author::Agent("playbook".to_owned()),
        }
    }

    /// Returns the newest attempt (or a first one) as a worker would hand it back.
    fn judged(&self, status: AttemptStatus, verdict: Verdict) -> Attempt {
        let begun = self.attempts.last().cloned();
        let begun = begun.unwrap_or_else(|| Attempt::started(1, self.author(), None, at(0)));
        let patch = Patch(format!("patch of attempt {}", begun.attempt_no));
        Attempt {
            status,
            patch_digest: Some(patch.digest()),
            proposed_fix: Some(patch),
            guard: Some(Judgement { verdict, findings: Vec::new() }),
            waiting_since: None,
            ..begun
        }
    }

    fn commit(&mut self, transition: Transition) {
        if let Some(attempt) = transition.attempt {
            self.attempts.retain(|it| it.attempt_no != attempt.attempt_no);
            self.attempts.push(attempt);
        }
        self.run = transition.run;
    }

    /// Lets a step happen if it may; an attempt ends only after it began, as workers do it.
    fn walk(&mut self, step: &Step, second: i64) -> Option<Decided> {
        let is_mid_attempt = self.attempts.last().is_some_and(|it| it.status == AttemptStatus::Running);
        if matches!(step, Step::Prove(_) | Step::Fail | Step::Wait) && !is_mid_attempt {
            return None;
        }
        let decided = self.ask(step, second).ok()?;
        if let Decided::Change(transition) | Decided::FirstKey(transition) = &decided {
            self.commit(*transition.clone());
        }
        Some(decided)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        6 => Just(Step::Claim),
        1 => Just(Step::Release),
        1 => Just(Step::GiveBack),
        6 => Just(Step::Start),
        2 => Just(Step::Wait),
        1 => Just(Step::Wake),
        4 => prop_oneof![Just(Verdict::Ok), Just(Verdict::NeedsTwoKeys)].prop_map(Step::Prove),
        4 => Just(Step::Fail),
        1 => Just(Step::GiveUp),
        2 => who.clone().prop_map(Step::Approve),
        1 => who.clone().prop_map(Step::Deny),
        1 => who.clone().prop_map(Step::Abort),
        2 => who.clone().prop_map(Step::Retry),
        2 => who.clone().prop_map(Step::FixByHand),
        1 => who.prop_map(Step::Hint),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..60)
}

const WORKER_STEPS: [Step; 9] = [
    Step::Wait,
    Step::Wake,
    Step::Claim,
    Step::Release,
    Step::GiveBack,
    Step::Start,
    Step::Prove(Verdict::Ok),
    Step::Fail,
    Step::GiveUp,
];

fn check_state(world: &World) {
    let World { run, attempts } = world;
    assert!(run.budget <= run.max_attempts, "budget {} of {}", run.budget, run.max_attempts);
    assert_eq!(run.attempt_count as usize, attempts.len());
    let has_fix = matches!(run.status, Status::Fixed | Status::Resolved);
    assert_eq!(run.resolved_by.is_some(), has_fix);
    assert!(has_fix || run.approved_by.is_empty());
    match run.status {
        Status::Queued | Status::Fixed | Status::Resolved => assert_eq!(run.escalation_reason, None),
        Status::Escalated => assert!(run.escalation_reason.is_some() && run.escalation_note.is_some()),
        Status::Running | Status::Aborted => (),
    }
    if !has_fix {
        return;
    }
    let proved = candidate(attempts).unwrap();
    assert_eq!(proved.status, AttemptStatus::Succeeded);
    let needs_two = proved.guard.as_ref().unwrap().verdict == Verdict::NeedsTwoKeys;
    let mut keys = run.approved_by.clone();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), run.approved_by.len());
    assert_eq!(run.status == Status::Resolved, keys.len() == if needs_two { 2 } else { 1 });
    assert!(!needs_two || !proved.author.human().is_some_and(|it| run.approved_by.iter().any(|key| key == it)));
}

/// Takes the shortest way back to a worker, which must be open from everywhere but the end.
fn check_way_out(world: &World) {
    let mut world = world.clone();
    if world.run.status == Status::Resolved {
        return;
    }
    if matches!(world.run.status, Status::Queued | Status::Running) {
        world.walk(&Step::Abort(0), 900).unwrap();
    }
    for step in [Step::Retry(0), Step::Claim, Step::Start, Step::Prove(Verdict::Ok), Step::Approve(0)] {
        assert!(world.walk(&step, 901).is_some(), "{step:?} from {:?}", world.run.status);
    }
    assert_eq!(world.run.status, Status::Resolved);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_state_that_is_reached_is_sound_and_has_a_way_out(steps in steps()) {
        let mut world = World::new();
        check_way_out(&world);
        for (second, step) in (1..).zip(&steps) {
            world.walk(step, second);
            check_state(&world);
            check_way_out(&world);
        }
    }

    #[test]
    fn every_change_is_the_next_version(steps in steps()) {
        let mut world = World::new();
        for (second, step) in (1..).zip(&steps) {
            let before = world.run.clone();
            match world.walk(step, second) {
                Some(Decided::Change(_) | Decided::FirstKey(_)) => {
                    prop_assert_eq!(world.run.version, before.version + 1);
                    prop_assert_eq!(world.run.updated_at, at(second));
                    prop_assert!(world.run.attempt_count - before.attempt_count <= 1);
                    let same = (world.run.id, world.run.created_at, world.run.max_attempts);
                    prop_assert_eq!(same, (before.id, before.created_at, before.max_attempts));
                }
                Some(Decided::AlreadyDone(_)) | None => prop_assert_eq!(&world.run, &before),
            }
        }
    }

    #[test]
    fn resolved_is_final(steps in steps(), after in steps()) {
        let mut world = World::new();
        for (second, step) in (1..).zip(&steps) {
            world.walk(step, second);
        }
        for step in [Step::Abort(0), Step::Retry(0), Step::Claim, Step::Start, Step::Prove(Verdict::Ok), Step::Approve(0)] {
            world.walk(&step, 500);
        }
        prop_assert_eq!(world.run.status, Status::Resolved);
        for step in &after {
            match world.ask(step, 600) {
                Err(refusal) => prop_assert!(refusal.to_string().ends_with("; that is final"), "{}", refusal),
                Ok(repeat) => prop_assert!(matches!(repeat, Decided::AlreadyDone(_)), "{:?}", repeat),
            }
        }
    }

    /// A worker that still sees the run before the abort makes a version that is taken; one that sees the abort may do nothing.
    #[test]
    fn an_abort_is_never_overwritten(steps in steps()) {
        let mut world = World::new();
        for (second, step) in (1..).zip(&steps) {
            world.walk(step, second);
            let unaware = world.clone();
            let mut aborted = world.clone();
            let Some(Decided::Change(_)) = aborted.walk(&Step::Abort(0), 700) else { continue };
            for late in &WORKER_STEPS {
                if let Ok(Decided::Change(late)) = unaware.ask(late, 701) {
                    prop_assert_eq!(late.run.version, aborted.run.version);
                }
                prop_assert!(aborted.ask(late, 701).is_err());
            }
            let is_running = |it: &Attempt| it.status == AttemptStatus::Running;
            prop_assert!(!aborted.attempts.last().is_some_and(is_running));
            prop_assert!(aborted.run.waiting(&aborted.attempts).is_none());
        }
    }
}
