//! `paramedic init`: writes the repository's side into a checkout: its rules, its policy, and workflows.
mod files;
mod place;

pub(super) use crate::cli::init::files::Name;

use crate::cli::Context;
use crate::cli::arguments::Init;
use crate::cli::error::{CliError, Ended, OK, PRECONDITION, REFUSED};
use crate::cli::init::place::{Planned, State};
use crate::cli::out;
use crate::config::values::shown;
use crate::evidence::text::{clean, listed};
use crate::wiring::workspace;
use serde_json::{Value, json};
use similar::TextDiff;

/// How many paths an error names.
const MAX_NAMED: usize = 8;

pub(super) async fn run(context: &Context, init: &Init) -> Ended {
    if context.config.read_only && !init.dry_run {
        let text = "init writes files; leave out --read-only, or add --dry-run to look".to_owned();
        return Err(CliError { code: REFUSED, text });
    }
    let workspace = workspace(&context.config, &context.environment).map_err(CliError::failed)?;
    let root = workspace.root(&init.repo).await.map_err(|it| CliError::usage(it.to_string()))?;
    let refused = |text: String| CliError { code: PRECONDITION, text };
    let wanted = files::all(&root).into_iter().filter(|it| init.only.is_empty() || init.only.contains(&it.name));
    let planned = place::plan(&root, wanted).map_err(refused)?;
    let different: Vec<&str> =
        planned.iter().filter(|it| it.state == State::Different).map(|it| it.file.path).collect();
    let is_refused = !different.is_empty() && !init.force;
    let is_written = !is_refused && !init.dry_run;
    if is_written {
        place::write(&root, &planned).map_err(CliError::failed)?;
    }
    if context.is_json {
        let files: Vec<Value> = planned.iter().map(|it| told(it, is_written, init.dry_run)).collect();
        out::json(&json!({ "root": shown(&root), "dryRun": init.dry_run, "files": files }));
    } else if init.dry_run {
        let changed = planned.iter().filter(|it| it.state != State::Unchanged);
        changed.for_each(|it| out::bytes(clean(&diff(it)).as_bytes()));
    } else if is_written {
        let rows: Vec<Vec<String>> =
            planned.iter().map(|it| vec![done(it.state).to_owned(), it.file.path.to_owned()]).collect();
        out::line(out::table(&rows).trim_end());
    }
    if is_refused {
        return Err(refused(format!(
            "nothing was written: {} there and different. `paramedic init --dry-run` shows how, --force overwrites, --only \
             NAME writes others",
            listed(&different, MAX_NAMED) + if different.len() == 1 { " is" } else { " are" },
        )));
    }
    if init.dry_run {
        let n = planned.iter().filter(|it| it.state != State::Unchanged).count();
        out::note(&format!("{n} of {} files would be written; nothing was (--dry-run)", planned.len()));
    }
    Ok(OK)
}

fn done(state: State) -> &'static str {
    match state {
        State::Missing => "written",
        State::Different => "replaced",
        State::Unchanged => "unchanged",
    }
}

fn told(planned: &Planned, is_written: bool, with_diff: bool) -> Value {
    let is_changed = planned.state != State::Unchanged;
    let mut told = json!({
        "name": planned.file.name, "path": planned.file.path, "state": planned.state, "written": is_written && is_changed,
    });
    if with_diff && is_changed {
        told["diff"] = Value::String(diff(planned));
    }
    told
}

/// Returns what would change, as `git diff` shows it.
fn diff(planned: &Planned) -> String {
    let path = planned.file.path;
    let old = planned.old.as_deref().unwrap_or_default();
    let before = if planned.state == State::Missing { "/dev/null".to_owned() } else { format!("a/{path}") };
    TextDiff::from_lines(old, &planned.file.content).unified_diff().header(&before, &format!("b/{path}")).to_string()
}
