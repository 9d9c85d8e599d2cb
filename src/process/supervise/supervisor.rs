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
use std::fs;
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
    close_inherited();
    // From here on the process table says whose supervisor this is.
    let _ = writeln!(io::stdout());
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
    // A child inherits the mask, so it must be clean until the child is there.
    SigSet::empty().thread_set_mask()?;
    let first = spawn(order, hint_writer)?;
    // Whoever ends us politely wants the job ended too.
    polite_ends().thread_block()?;
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

/// Closes what whoever started us has left open; the job must not get it.
fn close_inherited() {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|it| *it > 2) {
        // The one that was reading the list is gone already.
        let _ = unistd::close(descriptor);
    }
}

/// Leaves the terminal, adopts orphans, and keeps its memory (with the nonce) from the job.
fn become_caretaker() -> io::Result<()> {
    // Fails only for the leader of a group, as in a shell by hand.
    let _ = unistd::setsid();
    prctl::set_child_subreaper(true)?;
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
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
    // Most jobs leave nobody behind, and then there is no need to read the whole process table.
    while !is_none_left(wakes) && clock::instant() < limit {
        reaper::signal_descendants(Signal::SIGKILL, |_| true);
    }
}

/// Waits a moment for the word that no process is left.
fn is_none_left(wakes: &mpsc::Receiver<Wake>) -> bool {
    loop {
        match wakes.recv_timeout(KILL_PAUSE) {
            Ok(Wake::NoneLeft) | Err(mpsc::RecvTimeoutError::Disconnected) => return true,
            Ok(Wake::Kill | Wake::Ended(_)) => (),
            Err(mpsc::RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// What init wrote, before anything a job might have added.
fn read_hint(hint: OwnedFd) -> Hint {
    let mut text = [0; 1024];
    match File::from(hint).read(&mut text) {
        Ok(0) | Err(_) => Hint::Silent,
        Ok(n_read) => {
            std::str::from_utf8(&text[..n_read]).ok().and_then(Report::decode).map_or(Hint::Garbled, Hint::Said)
        }
    }
}

/// What is known from init.
#[derive(Debug)]
enum Hint {
    Said(Report),
    /// A job got hold of the pipe, so there was one.
    Garbled,
    Silent,
}

/// Puts together what the kernel says of the first process and what init says of the shell.
///
/// The kernel decides; init only tells a signal from an exit code of 128 and more. Without its word nothing is green.
fn judge(status: WaitStatus, hint: Hint) -> Report {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => return Report::Ended(Exit::Signal(signal as i32)),
        _ => return Report::Ended(KILLED),
    };
    match hint {
        Hint::Said(Report::Failed(text)) if code == i32::from(init::NOT_STARTED) => Report::Failed(text),
        Hint::Said(Report::Ended(Exit::Code(said))) if said == code => Report::Ended(Exit::Code(code)),
        Hint::Said(Report::Ended(Exit::Signal(said))) if said + 128 == code => Report::Ended(Exit::Signal(said)),
        _ if code > 128 => Report::Ended(Exit::Signal(code - 128)),
        _ if code == 0 => Report::Ended(KILLED),
        Hint::Silent => Report::Failed(format!("the sandbox could not start (exit code {code})")),
        Hint::Said(_) | Hint::Garbled => Report::Ended(Exit::Code(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i32) -> WaitStatus {
        WaitStatus::Exited(Pid::from_raw(1), code)
    }

    fn said(exit: Exit) -> Hint {
        Hint::Said(Report::Ended(exit))
    }

    #[test]
    fn green_needs_both_words() {
        assert_eq!(judge(exited(0), said(Exit::Code(0))), Report::Ended(Exit::Code(0)));
        let others = [Hint::Silent, Hint::Garbled, said(Exit::Code(1)), said(Exit::Signal(9)), said(Exit::Cancelled)];
        for hint in others {
            assert_eq!(judge(exited(0), hint), Report::Ended(KILLED));
        }
        assert_eq!(judge(exited(1), said(Exit::Code(0))), Report::Ended(Exit::Code(1)));
        let killed = WaitStatus::Signaled(Pid::from_raw(1), Signal::SIGKILL, false);
        assert_eq!(judge(killed, said(Exit::Code(0))), Report::Ended(KILLED));
    }

    #[test]
    fn a_signal_is_told_from_a_high_exit_code() {
        assert_eq!(judge(exited(137), said(Exit::Code(137))), Report::Ended(Exit::Code(137)));
        assert_eq!(judge(exited(137), said(Exit::Signal(9))), Report::Ended(Exit::Signal(9)));
        assert_eq!(judge(exited(137), Hint::Silent), Report::Ended(Exit::Signal(9)));
    }

    #[test]
    fn a_sandbox_that_does_not_start_is_an_error_and_a_job_that_meddles_is_not() {
        let failed = || Hint::Said(Report::Failed("x".into()));
        assert!(matches!(judge(exited(1), Hint::Silent), Report::Failed(_)));
        assert_eq!(judge(exited(125), failed()), Report::Failed("x".into()));
        assert_eq!(judge(exited(1), failed()), Report::Ended(Exit::Code(1)));
        assert_eq!(judge(exited(1), Hint::Garbled), Report::Ended(Exit::Code(1)));
    }
}
