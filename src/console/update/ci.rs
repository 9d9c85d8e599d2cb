//! CI: moving through the workflow runs, filtering, opening; what is shown is asked for again while it is on screen.
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::ci::Row;
use crate::console::model::ci::is_needy;
use crate::console::model::overlay::PromptKind;
use crate::console::update::ci_run;
use crate::console::update::focus_on;
use crate::console::update::motion;
use crate::console::update::prompt;
use crate::domain::CiView;
use crate::domain::RunId;
use jiff::SignedDuration;

/// How often the pictures are read while a screen of CI is on top; that asks the forge nothing.
const EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How often they are read however much changes.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Opens the list; on a run of ours, the run of CI that it heals.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let focus = model.focus.as_ref().map(|it| it.id).filter(|_| model.screen() == Screen::Run);
    let Some(id) = focus else {
        model.go(Screen::Ci);
        return vec![ask(model)];
    };
    let detail = model.focus.as_ref().and_then(|it| it.detail.as_ref());
    let told = detail.and_then(|it| Some((it.run.repository.clone(), it.forge.as_ref()?.ci.as_ref()?.run_id)));
    let listed = || model.ci.healed_by(id).map(|(picture, seen)| (picture.repository.clone(), seen.run.id));
    let Some((repository, run)) = told.or_else(listed) else {
        model.say(Tone::Info, "no run of CI that is watched belongs to this one; c on the queue lists them");
        return vec![ask(model)];
    };
    ci_run::open(model, &repository, run)
}

/// Returns the effect that reads the pictures.
pub fn ask(model: &mut Model) -> Effect {
    model.ci.asked_at = Some(model.now);
    model.ask(Ask::Ci)
}

/// Reads the pictures when the backlog has changed, in a busy one not with every change.
pub fn changed(model: &mut Model) -> Option<Effect> {
    let is_due = model.ci.asked_at.is_none_or(|at| AT_MOST_EVERY <= model.now.duration_since(at));
    let is_idle = !model.requests.is_waiting(Slot::Ci);
    (model.screen().is_ci() && is_due && is_idle).then(|| ask(model))
}

/// Reads the pictures again while they are looked at.
pub fn tick(model: &mut Model) -> Option<Effect> {
    let is_due = model.ci.asked_at.is_none_or(|at| EVERY <= model.now.duration_since(at));
    let is_idle = !model.requests.is_waiting(Slot::Ci);
    (model.screen().is_ci() && is_due && is_idle).then(|| ask(model))
}

/// Takes the pictures.
pub fn read(model: &mut Model, view: CiView) -> Vec<Effect> {
    model.ci.take(view, model.now);
    ci_run::view_read(model)
}

/// Tells why the pictures could not be read; those that were read stay.
pub fn refused(model: &mut Model, why: String) {
    model.ci.refusal = Some(why);
}

/// Runs a command of the list.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let at = model.ci.position().unwrap_or(0);
    if model.ci.visible().is_empty() {
        // Without a run to stand on, what is said of the repositories is scrolled.
        let tops = model.ci.rows().len().saturating_sub(page(model)) + 1;
        model.ci.offset = motion(command, model.ci.offset, tops, page(model)).unwrap_or(model.ci.offset);
    } else if let Some(idx) = motion(command, at, model.ci.visible().len(), page(model)) {
        if !scroll(model, command, idx == at) && idx != at {
            select(model, idx);
        }
        return Vec::new();
    }
    match command {
        Command::Open => match model.ci.selected.clone() {
            Some((repository, run)) => ci_run::open(model, &repository, run),
            None => Vec::new(),
        },
        Command::HealingRun => {
            let heal = model.ci.current().and_then(|(_, seen)| seen.heal);
            open_healing(model, heal)
        }
        Command::NextNeedy => next_needy(model, at),
        Command::NextGroup => other_repository(model, at, true),
        Command::PreviousGroup => other_repository(model, at, false),
        Command::Search => prompt::open(model, PromptKind::FilterCi),
        Command::Copy => copy(model),
        _ => Vec::new(),
    }
}

/// Goes to the run that heals a run of CI.
pub fn open_healing(model: &mut Model, heal: Option<RunId>) -> Vec<Effect> {
    let Some(id) = heal else {
        model.say(Tone::Info, "no run heals this one");
        return Vec::new();
    };
    let effect = focus_on(model, id);
    model.go(Screen::Run);
    vec![effect]
}

fn next_needy(model: &mut Model, at: usize) -> Vec<Effect> {
    let visible = model.ci.visible();
    let found = (at + 1..visible.len()).chain(0..visible.len().min(at + 1)).find(|idx| is_needy(visible[*idx].1));
    match found {
        Some(idx) => select(model, idx),
        None => model.say(Tone::Good, "nothing is red that is not being healed, and nothing waits"),
    }
    Vec::new()
}

fn other_repository(model: &mut Model, at: usize, is_next: bool) -> Vec<Effect> {
    let visible = model.ci.visible();
    let name = |idx: usize| visible[idx].0.repository.as_str();
    let is_first = |idx: &usize| *idx == 0 || name(*idx) != name(*idx - 1);
    let found =
        if is_next { (at + 1..visible.len()).find(is_first) } else { (0..at.min(visible.len())).rev().find(is_first) };
    if let Some(idx) = found {
        select(model, idx);
    }
    Vec::new()
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let Some(url) = model.ci.current().map(|(_, seen)| seen.run.url.clone()) else { return Vec::new() };
    vec![model.ask(Ask::Copy(url))]
}

/// Rows of the list; one line above them is the budget's.
fn page(model: &Model) -> usize {
    layout::rows(layout::queue(model.chrome().body).list, 1)
}

/// Scrolls through repositories without runs that a move to another run would leap over; returns whether it did.
fn scroll(model: &mut Model, command: Command, is_last: bool) -> bool {
    let (page, offset) = (page(model), model.ci.offset);
    let rows = model.ci.rows();
    let Some(cursor) = cursor(model, &rows) else { return false };
    let furthest = furthest(&rows, cursor, page);
    let is_hidden = match command {
        Command::Down | Command::HalfPageDown | Command::PageDown => offset < furthest,
        Command::Bottom => is_last && offset < furthest,
        Command::Up | Command::HalfPageUp | Command::PageUp => cursor < offset,
        _ => false,
    };
    // At least as far that the run itself is not seen any more: by this it is known that somebody looks at what follows.
    let least = if cursor < offset { 0 } else { cursor + 1 };
    let to = motion(command, offset, furthest.max(least) + 1, page).map(|it| it.max(least));
    model.ci.offset = to.filter(|_| is_hidden).unwrap_or(offset);
    is_hidden
}

/// Selects another run, which is then seen.
fn select(model: &mut Model, idx: usize) {
    model.ci.select(idx);
    let row = cursor(model, &model.ci.rows()).unwrap_or(0);
    model.ci.offset = model.ci.offset.min(row);
}

/// Returns the row of the selected run.
fn cursor(model: &Model, rows: &[Row<'_>]) -> Option<usize> {
    rows.iter().position(|it| matches!(it, Row::Run(picture, seen) if model.ci.is_selected(picture, seen)))
}

/// Returns how far the list is scrolled at most before another run is selected: everything up to there has been seen then, unless all between the
/// two fits beside one of them.
fn furthest(rows: &[Row<'_>], cursor: usize, page: usize) -> usize {
    let next = rows[cursor + 1..].iter().position(|it| matches!(it, Row::Run(..)));
    match next {
        Some(n_between) if n_between < page => 0,
        next => next.map_or(rows.len(), |it| cursor + 1 + it).saturating_sub(page),
    }
}

/// Scrolls so that the selected run is on the screen, what stands above it where it is the first of its repository, and what follows the last; not
/// where somebody looks at what stands between it and the next.
pub fn keep_visible(model: &mut Model) {
    let page = page(model);
    let rows = model.ci.rows();
    let last = rows.len().saturating_sub(page);
    let Some(cursor) = cursor(model, &rows) else {
        model.ci.offset = model.ci.offset.min(last);
        return;
    };
    let top = rows[..cursor.min(rows.len())].iter().rposition(|it| matches!(it, Row::Run(..))).map_or(0, |it| it + 1);
    let mut offset = layout::keep_visible(model.ci.offset, cursor, page);
    if !rows[cursor + 1..].iter().any(|it| matches!(it, Row::Run(..))) {
        offset = last.min(cursor);
    }
    // What is said of a repository is read with its first run.
    if cursor.saturating_sub(top) < page {
        offset = offset.min(top);
    }
    let is_looked_past = cursor < model.ci.offset && model.ci.offset <= furthest(&rows, cursor, page).max(cursor + 1);
    if !is_looked_past {
        model.ci.offset = offset.min(last);
    }
}
