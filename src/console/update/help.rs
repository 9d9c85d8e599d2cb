//! The help of the screen below.
use crate::console::action::Command;
use crate::console::effect::Effect;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::overlay::HelpPage;
use crate::console::model::overlay::PromptKind;
use crate::console::model::overlay::help_lines;
use crate::console::update::motion;
use crate::console::update::prompt;

/// Opens the help about the screen on top.
pub fn open(model: &mut Model) -> Vec<Effect> {
    if model.screen() != Screen::Help {
        model.help = HelpPage { about: model.screen(), ..HelpPage::default() };
        model.stack.push(Screen::Help);
    }
    Vec::new()
}

/// Runs a command of the help.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let body = model.chrome().body;
    let page = layout::rows(body, 0);
    let len = help_lines(model).len().saturating_sub(page) + 1;
    if let Some(offset) = motion(command, model.help.offset, len, page) {
        model.help.offset = offset;
    } else if command == Command::Search {
        return prompt::open(model, PromptKind::SearchHelp);
    }
    Vec::new()
}
