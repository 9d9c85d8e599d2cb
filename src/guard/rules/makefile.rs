//! Make files: the way from the test command to the tests is not for a fix to change.
use crate::guard::command::TestCommand;
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Stretch;
use regex::Regex;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Targets that mean "test" wherever they stand.
const TEST_TARGETS: &[&str] = &["test", "tests", "check", "unit", "unittest", "ci", "verify", "lint", "coverage"];

static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:(?:override|export|private)\s+)*([\w.-]+)\s*(?:::?:?|\+|\?|!)?="));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$(?:[({]([\w.-]+)[)}:]|([A-Za-z_]))"));
/// What changes the meaning of every other line.
static GLOBAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*-?(?:include|sinclude|define|endef|ifn?eq|ifn?def|else|endif|vpath|undefine|load)\b|^\s*(?:export|unexport)\b|\$\((?:eval|call|shell)\b|^(?:override\s+)?(?:SHELL|\.SHELLFLAGS|MAKEFLAGS|GNUMAKEFLAGS|PATH|PYTHONPATH|PYTEST_ADDOPTS|VPATH|\.DEFAULT_GOAL)\b|^\.(?:IGNORE|SILENT|ONESHELL|DEFAULT|POSIX|NOTPARALLEL)\b",
    )
});

/// What one line of a make file belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Nothing,
    Global,
    Variable(String),
    /// A rule's first line or a line of its recipe.
    Rule(Vec<String>),
}

/// A make file taken apart line by line.
#[derive(Debug, Default)]
struct Makefile {
    parts: Vec<Part>,
    needs: BTreeMap<String, Vec<String>>,
    recipes: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    first_target: Option<String>,
}

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    if file.lang != Lang::Make || file.change.hunks.is_empty() {
        return;
    }
    if !file.is_whole {
        let reason = "the make file is not known at the base commit, so what the change means cannot be told";
        findings.violation(file.path, None, "runner-changed", reason);
        return;
    }
    for stretch in file.before.iter().chain(&file.after) {
        let makefile = Makefile::read(stretch);
        let guarded = makefile.guarded(&scene.command);
        let variables = makefile.variables_of(&guarded);
        for (idx, part) in makefile.parts.iter().enumerate().filter(|(idx, _)| stretch.runs[*idx].is_some()) {
            let is_guarded = match part {
                Part::Nothing => false,
                Part::Global => true,
                Part::Variable(name) => variables.contains(name),
                Part::Rule(targets) => targets.iter().any(|it| is_any_of(it, &guarded)),
            };
            if is_guarded {
                let reason = format!("changes how the tests are run: {}", excerpt(stretch.raw[idx]));
                findings.violation(file.path, Some(stretch.number(idx)), "runner-changed", reason);
            }
        }
    }
}

/// Returns what a command makes of a make file: the recipes through which the tests are run.
pub(crate) fn recipes(text: &str, command: &TestCommand) -> String {
    let makefile = Makefile::read(&Stretch::unchanged(text, Lang::Make));
    let guarded = makefile.guarded(command);
    let wanted: Vec<&str> = guarded.iter().filter_map(|it| makefile.recipes.get(it)).map(String::as_str).collect();
    wanted.join("\n")
}

impl Makefile {
    fn read(stretch: &Stretch<'_>) -> Self {
        let mut makefile = Self::default();
        let mut targets: Vec<String> = Vec::new();
        let mut is_continued = false;
        for (idx, raw) in stretch.raw.iter().enumerate() {
            let code = stretch.masked.code[idx].as_str();
            let part = if is_continued {
                makefile.parts.last().cloned().unwrap_or(Part::Nothing)
            } else if raw.starts_with('\t') && !targets.is_empty() {
                Part::Rule(targets.clone())
            } else {
                makefile.read_line(code, &mut targets)
            };
            makefile.note(&part, code);
            makefile.parts.push(part);
            is_continued = raw.trim_end_matches('\r').ends_with('\\');
        }
        makefile
    }

    fn read_line(&mut self, code: &str, targets: &mut Vec<String>) -> Part {
        if code.trim().is_empty() {
            return Part::Nothing;
        }
        if GLOBAL.is_match(code) {
            return Part::Global;
        }
        if let Some(variable) = VARIABLE.captures(code) {
            return Part::Variable(variable[1].to_owned());
        }
        let Some((names, rest)) = code.split_once(':').filter(|_| !code.starts_with([' ', '\t'])) else {
            return Part::Global;
        };
        *targets = names.split_whitespace().map(str::to_owned).collect();
        let rest = rest.trim_start_matches(':');
        let (needs, inline) = rest.split_once(';').unwrap_or((rest, ""));
        for target in targets.iter().filter(|it| *it != ".PHONY") {
            self.first_target.get_or_insert_with(|| target.clone());
            self.needs.entry(target.clone()).or_default().extend(needs.split_whitespace().map(str::to_owned));
            self.recipes.entry(target.clone()).or_default().push_str(inline);
        }
        Part::Rule(targets.clone())
    }

    /// Keeps the text of a line with what it belongs to.
    fn note(&mut self, part: &Part, code: &str) {
        match part {
            Part::Variable(name) => push_line(&mut self.variables, name, code),
            Part::Rule(targets) => targets.iter().for_each(|it| push_line(&mut self.recipes, it, code)),
            Part::Nothing | Part::Global => {}
        }
    }

    /// The targets through which the tests are run: those asked for, and what they need, up to rules that build a file.
    fn guarded(&self, command: &TestCommand) -> BTreeSet<String> {
        let mut open: Vec<String> = TEST_TARGETS.iter().map(|it| (*it).to_owned()).collect();
        open.extend(command.make_targets.iter().cloned());
        if command.uses_make && command.make_targets.is_empty() {
            open.extend(self.first_target.clone());
        }
        let mut guarded: BTreeSet<String> = [".PHONY".to_owned()].into();
        let is_build =
            |it: &String| self.recipes.get(it).is_some_and(|recipe| recipe.contains("$@") || recipe.contains(" -o "));
        while let Some(target) = open.pop() {
            if guarded.insert(target.clone()) {
                open.extend(self.needs.get(&target).into_iter().flatten().filter(|it| !is_build(it)).cloned());
            }
        }
        guarded
    }

    /// The variables the recipes of these targets refer to, also through other variables.
    fn variables_of(&self, targets: &BTreeSet<String>) -> BTreeSet<String> {
        let name = |it: regex::Captures<'_>| it.get(1).or(it.get(2)).map(|it| it.as_str().to_owned());
        let names = |text: &str| REFERENCE.captures_iter(text).filter_map(name).collect::<Vec<_>>();
        let mut open: Vec<String> =
            targets.iter().filter_map(|it| self.recipes.get(it)).flat_map(|it| names(it)).collect();
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if found.insert(name.clone()) {
                open.extend(self.variables.get(&name).into_iter().flat_map(|it| names(it)));
            }
        }
        found
    }
}

/// Whether a target, which may be a pattern or hide in a variable, is one of these.
fn is_any_of(target: &str, guarded: &BTreeSet<String>) -> bool {
    match target.split_once('%') {
        Some((front, back)) => guarded.iter().any(|it| it.starts_with(front) && it.ends_with(back)),
        None => target.contains('$') || guarded.contains(target),
    }
}

fn push_line(texts: &mut BTreeMap<String, String>, key: &str, line: &str) {
    let text = texts.entry(key.to_owned()).or_default();
    text.push_str(line);
    text.push('\n');
}
