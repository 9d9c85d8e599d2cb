//! Which sandbox works on this machine, found out by running something in it.
mod bubblewrap;
pub(in crate::process) mod landlock;
mod mounts;
pub(in crate::process) mod namespace;
mod probe;
mod secrets;
pub(in crate::process) mod views;

pub(in crate::process) use probe::check;
pub(in crate::process) use probe::choose;

use crate::process::sandbox::views::View;
use crate::process::supervise;
use crate::process::supervise::protocol::InitOrder;
use crate::process::supervise::protocol::Task;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Which sandbox jobs run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SandboxChoice {
    /// The best one that works on this machine.
    #[default]
    Auto,
    Off,
    Bubblewrap,
    Landlock,
}

/// The sandbox that jobs really run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxKind {
    /// A file system, process table and network of the job's own.
    Bubblewrap,
    /// The kernel's Landlock, with namespaces where the machine permits them.
    Landlock {
        /// Whether a job without network really has none.
        confines_network: bool,
        /// Whether a job sees no process but its own.
        confines_processes: bool,
        /// What is not enforced, and why nothing better is used.
        remarks: Vec<String>,
    },
    /// Jobs can do whatever the person who started us can.
    None { reason: String },
}

impl SandboxKind {
    /// Whether a job can write only where it should.
    pub const fn confines_files(&self) -> bool {
        !matches!(self, Self::None { .. })
    }

    /// Whether a job without network really has none; the loopback interface always works.
    pub const fn confines_network(&self) -> bool {
        matches!(self, Self::Bubblewrap | Self::Landlock { confines_network: true, .. })
    }

    /// Returns what is not confined, for people; `None` when files and network both are.
    pub fn warning(&self) -> Option<String> {
        (!self.confines_files() || !self.confines_network()).then(|| self.to_string())
    }

    /// Whether a job sees and reaches no process but its own.
    pub const fn confines_processes(&self) -> bool {
        matches!(self, Self::Bubblewrap | Self::Landlock { confines_processes: true, .. })
    }
}

impl fmt::Display for SandboxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bubblewrap => write!(f, "bubblewrap: files, processes and network are confined"),
            Self::None { reason } => write!(f, "no sandbox: {reason}"),
            Self::Landlock { confines_network, confines_processes, remarks } => {
                let also = match (confines_processes, confines_network) {
                    (true, true) => "files, processes and network are confined",
                    (true, false) => "files and processes are confined, the network is not",
                    (false, true) => "files and network are confined, processes are not",
                    (false, false) => "only files are confined",
                };
                write!(f, "Landlock: {also}")?;
                remarks.iter().try_for_each(|it| write!(f, "; {it}"))
            }
        }
    }
}

/// The namespaces that go with Landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) struct Extras {
    pub(in crate::process) own_processes: bool,
    pub(in crate::process) no_network: bool,
    /// A temporary folder as bubblewrap makes it; only with `own_processes`.
    pub(in crate::process) own_tmp: bool,
}

/// How to start a job in the sandbox that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::process) enum Method {
    Bubblewrap(PathBuf),
    Landlock(Extras),
    Bare,
}

/// The sandbox that was chosen, or why the one that was asked for cannot be had.
#[derive(Debug, Clone)]
pub(in crate::process) struct Chosen {
    pub(in crate::process) kind: SandboxKind,
    pub(in crate::process) method: Result<Method, String>,
}

/// What a job may do, all paths absolute and without links.
#[derive(Debug, Clone)]
pub(in crate::process) struct Policy {
    pub(in crate::process) cwd: PathBuf,
    pub(in crate::process) writable: Vec<PathBuf>,
    pub(in crate::process) hidden: Vec<PathBuf>,
    pub(in crate::process) sockets: Vec<PathBuf>,
    pub(in crate::process) network: bool,
}

impl Policy {
    /// Makes the policy of a job from folders that exist.
    pub(in crate::process) fn new(
        cwd: &Path,
        writable: &[&Path],
        network: bool,
        home: Option<&Path>,
        private: &[PathBuf],
    ) -> io::Result<Self> {
        let cwd = cwd.canonicalize()?;
        let others = writable.iter().map(|it| it.canonicalize()).collect::<io::Result<Vec<_>>>()?;
        let writable: Vec<_> = [cwd.clone()].into_iter().chain(others).collect();
        let mut sockets = secrets::socket_paths();
        sockets.retain(|it| !writable.iter().any(|writable| writable.starts_with(it)));
        Ok(Self { cwd, hidden: secrets::secret_paths(home, private), writable, sockets, network })
    }
}

impl Method {
    /// Builds the program that carries out `task` under `policy`.
    pub(in crate::process) fn arguments(
        &self,
        supervisor: &Path,
        policy: &Policy,
        task: Task,
    ) -> io::Result<Vec<OsString>> {
        let mut order = InitOrder { task, namespaces: namespace::Wish::default(), rules: None };
        // The file that runs us stays the same program when its path is given another one by an update.
        let mut program = vec![OsString::from("/proc/self/exe")];
        match self {
            Self::Bare => (),
            Self::Landlock(extras) => {
                let (namespaces, rules) = extras.plan(policy);
                order.namespaces = namespaces;
                order.rules = Some(rules);
            }
            Self::Bubblewrap(bwrap) => {
                program = vec![bwrap.clone().into_os_string()];
                program.extend(bubblewrap::arguments(policy, supervisor));
                program.push(supervisor.as_os_str().to_owned());
            }
        }
        program.extend([supervise::SUBCOMMAND.into(), supervise::INIT.into(), serde_json::to_string(&order)?.into()]);
        Ok(program)
    }
}

impl Extras {
    fn plan(self, policy: &Policy) -> (namespace::Wish, landlock::Rules) {
        let mut rules = landlock::Rules { writable: policy.writable.clone(), hidden: policy.hidden.clone() };
        let mut views: Vec<_> = policy.sockets.iter().cloned().map(views::hidden).collect();
        let tmp = Path::new(views::SHARED_TMP);
        if self.own_tmp {
            views.retain(|(path, _)| !path.starts_with(tmp));
            views.extend(views::views(policy, None).into_iter().filter(|(path, _)| path.starts_with(tmp)));
            // What must stay read-only in it is mounted so, since a rule for the folder holds for all that is below.
            if views.iter().any(|(path, view)| path == tmp && *view == View::EmptyFolder) {
                rules.writable.push(tmp.to_owned());
            }
        }
        let no_network = self.no_network && !policy.network;
        (namespace::Wish { own_processes: self.own_processes, no_network, views }, rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_temporary_folder_is_writable_only_where_it_is_replaced() {
        let extras = Extras { own_processes: true, no_network: true, own_tmp: true };
        let policy = |writable: &str| Policy {
            cwd: writable.into(),
            writable: vec![writable.into()],
            hidden: vec![],
            sockets: vec![],
            network: false,
        };
        let tmp = PathBuf::from(views::SHARED_TMP);
        for (writable, own_tmp) in [("/srv/tree", true), ("/srv/tree", false), ("/tmp", true)] {
            let (wish, rules) = Extras { own_tmp, ..extras }.plan(&policy(writable));
            let is_replaced = wish.views.contains(&(tmp.clone(), View::EmptyFolder));
            let is_given = writable == views::SHARED_TMP;
            assert_eq!(rules.writable.contains(&tmp), is_replaced || is_given, "{writable} {own_tmp}");
            assert!(!(is_replaced && (is_given || !own_tmp)));
        }
    }
}
