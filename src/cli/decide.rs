//! `paramedic approve · deny · abort · retry · publish · human-fix`: the operator's actions.
use crate::backlog::{Acted, ActionKind, ActionRequest, Backlog, HandMade};
use crate::cli::Context;
use crate::cli::arguments::{Decide, Fix};
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::follow::{code_of, finish};
use crate::cli::heal::in_foreground;
use crate::cli::out;
use crate::domain::RunId;
use crate::engine::worker::this_machine;
use crate::evidence::text::clean;
use crate::wiring::Workspace as _;
use std::fs;
use std::io::Read;
use std::path::Path;

/// A patch larger than this is refused by the backlog anyway.
const MAX_PATCH_BYTES: u64 = 1024 * 1024 + 1;

pub(super) async fn approve(context: &Context, decide: Decide) -> Ended {
    let acted = decided(context, ActionKind::Approve, decide).await?;
    Ok(if acted.needs_second_key { REFUSED } else { OK })
}

pub(super) async fn deny(context: &Context, decide: Decide) -> Ended {
    decided(context, ActionKind::Deny, decide).await?;
    Ok(OK)
}

pub(super) async fn abort(context: &Context, decide: Decide) -> Ended {
    decided(context, ActionKind::Abort, decide).await?;
    Ok(OK)
}

pub(super) async fn publish(context: &Context, decide: Decide) -> Ended {
    decided(context, ActionKind::Publish, decide).await?;
    Ok(OK)
}

pub(super) async fn retry(context: &Context, decide: Decide) -> Ended {
    Box::pin(heal_again(context, ActionKind::Retry, decide, None)).await
}

pub(super) async fn human_fix(context: &Context, decide: Decide, fix: Fix) -> Ended {
    let fix = match (fix.patch, fix.from_worktree, fix.hint) {
        (Some(path), _, _) => HandMade::Patch(read_patch(&path)?),
        (_, Some(dir), _) => HandMade::Worktree(
            std::path::absolute(&dir).map_err(|it| CliError::usage(format!("{}: {it}", dir.display())))?,
        ),
        (_, _, Some(text)) => HandMade::Hint(text),
        (None, None, None) => return Err(CliError::usage("give --patch, --from-worktree or --hint")),
    };
    Box::pin(heal_again(context, ActionKind::HumanFix, decide, Some(fix))).await
}

/// Acts and tells what came of it.
async fn decided(context: &Context, kind: ActionKind, decide: Decide) -> Result<Acted, CliError> {
    let backlog = context.backlog().await?;
    let (id, acted) = act(context, backlog.as_ref(), kind, decide, None, None).await?;
    if context.is_json {
        // Said first: should the run not be readable now, the decision stands all the same.
        out::note(&acted.message);
        out::json(&backlog.run(id).await?);
    } else {
        let repeat = if acted.is_repeat { "nothing changed: " } else { "" };
        out::line(&format!("{}: {repeat}{}", acted.run.id.short(), clean(&acted.message)));
    }
    Ok(acted)
}

/// Acts, then heals here if no worker of another process does.
async fn heal_again(context: &Context, kind: ActionKind, decide: Decide, fix: Option<HandMade>) -> Ended {
    if context.config.api.is_some() {
        let backlog = context.backlog().await?;
        return hand_over(context, backlog.as_ref(), kind, decide, fix).await;
    }
    let app = context.open().await?;
    let run = app.backlog.run(app.backlog.resolve(&decide.run).await?).await?.run;
    let decide = Decide { run: run.id.to_string(), ..decide };
    let here = this_machine();
    let is_of_elsewhere = run.order.is_of_a_path() && run.order.machine.as_ref().is_some_and(|it| *it != here);
    if is_of_elsewhere {
        out::note("the run's repository is on another machine; it is worked on there");
    }
    if is_of_elsewhere || app.engine.has_workers_for(&run).await? {
        return hand_over(context, app.backlog.as_ref(), kind, decide, fix).await;
    }
    let (id, acted) = act(context, app.backlog.as_ref(), kind, decide, fix, Some(here)).await?;
    out::note(&acted.message);
    in_foreground(context, &app, id).await?;
    Ok(finish(context, &app.backlog.run(id).await?))
}

/// Acts, and leaves the healing to a worker elsewhere.
async fn hand_over(
    context: &Context,
    backlog: &dyn Backlog,
    kind: ActionKind,
    decide: Decide,
    fix: Option<HandMade>,
) -> Ended {
    let (id, acted) = act(context, backlog, kind, decide, fix, None).await?;
    out::note(&clean(&acted.message));
    let detail = backlog.run(id).await?;
    if context.is_json {
        out::json(&detail);
    } else {
        out::note("a worker takes it from here; `paramedic watch` follows it");
    }
    Ok(code_of(&detail.run))
}

/// Acts. With `machine`, the run is left to that one.
async fn act(
    context: &Context,
    backlog: &dyn Backlog,
    kind: ActionKind,
    decide: Decide,
    fix: Option<HandMade>,
    machine: Option<String>,
) -> Result<(RunId, Acted), CliError> {
    let id = backlog.resolve(&decide.run).await?;
    let fix = match fix {
        Some(HandMade::Worktree(dir)) if context.config.api.is_some() => {
            Some(HandMade::Patch(difference(context, backlog, id, &dir).await?))
        }
        fix => fix,
    };
    let request = ActionRequest {
        kind,
        by: context.config.operator.clone(),
        is_authenticated: false,
        note: decide.note,
        rev: decide.rev,
        version: None,
        fix,
        machine,
    };
    Ok((id, backlog.act(id, request).await?))
}

/// Returns the difference of a folder of this machine from a run's failing commit: a server cannot look at it.
async fn difference(context: &Context, backlog: &dyn Backlog, id: RunId, dir: &Path) -> Result<String, CliError> {
    let commit = backlog.run(id).await?.run.working_commit().to_owned();
    let workspace = crate::wiring::workspace(&context.config, &context.environment).map_err(CliError::failed)?;
    let patch = workspace.difference_of(dir, dir, &commit).await.map_err(|it| CliError::usage(it.to_string()))?;
    Ok(patch.0)
}

fn read_patch(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_PATCH_BYTES).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_PATCH_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|it| CliError::usage(format!("cannot read {}: {it}", path.display())))?;
    String::from_utf8(bytes).map_err(|_| CliError::usage(format!("{} is not UTF-8 text", path.display())))
}
