//! Reads the files of a tree as hostile input: bounded, and never through a link that leaves the tree.
use std::fs;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_DEPTH: usize = 8;
const MAX_ENTRIES: usize = 50_000;

/// Folders in which nobody keeps tests of their own.
const SKIPPED: &[&str] =
    &["node_modules", "target", "venv", "env", "vendor", "dist", "build", "site-packages", "__pycache__"];

/// Whether a name ends in `.` and `extension`.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, it)| it == extension)
}

/// The files of a tree.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// Whether a regular file of this name is in the tree.
    pub(super) fn has(&self, name: &str) -> bool {
        self.resolve(name).is_some_and(|it| it.is_file())
    }

    /// Whether a folder of this name is in the tree.
    pub(super) fn has_dir(&self, name: &str) -> bool {
        self.resolve(name).is_some_and(|it| it.is_dir())
    }

    /// Returns the beginning of a regular file as text.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        let path = self.resolve(name).filter(|it| it.is_file())?;
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Names in a folder (empty for the root), sorted.
    pub(super) fn list(&self, dir: &str) -> Vec<String> {
        let path = if dir.is_empty() { Some(self.root.clone()) } else { self.resolve(dir) };
        let entries = path.and_then(|it| fs::read_dir(it).ok());
        let names = entries.into_iter().flatten().flatten().take(MAX_ENTRIES);
        let mut names: Vec<String> = names.filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns the paths of files whose name satisfies `wanted`, shallow ones first. Hidden and generated folders are not entered.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut level = vec![String::new()];
        let mut n_seen = 0;
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for dir in &level {
                for name in self.list(dir) {
                    n_seen += 1;
                    if n_seen > MAX_ENTRIES {
                        return found;
                    }
                    let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
                    let Ok(kind) = self.root.join(&path).symlink_metadata().map(|it| it.file_type()) else { continue };
                    if kind.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                        next.push(path);
                    } else if kind.is_file() && wanted(&name) {
                        found.push(path);
                    }
                }
            }
            level = next;
        }
        found
    }

    fn resolve(&self, name: &str) -> Option<PathBuf> {
        let path = fs::canonicalize(self.root.join(name)).ok()?;
        path.starts_with(&self.root).then_some(path)
    }
}
