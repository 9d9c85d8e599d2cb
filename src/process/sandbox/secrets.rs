//! Where secrets and ways out of a sandbox usually lie.
use nix::unistd::Uid;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Below the person's home.
const IN_HOME: &[&str] = &[
    ".aws",
    ".azure",
    ".bash_history",
    ".boto",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude",
    ".claude.json",
    ".codex",
    ".composer/auth.json",
    ".config/chromium",
    ".config/composer/auth.json",
    ".config/doctl",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".config/github-copilot",
    ".config/glab-cli",
    ".config/google-chrome",
    ".config/hub",
    ".config/op",
    ".config/paramedic",
    ".config/pip",
    ".config/rclone",
    ".config/sops",
    ".databrickscfg",
    ".docker",
    ".fly",
    ".gem/credentials",
    ".gemini",
    ".git-credentials",
    ".gnupg",
    ".gradle/gradle.properties",
    ".kube",
    ".local/share/keyrings",
    ".m2/settings.xml",
    ".mozilla",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".oci",
    ".password-store",
    ".pgpass",
    ".pip",
    ".psql_history",
    ".pypirc",
    ".python_history",
    ".s3cfg",
    ".snowflake",
    ".ssh",
    ".terraform.d",
    ".thunderbird",
    ".vault-token",
    ".yarnrc.yml",
    ".zsh_history",
];

/// Of the machine.
const ON_MACHINE: &[&str] = &[
    "/etc/gshadow",
    "/etc/paramedic",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/run/secrets",
    "/var/lib/kubelet",
    "/var/run/secrets",
    "/var/spool/cron",
];

/// Sockets of services that would act for whoever reaches them.
const SOCKETS: &[&str] = &[
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/run/docker.sock",
    "/run/libvirt",
    "/run/lxd.socket",
    "/run/podman",
    "/run/snapd.socket",
    "/run/systemd/private",
    "/var/lib/lxd/unix.socket",
    "/var/run/docker.sock",
];

/// Beginnings of names of folders with sockets of a person's own session.
const SESSION_SOCKETS: &[&str] = &[".ICE-unix", ".X11-unix", "dbus-", "ssh-", "tmux-"];

/// Paths that hold secrets, as far as they are there, links resolved.
pub(super) fn secret_paths(home: Option<&Path>, private: &[PathBuf]) -> Vec<PathBuf> {
    let in_home = home.into_iter().flat_map(|home| IN_HOME.iter().map(|it| home.join(it)));
    let on_machine = ON_MACHINE.iter().map(PathBuf::from);
    existing(in_home.chain(on_machine).chain(private.iter().cloned()))
}

/// Sockets and folders of sockets, as far as they are there, links resolved.
pub(super) fn socket_paths() -> Vec<PathBuf> {
    let session = PathBuf::from(format!("/run/user/{}", Uid::current()));
    let entries = fs::read_dir("/tmp").into_iter().flatten().flatten();
    let in_tmp = entries.filter(|it| {
        let name = it.file_name();
        SESSION_SOCKETS.iter().any(|start| name.to_string_lossy().starts_with(start))
    });
    existing(SOCKETS.iter().map(PathBuf::from).chain([session]).chain(in_tmp.map(|it| it.path())))
}

fn existing(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    // What is there but cannot be resolved is out of our reach, and so out of the job's.
    let mut found: Vec<_> = paths.filter_map(|it| it.canonicalize().ok()).filter(|it| it.parent().is_some()).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_left_out_and_links_are_resolved() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        fs::create_dir(root.join("keys")).unwrap();
        std::os::unix::fs::symlink(root.join("keys"), root.join(".ssh")).unwrap();
        fs::write(root.join(".netrc"), "x").unwrap();
        let found = secret_paths(Some(&root), &[root.join("nowhere"), "/".into()]);
        let below: Vec<_> = found.iter().filter(|it| it.starts_with(&root)).cloned().collect();
        assert_eq!(below, [root.join(".netrc"), root.join("keys")]);
        assert!(!found.contains(&PathBuf::from("/")));
    }
}
