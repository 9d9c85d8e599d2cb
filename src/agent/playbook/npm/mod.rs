//! An npm package that is imported and that no `package.json` asks for: it is added to the one nearest to the import.
mod json;
mod names;
mod version;

use crate::agent::playbook::Advice;
use crate::agent::playbook::Fix;
use crate::agent::playbook::scene::LogLine;
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::typo;
use crate::agent::tree::Change;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

const MAX_SOURCES: usize = 3_000;
/// The lists of a `package.json` that install a package.
const LISTS: &[&str] = &["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static MISSING: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r#"Cannot find (?:module|package) (?:'([^']*)'|"([^"]*)")"#,
        r#"(?:Can't resolve|Could not resolve) (?:'([^']*)'|"([^"]*)")"#,
        r#"Failed to resolve import (?:'([^']*)'|"([^"]*)")"#,
    ]
    .map(|it| Regex::new(it).expect("constant pattern"))
});

/// A package that is missing, with the files that import it.
struct Missing<'a> {
    line: &'a LogLine,
    package: String,
}

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    let mut refused: Vec<String> = Vec::new();
    for missing in missing_packages(scene) {
        match add(scene, &missing) {
            Ok(fix) => return Some(Advice::Edit(fix)),
            Err(reason) => refused.push(reason),
        }
    }
    (!refused.is_empty()).then(|| Advice::Refuse(refused.join("; ")))
}

/// Returns each missing package once; relative and absolute paths, built-in modules and aliases are none.
fn missing_packages<'a>(scene: &'a Scene<'_>) -> Vec<Missing<'a>> {
    let mut found: Vec<Missing<'_>> = Vec::new();
    for line in &scene.lines {
        let Some(captured) = MISSING.iter().find_map(|it| it.captures(&line.text)) else { continue };
        let Some(specifier) = captured.iter().skip(1).flatten().next() else { continue };
        let Some(package) = names::package_of(specifier.as_str()) else { continue };
        if found.len() < 5 && !found.iter().any(|it| it.package == package) {
            found.push(Missing { line, package });
        }
    }
    found
}

fn add(scene: &Scene<'_>, missing: &Missing<'_>) -> Result<Fix, String> {
    let package = missing.package.as_str();
    if names::is_builtin(package) {
        return Err(format!("`{package}` is built into node; this version lacks it"));
    }
    if names::is_alias(scene, package) {
        return Err(format!("`{package}` is an alias of the repository's own settings"));
    }
    let importers = importers(scene, package);
    let Some(importer) = importers.first() else {
        return Err(format!("no file of the tree imports `{package}`"));
    };
    let (file, text) = nearest_manifest(scene, importer).ok_or("there is no package.json")?;
    let manifest: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| format!("{file} is not JSON"))?;
    if manifest["name"] == package {
        return Err(format!("`{package}` is the repository's own package"));
    }
    if let Some(list) = LISTS.iter().find(|it| manifest[**it].get(package).is_some()) {
        return Err(format!("`{package}` is listed already ({file} {list}); it was not installed"));
    }
    let listed = LISTS.iter().filter_map(|it| manifest[*it].as_object()).flatten().map(|(name, _)| name.as_str());
    if let Some(meant) = typo::meant(package, listed.chain(names::builtins())) {
        return Err(format!("`{package}` looks like a misspelling of `{meant}`"));
    }
    let is_for_tests = importers.iter().all(|it| names::is_test(it));
    let list = if is_for_tests { "devDependencies" } else { "dependencies" };
    let (version, origin) = version::of(scene, package, &file);
    let content =
        insert(&text, list, package, &version).ok_or_else(|| format!("{file} cannot be edited with certainty"))?;
    let lock = version::lockfile(scene).map_or(String::new(), |it| format!("; {it} has to be renewed"));
    let only = if is_for_tests { "only tests, among them " } else { "" };
    Ok(Fix {
        saw: missing.line.quote(),
        did: format!("added `\"{package}\": \"{version}\"` to {list} of {file}"),
        why: format!(
            "{only}{importer} imports `{package}` and {file} does not list it; the version is {origin}{lock}; \
             the name is the import's own: check that it is the package meant"
        ),
        changes: vec![Change::Write { file, content }],
    })
}

/// Returns the files that import the package: first those named by the log, then by name.
fn importers(scene: &Scene<'_>, package: &str) -> Vec<String> {
    let scripts = scene.files().iter().filter(|it| names::is_script(it)).take(MAX_SOURCES);
    let imports = |file: &&String| scene.scan(file).is_some_and(|it| names::is_imported(&it, package));
    let mut found: Vec<_> = scripts.filter(imports).cloned().collect();
    let is_named = |file: &String| {
        scene.task.failure.files.contains(file) || scene.lines.iter().any(|it| it.text.contains(file.as_str()))
    };
    found.sort_by_key(|it| !is_named(it));
    found
}

/// Returns the `package.json` of the folder that holds `file`, or of the nearest one above it.
fn nearest_manifest(scene: &Scene<'_>, file: &str) -> Option<(String, String)> {
    let mut folder = file;
    loop {
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        let manifest = if folder.is_empty() { "package.json".to_owned() } else { format!("{folder}/package.json") };
        if let Some(text) = scene.tree.text(&manifest) {
            return Some((manifest, text));
        }
        if folder.is_empty() {
            return None;
        }
    }
}

/// Adds the package to a list of the manifest, making the list if there is none; `None` if the result would mean anything else.
fn insert(text: &str, list: &str, package: &str, version: &str) -> Option<String> {
    let root = text.find('{')?;
    let value = serde_json::to_string(version).ok()?;
    let open = json::members(text, root)?.into_iter().find(|it| it.key == list).map(|it| it.value_at.start);
    let edited = if let Some(open) = open {
        json::insert(text, open, package, &value)?
    } else {
        let with_list = json::insert(text, root, list, "{}")?;
        let open = json::members(&with_list, root)?.into_iter().find(|it| it.key == list)?.value_at.start;
        json::insert(&with_list, open, package, &value)?
    };
    let read = |text: &str| serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).ok();
    let (before, mut after) = (read(text)?, read(&edited)?);
    let entries = after.get_mut(list)?.as_object_mut()?;
    let is_added = entries.remove(package).is_some_and(|it| it == version);
    let is_new_list = entries.is_empty() && before.get(list).is_none();
    if is_new_list {
        after.as_object_mut()?.remove(list);
    }
    (is_added && before == after).then_some(edited)
}
