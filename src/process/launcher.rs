//! The one door to other programs: our own tools, and jobs that run a repository's commands.
use crate::process::Job;
use crate::process::Outcome;
use crate::process::SandboxChoice;
use crate::process::SandboxKind;
use crate::process::Sink;
use crate::process::env;
use crate::process::job;
use crate::process::sandbox;
use crate::process::sandbox::Chosen;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use tokio_util::sync::CancellationToken;

/// What a launcher is made from.
#[derive(Debug, Clone)]
pub struct LauncherOptions {
    /// The `paramedic` executable, which supervises each job.
    pub supervisor: PathBuf,
    /// The whole environment of our own process.
    pub environment: Vec<(OsString, OsString)>,
    pub sandbox: SandboxChoice,
    /// Folders that a job must not even read, unless they are its own.
    pub private: Vec<PathBuf>,
}

/// Starts programs and sees to their end.
#[derive(Debug, Clone)]
pub struct Launcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: LauncherOptions,
    chosen: OnceLock<Chosen>,
}

impl Launcher {
    /// Makes a launcher; nothing is started yet.
    pub fn new(options: LauncherOptions) -> Self {
        Self { inner: Arc::new(Inner { options, chosen: OnceLock::new() }) }
    }

    /// Says which sandbox jobs run in; the first call tries them out, which takes some tens of milliseconds.
    pub fn sandbox(&self) -> SandboxKind {
        self.chosen().kind.clone()
    }

    /// Values of our own environment that must not be shown, longest first.
    pub fn secrets(&self) -> Vec<String> {
        env::secrets(&self.inner.options.environment)
    }

    /// Runs a job to its end and beyond: when this returns, none of its processes is left.
    ///
    /// Dropping the future, or our own death, ends the job as well. It is an error, not an outcome, when the job could not be started.
    pub async fn run(&self, job: &Job<'_>, sink: &mut dyn Sink, cancel: &CancellationToken) -> io::Result<Outcome> {
        if self.inner.chosen.get().is_none() {
            let launcher = self.clone();
            tokio::task::spawn_blocking(move || launcher.sandbox()).await.map_err(io::Error::other)?;
        }
        let method = self.chosen().method.as_ref().map_err(|reason| io::Error::other(reason.clone()))?;
        job::run(self.options(), method, job, sink, cancel).await
    }

    pub(super) fn options(&self) -> &LauncherOptions {
        &self.inner.options
    }

    fn chosen(&self) -> &Chosen {
        self.inner.chosen.get_or_init(|| sandbox::choose(&self.inner.options))
    }
}
