//! What is done at the forge: a dialog is opened by a key, frozen on what was seen, and sent by `y` alone.
use crate::backlog::CiAct;
use crate::backlog::CiActKind;
use crate::console::action::Command;
use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::dialog::Deed;
use crate::console::model::dialog::Dialog;
use crate::console::update::dialogs;
use crate::domain::CiState;
use crate::domain::Deployment;
use crate::domain::SeenRun;

/// Jobs that are named in a dialog.
const MAX_NAMED: usize = 3;

/// Opens the dialog of an act on the run of CI that the screen is about.
pub fn open(model: &mut Model, command: Command) -> Vec<Effect> {
    let kind = match command {
        Command::Approve => CiActKind::ApproveDeployment,
        Command::Deny => CiActKind::RejectDeployment,
        Command::Abort => CiActKind::Cancel,
        _ => CiActKind::Rerun,
    };
    match prepare(model, kind) {
        Ok(dialog) => model.dialog = Some(dialog),
        Err(why) => model.say(Tone::Bad, why),
    }
    Vec::new()
}

/// Returns the dialog, or why there is nothing to ask.
fn prepare(model: &Model, kind: CiActKind) -> Result<Dialog, String> {
    dialogs::may_ask(model)?;
    let view = model.ci.view.as_ref().ok_or("the runs are still being read; press again when they are shown")?;
    if !view.can_write {
        return Err(view.why_not.clone().unwrap_or("nothing is changed at GitHub here".to_owned()));
    }
    let (repository, seen) = on_screen(model).ok_or("the run is still being read; press again when it is shown")?;
    let run = &seen.run;
    check(kind, run.state)?;
    let mut facts = vec![
        ("run".to_owned(), format!("{repository} · {} #{}", run.workflow, run.number)),
        ("id".to_owned(), run.id.to_string()),
        ("commit".to_owned(), format!("{} on {} · {}", dialogs::short_commit(&run.commit_sha), run.branch, run.event)),
        ("state".to_owned(), format!("{}, attempt {}", run.state, run.attempt)),
    ];
    let mut environments = Vec::new();
    let title = match kind {
        CiActKind::Rerun => {
            facts.extend(failed_jobs(model));
            facts.push(("effect".to_owned(), "GitHub runs the failed jobs again, as a new attempt".to_owned()));
            format!("RE-RUN the failed jobs of #{}", run.number)
        }
        CiActKind::Cancel => {
            facts.push(("effect".to_owned(), "GitHub stops what runs; nothing of it is kept".to_owned()));
            format!("CANCEL run #{}", run.number)
        }
        CiActKind::ApproveDeployment | CiActKind::RejectDeployment => {
            let waiting = waiting(model)?;
            let (mine, others): (Vec<&Deployment>, Vec<&Deployment>) = waiting.iter().partition(|it| it.may_approve);
            if mine.is_empty() {
                return Err("the token may answer for none of the deployments that wait".to_owned());
            }
            environments = mine.iter().map(|it| it.environment_id).collect();
            facts.push(("to".to_owned(), names(&mine)));
            if !others.is_empty() {
                facts.push(("not to".to_owned(), format!("{}: others must", names(&others))));
            }
            let is_approval = kind == CiActKind::ApproveDeployment;
            let effect = if is_approval { "the deployment goes ahead at once" } else { "the deployment fails, the run ends red" };
            facts.push(("effect".to_owned(), effect.to_owned()));
            format!("{} the deployment of #{}", if is_approval { "APPROVE" } else { "REJECT" }, run.number)
        }
    };
    let act = CiAct { repository: repository.to_owned(), run: run.id, kind, environments, note: None };
    let mut dialog = dialogs::blank(model, Deed::Ci(act), title);
    dialog.facts = facts;
    Ok(dialog)
}

/// Returns the run that the screen on top is about.
fn on_screen(model: &Model) -> Option<(&str, &SeenRun)> {
    if model.screen() == Screen::Ci {
        return model.ci.current().map(|(picture, seen)| (picture.repository.as_str(), seen));
    }
    let page = model.ci_run.as_ref()?;
    Some((page.repository.as_str(), page.seen.as_ref()?))
}

/// Says what GitHub would refuse anyway.
fn check(kind: CiActKind, state: CiState) -> Result<(), String> {
    let is_open = matches!(state, CiState::Queued | CiState::Waiting | CiState::Running);
    match (kind, state) {
        (CiActKind::Rerun, _) if is_open => Err("it is not done yet; failed jobs can be run again afterwards".to_owned()),
        (CiActKind::Rerun, CiState::Green | CiState::Skipped) => Err("no job of it failed".to_owned()),
        (CiActKind::Cancel, _) if !is_open => Err(format!("it is done: {state}")),
        _ => Ok(()),
    }
}

fn failed_jobs(model: &Model) -> Option<(String, String)> {
    let page = model.ci_run.as_ref().filter(|_| model.screen() != Screen::Ci)?;
    let red: Vec<&str> =
        page.jobs.iter().flatten().filter(|it| it.state == CiState::Red).map(|it| it.name.as_str()).collect();
    let named = red.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = red.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!red.is_empty()).then(|| ("jobs".to_owned(), format!("{named}{more}")))
}

fn waiting(model: &Model) -> Result<&[Deployment], String> {
    let page = model.ci_run.as_ref().filter(|_| model.screen() != Screen::Ci);
    let page = page.ok_or("open the run first: enter shows what waits in it")?;
    let nothing = "no deployment of this run waits for an answer";
    match (&page.waiting, page.seen.as_ref().map(|it| it.run.state)) {
        (Some(waiting), _) if !waiting.is_empty() => Ok(waiting),
        (None, Some(CiState::Waiting)) => Err("what waits is still being read; press again when it is shown".to_owned()),
        _ => Err(nothing.to_owned()),
    }
}

fn names(deployments: &[&Deployment]) -> String {
    deployments.iter().map(|it| it.environment.as_str()).collect::<Vec<_>>().join(", ")
}
