//! Project manifests: dependencies may change, how tests and linters are run may not. Compared as data, not as lines.
use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::rules::paths::words;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Stretch;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Top-level keys of a `package.json` that say nothing about running tests.
const NPM_FREE: &str = "\
    name version description keywords author contributors license repository homepage bugs funding dependencies \
    devDependencies peerDependencies peerDependenciesMeta optionalDependencies bundledDependencies main module \
    browser types typings type exports imports files engines sideEffects private bin";
/// Tables of a `pyproject.toml` that say nothing about running tests or linters.
const PYTHON_FREE: &str = "\
    project.name project.version project.description project.readme project.license project.authors project.urls \
    project.keywords project.classifiers project.dependencies project.optional-dependencies project.requires-python \
    project.scripts project.gui-scripts project.maintainers project.dynamic project.license-files build-system \
    dependency-groups tool.poetry tool.uv tool.pdm.dev-dependencies tool.setuptools tool.hatch.build \
    tool.hatch.version tool.hatch.metadata tool.flit tool.setuptools_scm";
/// Tables of a `Cargo.toml` that say nothing about running tests or linters.
const CARGO_FREE: &str = "\
    package.name package.version package.edition package.description package.license package.authors \
    package.repository package.readme package.keywords package.categories package.homepage package.documentation \
    package.rust-version package.publish package.exclude package.include package.default-run dependencies \
    dev-dependencies build-dependencies features target workspace.dependencies workspace.package profile.release \
    profile.dev";
/// Sections of a `setup.cfg` that say nothing about running tests or linters.
const SETUP_FREE: &str = "\
    metadata options build_ext bdist_wheel sdist egg_info";

/// Build files that are programs or XML, where lines must do.
const BUILD_FILES: &str = "pom.xml build.gradle build.gradle.kts settings.gradle settings.gradle.kts build.sbt CMakeLists.txt \
    meson.build composer.json mix.exs setup.py Package.swift Directory.Build.props BUILD BUILD.bazel WORKSPACE";
static BUILD_TESTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)surefire|failsafe|<testExclud|<(?:ex|in)clude>[^<]*test|\b(?:ex|in)clude(?:Test\w*|Groups|Categories|Tags)\b|\btest\s*\{|\btasks?\b.*\btest\b|useJUnit|useTestNG|\badd_test\b|enable_testing|set_tests_properties|\bctest\b|IsTestProject|\x22scripts\x22|\btest_suite\b|\bcmdclass\b|pytest11|\btestTarget\b|\b\w+_test\s*\(|\btest_paths\b|test_pattern",
    )
});

/// Reads a manifest as data.
type Parse = fn(&str) -> Option<Value>;

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let (free, parse): (&str, Parse) = match name {
        "package.json" => (NPM_FREE, |text| serde_json::from_str(text).ok()),
        "pyproject.toml" => (PYTHON_FREE, |text| toml::from_str(text).ok()),
        "Cargo.toml" => (CARGO_FREE, |text| toml::from_str(text).ok()),
        "setup.cfg" => (SETUP_FREE, |text| Some(read_ini(text))),
        _ => return check_build(file, findings),
    };
    let free = words(free);
    if matches!(file.change.kind, ChangeKind::Deleted | ChangeKind::Renamed) {
        let reason = "the manifest says how the project is tested; it cannot go";
        findings.violation(file.path, None, "runner-config", reason);
        return;
    }
    let text = |side: &[Stretch<'_>]| side.first().filter(|_| file.is_whole).map(|it| it.raw.join("\n"));
    let before = text(&file.before).and_then(|it| if it.trim().is_empty() { Some(Value::Null) } else { parse(&it) });
    let after = text(&file.after).and_then(|it| parse(&it));
    let (Some(before), Some(after)) = (before, after) else {
        // A manifest that cannot be read is itself a failure worth healing, but not without eyes on it.
        let reason = "the manifest cannot be compared as data before and after: two people must approve";
        findings.two_keys(file.path, None, "unreadable-manifest", reason);
        return check_lines(file, findings);
    };
    for path in changed_paths(&before, &after) {
        let is_free =
            free.iter().any(|it| path == *it || path.strip_prefix(it).is_some_and(|rest| rest.starts_with('.')));
        if !is_free || is_hook(&path) {
            let reason =
                format!("changes `{path}`, which decides how tests or linters run; dependencies alone are free");
            findings.violation(file.path, None, "runner-config", reason);
        }
    }
}

fn check_build(file: &FileView<'_>, findings: &mut Findings) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if !words(BUILD_FILES).contains(&name) {
        return;
    }
    for line in file.added().chain(file.removed()).filter(|it| BUILD_TESTS.is_match(it.raw)) {
        let reason = "changes which tests the build runs; fix the code under test instead";
        findings.violation(file.path, Some(line.number), "runner-config", reason);
    }
}

/// Free tables with a corner that is not: plugins that runners load, build backends from the tree.
fn is_hook(path: &str) -> bool {
    path.contains("entry-points")
        || path.ends_with("backend-path")
        || path.contains("pytest11")
        || path.ends_with(".harness")
        || path.starts_with("tool.poetry.plugins")
        || path.starts_with("tool.poetry.scripts.test")
}

/// Without data, names of sections in changed lines must do.
fn check_lines(file: &FileView<'_>, findings: &mut Findings) {
    let mentions = [
        "pytest",
        "coverage",
        "scripts",
        "\"test\"",
        "jest",
        "mocha",
        "vitest",
        "ruff",
        "mypy",
        "[lints",
        "[profile.test",
        "harness",
        "autotests",
    ];
    for line in file.added().chain(file.removed()) {
        if mentions.iter().any(|it| line.raw.contains(it)) {
            let reason = "seems to change how tests or linters run, in a manifest that cannot be read";
            findings.violation(file.path, Some(line.number), "runner-config", reason);
        }
    }
}

/// The dotted paths of everything that differs, two or three levels deep.
fn changed_paths(before: &Value, after: &Value) -> Vec<String> {
    let mut changed = Vec::new();
    compare(before, after, "", 0, &mut changed);
    changed
}

fn compare(before: &Value, after: &Value, path: &str, depth: usize, changed: &mut Vec<String>) {
    const MAX_DEPTH: usize = 4;
    if before == after {
        return;
    }
    let (Value::Object(_) | Value::Null, Value::Object(_) | Value::Null) = (before, after) else {
        changed.push(path.to_owned());
        return;
    };
    if depth == MAX_DEPTH {
        changed.push(path.to_owned());
        return;
    }
    let keys = |it: &Value| it.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = keys(before);
    all.extend(keys(after));
    all.sort();
    all.dedup();
    if all.is_empty() {
        changed.push(path.to_owned());
    }
    for key in all {
        let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        compare(
            before.get(&key).unwrap_or(&Value::Null),
            after.get(&key).unwrap_or(&Value::Null),
            &child,
            depth + 1,
            changed,
        );
    }
}

/// Reads an INI file into sections of lines; `options.extras` is below `options`.
fn read_ini(text: &str) -> Value {
    let mut sections = serde_json::Map::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim_end) {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            name.split('.').next().unwrap_or_default().clone_into(&mut section);
        } else if !line.is_empty() && !is_comment {
            let lines = sections.entry(section.clone()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(lines) = lines {
                lines.push(Value::String(line.to_owned()));
            }
        }
    }
    Value::Object(sections)
}
