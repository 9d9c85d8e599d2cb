//! The few settings of a user's checkout that say what its files look like; everything else of the configuration stays unread.
use crate::process::Launcher;
use crate::workspace::WorkspaceError;
use crate::workspace::git::command::Git;
use crate::workspace::git::repository::Repository;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

/// Line endings, executable bits and ignore files of one checkout.
#[derive(Debug)]
pub(super) struct Settings {
    lines: Vec<OsString>,
    /// Ignore rules that are not in any commit.
    pub(super) exclude: Vec<u8>,
    pub(super) is_sparse: bool,
}

impl Settings {
    /// Reads the settings of a checkout, the user's own and the machine's included.
    pub(super) async fn read(launcher: &Launcher, repo: &Repository) -> Result<Self, WorkspaceError> {
        let pattern = "^core\\.(autocrlf|eol|filemode|symlinks|ignorecase|sparsecheckout|excludesfile)$";
        let args = ["config", "--null", "--get-regexp", pattern];
        let output = Git::of_user(launcher, &repo.root).output(&args, None).await?;
        let mut settings = Self { lines: Vec::new(), exclude: Vec::new(), is_sparse: false };
        let mut excludes_file = None;
        for entry in output.stdout.split(|it| *it == 0) {
            let mut parts = entry.splitn(2, |it| *it == b'\n');
            let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            let value = OsString::from_vec(parts.next().unwrap_or(b"true").to_vec());
            match name.as_str() {
                "" => {}
                "core.sparsecheckout" => settings.is_sparse = value != "false",
                "core.excludesfile" => excludes_file = Some(value),
                _ => settings.lines.push(setting(&name, &value)),
            }
        }
        if excludes_file.is_some() {
            let args = ["config", "--type=path", "--get", "core.excludesFile"];
            let mut path = Git::of_user(launcher, &repo.root).output(&args, None).await?.stdout;
            path.truncate(path.trim_ascii_end().len());
            settings.exclude = fs::read(repo.root.join(OsString::from_vec(path))).unwrap_or_default();
            settings.exclude.push(b'\n');
        }
        settings.exclude.extend(fs::read(repo.common_dir.join("info/exclude")).unwrap_or_default());
        settings.exclude.push(b'\n');
        Ok(settings)
    }

    /// Makes `git` see the files as the user's own git does.
    pub(super) fn apply_to(&self, git: Git) -> Git {
        self.lines.iter().fold(git, Git::setting)
    }
}

fn setting(name: &str, value: &OsString) -> OsString {
    let mut setting = OsString::from(format!("{name}="));
    setting.push(value);
    setting
}
