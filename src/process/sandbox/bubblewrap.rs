//! Arguments for bubblewrap, the better sandbox where it is installed.
use crate::process::sandbox::Policy;
use crate::process::sandbox::views::View;
use crate::process::sandbox::views::views;
use std::ffi::OsString;
use std::path::Path;

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
    args.extend(words("--proc /proc --dev /dev"));
    for (path, view) in views(policy, Some(supervisor)) {
        let path = path.into_os_string();
        match view {
            View::EmptyFolder | View::HiddenFolder => args.extend(["--tmpfs".into(), path]),
            View::ReadOnly => args.extend(["--ro-bind-try".into(), path.clone(), path]),
            View::HiddenFile => args.extend(["--ro-bind".into(), "/dev/null".into(), path]),
            View::Writable => args.extend(["--bind".into(), path.clone(), path]),
        }
    }
    args.extend(["--chdir".into(), policy.cwd.clone().into_os_string(), "--".into()]);
    args
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}
