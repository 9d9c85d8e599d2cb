//! The run screen: attempts, timeline, output.
use crate::console::action::Command;
use crate::console::effect::Effect;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::run::Pane;
use crate::console::model::run::output_text;
use crate::console::update::log;
use crate::console::update::motion;
use crate::console::update::queue;
use crate::console::update::review;
use crate::console::view::run::timeline_rows;

/// Runs a command of the run screen.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Pane => model.run.pane = model.run.pane.next(),
        Command::PreviousPane => model.run.pane = model.run.pane.previous(),
        Command::Next => step(model, Command::Down),
        Command::Previous => step(model, Command::Up),
        Command::Diff | Command::Open => return review::open(model),
        Command::Log => return log::open(model),
        Command::Copy => return queue::copy(model),
        _ => match model.run.pane {
            Pane::Attempts => step(model, command),
            Pane::Timeline => scroll_timeline(model, command),
            Pane::Output => scroll_output(model, command),
        },
    }
    Vec::new()
}

fn step(model: &mut Model, command: Command) {
    let Some(focus) = &model.focus else { return };
    let numbers: Vec<u32> = focus.detail.iter().flat_map(|it| it.attempts.iter().map(|it| it.attempt_no)).collect();
    let selected = model.run.selected(focus).map(|it| it.attempt_no);
    let at = numbers.iter().position(|it| Some(*it) == selected).unwrap_or(0);
    if let Some(idx) = motion(command, at, numbers.len(), numbers.len()) {
        model.run.attempt = numbers.get(idx).copied();
        model.run.output_back = 0;
    }
}

fn scroll_timeline(model: &mut Model, command: Command) {
    let area = layout::run(model.chrome().body).timeline;
    let detail = model.focus.as_ref().and_then(|it| it.detail.as_ref());
    let len = detail.map_or(0, |it| timeline_rows(&it.events, area).len());
    model.run.timeline_back = scroll_back(model.run.timeline_back, command, len, layout::rows(area, 0));
}

fn scroll_output(model: &mut Model, command: Command) {
    let len = output_text(model).lines().count();
    let area = layout::run(model.chrome().body).output;
    model.run.output_back = scroll_back(model.run.output_back, command, len, layout::rows(area, 0));
}

/// Scrolls a text whose end is the natural place to be.
fn scroll_back(back: usize, command: Command, len: usize, page: usize) -> usize {
    let max = len.saturating_sub(page);
    let from_top = max.saturating_sub(back);
    match motion(command, from_top, max + 1, page) {
        Some(from_top) => max - from_top.min(max),
        None => back.min(max),
    }
}
