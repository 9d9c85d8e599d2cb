//! What lies over a screen: help, palette, and the line one types a filter or search into.
use crate::console::action::Command;
use crate::console::keymap::Binding;
use crate::console::keymap::Context;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::field::Field;

/// The help of one screen.
#[derive(Debug, Clone)]
pub struct HelpPage {
    /// The screen that is explained.
    pub about: Screen,
    pub filter: String,
    pub offset: usize,
}

impl Default for HelpPage {
    fn default() -> Self {
        Self { about: Screen::Queue, filter: String::new(), offset: 0 }
    }
}

/// The command palette.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    pub field: Field,
    pub selected: usize,
}

/// What a typed line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Filter,
    FilterCi,
    SearchReview,
    SearchLog,
    SearchHelp,
}

/// A line being typed at the foot of the screen.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub kind: PromptKind,
    pub field: Field,
    /// What to go back to on `esc`.
    pub before: String,
}

/// Returns the commands that the palette offers here and that match what is typed.
pub fn palette_commands(model: &Model) -> Vec<Binding> {
    let typed = model.palette.as_ref().map(|it| it.field.text().to_lowercase()).unwrap_or_default();
    let context: Context = model.screen().context();
    let is_offered = |it: &&Binding| {
        !matches!(
            it.command,
            Command::Up | Command::Down | Command::Left | Command::Right | Command::Palette | Command::Interrupt
        )
    };
    let matches = |it: &&Binding| {
        let text = format!("{} {}", it.command, it.about).to_lowercase();
        typed.split_whitespace().all(|word| text.contains(word))
    };
    model.keymap.bindings(context).filter(is_offered).filter(matches).cloned().collect()
}

/// One line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpLine {
    Heading(String),
    Entry { keys: String, about: String, is_decision: bool },
    Blank,
}

/// Returns the help of a screen, drawn from the keymap: what looks, what decides, and the keys of what can lie on top.
pub fn help_lines(model: &Model) -> Vec<HelpLine> {
    let screen = model.help.about.context();
    let mut groups: Vec<(String, Vec<&Binding>)> = Vec::new();
    let own = model.keymap.section(screen);
    groups
        .push((format!("{screen}: look (never changes anything)"), own.iter().filter(|it| !is_deciding(it)).collect()));
    groups.push((format!("{screen}: decide (always asks first)"), own.iter().filter(|it| is_deciding(it)).collect()));
    for (context, title) in [
        (Context::Screens, "on every screen"),
        (Context::Dialog, "in a dialog (keys live after 0.5 s; enter never confirms)"),
        (Context::Typing, "while typing a line"),
        (Context::Editor, "in the text area"),
        (Context::Always, "always"),
    ] {
        groups.push((title.to_owned(), model.keymap.section(context).iter().collect()));
    }
    let needle = model.help.filter.to_lowercase();
    let mut lines = Vec::new();
    for (title, bindings) in groups {
        let entries: Vec<HelpLine> = bindings.into_iter().filter_map(|it| entry(it, &needle)).collect();
        if entries.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(HelpLine::Blank);
        }
        lines.push(HelpLine::Heading(title));
        lines.extend(entries);
    }
    lines
}

fn is_deciding(binding: &Binding) -> bool {
    binding.command.is_decision()
}

fn entry(binding: &Binding, needle: &str) -> Option<HelpLine> {
    let keys = binding.keys.iter().map(|it| it.label()).collect::<Vec<_>>().join(" ");
    let text = format!("{keys} {} {}", binding.command, binding.about).to_lowercase();
    text.contains(needle).then(|| HelpLine::Entry {
        keys,
        about: binding.about.clone(),
        is_decision: is_deciding(binding),
    })
}
