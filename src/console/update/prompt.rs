//! The line at the foot of the screen that a filter or a search is typed into.
use crate::console::action::Command;
use crate::console::effect::Effect;
use crate::console::key::Key;
use crate::console::model::Model;
use crate::console::model::field::Field;
use crate::console::model::overlay::Prompt;
use crate::console::model::overlay::PromptKind;
use crate::console::update::log;
use crate::console::update::review;

/// Opens the line with what was typed there before.
pub fn open(model: &mut Model, kind: PromptKind) -> Vec<Effect> {
    let before = match kind {
        PromptKind::Filter => model.queue.filter.clone(),
        PromptKind::FilterCi => model.ci.filter.clone(),
        PromptKind::SearchHelp => model.help.filter.clone(),
        PromptKind::SearchReview | PromptKind::SearchLog => String::new(),
    };
    model.prompt = Some(Prompt { kind, field: Field::with(&before), before });
    Vec::new()
}

/// Runs a command while the line is open.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(prompt) = model.prompt.take() else { return Vec::new() };
    match command {
        Command::Accept => apply(model, prompt.kind, &prompt.field.text(), true),
        Command::Leave => apply(model, prompt.kind, &prompt.before, false),
        _ => model.prompt = Some(prompt),
    }
    Vec::new()
}

/// Types into the line; a list narrows at once, a document is searched when the text is complete.
pub fn type_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(prompt) = &mut model.prompt else { return Vec::new() };
    prompt.field.press(key);
    let (kind, text) = (prompt.kind, prompt.field.text());
    if matches!(kind, PromptKind::Filter | PromptKind::FilterCi | PromptKind::SearchHelp) {
        apply(model, kind, &text, true);
    }
    Vec::new()
}

fn apply(model: &mut Model, kind: PromptKind, text: &str, is_accepted: bool) {
    match kind {
        PromptKind::Filter => {
            text.clone_into(&mut model.queue.filter);
            if model.queue.position().is_none() {
                model.queue.select(0);
            }
        }
        PromptKind::FilterCi => {
            text.clone_into(&mut model.ci.filter);
            if model.ci.position().is_none() {
                model.ci.select(0);
            }
        }
        PromptKind::SearchHelp => {
            text.clone_into(&mut model.help.filter);
            model.help.offset = 0;
        }
        PromptKind::SearchReview if is_accepted => review::search(model, text),
        PromptKind::SearchLog if is_accepted => log::search(model, text),
        PromptKind::SearchReview | PromptKind::SearchLog => {}
    }
}
