//! Programs are started, bounded, confined and ended for real.
mod tools;

use paramedic::process::Launcher;
use paramedic::process::LauncherOptions;
use paramedic::process::SandboxChoice;
use std::path::PathBuf;

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
