//! One git command line: which repository, which index, which files, and nothing that a configuration could make it run.
use crate::evidence::text;
use crate::process::Launcher;
use crate::process::Tool;
use crate::process::ToolOutput;
use crate::workspace::WorkspaceError;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A checkout of a large repository on a slow disk takes minutes; nothing of ours takes longer.
const TIMEOUT: Duration = Duration::from_mins(10);
/// Listings of paths: a million files fit.
const MAX_OUTPUT: usize = 128 << 20;
/// Characters of git's complaints that are passed on.
const MAX_COMPLAINT_CHARS: usize = 2_000;

const OPTIONS: &[&str] = &["--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs"];

/// Keeps git from running hooks, monitors and upkeep, from the network, and from reading files that depend on the machine.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=true",
    "core.logAllRefUpdates=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "protocol.ext.allow=never",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
];

/// A git command line without its subcommand.
#[derive(Debug, Clone)]
pub(super) struct Git {
    launcher: Launcher,
    cwd: std::path::PathBuf,
    options: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    max_output: usize,
}

impl Git {
    /// git as the user runs it in `cwd`: finds the repository and reads the user's own configuration (`safe.directory`, ignore file).
    pub(super) fn of_user(launcher: &Launcher, cwd: &Path) -> Self {
        let fixed = [("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_LAZY_FETCH", "1"), ("LC_ALL", "C")];
        let git = Self {
            launcher: launcher.clone(),
            cwd: cwd.to_owned(),
            options: OPTIONS.iter().map(OsString::from).collect(),
            env: fixed.iter().map(|(name, value)| (*name, OsString::from(value))).collect(),
            max_output: MAX_OUTPUT,
        };
        SETTINGS.iter().fold(git, |git, setting| git.setting(*setting))
    }

    /// git on the repository at `git_dir` and no other, without anybody's configuration but that repository's.
    pub(super) fn on(launcher: &Launcher, cwd: &Path, git_dir: &Path) -> Self {
        let mut dir = OsString::from("--git-dir=");
        dir.push(git_dir);
        Self::of_user(launcher, cwd)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .setting("core.excludesFile=/dev/null")
            .option(dir)
    }

    /// Whose files are compared and written.
    pub(super) fn work_tree(self, root: &Path) -> Self {
        let mut option = OsString::from("--work-tree=");
        option.push(root);
        self.option(option)
    }

    /// Which index is read and written.
    pub(super) fn index(self, file: &Path) -> Self {
        self.env("GIT_INDEX_FILE", file)
    }

    /// Takes attributes from a commit instead of the files. Not for `git apply`, which crashes on it (git 2.47).
    pub(super) fn attributes_of(self, commit: &str) -> Self {
        self.env("GIT_ATTR_SOURCE", commit)
    }

    /// Sets `name=value` over whatever is configured.
    pub(super) fn setting(self, setting: impl Into<OsString>) -> Self {
        self.option("-c").option(setting)
    }

    fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Bytes of output that are kept; more is said by `ToolOutput::truncated`.
    pub(super) const fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// Runs a subcommand and returns whatever came of it.
    pub(super) async fn output<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<&[u8]>,
    ) -> Result<ToolOutput, WorkspaceError> {
        let args: Vec<&OsStr> = self.options.iter().map(AsRef::as_ref).chain(args.iter().map(AsRef::as_ref)).collect();
        let env: Vec<(&str, &OsStr)> = self.env.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let tool = Tool {
            program: "git",
            args: &args,
            cwd: &self.cwd,
            env: &env,
            stdin,
            timeout: TIMEOUT,
            max_output: self.max_output,
        };
        self.launcher.tool(&tool).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if self.cwd.exists() => {
                WorkspaceError::Unusable("git is not installed or not on PATH; install git 2.31 or newer".to_owned())
            }
            _ => WorkspaceError::Git(text::clean_line(&error.to_string())),
        })
    }

    /// Runs a subcommand that must succeed and be read whole; returns its standard output.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<&[u8]>,
    ) -> Result<Vec<u8>, WorkspaceError> {
        let output = self.output(args, stdin).await?;
        let name = || args.first().map(|it| it.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
        match output.code {
            Some(0) if output.truncated => Err(WorkspaceError::Git(format!("`git {}` printed too much", name()))),
            Some(0) => Ok(output.stdout),
            _ => Err(WorkspaceError::Git(format!("`git {}`: {}", name(), complaint(&output)))),
        }
    }

    /// Runs a subcommand that answers with one line, or fails when there is nothing to answer.
    pub(super) async fn line<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Option<String>, WorkspaceError> {
        let output = self.output(args, None).await?;
        let line = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        Ok((output.code == Some(0) && !line.is_empty()).then_some(line))
    }
}

/// What git said, fit to be shown.
pub(super) fn complaint(output: &ToolOutput) -> String {
    let raw = String::from_utf8_lossy(&output.stderr);
    let said: String = text::clean(raw.trim()).chars().take(MAX_COMPLAINT_CHARS).collect();
    match (said.is_empty(), output.code) {
        (false, _) => said,
        (true, Some(code)) => format!("exit status {code}"),
        (true, None) => "killed by a signal".to_owned(),
    }
}
