//! Which version of an npm package to ask for: what the repository knows already, else any.
use crate::agent::playbook::scene::Scene;
use serde_json::Value;

const LOCKS: &[&str] = &["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"];

/// Returns a version range and where it comes from, in words.
pub(super) fn of(scene: &Scene<'_>, package: &str, manifest: &str) -> (String, String) {
    let others = scene.files().iter().filter(|it| it.ends_with("package.json") && *it != manifest).take(200);
    for other in others {
        let Some(known) = read(scene, other) else { continue };
        if known["name"] == package {
            let range = if scene.tree.is_file("pnpm-workspace.yaml") { "workspace:*" } else { "*" };
            return (range.to_owned(), format!("that of this repository's own {other}"));
        }
        let range = ["dependencies", "devDependencies"].iter().find_map(|it| known[*it][package].as_str());
        if let Some(range) = range.filter(|it| is_range(it)) {
            return (range.to_owned(), format!("the one {other} asks for"));
        }
    }
    for lock in &LOCKS[..2] {
        let Some(known) = read(scene, lock) else { continue };
        let modern = known["packages"][format!("node_modules/{package}")]["version"].as_str();
        let found = modern.or_else(|| known["dependencies"][package]["version"].as_str());
        if let Some(version) = found.filter(|it| is_range(it) && it.starts_with(|it: char| it.is_ascii_digit())) {
            return (format!("^{version}"), format!("the one {lock} knows"));
        }
    }
    ("*".to_owned(), "any, as the repository knows none".to_owned())
}

/// Returns the lockfile that a new package makes stale.
pub(super) fn lockfile(scene: &Scene<'_>) -> Option<&'static str> {
    LOCKS.iter().copied().find(|it| scene.tree.is_file(it))
}

fn read(scene: &Scene<'_>, file: &str) -> Option<Value> {
    serde_json::from_str(&scene.scan(file)?).ok()
}

/// Whether a text is a plain range: never a link, a path or a git address.
fn is_range(text: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || " .^~<>=|*+-".contains(it);
    !text.is_empty() && text.len() <= 40 && text.chars().all(is_plain)
}
