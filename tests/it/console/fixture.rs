//! Real domain values for the console's tests and pictures: several runs in all states, a patch, a log. Always the same.
use jiff::SignedDuration;
use jiff::Timestamp;
use paramedic::domain::attempt::AttemptFailure;
use paramedic::domain::attempt::AttemptStatus;
use paramedic::domain::failure::Category;
use paramedic::domain::failure::EvidenceLine;
use paramedic::domain::failure::TestOutcome;
use paramedic::domain::{
    Attempt, Author, Digest, Event, EventType, Failure, Finding, Judgement, Order, Patch, Reason, ResolvedBy, Run,
    RunDetail, RunId, Status, TestReport, Verdict,
};
use std::collections::BTreeMap;

pub(super) const PATCH: &str = "\
diff --git a/src/retry.py b/src/retry.py
index 8c1d02a..44e9b10 100644
--- a/src/retry.py
+++ b/src/retry.py
@@ -38,12 +38,13 @@ class RetryBudget:
         self._lock = threading.Lock()
 
     def take(self) -> bool:
-        \"\"\"Take one retry.\"\"\"
+        \"\"\"Take one retry; False when none is left.\"\"\"
         with self._lock:
-            if self._left < 1:
+            if self._left <= 0:
                 return False
+            self._left -= 1
             return True
 
     def reset(self) -> None:
-        self._left = self._max - 1
+        self._left = self._max
 
diff --git a/src/client.py b/src/client.py
index 1111111..2222222 100644
--- a/src/client.py
+++ b/src/client.py
@@ -86,7 +86,6 @@ class Client:
             response = self._send(request)
             if response.ok:
                 return response
-            self.budget.left -= 1
             if not self.budget.take():
                 raise RetriesSpent(request)
             time.sleep(self.pause(response))
";

pub(super) const EARLIER_PATCH: &str = "\
diff --git a/src/retry.py b/src/retry.py
--- a/src/retry.py
+++ b/src/retry.py
@@ -41,5 +41,5 @@ class RetryBudget:
     def take(self) -> bool:
         with self._lock:
-            if self._left < 1:
+            if self._left < 2:
                 return False
             return True
";

pub(super) const LOG: &str = "\
##[group]Install dependencies
Collecting requests==2.32.3
  Downloading requests-2.32.3-py3-none-any.whl (64 kB)
Installing collected packages: requests
Successfully installed requests-2.32.3
##[endgroup]
##[group]Run python3 -m pytest -q
============================= test session starts ==============================
platform linux -- Python 3.12.4, pytest-8.3.2, pluggy-1.5.0
collected 417 items

tests/test_api.py ........................................               [  9%]
tests/test_auth.py ...................................                   [ 31%]
tests/test_billing.py ...............................                    [ 46%]
tests/test_budget.py ..........................                          [ 58%]
tests/test_retry.py ......F                                              [ 61%]

=================================== FAILURES ===================================
_________________________________ test_budget __________________________________

    def test_budget(client):
        client.run(failures=4)
>       assert client.retries == 4
E       AssertionError: assert 3 == 4
E        +  where 3 = <Client retries=3>.retries

tests/test_retry.py:88: AssertionError
------------------------------ Captured log call -------------------------------
WARNING  retry:retry.py:47 retry budget left=0
=========================== short test summary info ============================
FAILED tests/test_retry.py::test_budget - AssertionError: assert 3 == 4
1 failed, 416 passed in 41.07s
##[error]Process completed with exit code 1.
##[endgroup]
";

/// The time at which the pictures are taken.
pub(super) fn noon() -> Timestamp {
    "2026-03-14T12:00:00Z".parse().unwrap()
}

pub(super) fn before(seconds: i64) -> Timestamp {
    noon().checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

/// Returns the `n`th run's id; the ids differ from the first character on.
pub(super) fn id(n: u8) -> RunId {
    format!("{n:x}b6d3c0a-4f21-4c8e-9a77-0d5e8f1a2b3{n:x}").parse().unwrap()
}

pub(super) fn failure(summary: &str, test: &str) -> Failure {
    let tests = BTreeMap::from([(test.to_owned(), TestOutcome::Failed)]);
    Failure {
        category: Category::Test,
        confidence: 0.9,
        error_type: "AssertionError".to_owned(),
        summary: summary.to_owned(),
        hash: "v1:3f1c9a".to_owned(),
        lines: vec![EvidenceLine { number: 24, text: summary.to_owned() }],
        files: vec!["tests/test_retry.py".to_owned()],
        reduced_log: "  23| >       assert client.retries == 4\n  24| E       AssertionError: assert 3 == 4".to_owned(),
        report: Some(TestReport { runner: "pytest".to_owned(), tests, total: Some(417), ..TestReport::default() }),
        total_lines: 34,
        total_bytes: LOG.len() as u64,
    }
}

pub(super) fn run(n: u8, repository: &str, branch: &str, status: Status, since: i64) -> Run {
    let commit = format!("{n:x}1b2c3d4e5f60718293a4b5c6d7e8f9012345678");
    let order = Order { repo_path: format!("/srv/repos/{}", repository.replace('/', "-")), ..Order::default() };
    Run {
        id: id(n),
        error_hash: "v1:3f1c9a".to_owned(),
        error_type: Some("AssertionError".to_owned()),
        error_summary: "E AssertionError: assert 3 == 4".to_owned(),
        status,
        version: 7,
        created_at: before(since + 300),
        failure: Some(failure("E AssertionError: assert 3 == 4", "tests/test_retry.py::test_budget")),
        ..Run::queued(repository, branch, &commit, order, 3, before(since))
    }
}

pub(super) fn attempt(no: u32, author: &str, patch: Option<&str>, failed: Option<AttemptFailure>) -> Attempt {
    let mut attempt = Attempt::started(no, Author::from(author), None, before(900 - i64::from(no) * 200));
    attempt.status = if failed.is_some() { AttemptStatus::Failed } else { AttemptStatus::Succeeded };
    attempt.failure_kind = failed;
    attempt.failure_reason =
        failed.map(|_| "the failing command is still red: tests/test_retry.py::test_budget".to_owned());
    attempt.proposed_fix = patch.map(|it| Patch(it.to_owned()));
    attempt.patch_digest = attempt.proposed_fix.as_ref().map(Patch::digest);
    attempt.guard = patch.map(|_| Judgement::from_findings(Vec::new()));
    attempt.duration_ms = 34_000 + u64::from(no) * 11_000;
    attempt.diagnosis.push_str(
        "The caller decremented the budget, and only after a failure, so the fourth retry never ran. \
         The decrement moves under the lock in take().",
    );
    attempt.validation_log.push_str("tests/test_retry.py .......\n\n417 passed in 40.12s");
    attempt
}

pub(super) fn events(run: &Run, facts: &[(EventType, &str, &str)]) -> Vec<Event> {
    let mut prev = Event::genesis();
    let mut events = Vec::new();
    for (seq, (kind, actor, message)) in (1_u32..).zip(facts) {
        let mut event = Event {
            seq: u64::from(seq),
            run_id: run.id,
            run_version: u64::from(seq),
            kind: *kind,
            actor: (*actor).to_owned(),
            message: (*message).to_owned(),
            payload: serde_json::Value::Null,
            created_at: before(920 - i64::from(seq) * 20),
            prev: prev.clone(),
            digest: Event::genesis(),
        };
        event.digest = event.expected_digest();
        prev = event.digest.clone();
        events.push(event);
    }
    events
}

/// A run with a proved second attempt.
pub(super) fn fixed() -> RunDetail {
    let mut run = run(1, "acme/api", "fix/retry-budget", Status::Fixed, 12 * 60 + 3);
    (run.attempt_count, run.budget, run.resolved_by) = (2, 1, Some(ResolvedBy::Ai));
    let first = attempt(1, "playbook", Some(EARLIER_PATCH), Some(AttemptFailure::StillRed));
    let mut second = attempt(2, "codex", Some(PATCH), None);
    second.tokens = Some(18_204);
    second.cost_usd = Some(0.18);
    let events = events(
        &run,
        &[
            (EventType::RunCreated, "system", "created from the local repository"),
            (EventType::RunQueued, "system", "waiting for a worker"),
            (EventType::AttemptReproduced, "system", "red at 11b2c3d: 1 failed, 416 passed"),
            (EventType::AttemptStarted, "playbook", "attempt 1 by playbook started"),
            (EventType::AttemptProposed, "playbook", "1 file +1 −1"),
            (EventType::AttemptGuarded, "system", "guard: ok"),
            (EventType::AttemptFailed, "playbook", "attempt 1 failed: still red"),
            (EventType::AttemptStarted, "codex", "attempt 2 by codex started"),
            (EventType::AttemptProposed, "codex", "2 files +4 −4"),
            (EventType::AttemptGuarded, "system", "guard: ok"),
            (EventType::AttemptSucceeded, "codex", "attempt 2 proved: red before, green after, green again"),
        ],
    );
    RunDetail { run, attempts: vec![first, second], events, forge: None }
}

fn two_keys() -> RunDetail {
    let mut run = run(2, "acme/web", "main", Status::Fixed, 4 * 60 + 10);
    (run.attempt_count, run.budget, run.approved_by) = (1, 2, vec!["mara".to_owned()]);
    let mut only = attempt(1, "scripted", Some(PATCH), None);
    only.recorded = true;
    only.guard = Some(Judgement::from_findings(vec![Finding {
        file: "src/client.py".to_owned(),
        line: Some(88),
        rule: "protected-path".to_owned(),
        reason: "src/client.py is protected; two people must approve".to_owned(),
        verdict: Verdict::NeedsTwoKeys,
    }]));
    let events = events(&run, &[(EventType::RunCreated, "system", "created by the demo")]);
    RunDetail { run, attempts: vec![only], events, forge: None }
}

fn escalated(n: u8, repository: &str, branch: &str, reason: Reason, since: i64) -> RunDetail {
    let mut run = run(n, repository, branch, Status::Escalated, since);
    (run.attempt_count, run.budget, run.escalation_reason) = (3, 0, Some(reason));
    run.escalation_note = Some("3 of 3 attempts failed".to_owned());
    let attempts = vec![
        attempt(1, "codex", Some(EARLIER_PATCH), Some(AttemptFailure::StillRed)),
        attempt(2, "codex", None, Some(AttemptFailure::NoChange)),
        attempt(3, "codex", Some(PATCH), Some(AttemptFailure::PolicyViolation)),
    ];
    let events = events(&run, &[(EventType::RunEscalated, "system", "escalated (exhausted): 3 of 3 attempts failed")]);
    RunDetail { run, attempts, events, forge: None }
}

/// Every run of the tests' backlog.
pub(super) fn backlog() -> Vec<RunDetail> {
    let mut running = run(5, "acme/infra", "main", Status::Running, 38);
    (running.attempt_count, running.budget) = (1, 2);
    let mut first = attempt(1, "codex", None, None);
    first.status = AttemptStatus::Running;
    let running_events = events(&running, &[(EventType::AttemptStarted, "codex", "attempt 1 by codex started")]);
    let mut queued = run(6, "acme/docs", "main", Status::Queued, 3);
    queued.failure = None;
    queued.error_summary = String::new();
    let mut resolved = run(7, "acme/search", "perf/bm25", Status::Resolved, 3_900);
    (resolved.attempt_count, resolved.approved_by) = (1, vec!["jdoe".to_owned()]);
    resolved.heal_branch = Some("heal/3f1c9a00-71b2c3d4".to_owned());
    let bare = |run: Run| RunDetail { attempts: Vec::new(), events: Vec::new(), run, forge: None };
    vec![
        fixed(),
        two_keys(),
        escalated(3, "acme/billing", "release/2.9", Reason::Exhausted, 3_840),
        escalated(4, "acme/legacy", "cron", Reason::Flaky, 7_920),
        RunDetail { run: running, attempts: vec![first], events: running_events, forge: None },
        bare(queued),
        RunDetail { attempts: vec![attempt(1, "playbook", Some(PATCH), None)], ..bare(resolved) },
        bare(run(8, "acme/tools", "spike", Status::Aborted, 86_500)),
    ]
}

/// Returns the digest of the candidate patch.
pub(super) fn digest() -> Digest {
    Patch(PATCH.to_owned()).digest()
}
