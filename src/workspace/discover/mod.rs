//! Finds the command that runs a repository's tests, and what must be fetched before, by reading files. Nothing of the repository is run to find out.
//!
//! Order, first match wins: what declares pytest; a real `test` script in package.json; Cargo.toml; go.mod; a Makefile's `test` or `check`;
//! Python test files that nothing declares. A runner that names every test beats a Makefile, because the proof compares names; a Makefile
//! beats a guess from file contents, because somebody wrote it down.
mod files;
mod interpreter;
mod make;
mod node;
mod preparation;
mod python;
mod requirements;

use crate::process::Launcher;
use crate::workspace::TestCommand;
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::discover::files::Files;
use crate::workspace::discover::interpreter::Interpreter;

pub(super) use crate::workspace::discover::preparation::USE_PREPARED;
pub(super) use crate::workspace::discover::preparation::find_preparation;

/// Finds the test command of a tree.
pub(super) async fn find_tests(launcher: &Launcher, tree: &Tree) -> Result<Option<TestCommand>, WorkspaceError> {
    let files = Files::new(&tree.root);
    let python = python::survey(&files);
    if python.is_declared() {
        let interpreter = Interpreter::find(launcher, &tree.scratch).await;
        return Ok(python.command(&interpreter));
    }
    let found = node::tests(&files).or_else(|| cargo(&files)).or_else(|| go(&files)).or_else(|| make::tests(&files));
    if found.is_some() || !python.has_tests() {
        return Ok(found);
    }
    let interpreter = Interpreter::find(launcher, &tree.scratch).await;
    Ok(python.command(&interpreter))
}

fn cargo(files: &Files) -> Option<TestCommand> {
    let manifest: toml::Table = files.read("Cargo.toml")?.parse().unwrap_or_default();
    let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
    // At the root of a workspace that is a package too, plain `cargo test` leaves the members out.
    let leaves_out_members =
        manifest.contains_key("package") && workspace.is_some_and(|it| !it.contains_key("default-members"));
    let command =
        if leaves_out_members { "cargo test --workspace --no-fail-fast" } else { "cargo test --no-fail-fast" };
    Some(found(command, "Cargo.toml"))
}

fn go(files: &Files) -> Option<TestCommand> {
    files.has("go.mod").then(|| found("go test -v ./...", "go.mod"))
}

fn found(command: impl Into<String>, reason: impl Into<String>) -> TestCommand {
    TestCommand { command: command.into(), reason: reason.into() }
}
