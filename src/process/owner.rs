//! Whose a job is: its supervisor and its programs name the process that asked for it, so that others see what a dead one has left.
use crate::process::env::MARK;
use crate::process::supervise;
use crate::process::supervise::reaper;
use std::fmt;
use std::fs;

/// A process of this machine, told from any other that gets its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    /// When it started, in clock ticks after boot.
    pub start: String,
}

impl Owner {
    /// Returns a living process.
    pub fn of(pid: u32) -> Option<Self> {
        started_at(pid).map(|start| Self { pid, start })
    }

    /// Returns this process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or_else(|| Self { pid, start: String::new() })
    }

    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Whether anything of its jobs is left: a supervisor, or a program that has lost its own.
    ///
    /// A supervisor bears the name before it is given a job: of a dead owner none comes up later.
    pub fn has_jobs(&self) -> bool {
        let (supervisor, program) = (supervise::arguments(self).join("\0"), format!("{MARK}={self}:"));
        let is_job = |pid: i32| {
            String::from_utf8_lossy(&read(pid, "cmdline")).contains(&format!("\0{supervisor}\0"))
                || read(pid, "environ").split(|it| *it == 0).any(|it| it.starts_with(program.as_bytes()))
        };
        reaper::processes().iter().any(|it| is_job(it.pid))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

/// Returns when a process started, in clock ticks after boot (proc(5), field 22 of stat).
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Returns a file of a process; of one that is gone or another's, nothing.
fn read(pid: i32, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_is_gone_or_another_one() {
        let this = Owner::this();
        assert!(this.is_alive());
        assert!(!Owner { start: "1".to_owned(), ..this }.is_alive());
        assert!(!Owner { pid: 4_194_305, start: "1".to_owned() }.is_alive());
    }

    #[test]
    fn who_asked_for_nothing_left_nothing() {
        assert!(!Owner { pid: 4_194_305, start: "1".to_owned() }.has_jobs());
    }
}
