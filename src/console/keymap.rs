//! Which key means what where. Pure: the texts come from `keymaps/default.toml` and, over it, from the person's own.
use crate::console::action::Action;
use crate::console::action::Command;
use crate::console::key::Code;
use crate::console::key::Key;
use crate::domain::names::named;
use std::collections::BTreeMap;
use toml::de::DeTable;
use toml::de::DeValue;

const DEFAULT: &str = include_str!("../../keymaps/default.toml");

named! {
    /// Where keys have a meaning of their own; each is a section of the keymap.
    Context {
        Always = "always",
        Screens = "screens",
        Queue = "queue",
        Run = "run",
        Review = "review",
        Log = "log",
        Ci = "ci",
        CiRun = "ci-run",
        CiLog = "ci-log",
        Fix = "fix",
        Editor = "editor",
        Help = "help",
        Dialog = "dialog",
        Typing = "typing",
        Palette = "palette",
    }
}

impl Context {
    /// Whether keys without a meaning are text here.
    const fn takes_text(self) -> bool {
        matches!(self, Self::Typing | Self::Editor | Self::Palette)
    }

    /// Returns the sections that count here, the nearest first.
    fn sections(self) -> &'static [Context] {
        match self {
            Self::Queue => &[Self::Queue, Self::Screens, Self::Always],
            Self::Run => &[Self::Run, Self::Screens, Self::Always],
            Self::Review => &[Self::Review, Self::Screens, Self::Always],
            Self::Log => &[Self::Log, Self::Screens, Self::Always],
            Self::Ci => &[Self::Ci, Self::Screens, Self::Always],
            Self::CiRun => &[Self::CiRun, Self::Screens, Self::Always],
            Self::CiLog => &[Self::CiLog, Self::Screens, Self::Always],
            Self::Fix => &[Self::Fix, Self::Screens, Self::Always],
            Self::Help => &[Self::Help, Self::Screens, Self::Always],
            Self::Editor => &[Self::Editor, Self::Always],
            Self::Dialog => &[Self::Dialog, Self::Always],
            Self::Typing => &[Self::Typing, Self::Always],
            Self::Palette => &[Self::Palette, Self::Always],
            Self::Screens => &[Self::Screens, Self::Always],
            Self::Always => &[Self::Always],
        }
    }
}

/// Some keys, what they run, and how that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub keys: Vec<Key>,
    pub command: Command,
    pub about: String,
    /// The word in the hint bar, if it is shown there.
    pub hint: Option<String>,
}

/// What is wrong with a keymap, with the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("keymap, line {line}: {what}")]
pub struct KeymapError {
    pub line: usize,
    pub what: String,
}

/// All bindings, by section, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keymap {
    sections: BTreeMap<Context, Vec<Binding>>,
}

impl Keymap {
    /// Returns the keymap that is built in, with the person's own text over it.
    pub fn load(own: Option<&str>) -> Result<Self, KeymapError> {
        let mut keymap = Self::parse(DEFAULT)?;
        if let Some(own) = own {
            let own = Self::parse(own)?;
            keymap.overlay(own);
        }
        Ok(keymap)
    }

    /// Reads one keymap; an unknown section, command or key, and a key bound twice in a section, are errors.
    pub fn parse(text: &str) -> Result<Self, KeymapError> {
        let at = |offset: usize, what: String| KeymapError { line: line_of(text, offset), what };
        let table = DeTable::parse(text)
            .map_err(|error| at(error.span().map_or(0, |it| it.start), error.message().trim().to_owned()))?;
        let mut keymap = Self::default();
        for (name, value) in table.get_ref() {
            let context: Context = name.get_ref().parse().map_err(|it| at(name.span().start, it))?;
            let DeValue::Table(entries) = value.get_ref() else {
                return Err(at(name.span().start, format!("`{context}` must be a section")));
            };
            let mut bindings = Vec::new();
            for (keys, entry) in entries {
                let line = keys.span().start;
                let keys = parse_keys(keys.get_ref()).map_err(|it| at(line, it))?;
                let binding = parse_binding(keys, entry.get_ref()).map_err(|it| at(line, it))?;
                bindings.push((line, binding));
            }
            // The file's order is the order of the help.
            bindings.sort_by_key(|(line, _)| *line);
            let mut taken: BTreeMap<Key, Command> = BTreeMap::new();
            for (line, binding) in &bindings {
                for key in &binding.keys {
                    if let Some(other) = taken.insert(*key, binding.command) {
                        return Err(at(*line, format!("`{key}` already runs `{other}` in [{context}]")));
                    }
                }
            }
            keymap.sections.insert(context, bindings.into_iter().map(|(_, binding)| binding).collect());
        }
        Ok(keymap)
    }

    /// A binding of one's own replaces the keys of its command in that section, and takes its keys from other commands.
    fn overlay(&mut self, own: Self) {
        for (context, bindings) in own.sections {
            let section = self.sections.entry(context).or_default();
            for binding in bindings {
                for other in section.iter_mut().filter(|it| it.command != binding.command) {
                    other.keys.retain(|key| !binding.keys.contains(key));
                }
                match section.iter_mut().find(|it| it.command == binding.command) {
                    Some(present) => {
                        present.keys = binding.keys;
                        present.about = binding.about;
                        present.hint = binding.hint.or(present.hint.take());
                    }
                    None => section.push(binding),
                }
            }
            section.retain(|it| !it.keys.is_empty());
        }
    }

    /// Returns the keymap without the keys that lead to decisions.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        for section in self.sections.values_mut() {
            section.retain(|it| !it.command.is_decision());
        }
        self
    }

    /// Returns what `key` means in `context`; nothing, if it means nothing there.
    pub fn translate(&self, context: Context, key: Key) -> Option<Action> {
        match self.bindings(context).find(|it| it.keys.contains(&key)) {
            Some(binding) => Some(Action::Do(binding.command)),
            None => context.takes_text().then_some(Action::Type(key)),
        }
    }

    /// Returns the bindings that count in `context`, the nearest first.
    pub fn bindings(&self, context: Context) -> impl Iterator<Item = &Binding> {
        context.sections().iter().flat_map(|it| self.section(*it))
    }

    /// Returns the bindings of one section.
    pub fn section(&self, context: Context) -> &[Binding] {
        self.sections.get(&context).map_or(&[], Vec::as_slice)
    }

    /// Returns how the first key of a command is written in `context`.
    pub fn key_of(&self, context: Context, command: Command) -> Option<String> {
        self.bindings(context).find(|it| it.command == command).and_then(|it| it.keys.first()).map(|it| it.label())
    }
}

fn parse_keys(text: &str) -> Result<Vec<Key>, String> {
    let keys: Vec<Key> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err("no key is named".to_owned()) } else { Ok(keys) }
}

fn parse_binding(keys: Vec<Key>, value: &DeValue<'_>) -> Result<Binding, String> {
    let DeValue::Table(entry) = value else {
        return Err("write { run = \"…\", about = \"…\" }".to_owned());
    };
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in entry {
        let known = ["run", "about", "hint"].into_iter().find(|it| *it == name.get_ref().as_ref());
        let known = known.ok_or_else(|| format!("`{}` is none of run, about, hint", name.get_ref()))?;
        let DeValue::String(text) = value.get_ref() else {
            return Err(format!("`{known}` must be a text"));
        };
        texts.insert(known, text.to_string());
    }
    let command: Command = texts.remove("run").ok_or("`run` is missing")?.parse()?;
    // The key that opens or accepts things must never be the one that decides.
    let is_careless = |key: &Key| matches!(key.code, Code::Enter | Code::Char(' ') | Code::Tab | Code::Esc);
    if command == Command::Confirm && keys.iter().any(is_careless) {
        return Err("enter, space, tab and esc never confirm".to_owned());
    }
    let about = texts.remove("about").unwrap_or_else(|| command.as_str().replace('-', " "));
    Ok(Binding { keys, command, about, hint: texts.remove("hint") })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|it| *it == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn every_command_has_a_key_and_every_section_is_there() {
        let keymap = Keymap::load(None).unwrap();
        for context in Context::ALL {
            assert!(!keymap.section(*context).is_empty(), "[{context}] is empty");
        }
        for command in Command::ALL {
            assert!(
                Context::ALL.iter().any(|it| keymap.section(*it).iter().any(|it| it.command == *command)),
                "`{command}` has no key"
            );
        }
    }

    #[test]
    fn lower_case_looks_and_upper_case_decides() {
        let keymap = Keymap::load(None).unwrap();
        for context in [
            Context::Screens,
            Context::Queue,
            Context::Run,
            Context::Review,
            Context::Log,
            Context::Ci,
            Context::CiRun,
            Context::CiLog,
        ] {
            for binding in keymap.section(context) {
                for key in &binding.keys {
                    let is_upper = key.typed().is_some_and(|it| it.is_ascii_uppercase() && !matches!(it, 'G' | 'N'));
                    assert_eq!(is_upper, binding.command.is_decision(), "[{context}] {key} runs {}", binding.command);
                }
            }
        }
    }

    #[test]
    fn no_key_is_shadowed_by_a_wider_section() {
        let keymap = Keymap::load(None).unwrap();
        for context in Context::ALL {
            let mut seen = BTreeMap::new();
            for binding in keymap.bindings(*context) {
                for key in &binding.keys {
                    let other = seen.insert(*key, binding.command);
                    assert_eq!(other, None, "[{context}] {key} runs {}", binding.command);
                }
            }
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line, what) in [
            ("[queue]\n\"x\" = { run = \"explode\" }", 2, "`explode` is none of"),
            ("[board]\n", 1, "`board` is none of"),
            ("[queue]\n\n\"jj\" = { run = \"down\" }", 3, "`jj` is no key"),
            ("[queue]\n\"x\" = { run = \"up\" }\n\"y x\" = { run = \"down\" }", 3, "`x` already runs `up`"),
            ("[queue]\n\"x\" = { run = \"up\", abuot = \"\" }", 2, "`abuot`"),
            ("[dialog]\n\"enter\" = { run = \"confirm\" }", 2, "never confirm"),
            ("[queue\n", 1, ""),
        ] {
            let error = Keymap::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.what.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn own_keys_replace_the_defaults_of_their_command_and_take_their_key() {
        let own = "[queue]\n\"l\" = { run = \"diff\", about = \"patch\" }";
        let keymap = Keymap::load(Some(own)).unwrap();
        assert_eq!(keymap.translate(Context::Queue, key("l")), Some(Action::Do(Command::Diff)));
        assert_eq!(keymap.translate(Context::Queue, key("d")), None);
        assert!(!keymap.section(Context::Queue).iter().any(|it| it.command == Command::Log));
    }

    #[test]
    fn read_only_knows_no_deciding_key() {
        let keymap = Keymap::load(None).unwrap().read_only();
        for text in ["A", "D", "X", "F", "R", "P"] {
            assert_eq!(keymap.translate(Context::Run, key(text)), None, "{text}");
        }
        assert_eq!(keymap.translate(Context::Dialog, key("y")), None);
    }

    #[test]
    fn keys_are_text_only_where_text_is_typed() {
        let keymap = Keymap::load(None).unwrap();
        assert_eq!(keymap.translate(Context::Typing, key("q")), Some(Action::Type(key("q"))));
        assert_eq!(keymap.translate(Context::Queue, key("Z")), None);
        assert_eq!(keymap.translate(Context::Editor, key("ctrl-c")), Some(Action::Do(Command::Interrupt)));
    }
}
