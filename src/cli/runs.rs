//! `paramedic runs`: the backlog as a table.
use crate::cli::Context;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::clock::{Clock, SystemClock};
use crate::domain::{Run, RunQuery};
use crate::evidence::text::clean_line;
use serde_json::json;

/// Says why what is queued stays so.
pub(super) const IDLE: &str =
    "no worker is running: `paramedic worker`, a server with workers, or an open console takes what is queued";

pub(super) async fn run(context: &Context, status: Option<&str>, repository: Option<String>, limit: u64) -> Ended {
    let status = status.map(str::parse).transpose().map_err(|it: String| CliError::usage(format!("--status: {it}")))?;
    let backlog = context.backlog().await?;
    let query = RunQuery { status, repository, offset: 0, limit };
    let (runs, total) = backlog.runs(&query).await?;
    if context.is_json {
        out::json(&json!({ "data": runs, "total": total }));
        return Ok(OK);
    }
    if runs.is_empty() {
        out::line("no runs; `paramedic heal` starts one, `paramedic demo` shows some");
        return Ok(OK);
    }
    out::line(table(&runs).trim_end());
    let shown = u64::try_from(runs.len()).unwrap_or(u64::MAX);
    let summary = backlog.summary().await?;
    if summary.queued > 0 && summary.workers == Some(0) {
        out::note(IDLE);
    }
    if shown < total {
        out::note(&format!("{shown} of {total} shown; --limit shows more"));
    }
    Ok(OK)
}

fn table(runs: &[Run]) -> String {
    let now = SystemClock.now();
    let head = ["RUN", "STATE", "AGE", "ATT", "REPOSITORY", "BRANCH", "FAILURE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(|run| {
        let state = match run.escalation_reason {
            Some(reason) => format!("{} ({reason})", run.status),
            None => run.status.to_string(),
        };
        let failure = match &run.error_type {
            Some(kind) => format!("{kind}: {}", run.error_summary),
            None => run.error_summary.clone(),
        };
        vec![
            run.id.short(),
            state,
            out::age(run.updated_at, now),
            format!("{}/{}", run.attempt_count, run.max_attempts),
            cut(&run.repository, 30),
            cut(&run.branch, 24),
            cut(&failure, 60),
        ]
    }));
    out::table(&rows)
}

fn cut(text: &str, max: usize) -> String {
    let clean = clean_line(text);
    if clean.chars().count() <= max {
        return clean;
    }
    let mut cut: String = clean.chars().take(max - 1).collect();
    cut.push('…');
    cut
}
