//! The one door to other programs: our own tools, and jobs that run a repository's commands.
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// What a launcher is made from.
#[derive(Debug, Clone)]
pub struct LauncherOptions {
    /// The `paramedic` executable, which supervises each job.
    pub supervisor: PathBuf,
    /// The whole environment of our own process.
    pub environment: Vec<(OsString, OsString)>,
    pub sandbox: SandboxChoice,
    /// Folders that a job must not even read.
    pub private: Vec<PathBuf>,
}

/// Which sandbox jobs run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SandboxChoice {
    /// The best one that works on this machine.
    #[default]
    Auto,
    Off,
    Bubblewrap,
    Landlock,
}

/// Starts programs and sees to their end.
#[derive(Debug, Clone)]
pub struct Launcher {
    pub(super) options: Arc<LauncherOptions>,
}

impl Launcher {
    /// Makes a launcher; nothing is started yet.
    pub fn new(options: LauncherOptions) -> Self {
        Self { options: Arc::new(options) }
    }
}
