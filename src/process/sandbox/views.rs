//! How the file system looks from inside, where the sandbox has a view of its own.
use crate::process::sandbox::Policy;
use serde::Deserialize;
use serde::Serialize;
use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// More entries than this in the shared temporary folder are not shown one by one.
const MAX_SHOWN: usize = 512;
/// The temporary folder that programs use without asking.
pub(super) const SHARED_TMP: &str = "/tmp";

/// How a path looks inside; on the same path the later one in this list wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::process) enum View {
    EmptyFolder,
    ReadOnly,
    HiddenFile,
    HiddenFolder,
    Writable,
}

/// Every path that differs from the read-only rest, outer before inner.
pub(super) fn views(policy: &Policy, supervisor: Option<&Path>) -> Vec<(PathBuf, View)> {
    let mut views = Vec::new();
    if !policy.writable.iter().any(|it| Path::new(SHARED_TMP).starts_with(it)) {
        views.extend(shared_tmp());
    }
    views.extend(policy.hidden.iter().chain(&policy.sockets).cloned().map(hidden));
    views.extend(policy.writable.iter().map(|it| (it.clone(), View::Writable)));
    views.extend(supervisor.map(|it| (it.to_owned(), View::ReadOnly)));
    views.sort_by_key(|(path, view)| (path.components().count(), path.clone(), Reverse(*view)));
    views.dedup_by(|later, earlier| later.0 == earlier.0);
    views
}

/// Covers a secret or a socket.
pub(super) fn hidden(path: PathBuf) -> (PathBuf, View) {
    let view = if path.is_dir() { View::HiddenFolder } else { View::HiddenFile };
    (path, view)
}

/// The shared temporary folder, unless it is too full: what is there stays readable, and new files are seen by the job alone.
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
    let mounted = mount_points(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let mounted = mounted.into_iter().filter(|it| it.starts_with(SHARED_TMP) && it != Path::new(SHARED_TMP));
    let shown = shown.into_iter().chain(mounted.take(MAX_SHOWN));
    folder.into_iter().chain(shown.map(|it| (it, View::ReadOnly))).collect()
}

/// Showing a folder does not show what is mounted below it. The kernel writes blanks and the like as octal numbers.
fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    let plain = |escaped: &str| {
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
            .iter()
            .fold(escaped.to_owned(), |text, (code, plain)| text.replace(code, plain))
    };
    mountinfo.lines().filter_map(|it| it.split(' ').nth(4)).map(|it| PathBuf::from(plain(it))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_blanks() {
        let mountinfo = "22 1 0:20 / / rw - ext4 /dev/vda rw\n36 22 0:31 / /tmp/a\\040b rw,nosuid - tmpfs tmpfs rw\n";
        assert_eq!(mount_points(mountinfo), [Path::new("/"), Path::new("/tmp/a b")]);
    }

    #[test]
    fn an_inner_path_comes_after_an_outer_one_and_writable_wins() {
        let policy = Policy {
            cwd: "/data/trees/1".into(),
            writable: vec!["/data/trees/1".into(), "/same".into()],
            hidden: vec!["/data".into(), "/same".into()],
            sockets: vec![],
            network: false,
        };
        let views = views(&policy, Some(Path::new("/data/bin/paramedic")));
        let place = |path: &str| views.iter().position(|(it, _)| it == Path::new(path)).unwrap();
        assert!(place("/data") < place("/data/trees/1"));
        assert!(place("/data") < place("/data/bin/paramedic"));
        assert_eq!(views[place("/same")].1, View::Writable);
    }
}
