//! Syntax colours, line by line and only for lines that are asked for; remembers what it has parsed.
use crate::console::document::segment::Ink;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use syntect::parsing::ParseState;
use syntect::parsing::Scope;
use syntect::parsing::ScopeStack;
use syntect::parsing::SyntaxReference;
use syntect::parsing::SyntaxSet;

/// Characters above which a line is left plain: grammars take a second for some long lines.
const MAX_CHARS: usize = 2_000;

/// Characters above which a line costs effort: grammars need time by the square of a line's length.
const SHORT_CHARS: usize = 200;

/// Effort per document, two of the longest lines' worth. Long lines beyond it are plain, so that nobody can stop the console with them.
const MAX_EFFORT: usize = 2 * MAX_CHARS * MAX_CHARS;

/// Lines from the last parsed one to the asked one above which the parser starts anew near the asked one.
const MAX_GAP: usize = 400;

/// Lines before the asked one at which it then starts.
const RUN_UP: usize = 60;

/// Parsed lines that are remembered.
const MAX_REMEMBERED: usize = 40_000;

static SYNTAXES: OnceLock<SyntaxSet> = OnceLock::new();

/// The inks of one line: byte ranges in order; what is in none is plain.
pub(super) type Inks = Arc<[(Range<usize>, Ink)]>;

/// Names a run of lines that belong together: one side of one hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StreamId {
    pub(super) document: u64,
    pub(super) hunk: usize,
    pub(super) is_new_side: bool,
}

/// Gives code its inks. Loading takes some milliseconds: do it beside the first frames and draw plain meanwhile.
pub struct Highlighter {
    syntaxes: &'static SyntaxSet,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    streams: HashMap<StreamId, Stream>,
    /// By document.
    effort: HashMap<u64, usize>,
    n_remembered: usize,
    n_parsed: u64,
}

#[derive(Default)]
struct Stream {
    /// The next line that the parser expects; none before the first.
    at: Option<(usize, ParseState, ScopeStack)>,
    lines: HashMap<usize, Inks>,
}

impl Highlighter {
    /// Loads the grammars; at once when they have been loaded before.
    pub fn load() -> Self {
        let syntaxes = SYNTAXES.get_or_init(two_face::syntax::extra_newlines);
        Self { syntaxes, memory: Mutex::default() }
    }

    /// Returns how many lines have been parsed so far.
    pub fn lines_parsed(&self) -> u64 {
        self.memory().n_parsed
    }

    /// Returns the inks of line `idx` of a stream of lines of the file `path`.
    pub(super) fn inks<'a>(&self, id: StreamId, path: &str, idx: usize, line_at: impl Fn(usize) -> &'a str) -> Inks {
        let Some(syntax) = self.syntax(path) else { return Inks::default() };
        let mut memory = self.memory();
        if let Some(inks) = memory.streams.get(&id).and_then(|it| it.lines.get(&idx)) {
            return Arc::clone(inks);
        }
        if memory.n_remembered > MAX_REMEMBERED {
            memory.streams.clear();
            memory.effort.clear();
            memory.n_remembered = 0;
        }
        let mut effort = memory.effort.get(&id.document).copied().unwrap_or_default();
        let stream = memory.streams.entry(id).or_default();
        let (first, mut state, mut scopes) = match stream.at.take() {
            Some(at) if at.0 <= idx && idx - at.0 <= MAX_GAP => at,
            None if idx <= MAX_GAP => (0, ParseState::new(syntax), ScopeStack::new()),
            _ => (idx.saturating_sub(RUN_UP), ParseState::new(syntax), ScopeStack::new()),
        };
        let mut asked = Inks::default();
        let mut n_new = 0;
        for at in first..=idx {
            let line = line_at(at);
            asked = if is_affordable(line, &mut effort) {
                parse(line, &mut state, &mut scopes, self.syntaxes)
            } else {
                Inks::default()
            };
            n_new += usize::from(stream.lines.insert(at, Arc::clone(&asked)).is_none());
        }
        stream.at = Some((idx + 1, state, scopes));
        memory.effort.insert(id.document, effort);
        memory.n_remembered += n_new;
        memory.n_parsed += (idx + 1 - first) as u64;
        asked
    }

    fn syntax(&self, path: &str) -> Option<&'static SyntaxReference> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or(name, |it| it.1);
        let syntax = self
            .syntaxes
            .find_syntax_by_extension(name)
            .or_else(|| self.syntaxes.find_syntax_by_extension(extension))
            .or_else(|| self.syntaxes.find_syntax_by_extension(&extension.to_lowercase()))?;
        (syntax.name != "Plain Text").then_some(syntax)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Highlighter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Highlighter").field("lines_parsed", &self.lines_parsed()).finish_non_exhaustive()
    }
}

/// Whether a line may be parsed; adds what it costs.
fn is_affordable(line: &str, effort: &mut usize) -> bool {
    let n_chars = line.chars().take(MAX_CHARS + 1).count();
    if n_chars > MAX_CHARS {
        return false;
    }
    if n_chars > SHORT_CHARS {
        *effort += n_chars * n_chars;
    }
    n_chars <= SHORT_CHARS || *effort <= MAX_EFFORT
}

/// Parses one line; a line that the grammar fails on is plain and leaves the state as it was.
fn parse(line: &str, state: &mut ParseState, scopes: &mut ScopeStack, syntaxes: &SyntaxSet) -> Inks {
    let mut parsed = state.clone();
    let Ok(ops) = parsed.parse_line(&format!("{line}\n"), syntaxes) else { return Inks::default() };
    *state = parsed;
    let mut inks: Vec<(Range<usize>, Ink)> = Vec::new();
    let mut add = |range: Range<usize>, scopes: &ScopeStack| {
        let ink = line.get(range.clone()).map_or(Ink::Plain, |text| ink_of(scopes, text));
        match inks.last_mut() {
            Some(last) if last.1 == ink && last.0.end == range.start => last.0.end = range.end,
            _ if ink == Ink::Plain || range.is_empty() => {}
            _ => inks.push((range, ink)),
        }
    };
    let mut from = 0;
    for (offset, op) in ops {
        let to = offset.min(line.len());
        add(from..to, scopes);
        from = to;
        if scopes.apply(&op).is_err() {
            break;
        }
    }
    add(from..line.len(), scopes);
    inks.into()
}

/// Returns the ink of text in the innermost scope that has one.
fn ink_of(scopes: &ScopeStack, text: &str) -> Ink {
    for scope in scopes.as_slice().iter().rev() {
        if let Some((_, ink)) = SCOPES.iter().find(|it| it.0.is_prefix_of(*scope)) {
            let is_sign = *ink == Ink::Keyword && !text.contains(char::is_alphabetic);
            return if is_sign { Ink::Plain } else { *ink };
        }
    }
    Ink::Plain
}

/// Scopes by prefix, the first that fits wins. `Plain` ends the search outwards: code inside a string template is code again.
static SCOPES: LazyLock<Vec<(Scope, Ink)>> = LazyLock::new(|| {
    let table: &[(&str, Ink)] = &[
        ("comment", Ink::Comment),
        ("constant.character.escape", Ink::Number),
        ("constant.other.placeholder", Ink::Number),
        ("string", Ink::Text),
        ("constant", Ink::Number),
        ("entity.name.function", Ink::Function),
        ("support.function", Ink::Function),
        ("variable.function", Ink::Function),
        ("entity.other.attribute-name", Ink::Function),
        ("entity.name.type", Ink::Type),
        ("entity.name.class", Ink::Type),
        ("entity.name.struct", Ink::Type),
        ("entity.name.enum", Ink::Type),
        ("entity.name.trait", Ink::Type),
        ("entity.name.impl", Ink::Type),
        ("entity.other.inherited-class", Ink::Type),
        ("support.type", Ink::Type),
        ("support.class", Ink::Type),
        ("entity.name.tag", Ink::Keyword),
        ("entity.name.section", Ink::Keyword),
        ("variable.language", Ink::Keyword),
        ("keyword", Ink::Keyword),
        ("storage", Ink::Keyword),
        ("meta.interpolation", Ink::Plain),
        ("meta.template.expression", Ink::Plain),
        ("source", Ink::Plain),
    ];
    table.iter().filter_map(|(name, ink)| Some((Scope::new(name).ok()?, *ink))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: StreamId = StreamId { document: 1, hunk: 0, is_new_side: true };

    fn inked(path: &str, line: &str) -> Vec<(String, Ink)> {
        let inks = Highlighter::load().inks(ID, path, 0, |_| line);
        inks.iter().map(|(range, ink)| (line[range.clone()].to_owned(), *ink)).collect()
    }

    #[test]
    fn scopes_become_inks() {
        let python = inked("src/retry.py", "    def take(self, n=4):  # why ");
        assert!(python.contains(&("def".into(), Ink::Keyword)), "{python:?}");
        assert!(python.contains(&("take".into(), Ink::Function)), "{python:?}");
        assert!(python.contains(&("4".into(), Ink::Number)), "{python:?}");
        assert!(python.iter().any(|it| it.0.starts_with("# why") && it.1 == Ink::Comment), "{python:?}");
        let rust = inked("a.rs", "struct Budget { name: &'static str } // ");
        assert!(rust.contains(&("Budget".into(), Ink::Type)), "{rust:?}");
        let toml = inked("Cargo.toml", r#"version = "1""#);
        assert!(toml.contains(&("\"1\"".into(), Ink::Text)), "{toml:?}");
        assert!(inked("notes.unknown", "def take").is_empty());
    }

    #[test]
    fn state_is_carried_from_line_to_line() {
        let lines = ["x = '''", "inside", "'''", "def f(): pass"];
        let highlighter = Highlighter::load();
        let inks = |idx| highlighter.inks(ID, "a.py", idx, |at| lines[at]);
        assert_eq!(&*inks(1), [(0..6, Ink::Text)]);
        assert_eq!(inks(3)[0], (0..3, Ink::Keyword));
        assert_eq!(highlighter.lines_parsed(), 4);
        inks(2);
        assert_eq!(highlighter.lines_parsed(), 4, "remembered");
    }

    #[test]
    fn a_far_jump_parses_only_a_run_up() {
        let highlighter = Highlighter::load();
        highlighter.inks(ID, "a.py", 100_000, |_| "x = 1");
        assert_eq!(highlighter.lines_parsed(), RUN_UP as u64 + 1);
        highlighter.inks(ID, "a.py", 5, |_| "x = 1");
        assert!(highlighter.lines_parsed() <= 2 * (RUN_UP as u64 + 1));
    }

    #[test]
    fn long_lines_stay_plain() {
        let line = "x = 1;".repeat(1_000);
        assert!(inked("a.js", &line).is_empty());
        assert!(!inked("a.js", &line[..MAX_CHARS]).is_empty());
    }

    #[test]
    fn a_document_of_long_lines_runs_out_of_effort_but_not_of_colour() {
        let long = "x = 1;".repeat(330);
        let lines = [long.as_str(), &long, &long, "var y = 2;"];
        let highlighter = Highlighter::load();
        let is_coloured = |idx| !highlighter.inks(ID, "a.js", idx, |at| lines[at]).is_empty();
        assert_eq!([0, 1, 2, 3].map(is_coloured), [true, true, false, true]);
    }

    #[test]
    fn no_grammar_panics_on_odd_text() {
        let lines = ["((([[[{{{ \"'`<?php <% ${", "\u{fffd}\t\\ - *a: &b !c | > end end }"];
        let highlighter = Highlighter::load();
        let paths = "py rs js ts go c cpp java rb sh yml toml json md html css sql php kt xml Makefile Dockerfile";
        for (hunk, path) in paths.split(' ').enumerate() {
            let id = StreamId { hunk, ..ID };
            for idx in 0..lines.len() {
                highlighter.inks(id, path, idx, |at| lines[at]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ranges_are_ordered_and_on_character_borders(line in "[a-z\"'(){}=#/ é界0-9\\\\]{0,60}") {
            for path in ["a.rs", "a.py", "a.yml", "Makefile"] {
                let inks = Highlighter::load().inks(ID, path, 0, |_| &line);
                prop_assert!(inks.iter().all(|it| line.get(it.0.clone()).is_some()));
                prop_assert!(inks.windows(2).all(|it| it[0].0.end <= it[1].0.start));
            }
        }
    }
}
