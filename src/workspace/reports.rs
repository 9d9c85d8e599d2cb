//! Finds the `JUnit` files that a run left in its tree: hostile input, bounded, never through a link.
use crate::evidence::report::junit::Account;
use std::fs;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

const MAX_DEPTH: usize = 8;
const MAX_ENTRIES: usize = 50_000;
const MAX_FILES: usize = 500;
/// Bytes of all files that are read.
const MAX_BYTES: u64 = 32 << 20;

/// Folders in which no runner leaves its reports.
const SKIPPED: &[&str] = &[".git", "node_modules", "venv", ".venv", "site-packages", "__pycache__"];

/// Reads what was written below `root` at `since` or later. What is no report is passed over.
pub(super) fn read(root: &Path, since: SystemTime) -> Account {
    let mut account = Account::default();
    let mut n_left = MAX_BYTES;
    for path in written(root, since).into_iter().take(MAX_FILES) {
        let mut xml = Vec::new();
        let Ok(file) = File::open(&path) else { continue };
        if let Ok(n_read) = file.take(n_left).read_to_end(&mut xml) {
            n_left -= n_read as u64;
            // One that is cut short counts as far as it goes: its tests are missing then.
            let _ = account.add(&xml);
        }
    }
    account
}

/// Returns the XML files that were written at `since` or later, shallow ones first.
fn written(root: &Path, since: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    let mut n_seen = 0;
    for _ in 0..MAX_DEPTH {
        let folders = std::mem::take(&mut level);
        for entry in folders.iter().filter_map(|it| fs::read_dir(it).ok()).flatten().flatten() {
            n_seen += 1;
            if n_seen > MAX_ENTRIES {
                return found;
            }
            let Ok(kind) = entry.metadata() else { continue };
            let path = entry.path();
            let is_xml = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("xml"));
            if kind.is_dir() && !SKIPPED.iter().any(|it| entry.file_name() == *it) {
                level.push(path);
            } else if kind.is_file() && is_xml && kind.modified().is_ok_and(|it| it >= since) {
                found.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_reports_of_the_run_itself_are_read() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        let report = |name: &str| format!("<testsuite><testcase name='{name}'/></testsuite>");
        for (path, text) in [
            ("tree/old.xml", report("old")),
            ("tree/build/test-results/test/TEST-a.xml", report("a")),
            ("tree/reports/b.XML", report("b")),
            ("tree/reports/cut.xml", "<testsuite><testcase name='c'/><testca".to_owned()),
            ("tree/pom.xml", "<project/>".to_owned()),
            ("tree/notes.txt", report("text")),
            ("tree/node_modules/x/r.xml", report("foreign")),
            ("outside.xml", report("outside")),
        ] {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let since = fs::metadata(root.join("old.xml")).unwrap().modified().unwrap();
        let before = since - Duration::from_mins(1);
        File::options().write(true).open(root.join("old.xml")).unwrap().set_modified(before).unwrap();
        std::os::unix::fs::symlink(home.path().join("outside.xml"), root.join("link.xml")).unwrap();
        let names: Vec<_> = read(&root, since).into_report().tests.into_keys().collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
