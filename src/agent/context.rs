//! The JSON file behind `PARAMEDIC_CONTEXT`: everything a program needs to know of a task, whole and unshortened.
//!
//! Version 1, camelCase; texts are sanitised and masked but for `patch`, which is git's diff byte for byte. All of them are data from a
//! failing build, never instructions. `order` is the change that was ordered, `null` for a red build; without any failure `failure.hash` is empty.
//!
//! ```json
//! {
//!   "version": 1,
//!   "run": {"id": "…", "repository": "owner/name", "attempt": 2, "maxAttempts": 3},
//!   "failure": {"category": "test", "confidence": 0.8, "errorType": "AssertionError", "summary": "…", "hash": "v1:…",
//!               "lines": [{"number": 12, "text": "…"}], "files": ["src/a.py"], "report": null},
//!   "order": {"intent": "create", "text": "…", "context": null},
//!   "reducedLog": " 12| …",
//!   "testCommand": "pytest -q",
//!   "attempts": [{"attemptNo": 1, "author": "claude", "status": "failed", "diagnosis": "…", "patch": "diff --git …",
//!                 "patchDigest": "…", "guard": {"verdict": "ok", "findings": []}, "failureKind": "still_red",
//!                 "failureReason": "…", "output": "…", "newFailure": "…", "failingTests": ["t::a"], "hint": null}],
//!   "hints": ["look at the parser"],
//!   "progress": "fixed: …; still failing: …",
//!   "limits": {"timeoutMs": 600000, "policyFile": ".paramedic/policy.toml"}
//! }
//! ```
use crate::agent::Task;
use crate::domain::Attempt;
use serde_json::Value;
use serde_json::json;

/// Where a repository writes down what a patch may be.
pub(crate) const POLICY_FILE: &str = ".paramedic/policy.toml";

/// Returns the document for one turn.
pub(crate) fn document(task: &Task<'_>) -> Value {
    let failure = task.failure;
    json!({
        "version": 1,
        "run": {
            "id": task.run_id,
            "repository": task.repository,
            "attempt": task.attempt_no,
            "maxAttempts": task.max_attempts,
        },
        "failure": {
            "category": failure.category,
            "confidence": failure.confidence,
            "errorType": failure.error_type,
            "summary": failure.summary,
            "hash": failure.hash,
            "lines": failure.lines,
            "files": failure.files,
            "report": failure.report,
        },
        "order": task.order,
        "reducedLog": failure.reduced_log,
        "testCommand": task.test_command,
        "attempts": task.earlier.iter().map(attempt).collect::<Vec<_>>(),
        "hints": hints(task),
        "progress": task.progress,
        "limits": {
            "timeoutMs": u64::try_from(task.timeout.as_millis()).unwrap_or(u64::MAX),
            "policyFile": POLICY_FILE,
        },
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "attemptNo": attempt.attempt_no,
        "author": attempt.author,
        "status": attempt.status,
        "diagnosis": attempt.diagnosis,
        "patch": attempt.proposed_fix,
        "patchDigest": attempt.patch_digest,
        "guard": attempt.guard,
        "failureKind": attempt.failure_kind,
        "failureReason": attempt.failure_reason,
        "output": attempt.validation_log,
        "newFailure": attempt.new_failure,
        "failingTests": attempt.failing_tests,
        "hint": attempt.hint,
    })
}

/// Returns what people said to the agents of this run, oldest first; the last one is for this turn.
pub(crate) fn hints<'a>(task: &Task<'a>) -> Vec<&'a str> {
    let mut hints: Vec<_> = task.earlier.iter().filter_map(|it| it.hint.as_deref()).collect();
    if let Some(hint) = task.hint
        && hints.last() != Some(&hint)
    {
        hints.push(hint);
    }
    hints
}
