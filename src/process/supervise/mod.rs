//! The hidden subcommand under which every job runs, so that its end does not depend on our own.
//!
//! The engine starts `supervisor`, which starts (through bubblewrap, where that is the sandbox) `init`, which starts the shell. The supervisor
//! stays outside the sandbox and inherits every orphan; init stands between it and the job, so that a job that kills its parent kills only that.
mod init;
pub(in crate::process) mod protocol;
pub(in crate::process) mod reaper;
mod supervisor;

use crate::process::Owner;
use std::ffi::OsString;
use std::process::ExitCode;

/// First argument that asks for this subcommand.
pub const SUBCOMMAND: &str = "__supervise";
/// Second argument of a supervisor; the third names who has started it.
const FOR: &str = "for";
/// Second argument of the stage that makes the sandbox.
pub(in crate::process) const INIT: &str = "init";
/// Second argument of the stage inside it, where it has a process table of its own.
const SETTLE: &str = "settle";

/// Returns the arguments that start a supervisor for `owner`.
pub(in crate::process) fn arguments(owner: &Owner) -> [String; 3] {
    [SUBCOMMAND.to_owned(), FOR.to_owned(), owner.to_string()]
}

/// Runs the subcommand with the arguments that follow its name.
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    match args.next() {
        Some(stage) if stage == FOR => supervisor::main(),
        Some(stage) if stage == INIT => init::main(args.next(), init::Stage::Leave),
        Some(stage) if stage == SETTLE => init::main(args.next(), init::Stage::Settle),
        _ => ExitCode::from(2),
    }
}
