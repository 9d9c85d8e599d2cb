//! What is done about a job whose supervisor was killed: its processes are recognised and ended from here.
use crate::clock;
use crate::process::env::MARK;
use crate::process::supervise::reaper;
use crate::process::supervise::reaper::Process;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs;
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Ends every process that is in the supervisor's session, carries the job's mark, or descends from one that does.
pub(super) fn sweep(supervisor: Option<u32>, mark: &str) {
    let session = supervisor.and_then(|it| i32::try_from(it).ok());
    let limit = clock::instant() + LIMIT;
    let mut n_clean = 0;
    // A table read while processes fork may miss one: once is not enough.
    while n_clean < 2 && clock::instant() < limit {
        let left = members(session, mark);
        n_clean = if left.is_empty() { n_clean + 1 } else { 0 };
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        thread::sleep(PAUSE);
    }
}

fn members(session: Option<i32>, mark: &str) -> Vec<i32> {
    let all: Vec<Process> = reaper::processes();
    let own = Pid::this().as_raw();
    let marked = format!("{MARK}={mark}");
    let is_member = |it: &Process| Some(it.session) == session || carries(it.pid, marked.as_bytes());
    let mut found: Vec<i32> = all.iter().filter(|it| it.pid != own && is_member(it)).map(|it| it.pid).collect();
    found.extend(reaper::descendants(&all, &found).iter().map(|it| it.pid));
    let is_over = |pid: &i32| all.iter().any(|it| it.pid == *pid && it.is_zombie);
    found.retain(|it| *it != own && !is_over(it));
    found
}

fn carries(pid: i32, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|it| it.split(|byte| *byte == 0).any(|it| it == mark))
}
