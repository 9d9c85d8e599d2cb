//! The mark that a process takes any run from the queue: a file that is locked for as long as the process lives, also seen from another container.
use crate::engine::Engine;
use crate::engine::worker::identity;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The mark of a process whose workers take any run. Gone when dropped.
#[derive(Debug)]
pub struct Presence {
    path: PathBuf,
    _lock: File,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Leaves the mark of the worker called `name` in `folder`.
pub(super) fn leave(folder: &Path, name: &str) -> io::Result<Presence> {
    fs::create_dir_all(folder)?;
    // Nobody may see it unlocked and take it for a dead one's.
    let (hidden, path) = (folder.join(format!(".{name}")), folder.join(name));
    let lock = File::create(&hidden)?;
    match lock.try_lock() {
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
        _ => fs::rename(&hidden, &path)?,
    }
    Ok(Presence { path, _lock: lock })
}

/// Whether a mark is that of a process that is gone.
fn is_stale(path: &Path, name: &str) -> bool {
    match File::open(path).map(|it| it.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock)) => false,
        Ok(Err(TryLockError::Error(_))) => identity::is_dead(name),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

impl Engine {
    /// Whether a living process on this data directory takes any run from the queue: a worker, or a server with workers in it.
    pub fn has_workers(&self) -> bool {
        let Ok(folder) = fs::read_dir(self.settings.data_dir.join("workers")) else { return false };
        let mut has_living = false;
        for entry in folder.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if is_stale(&entry.path(), &name) {
                let _ = fs::remove_file(entry.path());
            } else {
                has_living = true;
            }
        }
        has_living
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lives_as_long_as_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let mark = leave(folder.path(), "w").unwrap();
        assert!(!is_stale(&folder.path().join("w"), "w"));
        drop(mark);
        assert!(!folder.path().join("w").exists());
        fs::write(folder.path().join("left"), b"").unwrap();
        assert!(is_stale(&folder.path().join("left"), "left"));
    }
}
