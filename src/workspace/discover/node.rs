//! Node projects: the `test` script, and the package manager that the lock file belongs to.
use crate::workspace::TestCommand;
use crate::workspace::discover::files::Files;
use crate::workspace::discover::found;
use serde_json::Value;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

/// Finds a `test` script that is not the stub of `npm init`.
pub(super) fn tests(files: &Files) -> Option<TestCommand> {
    let manifest = manifest(files)?;
    let script = manifest.pointer("/scripts/test")?.as_str()?.trim();
    if script.is_empty() || script.contains("no test specified") {
        return None;
    }
    let command = match manager(files, &manifest) {
        Manager::Npm => "npm test",
        Manager::Pnpm => "pnpm test",
        Manager::Yarn => "yarn test",
        Manager::Bun => "bun run test",
    };
    Some(found(command, "package.json has a \"test\" script"))
}

/// Returns what installs the packages, where there are any and they are not in the repository itself.
pub(super) fn preparation(files: &Files) -> Option<TestCommand> {
    let manifest = manifest(files)?;
    let lists = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
    let has_any = |list: &&str| manifest.get(list).and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    let list = lists.iter().find(|it| has_any(it))?;
    if files.has_dir("node_modules") {
        return None;
    }
    let is_locked = |names: &[&str]| names.iter().any(|it| files.has(it));
    // Without a lock file none is written: it would become a part of the patch.
    let command = match manager(files, &manifest) {
        Manager::Npm if is_locked(&["package-lock.json", "npm-shrinkwrap.json"]) => "npm ci --no-audit --no-fund",
        Manager::Npm => "npm install --no-audit --no-fund --no-package-lock",
        Manager::Pnpm if is_locked(&["pnpm-lock.yaml"]) => "pnpm install --frozen-lockfile",
        Manager::Pnpm => "pnpm install --no-lockfile",
        Manager::Yarn if is_locked(&[".yarnrc.yml"]) => "yarn install --immutable",
        Manager::Yarn if is_locked(&["yarn.lock"]) => "yarn install --frozen-lockfile --non-interactive",
        Manager::Yarn => "yarn install --no-lockfile --non-interactive",
        Manager::Bun if is_locked(&["bun.lock", "bun.lockb"]) => "bun install --frozen-lockfile",
        Manager::Bun => "bun install --no-save",
    };
    Some(found(command, format!("package.json lists {list}")))
}

fn manifest(files: &Files) -> Option<Value> {
    serde_json::from_str(files.read("package.json")?.trim_start_matches('\u{feff}')).ok()
}

fn manager(files: &Files, manifest: &Value) -> Manager {
    let declared = manifest.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    let declared = declared.split('@').next().unwrap_or_default();
    match declared {
        "npm" => Manager::Npm,
        "pnpm" => Manager::Pnpm,
        "yarn" => Manager::Yarn,
        "bun" => Manager::Bun,
        _ if files.has("pnpm-lock.yaml") => Manager::Pnpm,
        _ if files.has("yarn.lock") => Manager::Yarn,
        _ if files.has("bun.lock") || files.has("bun.lockb") => Manager::Bun,
        _ => Manager::Npm,
    }
}
