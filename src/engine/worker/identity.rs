//! What a worker is called: host, process and machine, so that another process can see that it is dead.
use crate::domain::{Digest, RunId};
use crate::process::Owner;
use std::fs;

/// A name as `host:pid:start:tag:machine`; before there was a machine in it, without.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name<'a> {
    process: Owner,
    machine: Option<&'a str>,
}

/// Returns a new name for a worker of this process.
pub(super) fn new_name() -> String {
    let tag = RunId::random().short();
    format!("{}:{}:{tag}:{}", host(), Owner::this(), machine().unwrap_or_default())
}

/// Whether a name belongs to a process that could be seen here, and no longer runs. Who could not be seen is judged by the lease's time alone.
pub(super) fn is_dead(worker: &str) -> bool {
    dead(worker).is_some()
}

/// Whether a worker is dead and so is everything that it had started: nothing works on its run any more.
pub fn is_gone(worker: &str) -> bool {
    dead(worker).is_some_and(|it| !it.has_jobs())
}

fn dead(worker: &str) -> Option<Owner> {
    let name = parse(worker)?;
    let is_of_here = name.machine.is_some_and(|it| machine().as_deref() == Some(it));
    Some(name.process).filter(|it| is_of_here && !it.is_alive())
}

fn parse(worker: &str) -> Option<Name<'_>> {
    let parts: Vec<&str> = worker.split(':').collect();
    let (pid, start, machine) = match parts[..] {
        [_, pid, start, _] => (pid, start, None),
        [_, pid, start, _, machine] => (pid, start, Some(machine).filter(|it| !it.is_empty())),
        _ => return None,
    };
    Some(Name { process: Owner { pid: pid.parse().ok()?, start: start.to_owned() }, machine })
}

/// Returns what tells this boot of this machine and this namespace of process ids from any other: containers may share a host's name.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let whole = format!("{} {}", boot.trim(), namespace.display());
    Some(Digest::of(whole).as_str().chars().take(16).collect())
}

/// Returns what tells this machine, or container, from any other, also after it was started anew. A path means something there alone.
pub fn this_machine() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    Digest::of(format!("{} {}", id.trim(), host())).as_str().chars().take(16).collect()
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().replace([':', '/'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_dead_when_its_process_is_gone_or_another_one() {
        let (Owner { pid, start }, machine) = (Owner::this(), machine().unwrap());
        assert!(!is_dead(&new_name()));
        assert!(!is_dead(&format!("here:{pid}:{start}:x:{machine}")));
        assert!(is_dead(&format!("here:{pid}:1:x:{machine}")));
        assert!(is_dead(&format!("here:4194305:1:x:{machine}")));
        assert!(is_gone(&format!("here:4194305:1:x:{machine}")) && !is_gone(&new_name()));
    }

    #[test]
    fn who_cannot_be_seen_from_here_is_not_judged() {
        let host = host();
        for name in [
            format!("{host}:4194305:1:x:0123456789abcdef"),
            format!("{host}:4194305:1:x:"),
            format!("{host}:4194305:1:x"),
            "nonsense".to_owned(),
        ] {
            assert!(!is_dead(&name), "{name}");
        }
        assert_eq!(
            parse("h:7:99:tag"),
            Some(Name { process: Owner { pid: 7, start: "99".to_owned() }, machine: None })
        );
    }
}
