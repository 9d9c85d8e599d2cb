//! Running other people's programs: own process group, time limit, bounded output, scrubbed environment, sandbox. The only module that starts them.
mod env;
pub mod interactive;
mod job;
mod launcher;
mod output;
mod owner;
mod sandbox;
pub mod supervise;
mod sweep;
mod tool;

pub use launcher::Launcher;
pub use launcher::LauncherOptions;
pub use output::Keeper;
pub use owner::Owner;
pub use sandbox::SandboxChoice;
pub use sandbox::SandboxKind;
pub use tool::Tool;
pub use tool::ToolOutput;

use std::path::Path;
use std::time::Duration;

/// A program to run in a tree.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Run by `sh -c`.
    pub command: &'a str,
    pub cwd: &'a Path,
    /// Private folder: HOME and TMPDIR of the program; writable.
    pub scratch: &'a Path,
    /// Further folders that the program may write to.
    pub writable: &'a [&'a Path],
    /// Added to the scrubbed environment.
    pub env: &'a [(String, String)],
    /// Given on standard input; none = empty.
    pub stdin: Option<&'a Path>,
    pub network: bool,
    pub timeout: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
    /// Killed on request (abort, shutdown).
    Cancelled,
}

impl Exit {
    pub const fn is_green(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// A program's end with its output (standard output and standard error interleaved as they came).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub exit: Exit,
    pub output: Kept,
    pub duration: Duration,
}

/// Head and tail of an output of any size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
    /// Bytes between head and tail that were not kept.
    pub dropped: u64,
}

/// Sees the whole output as it comes, before anything is dropped. Must not block for long.
pub trait Sink: Send {
    fn chunk(&mut self, bytes: &[u8]);
}
