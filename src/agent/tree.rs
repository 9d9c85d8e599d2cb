//! Files of a scratch tree, reached without ever leaving it: no `..`, no absolute path, no symlink on the way, never git's own folder.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// Largest file that is read or written.
pub(crate) const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const MAX_PATH_BYTES: usize = 1_024;
const MAX_WALKED: usize = 20_000;
const MAX_DEPTH: usize = 24;

/// Folders that tools fill and people do not write in.
const LEFTOVERS: &[&str] = &[
    ".git",
    ".hg",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "site-packages",
    "target",
    "venv",
];

/// One change to a tree; several are made together or not at all, as far as they can be checked beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Write { file: String, content: String },
    Delete { file: String },
    MakeExecutable { file: String },
}

impl Change {
    pub(crate) fn file(&self) -> &str {
        match self {
            Self::Write { file, .. } | Self::Delete { file } | Self::MakeExecutable { file } => file,
        }
    }
}

/// The files below one folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeFiles<'a> {
    root: &'a Path,
}

impl<'a> TreeFiles<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// Returns a file as text; `None` if it is missing, too large, not UTF-8, not a regular file, or not inside the tree.
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        let path = self.locate(file).ok()?;
        let meta = fs::symlink_metadata(&path).ok()?;
        if !meta.is_file() || meta.len() > MAX_FILE_BYTES {
            return None;
        }
        let mut bytes = Vec::new();
        fs::File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Returns the permission bits and the first two bytes of a regular file.
    pub(crate) fn mode_and_magic(&self, file: &str) -> Option<(u32, Vec<u8>)> {
        let path = self.locate(file).ok()?;
        let meta = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let mut magic = Vec::new();
        fs::File::open(path).ok()?.take(2).read_to_end(&mut magic).ok()?;
        Some((meta.permissions().mode(), magic))
    }

    pub(crate) fn is_file(&self, file: &str) -> bool {
        self.locate(file).is_ok_and(|it| fs::symlink_metadata(it).is_ok_and(|it| it.is_file()))
    }

    /// Returns the tree's files, sorted, without what tools leave behind and without symlinks. Bounded.
    pub(crate) fn walk(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let Ok(entries) = fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(kind) = entry.file_type() else { continue };
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if kind.is_dir() && depth < MAX_DEPTH && !LEFTOVERS.contains(&name.as_str()) {
                    folders.push((path, depth + 1));
                } else if kind.is_file() {
                    found.push(path);
                }
                if found.len() >= MAX_WALKED {
                    found.sort();
                    return found;
                }
            }
        }
        found.sort();
        found
    }

    /// Makes the changes; every path is checked before the first is made.
    pub(crate) fn apply(&self, changes: &[Change]) -> io::Result<()> {
        for change in changes {
            let path = self.locate(change.file())?;
            let is_there = match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_file() => true,
                Ok(_) => return Err(refuse(change.file(), "is no regular file")),
                Err(_) => false,
            };
            if !is_there && !matches!(change, Change::Write { .. }) {
                return Err(refuse(change.file(), "is not there"));
            }
            if matches!(change, Change::Write { content, .. } if content.len() as u64 > MAX_FILE_BYTES) {
                return Err(refuse(change.file(), "would become too large"));
            }
        }
        changes.iter().try_for_each(|it| self.make(it))
    }

    fn make(&self, change: &Change) -> io::Result<()> {
        let path = self.locate(change.file())?;
        match change {
            Change::Write { content, .. } => replace(&path, content.as_bytes()),
            Change::Delete { .. } => fs::remove_file(path),
            Change::MakeExecutable { .. } => {
                let mode = fs::symlink_metadata(&path)?.permissions().mode();
                fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o111))
            }
        }
    }

    /// Returns where a path given relative to the tree is, having checked each folder on the way.
    fn locate(&self, file: &str) -> io::Result<PathBuf> {
        if file.is_empty() || file.len() > MAX_PATH_BYTES || file.contains('\0') || file.ends_with('/') {
            return Err(refuse(file, "is no file name"));
        }
        let mut path = self.root.to_path_buf();
        let mut is_missing = false;
        let components: Vec<_> = Path::new(file).components().collect();
        for (idx, component) in components.iter().enumerate() {
            let name = match component {
                Component::CurDir => continue,
                Component::Normal(name) => name,
                _ => return Err(refuse(file, "leaves the tree")),
            };
            if name.eq_ignore_ascii_case(".git") {
                return Err(refuse(file, "belongs to git"));
            }
            path.push(name);
            if is_missing {
                continue;
            }
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.file_type().is_symlink() => return Err(refuse(file, "passes through a symlink")),
                Ok(meta) if !meta.is_dir() && idx + 1 < components.len() => {
                    return Err(refuse(file, "passes through a file"));
                }
                Ok(_) => (),
                Err(error) if error.kind() == io::ErrorKind::NotFound => is_missing = true,
                Err(error) => return Err(error),
            }
        }
        if path == self.root {
            return Err(refuse(file, "is no file name"));
        }
        Ok(path)
    }
}

fn refuse(file: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("`{}` {why}", file.escape_debug()))
}

/// Writes a file beside its place and moves it there, so that nobody sees half of it and a link is never written through.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mode = fs::symlink_metadata(path).map_or(0o644, |it| it.permissions().mode() & 0o777);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, content)?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    file.persist(path).map_err(|it| it.error)?;
    Ok(())
}

/// The content of some files at one moment, to say what a tool changed and to take it back.
#[derive(Debug)]
pub(crate) struct Snapshot {
    files: BTreeMap<String, Vec<u8>>,
}

impl Snapshot {
    /// Takes the files that `is_wanted` names; `None` if they are more than can be held.
    pub(crate) fn take(tree: TreeFiles<'_>, is_wanted: impl Fn(&str) -> bool) -> Option<Self> {
        const MAX_BYTES: usize = 64 * 1024 * 1024;
        let mut files = BTreeMap::new();
        let mut n_bytes = 0;
        for file in tree.walk().into_iter().filter(|it| is_wanted(it)) {
            let bytes = fs::read(tree.locate(&file).ok()?).ok()?;
            n_bytes += bytes.len();
            if n_bytes > MAX_BYTES {
                return None;
            }
            files.insert(file, bytes);
        }
        Some(Self { files })
    }

    /// Returns the files that differ from a later snapshot.
    pub(crate) fn changed(&self, later: &Self) -> Vec<String> {
        let mut names: Vec<_> = self.files.keys().chain(later.files.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names.retain(|it| self.files.get(it) != later.files.get(it));
        names
    }

    /// Puts the files of `changed` back as they were.
    pub(crate) fn restore(&self, tree: TreeFiles<'_>, changed: &[String]) -> io::Result<()> {
        for file in changed {
            let path = tree.locate(file)?;
            match self.files.get(file) {
                Some(bytes) => replace(&path, bytes)?,
                None => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &str, content: &str) -> Change {
        Change::Write { file: file.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn no_path_leads_out_of_the_tree() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
        let tree = TreeFiles::new(root.path());
        let absolute = outside.path().join("secret").display().to_string();
        for hostile in
            ["../x", "a/../../x", &absolute, "link/secret", "file", ".git/config", "a/.GIT/x", "", ".", "a\0b"]
        {
            assert!(tree.text(hostile).is_none(), "{hostile:?} read");
            let before = fs::read_dir(root.path()).unwrap().count();
            assert!(tree.apply(&[write("fine", "x"), write(hostile, "x")]).is_err(), "{hostile:?} written");
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), before, "{hostile:?}: half of it was done");
        }
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "s");
        assert!(tree.walk().is_empty(), "symlinks are not walked");
    }

    #[test]
    fn writing_keeps_the_mode_and_makes_folders() {
        let root = tempfile::tempdir().unwrap();
        let tree = TreeFiles::new(root.path());
        tree.apply(&[write("a/b.sh", "one")]).unwrap();
        tree.apply(&[Change::MakeExecutable { file: "a/b.sh".to_owned() }]).unwrap();
        tree.apply(&[write("a/b.sh", "two")]).unwrap();
        assert_eq!(tree.text("a/b.sh").as_deref(), Some("two"));
        assert_eq!(tree.mode_and_magic("a/b.sh").unwrap().0 & 0o777, 0o755);
    }

    #[test]
    fn a_snapshot_tells_and_undoes_changes() {
        let root = tempfile::tempdir().unwrap();
        let tree = TreeFiles::new(root.path());
        tree.apply(&[write("a.rs", "1"), write("b.rs", "1"), write("c.txt", "1")]).unwrap();
        let take = || Snapshot::take(tree, |it| it != "c.txt").unwrap();
        let before = take();
        tree.apply(&[write("a.rs", "2"), write("new.rs", "1"), write("c.txt", "2")]).unwrap();
        let changed = before.changed(&take());
        assert_eq!(changed, ["a.rs", "new.rs"]);
        before.restore(tree, &changed).unwrap();
        assert!(before.changed(&take()).is_empty());
    }
}
