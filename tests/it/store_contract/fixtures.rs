//! Runs and their usual ways, made by the state machine itself.
use jiff::SignedDuration;
use jiff::Timestamp;
use paramedic::domain::Attempt;
use paramedic::domain::AttemptFailure;
use paramedic::domain::AttemptStatus;
use paramedic::domain::Author;
use paramedic::domain::Category;
use paramedic::domain::CiRef;
use paramedic::domain::EventType;
use paramedic::domain::Failure;
use paramedic::domain::Finding;
use paramedic::domain::Judgement;
use paramedic::domain::NewEvent;
use paramedic::domain::Order;
use paramedic::domain::Patch;
use paramedic::domain::Pending;
use paramedic::domain::Provider;
use paramedic::domain::Reason;
use paramedic::domain::ResolvedBy;
use paramedic::domain::Run;
use paramedic::domain::Source;
use paramedic::domain::Status;
use paramedic::domain::TestReport;
use paramedic::domain::Transition;
use paramedic::domain::Verdict;
use paramedic::domain::failure::EvidenceLine;
use paramedic::domain::failure::TestOutcome;
use paramedic::domain::run::PrState;
use paramedic::domain::transition::Decided;
use paramedic::domain::transition::Decision;
use paramedic::domain::{Instruction, Intent};
use paramedic::store::Claim;
use paramedic::store::Lease;
use paramedic::store::Store;
use serde_json::json;
use std::time::Duration;

/// Text that has broken stores before: NUL, escapes, astral plane, quotes.
pub(crate) const ODD: &str = "a\0b \u{1b}[31m \u{202e}'\"; DROP TABLE runs; -- \u{1f691}\r\n\t\u{ffff}";

/// Returns the time `seconds` after the tests' beginning; with nanoseconds, because they must survive.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2025-03-01T12:00:00.123456789Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

/// Returns a queued run with nothing in it that need not be.
pub(crate) fn new_run(now: Timestamp) -> Run {
    Run::queued("acme/shop", "main", &("c0ffee".repeat(6) + "c0ff"), Order::default(), 3, now)
}

/// Returns a run with something in every field.
pub(crate) fn full_run(now: Timestamp) -> Run {
    Run {
        repository: format!("acme/{ODD}"),
        branch: ODD.to_owned(),
        provider: Provider::Jenkins,
        source: Source::Junit,
        pipeline_url: Some("https://ci.example/1?a=b&c".to_owned()),
        error_hash: "v1:abc".to_owned(),
        error_type: Some("E0308".to_owned()),
        error_summary: ODD.to_owned(),
        status: Status::Escalated,
        attempt_count: 4,
        max_attempts: 5,
        escalation_reason: Some(Reason::Flaky),
        escalation_note: Some(ODD.to_owned()),
        resolved_by: Some(ResolvedBy::Human),
        approved_by: vec!["ann".to_owned(), ODD.to_owned()],
        pr_number: Some(u64::MAX),
        pr_url: Some("https://example/pull/1".to_owned()),
        pr_state: PrState::Merged,
        heal_branch: Some("heal/1".to_owned()),
        heal_commit: Some("beef".to_owned()),
        updated_at: now + SignedDuration::from_nanos(1),
        order: Order {
            repo_path: "/srv/a b".to_owned(),
            machine: Some(ODD.to_owned()),
            test_command: Some("make test".to_owned()),
            test_reason: Some("Makefile".to_owned()),
            agents: vec!["playbook".to_owned(), "command".to_owned()],
            is_offline: true,
            agent_command: Some("fix --it".to_owned()),
            script: Some("[]".to_owned()),
            timeout_ms: u64::MAX,
            instruction: Some(Instruction { intent: Intent::Fix, text: ODD.to_owned(), context: Some(ODD.to_owned()) }),
            requested_by: Some(ODD.to_owned()),
            workflow: Some(ODD.to_owned()),
            ci: Some(CiRef {
                run_id: u64::MAX,
                attempt: 2,
                workflow_id: 7,
                workflow: ODD.to_owned(),
                workflow_path: ".github/workflows/ci.yml".to_owned(),
                event: "push".to_owned(),
                url: "https://example/runs/9".to_owned(),
                is_fork: true,
                is_trusted: true,
                default_branch: ODD.to_owned(),
            }),
        },
        rebased_on: Some("beef".to_owned()),
        rebases: 2,
        budget: 2,
        pending: Some(Pending::Patch { by: "ann".to_owned(), patch: patch(ODD), note: Some(ODD.to_owned()) }),
        failure: Some(full_failure()),
        not_before: Some(now + SignedDuration::from_millis(10)),
        ..new_run(now)
    }
}

fn full_failure() -> Failure {
    Failure {
        category: Category::Docker,
        confidence: 0.1 + 0.2,
        error_type: "AssertionError".to_owned(),
        summary: ODD.to_owned(),
        hash: "v1:abc".to_owned(),
        lines: vec![EvidenceLine { number: 7, text: ODD.to_owned() }],
        files: vec!["src/a b.rs".to_owned()],
        reduced_log: "007| boom".to_owned(),
        report: Some(TestReport {
            runner: "pytest".to_owned(),
            tests: [("t::a".to_owned(), TestOutcome::Failed), (ODD.to_owned(), TestOutcome::ExpectedFailure)].into(),
            total: Some(2),
            passed: Some(0),
            failed: Some(1),
            skipped: Some(0),
            expected_failures: Some(1),
        }),
        total_lines: 12,
        total_bytes: u64::MAX,
    }
}

/// Returns an attempt with something in every field.
pub(crate) fn full_attempt(attempt_no: u32, now: Timestamp) -> Attempt {
    Attempt {
        status: AttemptStatus::Failed,
        diagnosis: ODD.to_owned(),
        guard: Some(Judgement::from_findings(vec![Finding {
            file: "ci.yml".to_owned(),
            line: Some(3),
            rule: "ci-config".to_owned(),
            reason: ODD.to_owned(),
            verdict: Verdict::Violation,
        }])),
        validation_log: ODD.to_owned(),
        failure_kind: Some(AttemptFailure::PolicyViolation),
        failure_reason: Some("refused".to_owned()),
        new_failure: Some(ODD.to_owned()),
        failing_tests: vec!["t::a".to_owned()],
        recorded: true,
        waiting_since: Some(now),
        duration_ms: u64::MAX,
        tokens: Some(12),
        cost_usd: Some(0.1 + 0.7),
        ..with_patch(Attempt::started(attempt_no, Author::Human(ODD.to_owned()), Some(ODD.to_owned()), now), patch(ODD))
    }
}

pub(crate) fn patch(text: &str) -> Patch {
    Patch(format!("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{text}\n"))
}

pub(crate) fn with_patch(attempt: Attempt, patch: Patch) -> Attempt {
    Attempt { patch_digest: Some(patch.digest()), proposed_fix: Some(patch), ..attempt }
}

/// Returns the transition that brings `run` into being.
pub(crate) fn creation(run: &Run) -> Transition {
    let events = vec![
        NewEvent::new(EventType::RunCreated, "human:ann", "created").with(json!({ "source": run.source })),
        NewEvent::new(EventType::RunQueued, "system", "waiting for a worker"),
    ];
    Transition { run: run.clone(), attempt: None, events, releases_lease: false }
}

/// Stores a new queued run.
pub(crate) async fn queued(store: &dyn Store, now: Timestamp) -> Run {
    let run = new_run(now);
    store.create(&creation(&run), None).await.unwrap();
    run
}

/// Takes the run for `worker` for a minute.
pub(crate) async fn taken(store: &dyn Store, run: &Run, worker: &str, now: Timestamp) -> (Run, Lease) {
    store.claim(&Claim::of(worker, Some(run.id), now, Duration::from_mins(1))).await.unwrap().unwrap()
}

/// Brings a new run to `fixed` with a proved patch of an agent. Ten seconds pass.
pub(crate) async fn fixed(store: &dyn Store, now: Timestamp, verdict: Verdict) -> Run {
    let later = |seconds| now + SignedDuration::from_secs(seconds);
    let run = queued(store, now).await;
    let (run, lease) = taken(store, &run, "w", later(1)).await;
    let started = run.attempt_started(Author::Agent("playbook".to_owned()), None, later(2)).unwrap();
    store.commit(&started, Some(&lease)).await.unwrap();

    let patch = patch("fixed");
    let fact = NewEvent::new(EventType::AttemptProposed, "playbook", "proposed a patch")
        .with(json!({ "attempt": 1, "patchDigest": patch.digest() }));
    let mut attempt = with_patch(started.attempt.unwrap(), patch);
    let proposed = started.run.attempt_updated(attempt.clone(), vec![fact], later(3)).unwrap();
    store.commit(&proposed, Some(&lease)).await.unwrap();

    attempt.status = AttemptStatus::Succeeded;
    attempt.guard = Some(Judgement { verdict, findings: Vec::new() });
    let fixed = proposed.run.fixed(attempt, later(10)).unwrap();
    store.commit(&fixed, Some(&lease)).await.unwrap();
    fixed.run
}

/// Returns a decision of `by` that names no revision.
pub(crate) fn decision(by: &str, now: Timestamp) -> Decision<'_> {
    Decision { by, is_authenticated: false, note: None, rev: None, version: None, machine: None, now }
}

/// Returns the transition of a decision that changes something.
pub(crate) fn change(decided: Decided) -> Transition {
    match decided {
        Decided::Change(transition) | Decided::FirstKey(transition) => *transition,
        Decided::AlreadyDone(why) => panic!("nothing to commit: {why}"),
    }
}
