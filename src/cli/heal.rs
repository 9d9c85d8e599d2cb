//! `paramedic heal`: one run on a local repository, in the foreground.
use crate::backlog::{ActionKind, ActionRequest};
use crate::cli::Context;
use crate::cli::arguments::Heal;
use crate::cli::error::{CliError, Ended, REFUSED};
use crate::cli::follow::{Progress, finish};
use crate::cli::out;
use crate::cli::signals::{Signal, Signals};
use crate::config::values::{check_attempts, parse_duration};
use crate::domain::{Order, Reason, Run, RunId};
use crate::wiring::{App, LocalOrder};
use tokio_util::sync::CancellationToken;

pub(super) async fn run(context: &Context, heal: &Heal) -> Ended {
    Box::pin(carry_out(context, heal, order(context, heal)?)).await
}

/// Takes a run in and works on it here until it comes to rest.
pub(super) async fn carry_out(context: &Context, heal: &Heal, order: Order) -> Ended {
    context.local()?;
    if context.config.read_only {
        let text = "a heal changes things; start it without --read-only".to_owned();
        return Err(CliError { code: REFUSED, text });
    }
    let max_attempts = heal.max_attempts.unwrap_or(context.config.max_attempts);
    let max_attempts = check_attempts(max_attempts).map_err(CliError::usage)?;
    let app = context.open().await?;
    let (run, notices) = app.engine.take_in(&LocalOrder { repo: &heal.repo, order, max_attempts }).await?;
    for notice in notices {
        out::note(&format!("note: {notice}"));
    }
    out::note(&format!("run {} on {} at {}", run.id, run.repository, &run.commit_sha[..8.min(run.commit_sha.len())]));
    in_foreground(context, &app, run.id).await?;
    let detail = app.backlog.run(run.id).await?;
    if detail.run.escalation_reason == Some(Reason::AgentFailed) {
        out::note("give it an agent: --agent-command 'CMD' (any program that edits files in place), or --agent claude");
    }
    Ok(finish(context, &detail))
}

/// Works on a run in this process until it comes to rest, showing its timeline. Ctrl-C aborts it; a lost terminal gives it back.
pub(super) async fn in_foreground(context: &Context, app: &App, id: RunId) -> Result<Run, CliError> {
    let shutdown = CancellationToken::new();
    let worker = app.worker();
    let mut progress = Progress::new(app.backlog.as_ref(), id);
    let work = worker.follow(id, &shutdown);
    tokio::pin!(work);
    let mut signals = Signals::listen()?;
    let ended = tokio::select! {
        ended = &mut work => ended,
        error = progress.endlessly() => return Err(error.into()),
        signal = signals.next() => {
            progress.clear();
            if signal == Signal::Interrupt {
                let request = ActionRequest {
                    kind: ActionKind::Abort,
                    by: context.config.operator.clone(),
                    is_authenticated: false,
                    note: Some("interrupted at the terminal".to_owned()),
                    rev: None,
                    version: None,
                    fix: None,
                    machine: None,
                };
                app.backlog.act(id, request).await?;
            } else {
                shutdown.cancel();
            }
            work.await
        }
    };
    progress.clear();
    progress.step().await?;
    progress.clear();
    Ok(ended?)
}

/// Turns the command line into an order that any worker can carry out.
pub(super) fn order(context: &Context, heal: &Heal) -> Result<Order, CliError> {
    let mut agents = heal.agents.clone();
    if agents.is_empty() {
        agents.clone_from(&context.config.agents_by_default);
    }
    if heal.agent_command.is_some() && !agents.iter().any(|it| it == "command") {
        agents.push("command".to_owned());
    }
    let timeout = match &heal.timeout {
        Some(text) => parse_duration(text).map_err(CliError::usage)?,
        None => context.config.timeout,
    };
    if heal.test.as_ref().is_some_and(|it| it.trim().is_empty()) {
        return Err(CliError::usage("--test is empty; leave it out to have the tests found"));
    }
    Ok(Order {
        test_command: heal.test.clone(),
        test_reason: heal.test.as_ref().map(|_| "--test".to_owned()),
        agents,
        agent_command: heal.agent_command.clone(),
        is_offline: heal.offline,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        ..Order::default()
    })
}
