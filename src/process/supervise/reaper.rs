//! Finding and ending every process of a job, however it hides.
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs;

/// A line of the process table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::process) struct Process {
    pub(in crate::process) pid: i32,
    pub(in crate::process) parent: i32,
    pub(in crate::process) session: i32,
    pub(in crate::process) name: String,
    pub(in crate::process) is_zombie: bool,
}

/// Reads the process table.
pub(in crate::process) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    // A process may end at any moment: then its file is gone, which is all the same.
    pids.filter_map(|pid| parse_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))).collect()
}

/// Parses `/proc/PID/stat`; the name may hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<Process> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(open + 1..close)?.to_owned();
    let mut fields = stat.get(close + 1..)?.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { pid: stat[..open].trim().parse().ok()?, parent, session, name, is_zombie })
}

/// Everything below the processes that `is_root` names, they themselves not counted unless one is below another.
pub(in crate::process) fn descendants(all: &[Process], roots: &[i32]) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut todo = roots.to_vec();
    while let Some(parent) = todo.pop() {
        // Taking the entry out ends the walk even if a torn reading of the table shows a circle.
        for child in children.remove(&parent).unwrap_or_default() {
            todo.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// Sends a signal to everything below this process that `wanted` names.
pub(super) fn signal_descendants(signal: Signal, wanted: impl Fn(&Process) -> bool) {
    let own = Pid::this().as_raw();
    for process in descendants(&processes(), &[own]) {
        if !process.is_zombie && wanted(&process) {
            // Gone already, or beyond our rights: the caller looks again.
            let _ = kill(Pid::from_raw(process.pid), signal);
        }
    }
}

/// Waits for children, orphans included, and tells each end; returns when none is left.
///
/// Since every orphan of the job becomes our child, having no child means that the job has no process.
pub(super) fn reap_all(mut ended: impl FnMut(Pid, WaitStatus)) {
    loop {
        match waitpid(None, None) {
            Ok(status) => {
                if let Some(pid) = status.pid() {
                    ended(pid, status);
                }
            }
            Err(Errno::EINTR) => (),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process { pid, parent, session: 1, name: String::new(), is_zombie: false }
    }

    #[test]
    fn a_hostile_name_does_not_break_the_parsing() {
        let parsed = parse_stat("42 (a) Z 1 (b\n) S 7 42 40 0 -1 4194560").unwrap();
        assert_eq!(parsed, Process { pid: 42, parent: 7, session: 40, name: "a) Z 1 (b\n".into(), is_zombie: false });
        assert!(parse_stat("1 (x) Z 0 1 1").unwrap().is_zombie);
        assert_eq!(parse_stat(")("), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_circles_end() {
        let all = [process(2, 1), process(3, 2), process(4, 3), process(5, 9), process(6, 7), process(7, 6)];
        let mut found: Vec<_> = descendants(&all, &[1]).into_iter().map(|it| it.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert_eq!(descendants(&all, &[6]).len(), 2);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let own = Pid::this().as_raw();
        assert!(processes().iter().any(|it| it.pid == own && !it.is_zombie));
    }
}
