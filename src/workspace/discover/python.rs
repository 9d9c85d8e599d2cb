//! Python projects: pytest where it is declared or its style is used, else unittest with the folders that discovery needs.
use crate::workspace::TestCommand;
use crate::workspace::discover::files;
use crate::workspace::discover::files::Files;
use crate::workspace::discover::found;
use crate::workspace::discover::interpreter::Interpreter;
use crate::workspace::discover::requirements::Requirements;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const MAX_TEST_FILES: usize = 500;
const MAX_START_DIRS: usize = 8;

/// Files that name pytest in one way or another, where a mention is enough.
const MENTIONING: &[&str] = &["setup.cfg", "tox.ini", "setup.py", "Pipfile", "noxfile.py"];

static IMPORTS_PYTEST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*(?:import|from)[ \t]+pytest\b").ok());
static PYTEST_STYLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^(?:async[ \t]+)?def[ \t]+test_|^class[ \t]+Test\w*(?:\((?:object)?\))?:").ok());
static UNITTEST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*(?:import|from)[ \t]+unittest\b|^class[ \t]+\w+\([^)]*TestCase\)").ok());
static PYTEST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bpytest\b").ok());

/// What is known of a tree's Python tests.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The file that declares pytest.
    declared_by: Option<String>,
    /// A test file in pytest's own style.
    pytest_style: Option<String>,
    unittest_files: Vec<String>,
    django: bool,
    /// Folders from which unittest finds the tests, fit for a shell.
    start_dirs: BTreeSet<String>,
    /// Whether the code is in `src` and nothing says so to the runner.
    needs_src: bool,
}

/// Looks at the tests of a tree.
pub(super) fn survey(files: &Files) -> Survey {
    let mut survey = Survey { declared_by: declared_by(files), ..Survey::default() };
    let named_like_tests =
        |name: &str| files::has_extension(name, "py") && (name.starts_with("test") || name.ends_with("_test.py"));
    for path in files.find(named_like_tests).into_iter().take(MAX_TEST_FILES) {
        let text = files.read(&path).unwrap_or_default();
        let is_unittest = is_match(&UNITTEST, &text);
        if is_unittest {
            survey.start_dirs.extend(start_dir(files, &path));
            survey.unittest_files.push(path.clone());
        }
        if survey.pytest_style.is_none() && is_pytest(&text, is_unittest) {
            survey.pytest_style = Some(path);
        }
    }
    survey.django = files.read("manage.py").is_some_and(|it| it.contains("django"));
    survey.needs_src = has_src_layout(files);
    survey
}

impl Survey {
    /// Whether a file says that the tests are pytest's.
    pub(super) const fn is_declared(&self) -> bool {
        self.declared_by.is_some()
    }

    /// Whether there are test files at all.
    pub(super) const fn has_tests(&self) -> bool {
        self.pytest_style.is_some() || !self.unittest_files.is_empty()
    }

    /// Returns the command, given what is installed.
    pub(super) fn command(&self, interpreter: &Interpreter) -> Option<TestCommand> {
        let is_unittest_only = self.pytest_style.is_none() && !self.unittest_files.is_empty();
        let reason = match (&self.declared_by, &self.pytest_style) {
            (Some(_), _) if is_unittest_only && !interpreter.has_pytest() => None,
            (Some(file), _) => Some(file.clone()),
            (None, Some(file)) => Some(format!("{file} is written for pytest")),
            (None, None) => None,
        };
        match reason {
            Some(reason) if interpreter.has_pytest() => Some(self.pytest(interpreter, reason)),
            Some(reason) => Some(self.pytest(interpreter, format!("{reason}; pytest is not installed here"))),
            None if self.django => {
                let command = format!("{} manage.py test --verbosity 2", interpreter.program());
                Some(found(command, "manage.py is Django's"))
            }
            None => self.unittest(interpreter),
        }
    }

    /// `-v` names every test and `-ra` says why one was skipped: the proof compares both.
    fn pytest(&self, interpreter: &Interpreter, reason: String) -> TestCommand {
        found(format!("{}{} -m pytest -v -ra", self.prefix(), interpreter.program()), reason)
    }

    fn unittest(&self, interpreter: &Interpreter) -> Option<TestCommand> {
        let file = self.unittest_files.first()?;
        let pattern = if file.rsplit('/').next()?.starts_with("test") { "" } else { " -p '*_test.py'" };
        let python = interpreter.program();
        let one = |dir: &String| {
            let start = if dir == "." { String::new() } else { format!(" -s {dir}") };
            format!("{}{python} -m unittest discover -v{start}{pattern}", self.prefix())
        };
        let runs: Vec<String> = self.start_dirs.iter().take(MAX_START_DIRS).map(one).collect();
        let command = match &runs[..] {
            [] => return None,
            [only] => only.clone(),
            // Every folder is run, also after one that failed.
            several => format!("failed=0; {} || failed=1; exit $failed", several.join(" || failed=1; ")),
        };
        let note = if self.declared_by.is_some() { "; pytest is declared but not installed here" } else { "" };
        Some(found(command, format!("{file} uses unittest{note}")))
    }

    const fn prefix(&self) -> &'static str {
        if self.needs_src { "PYTHONPATH=src " } else { "" }
    }
}

fn declared_by(files: &Files) -> Option<String> {
    if let Some(name) = ["pytest.ini", ".pytest.ini"].into_iter().find(|it| files.has(it)) {
        return Some(name.to_owned());
    }
    let pyproject: toml::Table = files.read("pyproject.toml").and_then(|it| it.parse().ok()).unwrap_or_default();
    if pyproject.get("tool").is_some_and(|it| it.get("pytest").is_some()) {
        return Some("pyproject.toml has a [tool.pytest] table".to_owned());
    }
    let section =
        |name: &str, section: &str| files.read(name).is_some_and(|it| it.lines().any(|it| it.trim() == section));
    if section("setup.cfg", "[tool:pytest]") {
        return Some("setup.cfg has a [tool:pytest] section".to_owned());
    }
    if section("tox.ini", "[pytest]") {
        return Some("tox.ini has a [pytest] section".to_owned());
    }
    let required = Requirements::place_of(files, "pytest").map(|it| format!("{it} requires pytest"));
    let mentioned = || MENTIONING.iter().find(|it| files.read(it).is_some_and(|text| is_match(&PYTEST, &text)));
    let conftest = || ["conftest.py", "tests/conftest.py", "test/conftest.py"].into_iter().find(|it| files.has(it));
    required.or_else(|| mentioned().map(|it| format!("{it} names pytest"))).or_else(|| conftest().map(str::to_owned))
}

/// unittest starts at a folder and enters packages only: the nearest folder above a test file that is no package.
fn start_dir(files: &Files, path: &str) -> Option<String> {
    let mut dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    while !dir.is_empty() && files.has(&format!("{dir}/__init__.py")) {
        dir = dir.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-' | '/');
    let is_safe = dir.chars().all(is_plain) && !dir.starts_with('-');
    is_safe.then(|| if dir.is_empty() { ".".to_owned() } else { dir.to_owned() })
}

fn has_src_layout(files: &Files) -> bool {
    let is_set = |name: &str| files.read(name).is_some_and(|it| it.contains("pythonpath"));
    let holds_code = |it: &String| files::has_extension(it, "py") || files.has(&format!("src/{it}/__init__.py"));
    files.has_dir("src")
        && !files.has("src/__init__.py")
        && files.list("src").iter().any(holds_code)
        && !["pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini"].into_iter().any(is_set)
}

/// A helper named `test_…` beside unittest's classes does not make a file pytest's; importing pytest does.
fn is_pytest(text: &str, is_unittest: bool) -> bool {
    is_match(&IMPORTS_PYTEST, text) || (!is_unittest && is_match(&PYTEST_STYLE, text))
}

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    regex.as_ref().is_some_and(|it| it.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_told_apart() {
        let unittest = "import unittest\n\nclass TestX(unittest.TestCase):\n    def test_x(self):\n        pass\n";
        let unittest = format!("{unittest}\n\ndef test_suite():\n    pass\n");
        assert!(is_match(&UNITTEST, &unittest) && !is_pytest(&unittest, true));
        let texts =
            ["def test_x():\n    pass\n", "import pytest\n", "class TestX:\n    x = 1\n", "async def test_x():\n"];
        for pytest in texts {
            assert!(is_pytest(pytest, false) && !is_match(&UNITTEST, pytest), "{pytest:?}");
        }
    }
}
