//! The queue: moving, filtering, opening.
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::overlay::PromptKind;
use crate::console::model::queue::Attention;
use crate::console::update::log;
use crate::console::update::motion;
use crate::console::update::prompt;
use crate::console::update::review;

/// Runs a command of the queue.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let n_visible = model.queue.visible().len();
    let at = model.queue.position().unwrap_or(0);
    if let Some(idx) = motion(command, at, n_visible, page(model)) {
        model.queue.select(idx);
        return Vec::new();
    }
    match command {
        Command::Open if model.queue.current().is_some() => {
            model.go(Screen::Run);
            Vec::new()
        }
        Command::Diff => review::open(model),
        Command::Log => log::open(model),
        Command::NextNeedy => next_needy(model, at),
        Command::Search => prompt::open(model, PromptKind::Filter),
        Command::Copy => copy(model),
        _ => Vec::new(),
    }
}

fn next_needy(model: &mut Model, at: usize) -> Vec<Effect> {
    let visible = model.queue.visible();
    let is_needy = |idx: &usize| Attention::of(visible[*idx]).is_needy();
    let found = (at + 1..visible.len()).chain(0..visible.len().min(at + 1)).find(is_needy);
    match found {
        Some(idx) => model.queue.select(idx),
        None => model.say(Tone::Good, "nothing needs you"),
    }
    Vec::new()
}

/// Copies the command that merges the run in focus; before there is one, its id.
pub fn copy(model: &mut Model) -> Vec<Effect> {
    let Some(focus) = &model.focus else { return Vec::new() };
    let merge = focus.detail.as_ref().and_then(|it| it.run.merge_command());
    let text = merge.unwrap_or_else(|| focus.id.to_string());
    vec![model.ask(Ask::Copy(text))]
}

fn page(model: &Model) -> usize {
    let body = model.chrome().body;
    layout::rows(layout::queue(body).list, 1)
}

/// Scrolls so that the selected run is on the screen.
pub fn keep_visible(model: &mut Model) {
    let cursor = model.queue.position().unwrap_or(0);
    let rows = page(model);
    let last = model.queue.visible().len().saturating_sub(rows);
    model.queue.offset = layout::keep_visible(model.queue.offset, cursor, rows).min(last);
}
