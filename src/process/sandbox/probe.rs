//! Tries each sandbox with a small program that looks whether it holds.
use crate::process::LauncherOptions;
use crate::process::Owner;
use crate::process::SandboxChoice;
use crate::process::SandboxKind;
use crate::process::env;
use crate::process::sandbox::Chosen;
use crate::process::sandbox::Extras;
use crate::process::sandbox::Method;
use crate::process::sandbox::Policy;
use crate::process::sandbox::namespace;
use crate::process::supervise;
use crate::process::supervise::protocol::Check;
use crate::process::supervise::protocol::MAX_REPORT;
use crate::process::supervise::protocol::Order;
use crate::process::supervise::protocol::Report;
use crate::process::supervise::protocol::Task;
use std::fs;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// Limit of one try, which takes some milliseconds.
const TRY_LIMIT_MS: u64 = 10_000;

/// Picks the best sandbox that works; takes some tens of milliseconds.
pub(in crate::process) fn choose(options: &LauncherOptions) -> Chosen {
    let off = || Chosen {
        kind: SandboxKind::None { reason: "switched off in the settings".to_owned() },
        method: Ok(Method::Bare),
    };
    match options.sandbox {
        SandboxChoice::Off => off(),
        SandboxChoice::Bubblewrap => try_bubblewrap(options).unwrap_or_else(refuse),
        SandboxChoice::Landlock => try_landlock(options, Vec::new()).unwrap_or_else(refuse),
        SandboxChoice::Auto => try_bubblewrap(options).unwrap_or_else(|no_bubblewrap| {
            try_landlock(options, vec![no_bubblewrap.clone()]).unwrap_or_else(|no_landlock| Chosen {
                kind: SandboxKind::None { reason: format!("{no_bubblewrap}; {no_landlock}") },
                method: Ok(Method::Bare),
            })
        }),
    }
}

/// Whoever asks for one sandbox by name does not want less than that.
fn refuse(reason: String) -> Chosen {
    Chosen { kind: SandboxKind::None { reason: reason.clone() }, method: Err(reason) }
}

fn try_bubblewrap(options: &LauncherOptions) -> Result<Chosen, String> {
    let bwrap = env::find_program(&options.environment, "bwrap").ok_or("bubblewrap is not installed")?;
    let method = Method::Bubblewrap(bwrap);
    attempt(options, &method).map_err(|error| format!("bubblewrap does not work: {error}"))?;
    Ok(Chosen { kind: SandboxKind::Bubblewrap, method: Ok(method) })
}

fn try_landlock(options: &LauncherOptions, mut remarks: Vec<String>) -> Result<Chosen, String> {
    let mut last = String::new();
    let tries = [
        Extras { own_processes: true, no_network: true, own_tmp: true },
        Extras { own_processes: true, no_network: true, own_tmp: false },
        Extras { own_processes: false, no_network: true, own_tmp: false },
        Extras { own_processes: true, no_network: false, own_tmp: false },
        Extras { own_processes: false, no_network: false, own_tmp: false },
    ];
    for extras in tries {
        let method = Method::Landlock(extras);
        match attempt(options, &method) {
            Ok(gaps) => {
                remarks.extend(gaps);
                if !last.is_empty() {
                    remarks.push(last);
                }
                let kind = SandboxKind::Landlock {
                    confines_network: extras.no_network,
                    confines_processes: extras.own_processes,
                    remarks,
                };
                return Ok(Chosen { kind, method: Ok(method) });
            }
            Err(error) => last = error,
        }
    }
    Err(format!("Landlock does not work: {last}"))
}

/// Runs the check in a sandbox; answers with what it cannot enforce.
fn attempt(options: &LauncherOptions, method: &Method) -> Result<Vec<String>, String> {
    try_in_folder(options, method).map_err(|error| error.to_string())
}

fn try_in_folder(options: &LauncherOptions, method: &Method) -> io::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().canonicalize()?;
    let [writable, read_only, private] = ["writable", "read-only", "private"].map(|it| root.join(it));
    for path in [&writable, &read_only, &private] {
        fs::create_dir(path)?;
    }
    let hidden = private.join("file");
    fs::write(&hidden, "secret")?;
    let policy = Policy::new(&writable, &[], false, env::home(&options.environment), &[private])?;
    let extras = if let Method::Landlock(extras) = method { Some(*extras) } else { None };
    let alone = extras.is_none_or(|it| it.no_network);
    let own_processes = extras.is_some_and(|it| it.own_processes);
    let task = Task::Check(Check { writable, read_only, hidden, alone, own_processes });
    let order = Order {
        nonce: uuid::Uuid::new_v4().to_string(),
        argv: method.arguments(&options.supervisor, &policy, task)?,
        env: Vec::new(),
        cwd: policy.cwd,
        stdin: None,
        timeout_ms: TRY_LIMIT_MS,
    };
    run(&options.supervisor, &order)
}

/// Runs a supervisor to its end; it bounds its own time.
#[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
fn run(supervisor: &Path, order: &Order) -> io::Result<Vec<String>> {
    let mut command = Command::new(supervisor);
    command.args(supervise::arguments(&Owner::this())).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut control = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    control.write_all(&order.encode()?)?;
    let mut report = Vec::new();
    child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?.take(MAX_REPORT).read_to_end(&mut report)?;
    let mut output = String::new();
    // What is left behind could hold this end open; the pipe keeps what the check has said.
    let mut stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    child.wait()?;
    drop(control);
    stderr.by_ref().take(MAX_REPORT).read_to_string(&mut output)?;
    match Report::decode_signed(&report, &order.nonce) {
        Some(Report::Ended(exit)) if exit.is_green() => Ok(output.lines().map(str::to_owned).collect()),
        Some(Report::Failed(text)) if output.is_empty() => Err(io::Error::other(text)),
        _ => Err(io::Error::other(output.trim().lines().last().unwrap_or("the try did not end well").to_owned())),
    }
}

/// Looks from inside whether the sandbox holds.
pub(in crate::process) fn check(check: &Check) -> io::Result<()> {
    fs::write(check.writable.join("file"), "x")?;
    for outside in [check.read_only.join("file"), PathBuf::from("/etc/paramedic-was-here")] {
        if fs::write(&outside, "x").is_ok() {
            let _ = fs::remove_file(&outside);
            return Err(io::Error::other("files outside can be written"));
        }
    }
    if fs::read(&check.hidden).is_ok() {
        return Err(io::Error::other("hidden files can be read"));
    }
    if check.alone {
        namespace::check_alone()?;
    }
    if check.own_processes {
        namespace::check_own_processes()?;
    }
    Ok(())
}
