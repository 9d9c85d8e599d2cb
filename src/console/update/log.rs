//! The log: outputs, errors, groups, search.
use crate::console::action::Command;
use crate::console::action::StoredOutput;
use crate::console::document::LogDocument;
use crate::console::document::Timestamps;
use crate::console::document::wrap;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::log::Log;
use crate::console::model::log::Owner;
use crate::console::model::log::attempt_of;
use crate::console::model::overlay::PromptKind;
use crate::console::update::ci_run;
use crate::console::update::motion;
use crate::console::update::prompt;
use crate::console::update::review;
use crate::domain::Attempt;
use crate::domain::output;
use ratatui::layout::Rect;

const SIDEWAYS: usize = 8;

/// Opens the outputs of the run in focus, at what is red for the attempt that the screen is about.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let Some(focus) = &model.focus else { return Vec::new() };
    let version = focus.detail.as_ref().map_or(0, |it| it.run.version);
    let wanted = match model.screen() {
        Screen::Review => model.review.as_ref().map(|it| it.attempt_no),
        Screen::Run => model.run.selected(focus).map(|it| it.attempt_no),
        _ => None,
    };
    let id = focus.id;
    model.go(Screen::Log);
    let is_open = model
        .log
        .as_ref()
        .is_some_and(|it| it.owner == Owner::Run { id, version } && it.document.is_some() && it.wanted == wanted);
    if is_open {
        return Vec::new();
    }
    model.log = Some(Log::new(id, version, wanted));
    vec![model.ask(Ask::Outputs(id))]
}

fn current_attempt(log: &Log) -> Option<u32> {
    log.name().and_then(attempt_of)
}

/// Returns the attempt whose output is on screen.
pub fn attempt(model: &Model) -> Option<&Attempt> {
    let (focus, log) = model.focus.as_ref().zip(model.log.as_ref())?;
    focus.attempt(current_attempt(log)?)
}

/// Reads the list of outputs again when the run has moved on.
pub fn run_read(model: &mut Model) -> Vec<Effect> {
    let version = model.focus.as_ref().and_then(|it| it.detail.as_ref()).map(|it| (it.run.id, it.run.version));
    let log = model.log.as_mut().filter(|it| it.run().is_some() && it.run() == version.map(|(id, _)| id));
    let Some((log, (id, version))) = log.zip(version) else { return Vec::new() };
    let owner = Owner::Run { id, version };
    if log.owner == owner {
        return Vec::new();
    }
    log.owner = owner;
    vec![model.ask(Ask::Outputs(id))]
}

/// Takes the list of outputs and opens the one that says what is red.
pub fn outputs_read(model: &mut Model, outputs: Vec<(String, u64)>) -> Vec<Effect> {
    let Some(log) = &mut model.log else { return Vec::new() };
    let detail = model.focus.as_ref().filter(|it| Some(it.id) == log.run()).and_then(|it| it.detail.as_ref());
    let shown = log.document.is_some().then(|| log.name().map(str::to_owned)).flatten();
    log.outputs = outputs;
    if let Some(shown) = shown {
        log.current = log.outputs.iter().position(|(name, _)| *name == shown).unwrap_or(log.current);
        return Vec::new();
    }
    let names: Vec<String> = log.outputs.iter().map(|(name, _)| name.clone()).collect();
    let failing = detail.and_then(|it| output::failing(&it.attempts, &it.events, log.wanted, &names));
    log.current = failing.and_then(|it| names.iter().position(|name| *name == it)).unwrap_or(0);
    load(model)
}

/// Reads the current output, again if it is on screen.
pub fn load(model: &mut Model) -> Vec<Effect> {
    let Some(log) = &mut model.log else { return Vec::new() };
    (log.document, log.refusal) = (None, None);
    let Some((id, name)) = log.run().zip(log.name().map(str::to_owned)) else { return Vec::new() };
    vec![model.ask(Ask::Output(id, name))]
}

/// Returns the log that the screen on top is about.
pub fn on_screen(model: &mut Model) -> Option<&mut Log> {
    match model.screen() {
        Screen::CiRun | Screen::CiLog => model.ci_log.as_mut(),
        _ => model.log.as_mut(),
    }
}

/// Takes an output and goes to its first error.
pub fn output_read(model: &mut Model, name: &str, output: Option<StoredOutput>) {
    let Some(log) = model.log.as_mut().filter(|it| it.name() == Some(name)) else { return };
    let Some(output) = output else {
        log.refusal = Some("this output is not stored".to_owned());
        return;
    };
    show(log, name, &output);
}

/// Takes the log of a job and goes to its first error.
pub fn job_log_read(model: &mut Model, job: u64, output: &StoredOutput) {
    let Some(log) = model.ci_log.as_mut().filter(|it| it.job() == Some(job)) else { return };
    if output.text.trim().is_empty() {
        log.refusal = Some("GitHub has an empty log of this job".to_owned());
        return;
    }
    let bytes = output.text.len() as u64 + output.dropped_bytes;
    let current = log.current;
    if let Some(entry) = log.outputs.get_mut(current) {
        entry.1 = bytes;
    }
    let name = log.name().unwrap_or_default().to_owned();
    show(log, &name, output);
}

fn show(log: &mut Log, name: &str, output: &StoredOutput) {
    let mut document = LogDocument::new(name, output.text.as_bytes(), output.dropped_bytes);
    document.timestamps(log.timestamps);
    let first = document.first_error();
    log.cursor = first.unwrap_or(0);
    // Some lines before the error say what was being done.
    log.offset = log.cursor.saturating_sub(4);
    log.left = 0;
    log.document = Some(document);
    if !log.needle.is_empty() {
        let needle = log.needle.clone();
        find(log, &needle);
    }
}

/// Tells why the outputs could not be read.
pub fn refused(model: &mut Model, why: &str) {
    if let Some(log) = &mut model.log {
        log.refusal = Some(why.to_owned());
    }
}

/// Tells why the log of a job could not be read.
pub fn job_log_refused(model: &mut Model, why: &str) {
    if let Some(log) = &mut model.ci_log {
        log.refusal = Some(why.to_owned());
    }
}

/// Runs a command of the log.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Diff => return review::open(model),
        Command::Search => return prompt::open(model, PromptKind::SearchLog),
        Command::Pane => return other_output(model, true),
        Command::PreviousPane => return other_output(model, false),
        Command::Copy => return copy(model),
        _ => {}
    }
    let page = page(model);
    let Some(log) = on_screen(model) else { return Vec::new() };
    let Some(document) = &mut log.document else { return Vec::new() };
    let at = log.cursor;
    let found = match command {
        Command::Next => document.next_error(at),
        Command::Previous => document.prev_error(at),
        Command::NextGroup => document.next_group(at),
        Command::PreviousGroup => document.prev_group(at),
        Command::NextMatch => document.next_match(at),
        Command::PreviousMatch => document.prev_match(at),
        Command::Toggle => Some(document.toggle_fold(at)),
        _ => motion(command, at, document.len(), page),
    };
    match (found, command) {
        (Some(row), Command::Next | Command::Previous | Command::NextMatch | Command::PreviousMatch) => {
            log.cursor = row;
            log.offset = row.saturating_sub(page / 3);
        }
        (Some(row), _) => log.cursor = row,
        (None, Command::Next | Command::Previous) => model.say(Tone::Info, "no more errors that way"),
        (None, Command::NextMatch | Command::PreviousMatch) => model.say(Tone::Info, "no more matches that way"),
        (None, _) => arrange(log, command),
    }
    Vec::new()
}

/// Changes how the text is shown, and stays on the line.
fn arrange(log: &mut Log, command: Command) {
    let Some(document) = &mut log.document else { return };
    let line = document.line_number(log.cursor);
    match command {
        Command::FoldAll => document.fold_all(true),
        Command::UnfoldAll => document.fold_all(false),
        Command::OnlyMatches if !log.needle.is_empty() => {
            log.only_matches = !log.only_matches;
            document.only_matches(log.only_matches);
        }
        Command::Timestamps => {
            log.timestamps = match log.timestamps {
                Timestamps::Off => Timestamps::Absolute,
                Timestamps::Absolute => Timestamps::Off,
            };
            document.timestamps(log.timestamps);
        }
        Command::Wrap => (log.wraps, log.left) = (!log.wraps, 0),
        Command::Left => log.left = log.left.saturating_sub(SIDEWAYS),
        Command::Right if !log.wraps => log.left = (log.left + SIDEWAYS).min(4_000),
        _ => return,
    }
    log.cursor = document.row_of_line(line);
}

/// Searches the log and goes to the first match from the cursor on.
pub fn search(model: &mut Model, needle: &str) {
    let Some(log) = on_screen(model) else { return };
    find(log, needle);
    if log.n_matches == 0 && !needle.is_empty() {
        model.say(Tone::Info, format!("`{needle}` is not in this output"));
    }
}

fn find(log: &mut Log, needle: &str) {
    needle.clone_into(&mut log.needle);
    log.only_matches = false;
    let Some(document) = &mut log.document else { return };
    if needle.is_empty() {
        document.clear_search();
        log.n_matches = 0;
        return;
    }
    log.n_matches = document.search(needle);
    if document.match_at(log.cursor).is_none() {
        let found = document.next_match(log.cursor).or_else(|| document.next_match(0));
        log.cursor = found.unwrap_or(log.cursor);
    }
}

fn other_output(model: &mut Model, is_next: bool) -> Vec<Effect> {
    let Some(log) = on_screen(model) else { return Vec::new() };
    if log.outputs.len() < 2 {
        model.say(Tone::Info, "there is no other log of this run");
        return Vec::new();
    }
    let step = if is_next { 1 } else { log.outputs.len() - 1 };
    log.current = (log.current + step) % log.outputs.len();
    if log.job().is_some() { ci_run::load_log(model) } else { load(model) }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let text = on_screen(model).and_then(|log| Some(log.document.as_ref()?.text_of(log.cursor)));
    let Some(text) = text else { return Vec::new() };
    vec![model.ask(Ask::Copy(text))]
}

fn area(model: &Model) -> Rect {
    let body = model.chrome().body;
    if model.screen() == Screen::CiRun { layout::ci_run(body).log } else { body }
}

fn page(model: &Model) -> usize {
    layout::rows(area(model), 0)
}

/// Scrolls so that the cursor is on the screen.
pub fn keep_visible(model: &mut Model) {
    let rows = page(model);
    let width = layout::text_columns(area(model));
    let Some(log) = on_screen(model) else { return };
    let len = log.document.as_ref().map_or(0, LogDocument::len);
    log.cursor = log.cursor.min(len.saturating_sub(1));
    log.offset = layout::keep_visible(log.offset.min(len.saturating_sub(rows)), log.cursor, rows);
    if let Some(document) = log.document.as_ref().filter(|_| log.wraps) {
        let height = |idx| wrap(&document.row(idx), width).len();
        log.offset = log.offset.max(layout::wrapped_offset(log.cursor, rows, height));
    }
}
