//! The only place the model changes: an action comes in, effects come out. No I/O, no clock.
pub mod answers;
pub mod ci;
pub mod ci_act;
pub mod ci_run;
pub mod dialogs;
pub mod fix;
pub mod help;
pub mod log;
pub mod palette;
pub mod prompt;
pub mod queue;
pub mod review;
pub mod run;

use crate::console::action::Action;
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::key::Key;
use crate::console::model::Model;
use crate::console::model::OutageKind;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::fix::Stage;
use crate::console::model::focus::Focus;
use crate::console::model::run::RunPage;
use crate::domain::RunId;
use crate::domain::Status;
use jiff::SignedDuration;
use jiff::Timestamp;

const TWICE_WITHIN: SignedDuration = SignedDuration::from_secs(2);
const LIVE_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How long the backlog may take to list its runs.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(15);
const NOTICE_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How much of a paste is taken.
pub const MAX_PASTE_BYTES: usize = 64 * 1024;

/// Returns what a session does first.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let mut effects = vec![model.ask(Ask::Queue)];
    if model.server.is_some() {
        effects.push(model.ask(Ask::Me));
    }
    if let Some(id) = model.focus.as_ref().map(|it| it.id) {
        effects.push(model.ask(Ask::Run(id)));
    }
    effects
}

/// Decides what an action changes and what is to be done.
pub fn update(model: &mut Model, action: Action) -> Vec<Effect> {
    let mut effects = match action {
        Action::Resize { columns, rows } => {
            (model.columns, model.rows) = (columns, rows);
            Vec::new()
        }
        Action::Tick(now) => tick(model, now),
        Action::Do(Command::Interrupt) => interrupt(model),
        Action::Do(Command::Suspend) => vec![Effect::Suspend],
        Action::Do(Command::Redraw) => vec![Effect::Redraw],
        Action::Do(_) | Action::Type(_) | Action::Paste(_) if is_deaf(model) => Vec::new(),
        Action::Do(command) => run_command(model, command),
        Action::Type(key) => type_key(model, key),
        Action::Paste(text) => paste(model, &text),
        Action::Answered { request, answer } => answers::update(model, request, *answer),
        // Without news, reading says how the backlog is, and whether it is there.
        Action::Changed(_) | Action::NoNews(_) => changed(model),
        Action::Unreadable(why) => {
            answers::unreadable(model, OutageKind::Broken, &why);
            Vec::new()
        }
        Action::Failed(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
        Action::Hangup => quit(model),
    };
    effects.extend(follow_selection(model));
    keep_cursors_visible(model);
    review::note_look(model);
    effects
}

/// Whether a dialog is too young to have been read.
fn is_deaf(model: &Model) -> bool {
    model.dialog.as_ref().is_some_and(|it| it.is_deaf(model.now))
}

fn tick(model: &mut Model, now: Timestamp) -> Vec<Effect> {
    model.now = now;
    if model.notice.as_ref().is_some_and(|it| it.tone != Tone::Bad && NOTICE_FOR < now.duration_since(it.at)) {
        model.notice = None;
    }
    let mut effects = fix::tick(model);
    if model.requests.since(Slot::Queue).is_some_and(|since| ANSWER_WITHIN < now.duration_since(since)) {
        model.requests.forget(Slot::Queue);
        let kind = if model.server.is_some() { OutageKind::Offline } else { OutageKind::Broken };
        answers::unreadable(model, kind, &format!("no answer for {} s", ANSWER_WITHIN.as_secs()));
    }
    if model.outage.as_ref().is_some_and(|it| it.retry_at <= now) && !model.requests.is_waiting(Slot::Queue) {
        effects.push(model.ask(Ask::Queue));
    }
    effects.extend(poll_live(model));
    effects.extend(ci::tick(model));
    effects.extend(ci_run::tick(model));
    effects
}

/// Asks for the output of the run on screen while it is running, once a second.
fn poll_live(model: &mut Model) -> Option<Effect> {
    let focus = model.focus.as_ref()?;
    let is_running = focus.detail.as_ref().is_some_and(|it| it.run.status == Status::Running);
    let is_due = model.run_polled_at.is_none_or(|at| LIVE_EVERY <= model.now.duration_since(at));
    if model.screen() != Screen::Run || !is_running || !is_due || model.requests.is_waiting(Slot::Live) {
        return None;
    }
    let id = focus.id;
    model.run_polled_at = Some(model.now);
    Some(model.ask(Ask::Live(id)))
}

fn interrupt(model: &mut Model) -> Vec<Effect> {
    let now = model.now;
    match model.interrupted_at.replace(now) {
        Some(at) if now.duration_since(at) <= TWICE_WITHIN => quit(model),
        _ => {
            model.say(Tone::Info, "ctrl-c once more within 2 s quits");
            Vec::new()
        }
    }
}

/// Saves what is unsaved and ends.
fn quit(model: &mut Model) -> Vec<Effect> {
    let mut effects: Vec<Effect> = fix::save(model).into_iter().collect();
    effects.push(Effect::Quit);
    effects
}

fn run_command(model: &mut Model, command: Command) -> Vec<Effect> {
    model.notice = None;
    if command.is_decision()
        && let Some(why) = model.forbidden()
    {
        model.say(Tone::Bad, why);
        return Vec::new();
    }
    if model.dialog.is_some() {
        return dialogs::run(model, command);
    }
    if model.palette.is_some() {
        return palette::run(model, command);
    }
    if model.prompt.is_some() {
        return prompt::run(model, command);
    }
    if model.context() == crate::console::keymap::Context::Editor {
        return fix::run(model, command);
    }
    run_on_screen(model, command)
}

/// Runs a command on the screen on top: first what is the same everywhere, then what is the screen's own.
pub fn run_on_screen(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Help => help::open(model),
        Command::Palette => palette::open(model),
        Command::Back => back(model, true),
        Command::Leave => back(model, false),
        Command::Refresh => refresh(model),
        Command::Url => show_url(model),
        Command::Ci => ci::open(model),
        Command::Approve | Command::Deny | Command::Abort | Command::Retry if model.screen().is_ci() => {
            ci_act::open(model, command)
        }
        Command::Approve | Command::Deny | Command::Abort | Command::Retry | Command::Publish => {
            dialogs::open(model, command)
        }
        Command::Fix => fix::open(model),
        Command::Edit => fix::open_in_editor(model),
        _ => match model.screen() {
            Screen::Queue => queue::run(model, command),
            Screen::Run => run::run(model, command),
            Screen::Review => review::run(model, command),
            Screen::Log | Screen::CiLog => log::run(model, command),
            Screen::Ci => ci::run(model, command),
            Screen::CiRun => ci_run::run(model, command),
            Screen::Fix => fix::run(model, command),
            Screen::Help => help::run(model, command),
        },
    }
}

/// Goes one step back; only `q` at the queue quits.
fn back(model: &mut Model, may_quit: bool) -> Vec<Effect> {
    if model.screen() == Screen::Queue {
        if !may_quit {
            model.queue.filter.clear();
            return Vec::new();
        }
        return quit(model);
    }
    if model.screen() == Screen::Ci && !may_quit && !model.ci.filter.is_empty() {
        model.ci.filter.clear();
        return Vec::new();
    }
    model.stack.pop();
    Vec::new()
}

fn refresh(model: &mut Model) -> Vec<Effect> {
    let mut effects = open(model);
    match model.screen() {
        Screen::Review => review::reload(model),
        Screen::Log => effects.extend(log::load(model)),
        Screen::CiLog => effects.extend(ci_run::load_log(model)),
        Screen::Ci | Screen::CiRun => effects.extend(ci_run::refresh(model)),
        _ => {}
    }
    model.say(Tone::Info, "reading the backlog again");
    effects
}

fn changed(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    let focus = model.focus.as_ref().map(|it| it.id);
    for (slot, ask) in [(Slot::Queue, Some(Ask::Queue)), (Slot::Run, focus.map(Ask::Run))] {
        let Some(ask) = ask else { continue };
        // Changes come faster than answers: one request is on its way, one more follows it, never a queue of them.
        if model.requests.is_waiting(slot) {
            model.requests.ask_again(slot);
        } else {
            effects.push(model.ask(ask));
        }
    }
    effects.extend(ci::changed(model));
    effects
}

fn show_url(model: &mut Model) -> Vec<Effect> {
    if model.screen().is_ci() {
        return ci_run::show_url(model);
    }
    let run = model.focus.as_ref().and_then(|it| it.detail.as_ref()).map(|it| &it.run).or(model.queue.current());
    let Some(run) = run else { return Vec::new() };
    let places = [
        run.pr_url.as_ref().map(|it| format!("pull request {it}")),
        run.pipeline_url.as_ref().map(|it| format!("pipeline {it}")),
        Some(run.order.repo_path.clone()).filter(|it| !it.is_empty()).map(|it| format!("repository {it}")),
    ];
    let text = places.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let text = if text.is_empty() { "nothing is known of where this run comes from".to_owned() } else { text };
    model.say(Tone::Info, text);
    Vec::new()
}

fn type_key(model: &mut Model, key: Key) -> Vec<Effect> {
    if let Some(dialog) = &mut model.dialog {
        dialog.hint = None;
        if let Some(field) = dialog.field() {
            field.press(key);
        }
    } else if model.palette.is_some() {
        palette::type_key(model, key);
    } else if model.prompt.is_some() {
        return prompt::type_key(model, key);
    } else {
        fix::type_key(model, key);
    }
    Vec::new()
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let mut end = text.len().min(MAX_PASTE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let is_cut = end < text.len();
    let text = &text[..end];
    let is_taken = if let Some(dialog) = &mut model.dialog {
        dialog.field().map(|it| it.insert(text)).is_some()
    } else if let Some(palette) = &mut model.palette {
        palette.field.insert(text);
        true
    } else if let Some(prompt) = &mut model.prompt {
        prompt.field.insert(text);
        true
    } else {
        fix::paste(model, text)
    };
    match (is_taken, is_cut) {
        (true, true) => model.say(Tone::Bad, format!("the paste was cut at {} KiB", MAX_PASTE_BYTES / 1024)),
        (false, _) => model.say(Tone::Info, "pasted text is ignored here"),
        (true, false) => {}
    }
    Vec::new()
}

/// Reads the run that the queue's cursor stands on.
fn follow_selection(model: &mut Model) -> Option<Effect> {
    if model.screen() != Screen::Queue {
        return None;
    }
    let selected = model.queue.selected.filter(|id| model.queue.runs.iter().any(|it| it.id == *id))?;
    if model.focus.as_ref().is_some_and(|it| it.id == selected) {
        return None;
    }
    Some(focus_on(model, selected))
}

/// Puts a run into focus and asks for it.
pub fn focus_on(model: &mut Model, id: RunId) -> Effect {
    model.focus = Some(Focus::new(id));
    model.run = RunPage::default();
    model.requests.forget(Slot::Live);
    model.run_polled_at = None;
    model.ask(Ask::Run(id))
}

/// Whether the person types into the text area.
pub fn is_editing(model: &Model) -> bool {
    model.screen() == Screen::Fix && model.fix.as_ref().is_some_and(|it| it.stage == Stage::Editing)
}

fn keep_cursors_visible(model: &mut Model) {
    queue::keep_visible(model);
    review::keep_visible(model);
    log::keep_visible(model);
    ci::keep_visible(model);
    ci_run::keep_visible(model);
}

/// Returns where a motion leads from `cursor` in a list of `len` rows of which `page` are visible; `None` for other commands.
pub fn motion(command: Command, cursor: usize, len: usize, page: usize) -> Option<usize> {
    let last = len.saturating_sub(1);
    let half = (page / 2).max(1);
    Some(match command {
        Command::Down => (cursor + 1).min(last),
        Command::Up => cursor.saturating_sub(1),
        Command::Top => 0,
        Command::Bottom => last,
        Command::HalfPageDown => (cursor + half).min(last),
        Command::HalfPageUp => cursor.saturating_sub(half),
        Command::PageDown => (cursor + page.max(1)).min(last),
        Command::PageUp => cursor.saturating_sub(page.max(1)),
        _ => return None,
    })
}
