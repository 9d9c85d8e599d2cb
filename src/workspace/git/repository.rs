//! Finds the repository that a path belongs to, and reads commits and files from it.
use crate::evidence::text;
use crate::process::Launcher;
use crate::workspace::WorkspaceError;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::gitdir::Objects;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::path::PathBuf;

/// The largest file that is read as text.
const MAX_FILE_BYTES: usize = 16 << 20;

/// A checkout and the folders of git behind it.
#[derive(Debug)]
pub(super) struct Repository {
    /// Root of the checkout.
    pub(super) root: PathBuf,
    /// HEAD and index of this checkout.
    pub(super) git_dir: PathBuf,
    /// Refs and objects, shared by all checkouts of the repository.
    pub(super) common_dir: PathBuf,
    objects: PathBuf,
}

/// Finds the repository of `path`, refusing with a hint what cannot be worked on.
pub(super) async fn locate(launcher: &Launcher, path: &Path) -> Result<Repository, WorkspaceError> {
    let shown = text::clean_line(&path.to_string_lossy());
    let Ok(found) = fs::canonicalize(path) else {
        return Err(WorkspaceError::Unusable(format!("{shown} does not exist; give the path of a git repository")));
    };
    let dir = if found.is_dir() { found.as_path() } else { found.parent().unwrap_or(&found) };
    let args = [
        "rev-parse",
        "--path-format=absolute",
        "--is-bare-repository",
        "--is-inside-work-tree",
        "--absolute-git-dir",
        "--git-common-dir",
        "--git-path",
        "objects",
        "--show-toplevel",
    ];
    let output = Git::of_user(launcher, dir).output(&args, None).await?;
    let lines: Vec<&[u8]> = output.stdout.split(|it| *it == b'\n').filter(|it| !it.is_empty()).collect();
    match lines[..] {
        [b"true", ..] => Err(WorkspaceError::Unusable(format!(
            "{shown} is a bare repository, which has no files to heal; run `git clone {shown}` and use the clone"
        ))),
        [_, b"false", ..] => {
            let hint = "is inside the .git folder; use the folder of the checkout instead";
            Err(WorkspaceError::Unusable(format!("{shown} {hint}")))
        }
        [_, _, git_dir, common_dir, objects, root] if output.code == Some(0) => {
            let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
            Ok(Repository {
                root: path(root),
                git_dir: path(git_dir),
                common_dir: fs::canonicalize(path(common_dir)).unwrap_or_else(|_| path(common_dir)),
                objects: path(objects),
            })
        }
        [_, _, _, _, _, _, ..] => Err(WorkspaceError::Unusable(format!("the path {shown} has a line break in it"))),
        _ => Err(refusal(&shown, &complaint(&output))),
    }
}

fn refusal(shown: &str, said: &str) -> WorkspaceError {
    if said.contains("not a git repository") {
        let hint = "run `git init` and commit there, or give the path of a repository";
        WorkspaceError::Unusable(format!("{shown} is not in a git repository; {hint}"))
    } else if said.contains("dubious ownership") {
        WorkspaceError::Unusable(format!("git does not trust {shown}: {said}"))
    } else {
        WorkspaceError::Git(said.to_owned())
    }
}

impl Repository {
    /// git on this repository, cut off from its checkout.
    pub(super) fn git(&self, launcher: &Launcher) -> Git {
        Git::on(launcher, &self.git_dir, &self.git_dir)
    }

    /// The object stores that this repository reads.
    pub(super) fn objects(&self) -> Objects {
        Objects::borrowed_from(&self.objects)
    }

    /// Returns the full id of the commit that `rev` names.
    pub(super) async fn commit(&self, launcher: &Launcher, rev: &str) -> Result<String, WorkspaceError> {
        let spec = format!("{rev}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &spec];
        self.git(launcher).line(&args).await?.ok_or_else(|| {
            let (rev, root) = (text::clean_line(rev), text::clean_line(&self.root.to_string_lossy()));
            WorkspaceError::Unusable(format!("{root} has no commit {rev}; run `git fetch` there to get it"))
        })
    }

    /// Returns a file of a commit as text, with U+FFFD for what is not UTF-8.
    pub(super) async fn file_at(
        &self,
        launcher: &Launcher,
        commit: &str,
        path: &str,
    ) -> Result<Option<String>, WorkspaceError> {
        let is_plain = !path.contains('\n') && path.split('/').all(|it| !matches!(it, "" | "." | ".."));
        if !is_plain {
            return Ok(None);
        }
        let git = self.git(launcher).max_output(MAX_FILE_BYTES);
        let output = git.output(&["cat-file", "--batch"], Some(format!("{commit}:{path}\n").as_bytes())).await?;
        if output.code != Some(0) && !output.truncated {
            return Err(WorkspaceError::Git(complaint(&output)));
        }
        if output.truncated {
            let path = text::clean_line(path);
            return Err(WorkspaceError::Unusable(format!("{path} is larger than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        let Some(end) = output.stdout.iter().position(|it| *it == b'\n') else { return Ok(None) };
        let head = String::from_utf8_lossy(&output.stdout[..end]);
        let is_file = head.split(' ').nth(1) == Some("blob");
        let body = output.stdout[end + 1..].strip_suffix(b"\n").unwrap_or_default();
        Ok(is_file.then(|| String::from_utf8_lossy(body).into_owned()))
    }
}
