//! Writes private git folders by hand: nothing of the user's configuration is in them, objects are borrowed from the user's repository.
use crate::workspace::WorkspaceError;
use crate::workspace::git::home::failed;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::path::PathBuf;

/// How far borrowed stores may borrow from others, as in git.
const MAX_DEPTH: usize = 5;

/// Takes the highest precedence of all attributes: no program is run on contents, and only contents tell text from binary.
const ATTRIBUTES: &str = "* !filter !diff !merge !ident\n";

/// Object stores to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objects(Vec<PathBuf>);

impl Objects {
    /// The store at `dir` and those that it borrows from.
    pub(super) fn borrowed_from(dir: &Path) -> Self {
        let mut found = Vec::new();
        chain(dir, MAX_DEPTH, &mut found);
        Self(found)
    }

    /// The stores that a private git folder borrows from.
    pub(super) fn of(git_dir: &Path) -> Self {
        Self(alternates(&git_dir.join("objects")))
    }

    fn alternates_file(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for path in &self.0 {
            text.extend(quoted(path.as_os_str().as_bytes()));
            text.push(b'\n');
        }
        text
    }
}

/// A git folder of our own making.
#[derive(Debug)]
pub(super) struct GitDir(PathBuf);

impl GitDir {
    /// Writes a git folder at `path` whose HEAD is `head`, detached, or no commit yet.
    pub(super) fn write(path: &Path, objects: &Objects, head: Option<&str>) -> Result<Self, WorkspaceError> {
        let head_text = head.map_or("ref: refs/heads/none\n".to_owned(), |commit| format!("{commit}\n"));
        let is_sha256 = head.is_some_and(|it| it.len() == 64);
        let write = || -> io::Result<()> {
            // What git needs to know a repository by; everything else it makes itself.
            for dir in ["objects/info", "refs", "info"] {
                fs::create_dir_all(path.join(dir))?;
            }
            fs::write(path.join("HEAD"), head_text)?;
            fs::write(path.join("config"), config(is_sha256))?;
            fs::write(path.join("info/attributes"), ATTRIBUTES)?;
            fs::write(path.join("objects/info/alternates"), objects.alternates_file())
        };
        write().map_err(|it| failed(path, it))?;
        Ok(Self(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Stores branches and tags, given as lines of `object refname` in git's order.
    pub(super) fn write_refs(&self, lines: &[u8]) -> Result<(), WorkspaceError> {
        let mut text = b"# pack-refs with: sorted \n".to_vec();
        text.extend_from_slice(lines);
        self.write_file("packed-refs", &text)
    }

    pub(super) fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let path = self.0.join(name);
        fs::write(&path, bytes).map_err(|it| failed(&path, it))
    }
}

fn config(is_sha256: bool) -> String {
    let (version, format) = if is_sha256 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
    format!(
        "[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
         \tlogAllRefUpdates = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[protocol]\n\tallow = never\n{format}"
    )
}

fn chain(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    if found.contains(&dir) {
        return;
    }
    let next = alternates(&dir);
    found.push(dir);
    if depth > 0 {
        for store in next {
            chain(&store, depth - 1, found);
        }
    }
}

/// Reads which stores the store at `dir` borrows from.
fn alternates(dir: &Path) -> Vec<PathBuf> {
    let text = fs::read(dir.join("info/alternates")).unwrap_or_default();
    let lines = text.split(|it| *it == b'\n').filter(|it| !it.is_empty() && !it.starts_with(b"#"));
    lines.map(|line| dir.join(OsString::from_vec(unquoted(line)))).collect()
}

/// Writes a path as git's `alternates` file wants it: one line, quoted like C where it would be misread.
fn quoted(path: &[u8]) -> Vec<u8> {
    if !path.contains(&b'\n') && !path.starts_with(b"\"") && !path.starts_with(b"#") {
        return path.to_vec();
    }
    let mut text = vec![b'"'];
    for byte in path {
        match byte {
            b'\n' => text.extend(b"\\n"),
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}

fn unquoted(line: &[u8]) -> Vec<u8> {
    let Some(inner) = line.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")) else { return line.to_vec() };
    let mut path = Vec::new();
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => path.push(bytes.next().map_or(b'\\', |it| if *it == b'n' { b'\n' } else { *it })),
            _ => path.push(*byte),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_survive_the_alternates_file() {
        for path in ["/plain path", "/new\nline", "#hash", "\"quoted\"", "/back\\slash\n\"x"] {
            let text = quoted(path.as_bytes());
            assert!(!text.contains(&b'\n'));
            assert_eq!(unquoted(&text), path.as_bytes(), "{path:?}");
        }
    }

    #[test]
    fn stores_that_borrow_are_followed_and_circles_end() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let [one, two] = ["one", "two"].map(|name| home.join(name).join("objects"));
        for (store, other) in [(&one, "../../two/objects"), (&two, "../../one/objects")] {
            fs::create_dir_all(store.join("info")).unwrap();
            fs::write(store.join("info/alternates"), format!("# note\n{other}\n")).unwrap();
        }
        assert_eq!(Objects::borrowed_from(&one), Objects(vec![one, two]));
    }
}
