//! Removes folders that resist: read-only, deeper than a path may be long, still being written to.
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Rounds of `flatten` before giving up; each takes at least one level off.
const MAX_ROUNDS: usize = 100_000;

/// Removes `dir` and everything in it. Never follows a symbolic link. Gone already is fine.
pub(in crate::workspace) fn remove(dir: &Path) -> io::Result<()> {
    for _ in 0..3 {
        if fs::remove_dir_all(dir).is_ok() || dir.symlink_metadata().is_err() {
            return Ok(());
        }
        // Another process may be removing the same folder; whether it is gone is asked above.
        let _ = flatten(dir);
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Empties `dir` level by level, moving grandchildren up: no path grows long and no stack grows deep.
fn flatten(dir: &Path) -> io::Result<()> {
    let mut n_moved = 0_usize;
    for _ in 0..MAX_ROUNDS {
        unlock(dir)?;
        let mut is_flat = true;
        for child in fs::read_dir(dir)? {
            let child = child?;
            if !child.file_type()?.is_dir() {
                fs::remove_file(child.path())?;
                continue;
            }
            unlock(&child.path())?;
            for grandchild in fs::read_dir(child.path())? {
                let grandchild = grandchild?;
                if grandchild.file_type()?.is_dir() {
                    unlock(&grandchild.path())?;
                    n_moved += 1;
                    fs::rename(grandchild.path(), dir.join(format!(".paramedic-removal-{n_moved}")))?;
                    is_flat = false;
                } else {
                    fs::remove_file(grandchild.path())?;
                }
            }
            fs::remove_dir(child.path())?;
        }
        if is_flat {
            return Ok(());
        }
    }
    Ok(())
}

fn unlock(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_and_very_deep_folders_go() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("tree");
        fs::create_dir_all(dir.join("locked/inner")).unwrap();
        fs::write(dir.join("locked/inner/file"), "x").unwrap();
        fs::set_permissions(dir.join("locked/inner"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(dir.join("locked"), fs::Permissions::from_mode(0o500)).unwrap();
        // Built from the inside out, as no path of 3000 levels can be named.
        let (deep, next) = (dir.join("deep"), dir.join("next"));
        fs::create_dir(&deep).unwrap();
        for _ in 0..3_000 {
            fs::create_dir(&next).unwrap();
            fs::rename(&deep, next.join("deep")).unwrap();
            fs::rename(&next, &deep).unwrap();
        }
        remove(&dir).unwrap();
        assert!(!dir.exists());
    }

    #[test]
    fn what_a_link_points_to_stays() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("kept")).unwrap();
        fs::write(home.path().join("kept/file"), "x").unwrap();
        let dir = home.path().join("tree");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(home.path().join("kept"), dir.join("link")).unwrap();
        flatten(&dir).unwrap();
        remove(&dir).unwrap();
        assert!(home.path().join("kept/file").exists());
        remove(&dir).unwrap();
    }
}
