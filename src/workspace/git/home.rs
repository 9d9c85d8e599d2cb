//! Where trees live: one folder per process, held by a file lock that ends with the process, so that a sweep knows the dead from the living.
use crate::workspace::WorkspaceError;
use crate::workspace::git::removal;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;

const OWNER_PREFIX: &str = "owner-";
const DEAD_PREFIX: &str = "dead-";
const TREE_PREFIX: &str = "tree-";
const LOCK: &str = "lock";

/// This process's folder below the home of trees. The lock in it says that the process lives; it works across containers, where process ids do not.
#[derive(Debug)]
pub(super) struct Owner {
    dir: PathBuf,
    lock: Option<File>,
}

impl Owner {
    /// Makes the folder and takes its lock, while no sweep can look.
    pub(super) fn settle(home: &Path) -> Result<Self, WorkspaceError> {
        private_dir(home)?;
        let _gate = gate(home)?;
        let dir = tempfile::Builder::new().prefix(OWNER_PREFIX).tempdir_in(home).map_err(|it| failed(home, it))?.keep();
        let lock = locked(&dir.join(LOCK))?;
        Ok(Self { dir, lock: Some(lock) })
    }

    /// Makes a folder for one tree.
    pub(super) fn tree_dir(&self) -> Result<TempDir, WorkspaceError> {
        self.folder(TREE_PREFIX)
    }

    /// Makes a folder for the files of one operation.
    pub(super) fn bench_dir(&self) -> Result<TempDir, WorkspaceError> {
        self.folder("bench-")
    }

    fn folder(&self, prefix: &str) -> Result<TempDir, WorkspaceError> {
        tempfile::Builder::new().prefix(prefix).tempdir_in(&self.dir).map_err(|it| failed(&self.dir, it))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let is_vacant = fs::read_dir(&self.dir).is_ok_and(|entries| entries.count() <= 1);
        if is_vacant {
            // What stays behind is an empty folder that the next sweep takes.
            let _ = removal::remove(&self.dir);
        } else if let Some(lock) = self.lock.take() {
            // Trees that outlive the workspace stay safe from sweeps for as long as the process lives.
            std::mem::forget(lock);
        }
    }
}

/// Removes the folders of processes that are gone. Returns how many trees were in them.
pub(super) fn sweep(home: &Path) -> Result<usize, WorkspaceError> {
    if !home.exists() {
        return Ok(0);
    }
    let gate = gate(home)?;
    let mut n_trees = 0;
    for name in names(home, OWNER_PREFIX)? {
        let dir = home.join(&name);
        if is_abandoned(&dir) {
            n_trees += names(&dir, TREE_PREFIX)?.len();
            let dead = home.join(name.replacen(OWNER_PREFIX, DEAD_PREFIX, 1));
            fs::rename(&dir, &dead).map_err(|it| failed(&dir, it))?;
        }
    }
    let dead = names(home, DEAD_PREFIX)?;
    drop(gate);
    for name in dead {
        let dir = home.join(name);
        removal::remove(&dir).map_err(|it| failed(&dir, it))?;
    }
    Ok(n_trees)
}

/// Whether nobody holds the lock of an owner's folder. Where locks do not work nobody is taken for dead.
fn is_abandoned(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The short lock under which owners settle and sweeps choose.
fn gate(home: &Path) -> Result<File, WorkspaceError> {
    let path = home.join(LOCK);
    let file = open(&path)?;
    match file.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(failed(&path, error)),
        _ => Ok(file),
    }
}

fn locked(path: &Path) -> Result<File, WorkspaceError> {
    let file = open(path)?;
    match file.try_lock() {
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(failed(path, error)),
        _ => Ok(file),
    }
}

fn open(path: &Path) -> Result<File, WorkspaceError> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(|it| failed(path, it))
}

fn private_dir(dir: &Path) -> Result<(), WorkspaceError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|it| failed(dir, it))
}

fn names(dir: &Path, prefix: &str) -> Result<Vec<String>, WorkspaceError> {
    let entries = fs::read_dir(dir).map_err(|it| failed(dir, it))?;
    let names = entries.flatten().filter_map(|it| it.file_name().into_string().ok());
    Ok(names.filter(|it| it.starts_with(prefix)).collect())
}

pub(super) fn failed(path: &Path, source: io::Error) -> WorkspaceError {
    WorkspaceError::Io { path: path.to_owned(), source }
}
