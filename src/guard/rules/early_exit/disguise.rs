//! Ways out of a process that do not look like one: an exit handed on as a value, one whose status is always good, and
//! modules looked into by names that are put together while the program runs.
use crate::guard::lang::Lang;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Line;
use crate::guard::view::Of;
use regex::Regex;
use std::sync::LazyLock;

/// Lines that are read on for the end of a call.
const MAX_LINES: usize = 8;

static PYTHON_EXIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:sys|builtins|site)\s*\.\s*(?:exit|quit)\b|(?:^|[^.\w])(?:exit|quit|SystemExit)\b"));
static SCRIPT_EXIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bprocess\s*(?:\?\s*)?\.\s*exit\b"));
/// Where the exception is named, and nobody leaves.
static NAMES_EXCEPTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bexcept\b|[rR]aises\w*\s*\(|\bis(?:instance|subclass)\s*\("));
static PYTHON_MODULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^.\w])(?:os|sys|posix|builtins|signal|atexit)\b"));
static PYTHON_IMPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^\s*import\s+(?:.*,\s*)?(?:os|sys|posix|builtins|signal|atexit)\b"));
static IS_IMPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:import|from)\b"));
static LITERAL_ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^\s*,\s*(?:'[^']*'|"[^"]*")\s*[,)]"#));
static SCRIPT_PROCESS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^.\w$])process\b"));
static OWN_PROCESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:function|class|const|let|var)\s+process\b|\bprocess\s*=>|\bfunction\b[^)]*\bprocess\b[^)]*\)\s*\{")
});
static TAKES_PARTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\{([^}]*)\}\s*=\s*$"));
static LEAVES: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:exit|reallyExit|abort|kill)\b|\.\.\."));

static INTEGER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^-?0*[1-9]\d*$"));
static TEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?s)^[a-zA-Z]{0,2}(?:'+.+'|"+.+")$|^[a-zA-Z]{0,2}`.+`$"#));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_$][\w$]*"));
/// Words that know nothing of how the program went.
const CONSTANT: &[&str] = &[
    "True",
    "False",
    "None",
    "not",
    "and",
    "or",
    "if",
    "else",
    "in",
    "is",
    "lambda",
    "int",
    "bool",
    "float",
    "str",
    "len",
    "sum",
    "min",
    "max",
    "abs",
    "any",
    "all",
    "list",
    "tuple",
    "dict",
    "set",
    "object",
    "type",
    "ord",
    "true",
    "false",
    "null",
    "undefined",
    "void",
    "Number",
    "Boolean",
    "NaN",
];
const FALSY: &[&str] = &["0", "None", "False", "''", "\"\"", "()", "[]", "{}", "false", "null", "undefined"];

/// Returns the added lines that leave as if all were well without saying so plainly.
pub(super) fn exits<'v>(file: &'v FileView<'_>) -> Vec<(Line<'v>, &'v str)> {
    let exit: &Regex = match file.lang {
        Lang::Python => &PYTHON_EXIT,
        Lang::JavaScript => &SCRIPT_EXIT,
        _ => return Vec::new(),
    };
    let is_disguised = |line: &Line<'_>| {
        exit.find_iter(line.code).any(|found| {
            let (before, after) = (&line.code[..found.start()], line.code[found.end()..].trim_start());
            let name = found.as_str().trim_start_matches(|it: char| !it.is_alphanumeric());
            if name == "SystemExit" && NAMES_EXCEPTION.is_match(line.code) || is_bound(file, before, name) {
                return false;
            }
            match after.strip_prefix('(') {
                Some(rest) => !argument(file, line, rest).is_some_and(|it| says_failure(&it, file)),
                None => name != "SystemExit" || !before.trim_end().ends_with("raise"),
            }
        })
    };
    file.fresh(exit, Of::Code).into_iter().filter(|(line, _)| is_disguised(line)).collect()
}

/// Returns the added lines that hand on a module of the process itself instead of naming what they want of it.
pub(super) fn modules<'v>(file: &'v FileView<'_>) -> Vec<(Line<'v>, &'v str)> {
    let (module, is_handed_on): (&Regex, fn(&str, &str) -> bool) = match file.lang {
        Lang::Python if !file.is_test && code_of(file).any(|it| PYTHON_IMPORT.is_match(it)) => {
            (&PYTHON_MODULE, is_python_value)
        }
        Lang::JavaScript if !code_of(file).any(|it| OWN_PROCESS.is_match(it)) => (&SCRIPT_PROCESS, is_script_value),
        _ => return Vec::new(),
    };
    let is_found = |line: &Line<'_>| {
        !IS_IMPORT.is_match(line.code)
            && module
                .find_iter(line.code)
                .any(|found| is_handed_on(&line.code[..found.start()], line.code[found.end()..].trim_start()))
    };
    file.fresh(module, Of::Code).into_iter().filter(|(line, _)| is_found(line)).collect()
}

fn is_python_value(before: &str, after: &str) -> bool {
    let asks_by_name = before.ends_with("getattr") || before.ends_with("hasattr");
    let is_reached_into = after.starts_with(".__getattr");
    is_reached_into || ends_value(after) && !(asks_by_name && LITERAL_ATTRIBUTE.is_match(after))
}

fn is_script_value(before: &str, after: &str) -> bool {
    let is_for_harmless_parts = TAKES_PARTS.captures(before).is_some_and(|it| !LEAVES.is_match(&it[1]));
    ends_value(after) && !is_for_harmless_parts
}

fn ends_value(after: &str) -> bool {
    after.is_empty() || after.starts_with([',', ';', ')', ']', '}'])
}

fn code_of<'v>(file: &'v FileView<'_>) -> impl Iterator<Item = &'v str> {
    file.after.iter().flat_map(|it| &it.masked.code).map(String::as_str)
}

/// Whether a name is one of the file's own: a method, a variable, a parameter.
fn is_bound(file: &FileView<'_>, before: &str, name: &str) -> bool {
    let is_own = |code: &str| {
        code.match_indices(name).any(|(at, _)| {
            let is_whole = !code[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == '.');
            let rest = code[at + name.len()..].trim_start();
            let is_assigned = rest.starts_with('=') && !rest.starts_with("==");
            is_whole && (is_assigned || code[..at].trim_end().ends_with("def"))
        })
    };
    let is_plain = name == "exit" || name == "quit";
    before.trim_end().ends_with("def") || is_plain && code_of(file).any(is_own)
}

/// Returns what stands between the parentheses of a call that begins on a line.
fn argument(file: &FileView<'_>, line: &Line<'_>, rest: &str) -> Option<String> {
    let mut text = rest.to_owned();
    let lines = file.after.iter().flat_map(|it| (0..it.raw.len()).filter_map(|idx| it.line(idx)));
    for next in lines.filter(|it| it.number > line.number).take(MAX_LINES) {
        text.push('\n');
        text.push_str(next.code);
    }
    let mut depth = 1_u32;
    let end = text.find(|ch| {
        depth = match ch {
            '(' | '[' | '{' => depth + 1,
            ')' | ']' | '}' => depth - 1,
            _ => depth,
        };
        depth == 0
    })?;
    Some(text[..end].trim().trim_end_matches(',').to_owned())
}

/// Whether the status of an exit is bad, or depends on how the program went.
fn says_failure(argument: &str, file: &FileView<'_>) -> bool {
    INTEGER.is_match(argument)
        || TEXT.is_match(argument)
        || WORD.find_iter(argument).any(|it| !CONSTANT.contains(&it.as_str()) && !is_always_falsy(it.as_str(), file))
}

/// Whether a name is only ever given values that mean success.
fn is_always_falsy(name: &str, file: &FileView<'_>) -> bool {
    let mut n_falsy = 0;
    for code in code_of(file) {
        let Some((left, right)) = code.split_once('=').filter(|(_, right)| !right.starts_with('=')) else { continue };
        let is_named = WORD.find_iter(left).any(|it| it.as_str() == name);
        if is_named && !FALSY.contains(&right.trim().trim_end_matches(';')) {
            return false;
        }
        n_falsy += usize::from(is_named);
    }
    n_falsy > 0
}
