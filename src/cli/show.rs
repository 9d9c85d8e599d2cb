//! `paramedic show`: one run with its attempts and timeline.
use crate::cli::Context;
use crate::cli::error::{Ended, OK};
use crate::cli::out;
use crate::cli::runs::IDLE;
use crate::domain::{Attempt, RunDetail, RunForge, Source, Status, Verdict};
use crate::evidence::text::clean_line;
use std::fmt::Write as _;

pub(super) async fn run(context: &Context, run: &str) -> Ended {
    let backlog = context.backlog().await?;
    let id = backlog.resolve(run).await?;
    let detail = backlog.run(id).await?;
    if context.is_json {
        out::json(&detail);
        return Ok(OK);
    }
    let mut text = facts(&detail);
    for attempt in &detail.attempts {
        text.push('\n');
        text.push_str(&attempt_text(attempt));
    }
    if detail.run.status == Status::Queued && backlog.summary().await?.workers == Some(0) {
        out::note(IDLE);
    }
    text.push_str("\noutputs\n");
    for (name, bytes) in backlog.outputs(id).await? {
        let _ = writeln!(text, "  {}  {bytes} bytes", clean_line(&name));
    }
    text.push_str("\ntimeline\n");
    for event in &detail.events {
        let time = event.created_at.strftime("%Y-%m-%d %H:%M:%S");
        let message = clean_line(&event.message);
        let _ = writeln!(text, "  {time}  {:<20} {:<16} {message}", event.kind.as_str(), clean_line(&event.actor));
    }
    text.push('\n');
    text.push_str(&verdict(&detail));
    out::line(text.trim_end());
    Ok(OK)
}

fn facts(detail: &RunDetail) -> String {
    let run = &detail.run;
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", clean_line(value));
    };
    fact("run", &run.id.to_string());
    fact("state", run.status.as_str());
    fact("repository", &format!("{}  {}  {}", run.repository, run.branch, run.commit_sha));
    if let Some(onto) = &run.rebased_on {
        fact("moved on to", onto);
    }
    if run.source == Source::Webhook {
        let by = format!("{} {}", run.provider, run.pipeline_url.as_deref().unwrap_or_default());
        fact("reported by", by.trim_end());
        fact("reported", &format!("{}: {}", run.error_type.as_deref().unwrap_or("unknown"), run.error_summary));
    }
    if run.order.instruction.is_some() {
        let by = run.order.requested_by.as_deref().unwrap_or("somebody");
        fact("ordered by", &format!("{by}  {}", run.error_summary));
    }
    fact("path", &run.order.repo_path);
    if let Some(command) = &run.order.test_command {
        fact("tests", &format!("{command}  ({})", run.order.test_reason.as_deref().unwrap_or("given")));
    }
    if let Some(failure) = &run.failure {
        fact("failure", &format!("{} ({}, {:.2})", failure.error_type, failure.category, failure.confidence));
        fact("summary", &failure.summary);
        fact("hash", &failure.hash);
        fact("files", &failure.files.join(", "));
    }
    fact("attempts", &format!("{} (budget {})", run.attempt_count, run.max_attempts));
    if let Some(forge) = &detail.forge {
        for (name, value) in at_forge(forge) {
            fact(name, &value);
        }
    }
    if !run.approved_by.is_empty() {
        fact("approved by", &run.approved_by.join(", "));
    }
    text
}

/// Returns what stands for a run at the forge, as names and values.
fn at_forge(forge: &RunForge) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(ci) = &forge.ci {
        facts.push(("run of CI", format!("{} {} attempt {}  {}", ci.workflow, ci.run_id, ci.attempt, ci.url)));
    }
    if let Some((number, url)) = forge.issue_number.zip(forge.issue_url.as_ref()) {
        facts.push(("issue", format!("#{number}  seen {} times  {url}", forge.occurrences)));
    }
    if let Some(pull) = &forge.pull {
        let number = pull.number.map_or("not opened yet".to_owned(), |it| format!("#{it}"));
        let draft = if pull.is_draft { ", a draft" } else { "" };
        let url = pull.url.as_deref().unwrap_or_default();
        facts.push(("pull", format!("{number} {}{draft}  checks {}  {}  {url}", pull.state, pull.checks, pull.branch)));
        facts.extend(pull.hands_off.iter().map(|it| ("hands off", it.clone())));
    }
    facts.extend(forge.waits_for.iter().map(|it| ("waits for", it.clone())));
    facts.extend(forge.skipped.iter().map(|it| ("not published", it.clone())));
    facts.extend(forge.trouble.iter().map(|it| ("trouble", it.clone())));
    facts
}

fn attempt_text(attempt: &Attempt) -> String {
    let status = if attempt.waiting_since.is_some() { "waiting" } else { attempt.status.as_str() };
    let mut text = format!("attempt {} by {}: {status}", attempt.attempt_no, attempt.author);
    if attempt.recorded {
        text.push_str("  [recorded answer]");
    }
    text.push('\n');
    if let (Some(digest), Some(patch)) = (&attempt.patch_digest, &attempt.proposed_fix) {
        let (files, added, removed) = patch.stat();
        let _ = writeln!(text, "  patch     {digest}  {files} file(s) +{added} -{removed}");
    }
    if let Some(guard) = &attempt.guard {
        let _ = writeln!(text, "  guard     {}", guard.verdict);
        for finding in &guard.findings {
            let line = finding.line.map(|it| format!(":{it}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "            {}{line} [{}] {}",
                clean_line(&finding.file),
                finding.rule,
                clean_line(&finding.reason)
            );
        }
    }
    if let Some(reason) = &attempt.failure_reason {
        let _ = writeln!(text, "  failed    {}", clean_line(reason));
    }
    for (idx, line) in attempt.diagnosis.lines().take(20).enumerate() {
        let label = if idx == 0 { "diagnosis" } else { "" };
        let _ = writeln!(text, "  {label:<9} {}", clean_line(line));
    }
    text
}

/// Says in a few lines where the run stands and what a person can do now.
pub(super) fn verdict(detail: &RunDetail) -> String {
    let run = &detail.run;
    let id = run.id.short();
    let rev = detail.candidate().and_then(|it| it.patch_digest.as_ref()).map(|it| it.short().to_owned());
    let rev = rev.unwrap_or_default();
    let needs_two_keys =
        detail.candidate().and_then(|it| it.guard.as_ref()).is_some_and(|it| it.verdict == Verdict::NeedsTwoKeys);
    let keys = match run.approved_by.as_slice() {
        [first, ..] => format!("  (the second key: not {}'s)", clean_line(first)),
        [] if needs_two_keys => "  (and once more by another person)".to_owned(),
        [] => String::new(),
    };
    match run.status {
        Status::Fixed => format!(
            "fixed in attempt {}: red before, green after, green again\n  look    paramedic diff {id}\n  accept  paramedic approve {id} --rev {rev}{keys}\n  refuse  paramedic deny {id} --note WHY\n",
            run.attempt_count
        ),
        Status::Escalated => {
            let reason = run.escalation_reason.map(|it| format!(" ({it}: {})", it.explain())).unwrap_or_default();
            let note = run.escalation_note.as_deref().map(clean_line).unwrap_or_default();
            format!(
                "escalated{reason}\n  {note}\n  look    paramedic log {id}\n  fix     paramedic human-fix {id} --patch FILE | --from-worktree DIR | --hint TEXT\n  again   paramedic retry {id}\n"
            )
        }
        Status::Resolved => match run.heal_branch.as_ref().zip(run.merge_command()) {
            Some((branch, merge)) => {
                format!("resolved on branch {}\n  merge   {}\n", clean_line(branch), clean_line(&merge))
            }
            None => "resolved\n".to_owned(),
        },
        Status::Aborted => format!("aborted\n  again   paramedic retry {id}\n"),
        Status::Queued => match run.not_before {
            Some(at) => format!("queued: it waits, until {} at the longest\n", at.strftime("%F %TZ")),
            None => "queued: waiting for a worker (`paramedic worker`, or an open console)\n".to_owned(),
        },
        Status::Running => format!("running\n  follow  paramedic watch {id}\n  stop    paramedic abort {id}\n"),
    }
}
