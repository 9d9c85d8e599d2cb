//! A Python module that is imported and that no file asks to install: its package is added where the repository lists what it needs.
mod names;
mod pyproject;
mod requirements;
mod target;

use crate::agent::playbook::Advice;
use crate::agent::playbook::Fix;
use crate::agent::playbook::python::target::Target;
use crate::agent::playbook::scene::LogLine;
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::scene::has_ending;
use crate::agent::playbook::typo;
use crate::agent::tree::Change;
use regex::Regex;
use std::sync::LazyLock;

/// More missing modules than this is no forgotten line but an environment that was never set up.
const MAX_MODULES: usize = 5;
const MAX_SOURCES: usize = 3_000;

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static MISSING: LazyLock<Regex> = LazyLock::new(|| {
    let message = r#"\bNo module named (?:'([^']*)'|"([^"]*)"|([^\s;'"]+))"#;
    Regex::new(&format!(r"(?:(?:ModuleNotFoundError|ImportError): |\bpython[\d.]*(?:\.exe)?: ){message}"))
        .expect("constant pattern")
});

/// A package to add, and the import that asks for it.
#[derive(Debug, Clone)]
struct Wanted {
    saw: String,
    module: String,
    package: String,
    /// Whether the name comes from our own list and not from the import alone.
    is_known: bool,
    importers: Vec<String>,
}

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    let missing = missing_modules(scene);
    if missing.is_empty() {
        return None;
    }
    if missing.len() > MAX_MODULES {
        return Some(Advice::Refuse(format!("{} modules are missing: the environment is not set up", missing.len())));
    }
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for (line, module) in missing {
        match package_of(scene, line, module) {
            Ok(it) => wanted.push(it),
            Err(reason) => refused.push(reason),
        }
    }
    if wanted.is_empty() {
        return Some(Advice::Refuse(refused.join("; ")));
    }
    // Added in the order of their names, so that a line's number stays true when the next one is added.
    wanted.sort_by_key(|it| names::normalised(&it.package));
    Some(add(scene, &wanted).map_or_else(Advice::Refuse, Advice::Edit))
}

fn top(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

/// Returns each missing module once, however many of its submodules are missing, with the line that says so.
fn missing_modules<'a>(scene: &'a Scene<'_>) -> Vec<(&'a LogLine, &'a str)> {
    let mut found: Vec<(&LogLine, &str)> = Vec::new();
    for line in &scene.lines {
        let Some(captured) = MISSING.captures(&line.text) else { continue };
        let Some(name) = captured.iter().skip(1).flatten().next() else { continue };
        let name = name.as_str();
        if !found.iter().any(|(_, it)| top(it) == top(name)) {
            found.push((line, name));
        }
    }
    found
}

/// Returns the package to add for a module, or why none is.
fn package_of(scene: &Scene<'_>, line: &LogLine, full: &str) -> Result<Wanted, String> {
    let module = top(full);
    if !names::is_module(module) {
        return Err(format!(
            "`{}` is no name of a module",
            module.escape_debug().to_string().chars().take(80).collect::<String>()
        ));
    }
    if names::is_stdlib(module) {
        return Err(format!("`{module}` belongs to Python itself; this interpreter lacks it"));
    }
    if names::is_runner(module) {
        return Err(format!(
            "`{module}` runs tests or installs packages; the environment lacks it, not the repository"
        ));
    }
    if let Some(own) = own_module(scene, module) {
        return Err(format!(
            "`{module}` is the repository's own ({own}); the path or the import is wrong, not the list"
        ));
    }
    let shared = names::shared_package(full);
    if shared.is_none() && names::is_shared(module) {
        return Err(format!("`{module}` is shared by many packages; which one is meant cannot be told"));
    }
    let known = shared.or_else(|| names::known_package(module));
    if known.is_none()
        && let Some(meant) = typo::meant(module, names::known_modules().chain(own_names(scene)))
    {
        return Err(format!("`{module}` looks like a misspelling of `{meant}`"));
    }
    let importers = importers(scene, module);
    if importers.is_empty() {
        return Err(format!("no Python file of the tree imports `{module}`"));
    }
    let package = known.unwrap_or(module).to_owned();
    Ok(Wanted { saw: line.quote(), module: module.to_owned(), package, is_known: known.is_some(), importers })
}

/// Returns the file that makes `module` the repository's own.
fn own_module<'a>(scene: &'a Scene<'_>, module: &str) -> Option<&'a str> {
    let file_name = format!("{module}.py");
    let package = format!("{module}/__init__.py");
    let top = format!("{module}/");
    let is_own = |file: &str| {
        let is_at = |tail: &str| file == tail || file.strip_suffix(tail).is_some_and(|it| it.ends_with('/'));
        let bare = ["src/", "lib/", "python/"].iter().find_map(|it| file.strip_prefix(it)).unwrap_or(file);
        is_at(&file_name) || is_at(&package) || (bare.starts_with(&top) && is_python(file))
    };
    scene.files().iter().find(|it| is_own(it)).map(String::as_str)
}

/// Returns the names of the repository's own top-level modules.
fn own_names<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a str> {
    let python = scene.files().iter().filter(|it| is_python(it));
    python.filter_map(|it| {
        let bare = it.strip_prefix("src/").unwrap_or(it);
        Some(bare.split('/').next()?.trim_end_matches(".py"))
    })
}

fn is_python(file: &str) -> bool {
    has_ending(file, &[".py", ".pyi", ".pyx"])
}

/// Returns the files that import `module`, or name it in a string that may be imported.
fn importers(scene: &Scene<'_>, module: &str) -> Vec<String> {
    let python = scene.files().iter().filter(|it| is_python(it)).take(MAX_SOURCES);
    python.filter(|it| scene.scan(it).is_some_and(|text| text.lines().any(|it| imports(it, module)))).cloned().collect()
}

fn imports(line: &str, module: &str) -> bool {
    let is_module = |it: &str| it.split('.').next().is_some_and(|it| it.trim() == module);
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("from ") {
        return is_module(rest.split_whitespace().next().unwrap_or_default());
    }
    if let Some(rest) = line.strip_prefix("import ") {
        return rest.split(',').any(|it| is_module(it.split_whitespace().next().unwrap_or_default()));
    }
    let is_string = |quote: char| line.split(quote).skip(1).step_by(2).any(is_module);
    is_string('"') || is_string('\'')
}

fn is_test(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_in_folder = file.split('/').rev().skip(1).any(|it| matches!(it, "test" | "tests" | "testing"));
    is_in_folder || name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py"
}

fn add(scene: &Scene<'_>, wanted: &[Wanted]) -> Result<Fix, String> {
    let is_for_tests = wanted.iter().all(|it| it.importers.iter().all(|it| is_test(it)));
    let target = target::choose(scene, is_for_tests)?;
    let mut content = target.text.clone();
    let mut did = Vec::new();
    for it in wanted {
        if did.iter().any(|done: &String| done.contains(&format!("`{}`", it.package))) {
            continue;
        }
        if let Some(place) = target.listed(scene, &it.package) {
            return Err(format!(
                "`{}` is listed already ({place}); the environment was not installed from it",
                it.package
            ));
        }
        let place;
        (content, place) = target.insert(&content, &it.package)?;
        did.push(format!("added `{}` to {place}", it.package));
    }
    Ok(Fix {
        saw: wanted.iter().map(|it| it.saw.as_str()).collect::<Vec<_>>().join("; "),
        did: did.join(", "),
        why: why(scene, wanted, &target, is_for_tests),
        changes: vec![Change::Write { file: target.file, content }],
    })
}

fn why(scene: &Scene<'_>, wanted: &[Wanted], target: &Target, is_for_tests: bool) -> String {
    let mut why: Vec<_> = wanted
        .iter()
        .map(|it| format!("{} imports `{}`, which comes from the package `{}`", it.importers[0], it.module, it.package))
        .collect();
    for it in wanted.iter().filter(|it| !it.is_known) {
        why.push(format!("`{}` is taken from the import's name: check that it is the package meant", it.package));
    }
    why.push("no version is set, as none is known".to_owned());
    if is_for_tests {
        why.push("only tests import it".to_owned());
    }
    if let Some(lock) =
        ["poetry.lock", "uv.lock", "pdm.lock"].iter().find(|it| target.is_project() && scene.tree.is_file(it))
    {
        why.push(format!("{lock} has to be renewed"));
    }
    why.join("; ")
}
