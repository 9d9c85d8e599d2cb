//! The one line that people read: the texts of seed 004, with the words of our events.
use crate::domain::{Event, EventType, Reason, Run};
use serde_json::Value;

/// Characters of a foreign name in a text.
const MAX_NAME: usize = 120;
/// Characters of a reason or a note.
const MAX_WORDS: usize = 400;

/// Returns the text of an event; plain text without markup, whose foreign parts are bounded.
pub fn of(event: &Event, run: Option<&Run>) -> String {
    let Some(run) = run else { return format!("ℹ️ {}", cut(&event.message, MAX_WORDS)) };
    let id = run.id;
    let place = place(run);
    let attempt = event.payload.get("attempt").and_then(Value::as_u64).unwrap_or(u64::from(run.attempt_count));
    let max = u64::from(run.max_attempts);
    let by = cut(event.actor.strip_prefix("human:").unwrap_or(&event.actor), MAX_NAME);
    let said = event.message.split_once(": ").map(|(_, it)| format!(" {}", cut(it, MAX_WORDS))).unwrap_or_default();
    let pr = run.pr_number.map_or_else(|| "PR".to_owned(), |it| format!("PR #{it}"));
    match event.kind {
        EventType::RunCreated if run.order.instruction.is_some() => {
            format!("ℹ️ Change ordered for {place}. Agent queued run {id}.")
        }
        EventType::RunCreated => format!("🔴 Pipeline failed for {place}. Agent queued run {id}."),
        EventType::RunQueued => format!("ℹ️ Run {id} waits for a worker."),
        EventType::RunRequeued if event.actor.starts_with("human:") => format!("🔁 Run {id} retried by {by}."),
        EventType::RunRequeued => format!("ℹ️ Run {id} is back in the queue:{said}"),
        EventType::AttemptStarted if attempt <= max => format!("🔧 Attempt {attempt}/{max} for {place}."),
        EventType::AttemptStarted => format!("🔧 Attempt {attempt} for {place}."),
        EventType::AttemptFailed => {
            let is_retried = event.payload.get("retry").and_then(Value::as_bool).unwrap_or(false);
            let next = match attempt + 1 {
                next if next <= max => format!(" Retrying ({next}/{max})."),
                next => format!(" Retrying ({next})."),
            };
            format!("🔁 Attempt {attempt} failed for run {id}.{}", if is_retried { next } else { String::new() })
        }
        EventType::AttemptSucceeded => {
            let what =
                if run.pr_number.is_some() { format!("{pr} opened.") } else { "Proposed patch ready.".to_owned() };
            format!("✅ Run {id} fixed in attempt {attempt}. {what}")
        }
        EventType::RunEscalated => escalated(event, run, &said),
        EventType::RunApproved if event.payload.get("final") == Some(&Value::Bool(false)) => {
            format!("✅ Run {id} approved by {by} with the first of two keys; another person's is missing.")
        }
        EventType::RunApproved => format!("✅ Run {id} approved by {by}."),
        EventType::RunDenied => format!("⛔ Run {id} denied and escalated by {by}:{said}"),
        EventType::RunAborted => format!("🛑 Run {id} aborted by {by}."),
        EventType::RunHumanFixed => format!("🧑‍💻 Run {id} marked as human-fixed by {by}: judged like any attempt."),
        EventType::PrOpened if event.payload.get("again") == Some(&Value::Bool(true)) => {
            format!("ℹ️ {pr} of run {id} was opened again at the forge; it was refused before.")
        }
        EventType::PrOpened => match &run.pr_url {
            Some(url) => format!("✅ Run {id} generated {pr}: {}", cut(url, MAX_WORDS)),
            None => format!("✅ Run {id} generated {pr}."),
        },
        EventType::PrSkipped => format!("ℹ️ PR skipped for run {id}: {}", cut(&event.message, MAX_WORDS)),
        EventType::PrMerged => format!("✅ {pr} merged for run {id}."),
        EventType::PrClosed => format!("ℹ️ {pr} closed for run {id}."),
        EventType::PrUpdated => format!("ℹ️ {pr} updated for run {id}."),
        EventType::PrReady => format!("✅ {pr} of run {id} is ready for review."),
        EventType::PrChecksPassed => format!("✅ CI is green with {pr} of run {id}."),
        EventType::PrChecksFailed => format!("🔴 CI is red with {pr} of run {id}."),
        EventType::PrWanted => format!("ℹ️ {by} asked for a pull request of run {id}."),
        EventType::PrRefused => format!("⛔ {pr} of run {id} was not merged:{said}"),
        EventType::AttemptReproduced
        | EventType::AttemptThinking
        | EventType::AttemptProposed
        | EventType::AttemptGuarded
        | EventType::AttemptValidated
        | EventType::AccessRefused
        | EventType::OperatorAdded
        | EventType::OperatorRevoked
        | EventType::OperatorTokenIssued
        | EventType::IssueOpened
        | EventType::IssueCommented
        | EventType::IssueClosed
        | EventType::BranchDeleted
        | EventType::CiRerun
        | EventType::CiCancelled
        | EventType::CiApproved
        | EventType::CiRefused
        | EventType::RunRecurred => format!("ℹ️ Run {id}: {}", cut(&event.message, MAX_WORDS)),
    }
}

fn escalated(event: &Event, run: &Run, said: &str) -> String {
    let id = run.id;
    let reason = event.payload.get("reason").and_then(Value::as_str).unwrap_or_default();
    let n = match run.attempt_count {
        0 => " before any attempt".to_owned(),
        1 => " after 1 failed attempt".to_owned(),
        n => format!(" after {n} failed attempts"),
    };
    let spent = if reason == Reason::Exhausted.as_str() { " Max retries reached." } else { "" };
    let reason = if reason.is_empty() { String::new() } else { format!(" ({})", cut(reason, MAX_NAME)) };
    format!("🚨 Run {id} escalated{n}{reason}.{spent}{said}")
}

/// Returns `repository (sha7)`.
fn place(run: &Run) -> String {
    let sha: String = run.commit_sha.chars().take(7).collect();
    format!("{} ({sha})", cut(&run.repository, MAX_NAME))
}

fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Order;
    use serde_json::json;

    fn run() -> Run {
        let now = "2025-03-01T12:00:00Z".parse().unwrap();
        let mut run = Run::queued("acme/shop", "main", "c0ffee1234567890", Order::default(), 3, now);
        run.id = "01234567-89ab-4def-8123-456789abcdef".parse().unwrap();
        run.attempt_count = 3;
        run
    }

    fn told(kind: EventType, actor: &str, message: &str, payload: Value) -> String {
        let event = Event {
            seq: 1,
            run_id: run().id,
            run_version: 1,
            kind,
            actor: actor.to_owned(),
            message: message.to_owned(),
            payload,
            created_at: run().created_at,
            prev: Event::genesis(),
            digest: Event::genesis(),
        };
        of(&event, Some(&run())).replace(&run().id.to_string(), "ID")
    }

    #[test]
    fn the_texts_are_the_seeds() {
        use EventType as E;
        for (kind, actor, message, payload, text) in [
            (
                E::RunCreated,
                "system",
                "taken in",
                Value::Null,
                "🔴 Pipeline failed for acme/shop (c0ffee1). Agent queued run ID.",
            ),
            (E::AttemptStarted, "a", "", json!({ "attempt": 2 }), "🔧 Attempt 2/3 for acme/shop (c0ffee1)."),
            (E::AttemptStarted, "a", "", json!({ "attempt": 4 }), "🔧 Attempt 4 for acme/shop (c0ffee1)."),
            (
                E::AttemptFailed,
                "a",
                "attempt 1 failed: still red",
                json!({ "attempt": 1, "retry": true }),
                "🔁 Attempt 1 failed for run ID. Retrying (2/3).",
            ),
            (E::AttemptFailed, "a", "", json!({ "attempt": 3, "retry": false }), "🔁 Attempt 3 failed for run ID."),
            (
                E::AttemptSucceeded,
                "a",
                "",
                json!({ "attempt": 2 }),
                "✅ Run ID fixed in attempt 2. Proposed patch ready.",
            ),
            (
                E::RunEscalated,
                "system",
                "escalated (exhausted): no attempt is left",
                json!({ "reason": "exhausted" }),
                "🚨 Run ID escalated after 3 failed attempts (exhausted). Max retries reached. no attempt is left",
            ),
            (E::RunApproved, "human:ann", "approved", json!({ "final": true }), "✅ Run ID approved by ann."),
            (
                E::RunDenied,
                "human:ann",
                "denied: wrong layer",
                Value::Null,
                "⛔ Run ID denied and escalated by ann: wrong layer",
            ),
            (E::RunAborted, "human:ann", "aborted", Value::Null, "🛑 Run ID aborted by ann."),
            (
                E::RunHumanFixed,
                "human:ann",
                "supplied a patch",
                Value::Null,
                "🧑‍💻 Run ID marked as human-fixed by ann: judged like any attempt.",
            ),
            (E::PrClosed, "system", "", Value::Null, "ℹ️ PR closed for run ID."),
            (
                E::PrOpened,
                "system",
                "",
                json!({ "again": true }),
                "ℹ️ PR of run ID was opened again at the forge; it was refused before.",
            ),
        ] {
            assert_eq!(told(kind, actor, message, payload), text);
        }
    }

    #[test]
    fn every_event_has_a_text_and_none_grows_without_bound() {
        for kind in EventType::ALL {
            let text = told(*kind, &"x".repeat(100_000), &format!("a: {}", "y".repeat(100_000)), Value::Null);
            assert!(!text.is_empty() && text.len() < 2_000, "{kind}: {}", text.len());
        }
    }
}
