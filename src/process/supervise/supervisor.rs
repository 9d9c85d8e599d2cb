//! The stage outside the sandbox: starts the job, bounds its time, ends all of it and reports how it went.
use crate::clock;
use crate::process::Exit;
use crate::process::supervise::init;
use crate::process::supervise::protocol::KILLED;
use crate::process::supervise::protocol::Order;
use crate::process::supervise::protocol::Report;
use crate::process::supervise::reaper;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd;
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Time between the request to end and the end.
const GRACE: Duration = Duration::from_millis(300);
/// How long to go on killing what will not die: a process in uninterruptible sleep, or one that took another user's rights.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Time between two looks at the process table while killing.
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// What wakes the supervisor.
#[derive(Debug)]
enum Wake {
    /// The engine asks to kill, or is gone.
    Kill,
    /// The job's first process ended.
    Ended(WaitStatus),
    /// No process of the job is left.
    NoneLeft,
}

pub(super) fn main() -> ExitCode {
    let mut control = io::stdin();
    let Ok(order) = Order::read(&mut control) else { return ExitCode::from(2) };
    let report = supervise(&order).unwrap_or_else(|error| Report::Failed(error.to_string()));
    // Nobody reads this when the engine is gone.
    let _ = writeln!(io::stdout(), "{} {}", order.nonce, report.encode());
    ExitCode::SUCCESS
}

fn supervise(order: &Order) -> io::Result<Report> {
    let deadline = clock::instant() + Duration::from_millis(order.timeout_ms);
    become_caretaker()?;
    let (hint, hint_writer) = unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let first = spawn(order, hint_writer)?;
    let wakes = watch(first);
    let verdict = wait(&wakes, deadline);
    if !matches!(verdict, Verdict::NoneLeft) {
        kill_all(&wakes);
    }
    Ok(match verdict {
        Verdict::Stopped(exit) => Report::Ended(exit),
        Verdict::Ended(status) => judge(status, read_hint(hint)),
        Verdict::NoneLeft => Report::Ended(KILLED),
    })
}

/// Leaves the terminal, adopts orphans, and keeps its memory (with the nonce) from the job.
fn become_caretaker() -> io::Result<()> {
    // Fails only for the leader of a group, as in a shell by hand.
    let _ = unistd::setsid();
    prctl::set_child_subreaper(true)?;
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // Whoever ends us politely wants the job ended too; children start with a clean mask.
    polite_ends().thread_block()?;
    Ok(())
}

fn polite_ends() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect()
}

#[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
fn spawn(order: &Order, hint: OwnedFd) -> io::Result<Pid> {
    let (program, args) = order.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let stdin = order.stdin.as_ref().map(File::open).transpose()?;
    // Of our three descriptors the job gets the output alone; control and report stay here.
    let output = io::stderr();
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(order.env.iter().map(|(name, value)| (name, value))).current_dir(&order.cwd);
    command.stdin(stdin.map_or_else(Stdio::null, Stdio::from)).stdout(hint).stderr(output).process_group(0);
    let child = command.spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// Starts the threads that tell what happens.
fn watch(first: Pid) -> mpsc::Receiver<Wake> {
    let (wake, wakes) = mpsc::sync_channel(16);
    let reaping = wake.clone();
    thread::spawn(move || {
        reaper::reap_all(|pid, status| {
            if pid == first {
                let _ = reaping.send(Wake::Ended(status));
            }
        });
        let _ = reaping.send(Wake::NoneLeft);
    });
    let politely = wake.clone();
    thread::spawn(move || {
        if polite_ends().wait().is_ok() {
            let _ = politely.send(Wake::Kill);
        }
    });
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Err(error) if error.kind() == io::ErrorKind::Interrupted) {}
        let _ = wake.send(Wake::Kill);
    });
    wakes
}

/// Why the waiting is over.
#[derive(Debug)]
enum Verdict {
    Ended(WaitStatus),
    Stopped(Exit),
    NoneLeft,
}

fn wait(wakes: &mpsc::Receiver<Wake>, deadline: Instant) -> Verdict {
    let exit = match wakes.recv_timeout(deadline.saturating_duration_since(clock::instant())) {
        Ok(Wake::Ended(status)) => return Verdict::Ended(status),
        Ok(Wake::NoneLeft) => return Verdict::NoneLeft,
        Ok(Wake::Kill) | Err(mpsc::RecvTimeoutError::Disconnected) => Exit::Cancelled,
        Err(mpsc::RecvTimeoutError::Timeout) => Exit::TimedOut,
    };
    reaper::signal_descendants(Signal::SIGTERM, |it| !is_apparatus(&it.name));
    let grace = clock::instant() + GRACE;
    loop {
        match wakes.recv_timeout(grace.saturating_duration_since(clock::instant())) {
            Ok(Wake::Kill) => (),
            Ok(Wake::Ended(_) | Wake::NoneLeft) | Err(_) => return Verdict::Stopped(exit),
        }
    }
}

/// Whether a process carries the sandbox; asked to end, it would take the job along before its time.
fn is_apparatus(name: &str) -> bool {
    name == "bwrap" || name.as_bytes() == init::NAME.to_bytes()
}

/// Kills until no process is left; a fork cannot outrun it, since what is dead does not fork.
fn kill_all(wakes: &mpsc::Receiver<Wake>) {
    let limit = clock::instant() + KILL_LIMIT;
    while clock::instant() < limit {
        reaper::signal_descendants(Signal::SIGKILL, |_| true);
        loop {
            match wakes.recv_timeout(KILL_PAUSE) {
                Ok(Wake::NoneLeft) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Ok(Wake::Kill | Wake::Ended(_)) => (),
                Err(mpsc::RecvTimeoutError::Timeout) => break,
            }
        }
    }
}

fn read_hint(hint: OwnedFd) -> Option<Report> {
    let mut text = [0; 1024];
    let n_read = File::from(hint).read(&mut text).ok()?;
    Report::decode(std::str::from_utf8(&text[..n_read]).ok()?)
}

/// Puts together what the kernel says of the first process and what init says of the shell.
///
/// The kernel decides; init only tells a signal from an exit code of 128 and more. Without its word nothing is green.
fn judge(status: WaitStatus, hint: Option<Report>) -> Report {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => return Report::Ended(Exit::Signal(signal as i32)),
        _ => return Report::Ended(KILLED),
    };
    match hint {
        Some(Report::Failed(text)) => Report::Failed(text),
        Some(Report::Ended(Exit::Code(said))) if said == code => Report::Ended(Exit::Code(code)),
        Some(Report::Ended(Exit::Signal(said))) if said + 128 == code => Report::Ended(Exit::Signal(said)),
        _ if code > 128 => Report::Ended(Exit::Signal(code - 128)),
        None if code != 0 => Report::Failed(format!("the sandbox could not start (exit code {code})")),
        _ => Report::Ended(KILLED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i32) -> WaitStatus {
        WaitStatus::Exited(Pid::from_raw(1), code)
    }

    fn said(exit: Exit) -> Option<Report> {
        Some(Report::Ended(exit))
    }

    #[test]
    fn green_needs_both_words() {
        assert_eq!(judge(exited(0), said(Exit::Code(0))), Report::Ended(Exit::Code(0)));
        for hint in [None, said(Exit::Code(1)), said(Exit::Signal(9)), said(Exit::Cancelled)] {
            assert_eq!(judge(exited(0), hint), Report::Ended(KILLED));
        }
        assert_eq!(judge(exited(1), said(Exit::Code(0))), Report::Ended(KILLED));
        let killed = WaitStatus::Signaled(Pid::from_raw(1), Signal::SIGKILL, false);
        assert_eq!(judge(killed, said(Exit::Code(0))), Report::Ended(KILLED));
    }

    #[test]
    fn a_signal_is_told_from_a_high_exit_code() {
        assert_eq!(judge(exited(137), said(Exit::Code(137))), Report::Ended(Exit::Code(137)));
        assert_eq!(judge(exited(137), said(Exit::Signal(9))), Report::Ended(Exit::Signal(9)));
        assert_eq!(judge(exited(137), None), Report::Ended(Exit::Signal(9)));
    }

    #[test]
    fn a_sandbox_that_does_not_start_is_an_error() {
        assert!(matches!(judge(exited(1), None), Report::Failed(_)));
        assert_eq!(judge(exited(125), Some(Report::Failed("x".into()))), Report::Failed("x".into()));
    }
}
