//! `paramedic approve · deny · abort · retry · human-fix`: the operator's actions.
use crate::backlog::{Acted, ActionKind, ActionRequest, HandMade};
use crate::cli::Context;
use crate::cli::arguments::{Decide, Fix};
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::follow::{code_of, finish};
use crate::cli::heal::in_foreground;
use crate::cli::out;
use crate::domain::RunId;
use crate::wiring::App;
use std::fs;
use std::io::Read;
use std::path::Path;

/// A patch larger than this is refused by the backlog anyway.
const MAX_PATCH_BYTES: u64 = 1024 * 1024 + 1;

pub(super) async fn approve(context: &Context, decide: Decide) -> Ended {
    let app = context.open().await?;
    let (_, acted) = act(context, &app, ActionKind::Approve, decide, None).await?;
    print(context, &app, &acted).await?;
    Ok(if acted.needs_second_key { REFUSED } else { OK })
}

pub(super) async fn deny(context: &Context, decide: Decide) -> Ended {
    let app = context.open().await?;
    let (_, acted) = act(context, &app, ActionKind::Deny, decide, None).await?;
    print(context, &app, &acted).await?;
    Ok(OK)
}

pub(super) async fn abort(context: &Context, decide: Decide) -> Ended {
    let app = context.open().await?;
    let (_, acted) = act(context, &app, ActionKind::Abort, decide, None).await?;
    print(context, &app, &acted).await?;
    Ok(OK)
}

pub(super) async fn retry(context: &Context, decide: Decide) -> Ended {
    heal_again(context, ActionKind::Retry, decide, None).await
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
    heal_again(context, ActionKind::HumanFix, decide, Some(fix)).await
}

/// Acts, then heals here if no worker of another process does.
async fn heal_again(context: &Context, kind: ActionKind, decide: Decide, fix: Option<HandMade>) -> Ended {
    let app = context.open().await?;
    let (id, acted) = act(context, &app, kind, decide, fix).await?;
    out::note(&acted.message);
    if app.engine.has_workers() {
        let detail = app.backlog.run(id).await?;
        if context.is_json {
            out::json(&detail);
        } else {
            out::note("a worker takes it from here; `paramedic watch` follows it");
        }
        return Ok(code_of(&detail.run));
    }
    in_foreground(context, &app, id).await?;
    Ok(finish(context, &app.backlog.run(id).await?))
}

async fn act(
    context: &Context,
    app: &App,
    kind: ActionKind,
    decide: Decide,
    fix: Option<HandMade>,
) -> Result<(RunId, Acted), CliError> {
    let id = app.backlog.resolve(&decide.run).await?;
    let request = ActionRequest {
        kind,
        by: context.config.operator.clone(),
        is_authenticated: false,
        note: decide.note,
        rev: decide.rev,
        version: None,
        fix,
    };
    Ok((id, app.backlog.act(id, request).await?))
}

async fn print(context: &Context, app: &App, acted: &Acted) -> Result<(), CliError> {
    if context.is_json {
        out::json(&app.backlog.run(acted.run.id).await?);
        out::note(&acted.message);
    } else {
        let repeat = if acted.is_repeat { "nothing changed: " } else { "" };
        out::line(&format!("{}: {repeat}{}", acted.run.id.short(), acted.message));
    }
    Ok(())
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
