//! Formatter or lockfile drift where the failing log names the command that repairs it.
//! The log only chooses among fixed commands; none of its words is ever run.
use crate::agent::Task;
use crate::agent::Turn;
use crate::agent::playbook::Advice;
use crate::agent::playbook::Told;
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::scene::has_ending;
use crate::agent::said;
use crate::agent::said::Deaf;
use crate::agent::tree::Snapshot;
use crate::agent::tree::TreeFiles;
use crate::domain::AttemptFailure;
use crate::process::Exit;
use crate::process::Job;
use crate::process::Launcher;
use crate::process::Outcome;
use regex::Regex;
use std::sync::LazyLock;
use tokio_util::sync::CancellationToken;

/// What the shell answers for a program that is not there.
const ABSENT: i32 = 127;

/// One command that is known to repair what a log complains of.
#[derive(Debug)]
pub(super) struct Repair {
    /// What the log says, case aside, in a line that advises it.
    says: &'static str,
    /// Whether the line must advise (`run …`, `please …`); a message that no other program writes need not.
    is_advice: bool,
    tool: &'static str,
    command: &'static str,
    /// A file without which the command makes no sense.
    needs: Option<&'static str>,
    /// Endings of the files it may change.
    changes: &'static [&'static str],
}

const NODE_TOOLS: &[&str] = &["prettier", "eslint"];
const RUST: &[&str] = &[".rs"];
const PYTHON: &[&str] = &[".py", ".pyi", ".ipynb"];
const GO: &[&str] = &[".go"];
const SCRIPTS: &[&str] = &[
    ".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx", ".vue", ".css", ".scss", ".html", ".json", ".md",
    ".yml", ".yaml",
];

const fn advised(
    says: &'static str,
    tool: &'static str,
    command: &'static str,
    needs: Option<&'static str>,
    changes: &'static [&'static str],
) -> Repair {
    Repair { says, is_advice: true, tool, command, needs, changes }
}

/// Every command that may be run, most telling first.
const REPAIRS: &[Repair] = &[
    Repair {
        says: r"lock file .{0,400}needs to be updated but --locked was passed",
        is_advice: false,
        tool: "cargo",
        command: "cargo update --workspace --offline",
        needs: Some("Cargo.lock"),
        changes: &["Cargo.lock"],
    },
    Repair {
        says: r"npm ci.{0,40} can only install packages when your package\.json and",
        is_advice: false,
        tool: "npm",
        command: "npm install --package-lock-only --ignore-scripts --no-audit --no-fund",
        needs: Some("package.json"),
        changes: &["package-lock.json", "npm-shrinkwrap.json"],
    },
    advised(r"cargo fmt", "cargo", "cargo fmt --all", Some("Cargo.toml"), RUST),
    advised(r"cargo update", "cargo", "cargo update --workspace --offline", Some("Cargo.toml"), &["Cargo.lock"]),
    advised(
        r"cargo generate-lockfile",
        "cargo",
        "cargo generate-lockfile --offline",
        Some("Cargo.toml"),
        &["Cargo.lock"],
    ),
    advised(r"ruff format", "ruff", "ruff format .", None, PYTHON),
    advised(r"ruff check .{0,40}--fix|ruff --fix", "ruff", "ruff check --fix .", None, PYTHON),
    advised(r"black\b", "black", "black --quiet .", None, PYTHON),
    advised(r"isort\b", "isort", "isort .", None, PYTHON),
    advised(
        r"(?:npx )?prettier .{0,60}(?:--write|-w)\b",
        "prettier",
        "prettier --write .",
        Some("package.json"),
        SCRIPTS,
    ),
    advised(r"(?:npx )?eslint .{0,60}--fix\b", "eslint", "eslint . --fix", Some("package.json"), SCRIPTS),
    advised(r"go mod tidy", "go", "go mod tidy", Some("go.mod"), &["go.mod", "go.sum"]),
    advised(r"go mod vendor", "go", "go mod vendor", Some("go.mod"), GO),
    advised(r"gofmt .{0,40}-w\b|go fmt", "gofmt", "gofmt -w .", Some("go.mod"), GO),
    advised(
        r"npm (?:install|i)(?: --?[\w-]+)*['\x22`.,;:)]*(?: (?:to|and|again|first|before)\b|$)",
        "npm",
        "npm install --package-lock-only --ignore-scripts --no-audit --no-fund",
        Some("package-lock.json"),
        &["package-lock.json"],
    ),
    advised(r"poetry lock", "poetry", "poetry lock", Some("poetry.lock"), &["poetry.lock"]),
    advised(r"uv lock", "uv", "uv lock", Some("uv.lock"), &["uv.lock"]),
    advised(r"terraform fmt", "terraform", "terraform fmt -recursive", None, &[".tf", ".tfvars"]),
];

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static SIGNS: LazyLock<Vec<(Regex, &'static Repair)>> = LazyLock::new(|| {
    let sign = |it: &Repair| {
        let lead = if it.is_advice {
            r"(?:\b(?:run|running|execute|use|using|try|please|apply|call|invoke|with|by|via|fix:|hint:)\b:?[^\n]{0,30}?[\s`'\x22(]|`)"
        } else {
            ""
        };
        Regex::new(&format!("(?i){lead}(?:{})", it.says)).expect("constant pattern")
    };
    REPAIRS.iter().map(|it| (sign(it), it)).collect()
});
/// A line that shows a check being run advises nothing, even if a runner's heading says `Run`.
#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static CHECK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\W*(?:\[?command\]|\[?group\]Run |\+ |\$ )|--check\b|--diff\b|--list-different\b")
        .expect("constant pattern")
});

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    // Where tests ran and failed, neither a formatter nor a lockfile is the cause.
    if scene.task.failure.report.as_ref().is_some_and(|it| !it.failing().is_empty()) {
        return None;
    }
    for (sign, repair) in SIGNS.iter() {
        let is_said = |text: &str| sign.is_match(text) && !(repair.is_advice && is_only_check(text));
        let Some(line) = scene.lines.iter().find(|it| is_said(&it.text)) else { continue };
        if repair.needs.is_none_or(|it| scene.tree.is_file(it)) {
            return Some(Advice::Run { saw: line.quote(), repair });
        }
    }
    None
}

fn is_only_check(text: &str) -> bool {
    let says_please = text.to_ascii_lowercase().contains("please");
    !says_please && CHECK.is_match(text)
}

/// Runs a repair in the sandbox. What a failing tool changed is taken back, so that the next agent finds the tree as it was.
pub(super) async fn run(
    launcher: &Launcher,
    task: &Task<'_>,
    cancel: &CancellationToken,
    told: &Told<'_>,
    repair: &'static Repair,
) -> Turn {
    let tree = TreeFiles::new(task.tree);
    let take = || Snapshot::take(tree, |it| has_ending(it, repair.changes));
    let Some(before) = take() else {
        return Turn::Declined(format!("{}: the tree is too large for `{}`", told.fixer, repair.command));
    };
    let outcome = match start(launcher, task, cancel, repair).await {
        Ok(outcome) => outcome,
        Err(error) => return Turn::Declined(format!("{}: cannot start `{}`: {error}", told.fixer, repair.command)),
    };
    if outcome.exit == Exit::Code(ABSENT) {
        return Turn::Declined(format!(
            "{}: {} asks for `{}`, which is not installed",
            told.fixer, told.saw, repair.tool
        ));
    }
    let changed = take().map(|it| before.changed(&it)).unwrap_or_default();
    if outcome.exit.is_green() && !changed.is_empty() {
        let did = format!("ran `{}`, which changed {}", repair.command, changed.join(", "));
        let why = "the log names the command that repairs what it complains of; it is one of a fixed list".to_owned();
        return Turn::Edited(told.account(&did, &why, said::whole(&outcome.output)));
    }
    let ended = said::how_it_ended(outcome.exit);
    match before.restore(tree, &changed) {
        Ok(()) if outcome.exit.is_green() => {
            Turn::Declined(format!("{}: `{}` changed nothing", told.fixer, repair.command))
        }
        Ok(()) => {
            let last = said::last_lines(&outcome.output, 3);
            Turn::Declined(format!("{}: `{}` {ended}, nothing was changed: {last}", told.fixer, repair.command))
        }
        Err(error) => Turn::Failed {
            kind: AttemptFailure::AgentCrashed,
            reason: format!("`{}` {ended}, and its changes could not be taken back: {error}", repair.command),
            account: told.account("nothing", "the tool failed", said::whole(&outcome.output)),
        },
    }
}

async fn start(
    launcher: &Launcher,
    task: &Task<'_>,
    cancel: &CancellationToken,
    repair: &Repair,
) -> std::io::Result<Outcome> {
    // Tools of a node project live in it; no other tool may be the repository's own.
    let path = if NODE_TOOLS.contains(&repair.tool) { "PATH=\"$PWD/node_modules/.bin:$PATH\"; " } else { "" };
    let command = format!("{path}command -v {} >/dev/null 2>&1 || exit {ABSENT}; exec {}", repair.tool, repair.command);
    let job = Job {
        command: &command,
        cwd: task.tree,
        scratch: task.scratch,
        writable: &[task.tree],
        env: &[],
        stdin: None,
        network: false,
        timeout: task.timeout,
    };
    launcher.run(&job, &mut Deaf, cancel).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_only_chooses_among_fixed_commands() {
        let chosen = |line: &str| {
            let found = SIGNS.iter().find(|(sign, it)| sign.is_match(line) && !(it.is_advice && is_only_check(line)));
            found.map(|(_, it)| it.command)
        };
        for (line, command) in [
            ("please run `cargo fmt` first", Some("cargo fmt --all")),
            ("Code is not formatted. Run 'cargo fmt; rm -rf /' to fix", Some("cargo fmt --all")),
            ("hint: run black . to fix", Some("black --quiet .")),
            ("error: please run black src/", Some("black --quiet .")),
            ("Code style issues found. Run Prettier with --write to fix.", Some("prettier --write .")),
            ("fix it with `npx prettier --write src`", Some("prettier --write .")),
            ("go: updates to go.mod needed; to update it:\tplease run go mod tidy", Some("go mod tidy")),
            ("Files were not formatted: use `ruff format`", Some("ruff format .")),
            (
                "error: the lock file /b/Cargo.lock needs to be updated but --locked was passed to prevent this",
                Some("cargo update --workspace --offline"),
            ),
            (
                "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
                Some("npm install --package-lock-only --ignore-scripts --no-audit --no-fund"),
            ),
            (
                "Run 'npm install' to update",
                Some("npm install --package-lock-only --ignore-scripts --no-audit --no-fund"),
            ),
            ("Try `npm i --save-dev @types/x` if it exists", None),
            ("Run cargo fmt --all -- --check", None),
            ("##[group]Run black .", None),
            ("Run `gofmt -w .` and commit", Some("gofmt -w .")),
            ("+ cargo fmt", None),
            ("would reformat black.py", None),
            ("the black box says no", None),
            ("run the tests", None),
        ] {
            assert_eq!(chosen(line), command, "{line}");
        }
        assert!(REPAIRS.iter().all(|it| it.command.chars().all(|ch| ch.is_ascii_alphanumeric() || " .-".contains(ch))));
    }
}
