//! The stage inside the sandbox: confines itself, runs the shell, passes its end on.
use crate::process::Exit;
use crate::process::sandbox;
use crate::process::sandbox::landlock;
use crate::process::sandbox::namespace;
use crate::process::supervise::SETTLE;
use crate::process::supervise::SUBCOMMAND;
use crate::process::supervise::protocol::InitOrder;
use crate::process::supervise::protocol::Report;
use crate::process::supervise::protocol::Task;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::process::ExitCode;

/// Name of this process in the process table.
pub(super) const NAME: &std::ffi::CStr = c"paramedic-init";
/// Exit code when the sandbox could not be made.
pub(super) const NOT_STARTED: u8 = 125;

/// Namespaces are left in one process and taken up by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Leave,
    Settle,
}

pub(super) fn main(order: Option<OsString>, stage: Stage) -> ExitCode {
    let report = match run(order, stage) {
        Ok(End::Report(report)) => report,
        // What there is to say, the next stage has said.
        Ok(End::Passed(code)) => return code,
        Err(error) => Report::Failed(error.to_string()),
    };
    let mut hint = io::stdout();
    let _ = write!(hint, "{}", report.encode()).and_then(|()| hint.flush());
    match report {
        Report::Ended(Exit::Code(code)) => exit_code(code),
        Report::Ended(Exit::Signal(signal)) => exit_code(signal + 128),
        Report::Ended(_) | Report::Failed(_) => ExitCode::from(NOT_STARTED),
    }
}

/// How a stage ends.
#[derive(Debug)]
enum End {
    Report(Report),
    Passed(ExitCode),
}

fn run(order: Option<OsString>, stage: Stage) -> io::Result<End> {
    let text = order.and_then(|it| it.into_string().ok()).unwrap_or_default();
    let order: InitOrder = serde_json::from_str(&text)?;
    prctl::set_name(NAME)?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if stage == Stage::Leave && !order.namespaces.is_empty() {
        namespace::leave(&order.namespaces)?;
        return next_stage(&text).map(End::Passed);
    }
    namespace::settle(&order.namespaces)?;
    let gaps = order.rules.as_ref().map(landlock::confine).transpose()?.unwrap_or_default();
    prctl::set_dumpable(false)?;
    match order.task {
        Task::Shell(command) => shell(&command).map(End::Report),
        Task::Check(check) => {
            sandbox::check(&check)?;
            gaps.iter().try_for_each(|it| writeln!(io::stderr(), "{it}"))?;
            Ok(End::Report(Report::Ended(Exit::Code(0))))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
fn next_stage(order: &str) -> io::Result<ExitCode> {
    let mut child = Command::new("/proc/self/exe").args([SUBCOMMAND, SETTLE, order]).spawn()?;
    outlive_requests()?;
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|it| it + 128));
    Ok(exit_code(code.unwrap_or(NOT_STARTED.into())))
}

#[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
fn shell(command: &str) -> io::Result<Report> {
    let child = Command::new("/bin/sh").arg("-c").arg(command).stdout(io::stderr()).spawn()?;
    let shell = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    outlive_requests()?;
    let mut exit = None;
    while exit.is_none() {
        // In a process table of its own this process inherits the orphans, and must not keep them.
        exit = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == shell => Some(Exit::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == shell => Some(Exit::Signal(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => None,
            Err(error) => return Err(error.into()),
        };
    }
    exit.map(Report::Ended).ok_or_else(|| io::ErrorKind::Other.into())
}

/// A request to end is for the job; this process stays until the job has ended. The child must be there, or it would inherit this.
fn outlive_requests() -> io::Result<()> {
    let requests: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    Ok(requests.thread_block()?)
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(NOT_STARTED))
}
