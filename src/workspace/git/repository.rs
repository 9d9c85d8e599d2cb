//! Finds the repository that a path belongs to, and reads commits and files from it.
use crate::evidence::text;
use crate::process::Launcher;
use crate::workspace::WorkspaceError;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::gitdir::Objects;
use crate::workspace::git::objects;
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

    /// Returns files of a commit as text, with U+FFFD for what is not UTF-8, in the order of `paths`; `None` for what is no file there.
    pub(super) async fn files_at(
        &self,
        launcher: &Launcher,
        commit: &str,
        paths: &[&str],
    ) -> Result<Vec<Option<String>>, WorkspaceError> {
        let mut files = vec![None; paths.len()];
        let wanted: Vec<usize> = (0..paths.len()).filter(|it| is_plain(paths[*it])).collect();
        let names: Vec<String> = wanted.iter().map(|it| format!("{commit}:{}", paths[*it])).collect();
        let blobs = objects::blobs(&self.git(launcher), &names, MAX_FILE_BYTES).await?;
        for (idx, blob) in wanted.into_iter().zip(blobs) {
            if blob.as_ref().is_some_and(|it| it.is_cut) {
                let path = text::clean_line(paths[idx]);
                return Err(WorkspaceError::Unusable(format!("{path} is larger than {} MiB", MAX_FILE_BYTES >> 20)));
            }
            files[idx] = blob.map(|it| String::from_utf8_lossy(&it.bytes).into_owned());
        }
        Ok(files)
    }
}

fn is_plain(path: &str) -> bool {
    !path.contains(['\n', '\0']) && path.split('/').all(|it| !matches!(it, "" | "." | ".."))
}
