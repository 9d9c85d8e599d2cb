//! Arguments for bubblewrap, the better sandbox where it is installed.
use crate::process::sandbox::Policy;
use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// More entries than this in the shared temporary folder are not shown one by one.
const MAX_SHOWN: usize = 512;
const SHARED_TMP: &str = "/tmp";

/// How a path looks inside; on the same path the later one in this list wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum View {
    Processes,
    Devices,
    EmptyFolder,
    ReadOnly,
    HiddenFile,
    HiddenFolder,
    Writable,
}

/// Builds the arguments that precede the program to run.
pub(super) fn arguments(policy: &Policy, supervisor: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = words("--die-with-parent --unshare-pid --unshare-ipc --unshare-cgroup-try");
    if !policy.network {
        args.push("--unshare-net".into());
    }
    args.extend(words("--cap-drop ALL"));
    for kept in ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"] {
        if nix::unistd::Uid::effective().is_root() {
            args.extend(["--cap-add".into(), kept.into()]);
        }
    }
    args.extend(words("--ro-bind / /"));
    for (path, view) in views(policy, supervisor) {
        let path = path.into_os_string();
        match view {
            View::Processes => args.extend(["--proc".into(), path]),
            View::Devices => args.extend(["--dev".into(), path]),
            View::EmptyFolder | View::HiddenFolder => args.extend(["--tmpfs".into(), path]),
            View::ReadOnly => args.extend(["--ro-bind-try".into(), path.clone(), path]),
            View::HiddenFile => args.extend(["--ro-bind".into(), "/dev/null".into(), path]),
            View::Writable => args.extend(["--bind".into(), path.clone(), path]),
        }
    }
    args.extend(["--chdir".into(), policy.cwd.clone().into_os_string(), "--".into()]);
    args
}

/// Every path that differs from the read-only rest, outer before inner.
fn views(policy: &Policy, supervisor: &Path) -> Vec<(PathBuf, View)> {
    let mut views = vec![(PathBuf::from("/proc"), View::Processes), (PathBuf::from("/dev"), View::Devices)];
    views.extend(shared_tmp());
    for path in policy.hidden.iter().chain(&policy.sockets) {
        views.push((path.clone(), if path.is_dir() { View::HiddenFolder } else { View::HiddenFile }));
    }
    views.extend(policy.writable.iter().map(|it| (it.clone(), View::Writable)));
    views.push((supervisor.to_owned(), View::ReadOnly));
    views.sort_by_key(|(path, view)| (path.components().count(), path.clone(), Reverse(*view)));
    views.dedup_by(|later, earlier| later.0 == earlier.0);
    views
}

/// The shared temporary folder: what is there stays readable, and new files are seen by the job alone.
fn shared_tmp() -> Vec<(PathBuf, View)> {
    let Ok(entries) = fs::read_dir(SHARED_TMP) else { return Vec::new() };
    let shown: Vec<PathBuf> = entries
        .flatten()
        .filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()))
        .map(|it| it.path())
        .take(MAX_SHOWN + 1)
        .collect();
    if shown.len() > MAX_SHOWN {
        return Vec::new();
    }
    let folder = [(PathBuf::from(SHARED_TMP), View::EmptyFolder)];
    folder.into_iter().chain(shown.into_iter().map(|it| (it, View::ReadOnly))).collect()
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_path_comes_after_an_outer_one_and_writable_wins() {
        let policy = Policy {
            cwd: "/data/trees/1".into(),
            writable: vec!["/data/trees/1".into(), "/same".into()],
            hidden: vec!["/data".into(), "/same".into()],
            sockets: vec![],
            network: false,
        };
        let views = views(&policy, Path::new("/data/bin/paramedic"));
        let place = |path: &str| views.iter().position(|(it, _)| it == Path::new(path)).unwrap();
        assert!(place("/data") < place("/data/trees/1"));
        assert!(place("/data") < place("/data/bin/paramedic"));
        assert_eq!(views[place("/same")].1, View::Writable);
        let args = arguments(&policy, Path::new("/data/bin/paramedic"));
        assert!(args.contains(&"--unshare-net".into()));
    }
}
