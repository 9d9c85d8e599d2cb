//! What fetches dependencies before tests run without network.
//!
//! The contract with whoever runs the command: it is run by `sh -c` in the root of a tree, with network, and with `PARAMEDIC_SCRATCH` set to
//! `Tree::scratch`. What it made there (an environment; caches, since the person's own are read-only for every job) is used by a command with
//! `USE_PREPARED` before it and `PARAMEDIC_PREPARED` set to that folder. No command holds text of the repository.
use crate::process::Launcher;
use crate::workspace::Preparation;
use crate::workspace::TestCommand;
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::discover::files::Files;
use crate::workspace::discover::found;
use crate::workspace::discover::interpreter;
use crate::workspace::discover::node;
use crate::workspace::discover::requirements::Requirements;
use regex::Regex;
use std::sync::LazyLock;

/// Names that are said in a reason before "and N more".
const MAX_NAMED: usize = 3;

static WORDS: LazyLock<Option<[Regex; 4]>> = LazyLock::new(|| {
    let regex = |words: &str| Regex::new(&format!(r"(?:^|[\s;&|(/])(?:{words})(?:$|[\s;&|)])")).ok();
    Some([
        regex(r"python[0-9.]*|pytest|py\.test|unittest")?,
        regex("npm|npx|pnpm|yarn|node|bun|jest|vitest|mocha")?,
        regex("cargo")?,
        regex("go")?,
    ])
});

/// Goes before a command that is to use what was prepared.
pub(in crate::workspace) const USE_PREPARED: &str = r#"[ ! -d "$PARAMEDIC_PREPARED/venv/bin" ] || PATH="$PARAMEDIC_PREPARED/venv/bin:$PATH"
[ ! -d "$PARAMEDIC_PREPARED/cargo" ] || CARGO_HOME="$PARAMEDIC_PREPARED/cargo"
[ ! -d "$PARAMEDIC_PREPARED/go-mod" ] || GOMODCACHE="$PARAMEDIC_PREPARED/go-mod"
export PATH CARGO_HOME GOMODCACHE
"#;

/// What one language needs, and the texts that say so; none when it goes into the tree itself.
type Step = (TestCommand, Option<String>);

/// Writes the requirements of pyproject.toml as lines. No single quotes: it is quoted for a shell.
const PYPROJECT_LINES: &str = concat!(
    "import importlib, sys; ",
    "toml = importlib.import_module(\"tomllib\" if sys.version_info >= (3, 11) else \"pip._vendor.tomli\"); ",
    "table = toml.load(open(\"pyproject.toml\", \"rb\")); project = table.get(\"project\", {}); ",
    "groups = {**project.get(\"optional-dependencies\", {}), **table.get(\"dependency-groups\", {})}; ",
    "lists = [project.get(\"dependencies\", [])] + [groups.get(it, []) for it in (\"test\", \"tests\", \"testing\", \"dev\")]; ",
    "print(*[it for some in lists for it in some if isinstance(it, str) and it.strip()[:1] not in (\"\", \"-\")], sep=\"\\n\")",
);

/// Returns the command that fetches what `test_command` needs, if something is missing.
pub(in crate::workspace) async fn find_preparation(
    launcher: &Launcher,
    tree: &Tree,
    test_command: &str,
) -> Result<Option<Preparation>, WorkspaceError> {
    let files = Files::new(&tree.root);
    let [uses_python, uses_node, uses_cargo, uses_go] = needs(test_command);
    let mut steps: Vec<Step> = Vec::new();
    if uses_python {
        steps.extend(python(launcher, tree, &files, test_command).await);
    }
    if uses_node {
        steps.extend(node::preparation(&files).map(|it| (it, None)));
    }
    if uses_cargo {
        steps.extend(cargo(&files));
    }
    if uses_go && files.has("go.sum") {
        steps.extend(go(&files));
    }
    let commands: Vec<_> = steps.iter().map(|(it, _)| it.command.as_str()).collect();
    let reasons: Vec<_> = steps.iter().map(|(it, _)| it.reason.as_str()).collect();
    let (command, reason) = (commands.join(" && "), reasons.join("; "));
    let inputs: Option<String> = steps.iter().map(|(_, inputs)| inputs.as_deref()).collect();
    let key = inputs.map(|it| format!("{command}\n{it}"));
    Ok((!steps.is_empty()).then_some(Preparation { command, reason, key }))
}

/// Which languages a command is about; a Makefile or script may be about any.
fn needs(test_command: &str) -> [bool; 4] {
    let Some(words) = WORDS.as_ref() else { return [true; 4] };
    let named = [0, 1, 2, 3].map(|idx| words[idx].is_match(test_command));
    if named.contains(&true) { named } else { [true; 4] }
}

async fn python(launcher: &Launcher, tree: &Tree, files: &Files, test_command: &str) -> Option<Step> {
    let mut requirements = Requirements::read(files);
    let runs_pytest = test_command.contains("pytest");
    if requirements.lines.is_empty() && !runs_pytest {
        return None;
    }
    if runs_pytest {
        requirements.lines.push("pytest".to_owned());
    }
    let (interpreter, unmet) = interpreter::unmet(launcher, &tree.scratch, &requirements.lines).await;
    if unmet.is_empty() {
        return None;
    }
    let venv = "\"$PARAMEDIC_SCRATCH/venv\"";
    let python = "\"$PARAMEDIC_SCRATCH/venv/bin/python\"";
    let lines = "\"$PARAMEDIC_SCRATCH/pyproject-requirements.txt\"";
    let mut command = format!("{interpreter} -m venv --system-site-packages {venv}");
    let mut install = format!("{python} -m pip install --quiet --disable-pip-version-check --no-input");
    for file in &requirements.files {
        install.push_str(" -r ");
        install.push_str(file);
    }
    if requirements.has_pyproject {
        command = format!("{command} && {python} -c '{PYPROJECT_LINES}' > {lines}");
        install = format!("{install} -r {lines}");
    }
    if runs_pytest {
        install.push_str(" pytest");
    }
    let inputs = requirements.is_plain.then(|| requirements.lines.join("\n"));
    Some((found(format!("{command} && {install}"), reason(&unmet)), inputs))
}

fn reason(unmet: &[String]) -> String {
    let named = crate::evidence::text::clean_line(&unmet[..unmet.len().min(MAX_NAMED)].join(", "));
    let more = unmet.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let verb = if unmet.len() == 1 { "is" } else { "are" };
    format!("{named}{more} {verb} required but not installed")
}

/// What the person has already is used from where it is; else all goes to a cache of its own, with the person's settings of mirrors.
const CARGO_FETCH: &str = concat!(
    r#"(host=$(rustc -vV | sed -n 's/^host: //p'); "#,
    r#"cargo fetch --offline --quiet --target "$host" 2>/dev/null || { "#,
    r#"mkdir -p "$PARAMEDIC_SCRATCH/cargo"; "#,
    r#"for it in config config.toml; do cp "$CARGO_HOME/$it" "$PARAMEDIC_SCRATCH/cargo" 2>/dev/null; done; "#,
    r#"CARGO_HOME="$PARAMEDIC_SCRATCH/cargo" cargo fetch --target "$host"; })"#,
);
const GO_DOWNLOAD: &str = concat!(
    r#"(GOPROXY=off go mod download 2>/dev/null || { "#,
    r#"own="file://$(go env GOMODCACHE)/cache/download"; "#,
    r#"GOPROXY="$own,$(go env GOPROXY)" GOMODCACHE="$PARAMEDIC_SCRATCH/go-mod" go mod download; })"#,
);

fn cargo(files: &Files) -> Option<Step> {
    let manifest: toml::Table = files.read("Cargo.toml")?.parse().ok()?;
    let Some(lock) = files.read("Cargo.lock") else {
        let step = || (found(CARGO_FETCH, "Cargo.toml lists external packages"), None);
        return needs_registry(&manifest).then(step);
    };
    let inputs =
        || files.find(|it| it == "Cargo.toml").iter().filter_map(|it| files.read(it)).collect::<String>() + &lock;
    lock.contains("\nsource = ").then(|| (found(CARGO_FETCH, "Cargo.lock lists external packages"), Some(inputs())))
}

fn go(files: &Files) -> Option<Step> {
    let inputs = files.read("go.mod")? + &files.read("go.sum")?;
    Some((found(GO_DOWNLOAD, "go.sum lists modules"), Some(inputs)))
}

fn needs_registry(manifest: &toml::Table) -> bool {
    let is_external = |it: &toml::Value| it.is_str() || it.get("version").is_some() || it.get("git").is_some();
    let tables =
        ["dependencies", "dev-dependencies", "build-dependencies"].into_iter().filter_map(|it| manifest.get(it));
    let inherited = manifest.get("workspace").and_then(|it| it.get("dependencies"));
    tables.chain(inherited).filter_map(toml::Value::as_table).any(|it| it.values().any(is_external))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_their_language() {
        assert_eq!(needs("python3 -m pytest -v"), [true, false, false, false]);
        assert_eq!(needs("cd web && npm test"), [false, true, false, false]);
        assert_eq!(needs("cargo test --no-fail-fast"), [false, false, true, false]);
        assert_eq!(needs("go test -v ./..."), [false, false, false, true]);
        assert_eq!(needs("make test"), [true; 4]);
        assert_eq!(needs("./run-golden.sh"), [true; 4]);
    }

    #[test]
    fn the_embedded_script_can_be_quoted() {
        assert!(!PYPROJECT_LINES.contains('\''));
    }
}
