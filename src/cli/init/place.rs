//! Puts files into a checkout: everything is looked at before anything is written, nothing leads out of it, and each file appears whole.
use crate::cli::init::files::Wanted;
use crate::config::values::shown;
use serde::Serialize;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How much of a file that is there already is read.
const MAX_OLD_BYTES: u64 = 1 << 20;

/// What is there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Missing,
    Different,
    Unchanged,
}

/// A file with what is there in its place.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) file: Wanted,
    pub(super) state: State,
    pub(super) old: Option<String>,
}

/// Looks at the place of each file; the error says which one cannot be used and why.
pub(super) fn plan(root: &Path, files: impl Iterator<Item = Wanted>) -> Result<Vec<Planned>, String> {
    let look = |file: Wanted| {
        let old = read(root, file.path)?;
        let state = match &old {
            None => State::Missing,
            Some(old) if *old == file.content => State::Unchanged,
            Some(_) => State::Different,
        };
        Ok(Planned { file, state, old })
    };
    files.map(look).collect()
}

/// Returns what a file holds, none where there is none. A link on the way could lead anywhere, so none is followed.
fn read(root: &Path, path: &str) -> Result<Option<String>, String> {
    let mut place = root.to_owned();
    for name in Path::new(path) {
        place.push(name);
        let kind = match place.symlink_metadata() {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot look at {}: {error}", shown(&place))),
        };
        let is_last = place == root.join(path);
        let what = if is_last { "file" } else { "folder" };
        if kind.is_symlink() {
            return Err(format!(
                "{} is a symbolic link, and nothing is written through one; put a {what} there",
                shown(&place)
            ));
        }
        if (is_last && !kind.is_file()) || (!is_last && !kind.is_dir()) {
            return Err(format!("{} is in the way: it is no {what}; move it", shown(&place)));
        }
    }
    let mut bytes = Vec::new();
    let read = File::open(&place).and_then(|it| it.take(MAX_OLD_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot read {}: {error}", shown(&place)))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes every file that is missing or different. All are made beside their places before the first one is put there.
pub(super) fn write(root: &Path, planned: &[Planned]) -> Result<(), String> {
    let mut folders = Folders(Vec::new());
    let mut staged = Vec::new();
    for it in planned.iter().filter(|it| it.state != State::Unchanged) {
        let place = root.join(it.file.path);
        let file = stage(&place, &it.file.content, &mut folders)
            .map_err(|error| format!("cannot write {}: {error}; nothing was written", shown(&place)))?;
        staged.push((file, place));
    }
    for (file, place) in staged {
        file.persist(&place).map_err(|it| format!("cannot write {}: {}", shown(&place), it.error))?;
    }
    folders.0.clear();
    Ok(())
}

fn stage(place: &Path, content: &str, folders: &mut Folders) -> io::Result<NamedTempFile> {
    let folder = place.parent().unwrap_or(place);
    folders.make(folder)?;
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".paramedic-").permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Folders that were made for files; those still empty are removed again when the files do not come.
struct Folders(Vec<PathBuf>);

impl Folders {
    fn make(&mut self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make(above)?;
        }
        fs::create_dir(folder)?;
        self.0.push(folder.to_owned());
        Ok(())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
