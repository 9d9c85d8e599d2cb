//! Programs are started, bounded, confined and ended for real.
mod confinement;
mod endings;
mod outputs;
mod tools;

use paramedic::process::Job;
use paramedic::process::Launcher;
use paramedic::process::LauncherOptions;
use paramedic::process::Outcome;
use paramedic::process::SandboxChoice;
use paramedic::process::SandboxKind;
use paramedic::process::Sink;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes, even on a busy machine.
const LONG: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "a test stands where `config` would")]
fn options(sandbox: SandboxChoice) -> LauncherOptions {
    LauncherOptions {
        supervisor: PathBuf::from(env!("CARGO_BIN_EXE_paramedic")),
        environment: std::env::vars_os().collect(),
        sandbox,
        private: Vec::new(),
    }
}

fn launcher(sandbox: SandboxChoice) -> Launcher {
    Launcher::new(options(sandbox))
}

/// A launcher for every sandbox that works here, and one without.
fn launchers() -> &'static [Launcher] {
    static ALL: LazyLock<Vec<Launcher>> = LazyLock::new(|| {
        let confined = [SandboxChoice::Bubblewrap, SandboxChoice::Landlock].map(launcher);
        let working = confined.into_iter().filter(|it| it.sandbox().confines_files());
        working.chain([launcher(SandboxChoice::Off)]).collect()
    });
    &ALL
}

/// A tree and a scratch folder for one job.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["tree", "scratch", "elsewhere"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    async fn run(&self, launcher: &Launcher, command: &str) -> Outcome {
        self.run_for(launcher, command, LONG, &CancellationToken::new()).await
    }

    async fn run_for(
        &self,
        launcher: &Launcher,
        command: &str,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Outcome {
        let (tree, scratch) = (self.path("tree"), self.path("scratch"));
        let job = job(command, &tree, &scratch, timeout);
        launcher.run(&job, &mut Count::default(), cancel).await.unwrap()
    }
}

fn job<'a>(command: &'a str, cwd: &'a Path, scratch: &'a Path, timeout: Duration) -> Job<'a> {
    Job { command, cwd, scratch, writable: &[], env: &[], stdin: None, network: false, timeout }
}

#[derive(Debug, Default)]
struct Count {
    n_bytes: u64,
}

impl Sink for Count {
    fn chunk(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
    }
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&[&outcome.output.head[..], &outcome.output.tail].concat()).into_owned()
}

fn name(launcher: &Launcher) -> String {
    launcher.sandbox().to_string()
}

/// Number that no other process has in its arguments.
fn unique_seconds() -> String {
    let id = uuid::Uuid::new_v4().as_u128() % 1_000_000_000;
    format!("{}", 1_000_000_000 + id)
}

/// Processes with `word` as an argument.
fn running(word: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let has_word = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|it| *it == 0).any(|it| it == word.as_bytes())
    };
    pids.filter(has_word).collect()
}

/// Waits for a condition, without a notion of how fast the machine is.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = now() + LONG;
    while !holds() {
        assert!(now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "waiting has a limit")]
fn now() -> Instant {
    Instant::now()
}
