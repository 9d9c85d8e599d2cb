//! What a fixer may look at: the log's lines with their numbers, and the tree's files.
use crate::agent::Task;
use crate::agent::tree::TreeFiles;
use std::cell::Cell;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// Lines of a log that a fixer quotes are cut here.
const MAX_QUOTE_CHARS: usize = 160;
/// How much of a tree is searched for imports and the like.
const MAX_SCANNED_BYTES: usize = 64 * 1024 * 1024;

/// One line of the failing log.
#[derive(Debug, Clone)]
pub(super) struct LogLine {
    /// In the raw log, where known.
    pub(super) number: Option<u64>,
    pub(super) text: String,
}

impl LogLine {
    /// Quotes the line with its number, for a diagnosis.
    pub(super) fn quote(&self) -> String {
        let text = self.text.trim();
        let short: String = text.chars().take(MAX_QUOTE_CHARS).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        match self.number {
            Some(number) => format!("log line {number}: `{short}{dots}`"),
            None => format!("in the log: `{short}{dots}`"),
        }
    }
}

/// A failing log and the tree it failed in.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) tree: TreeFiles<'a>,
    pub(super) lines: Vec<LogLine>,
    files: OnceCell<Vec<String>>,
    left_to_scan: Cell<usize>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(task: &'a Task<'a>) -> Self {
        Self {
            task,
            tree: TreeFiles::new(task.tree),
            lines: lines_of(task),
            files: OnceCell::new(),
            left_to_scan: Cell::new(MAX_SCANNED_BYTES),
        }
    }

    /// Returns the tree's files, sorted.
    pub(super) fn files(&self) -> &[String] {
        self.files.get_or_init(|| self.tree.walk())
    }

    /// Returns a file's text for a search through many files; nothing once enough was read.
    pub(super) fn scan(&self, file: &str) -> Option<String> {
        let left = self.left_to_scan.get();
        if left == 0 {
            return None;
        }
        let text = self.tree.text(file)?;
        self.left_to_scan.set(left.saturating_sub(text.len()));
        Some(text)
    }

    /// Returns the one file of the tree that a path from the log means: itself, or the only file whose path ends so.
    pub(super) fn file_meant_by(&self, path: &str) -> Option<&str> {
        let root = self.task.tree.to_string_lossy();
        let path = path.strip_prefix(root.as_ref()).and_then(|it| it.strip_prefix('/')).unwrap_or(path);
        let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty() && *it != ".").collect();
        if parts.contains(&"..") || parts.is_empty() {
            return None;
        }
        let is_absolute = path.starts_with('/');
        // An absolute path was seen in another tree or on a runner: its longest tail that is here is meant.
        let n_tails = if is_absolute { parts.len() } else { 1 };
        for skip in 0..n_tails {
            let tail = parts[skip..].join("/");
            if let Ok(idx) = self.files().binary_search(&tail) {
                return Some(&self.files()[idx]);
            }
        }
        let ending = format!("/{}", parts.join("/"));
        let mut ending_so = self.files().iter().filter(|it| it.ends_with(&ending));
        let first = ending_so.next()?;
        ending_so.next().is_none().then_some(first.as_str())
    }
}

/// Whether a path ends in one of `endings`, which tools tell apart by case.
pub(super) fn has_ending(file: &str, endings: &[&str]) -> bool {
    endings.iter().any(|it| file.ends_with(it))
}

/// Collects the evidence lines and the reduced log's lines, each once, in the log's order; lines without a number come last.
fn lines_of(task: &Task<'_>) -> Vec<LogLine> {
    let mut numbered = BTreeMap::new();
    let mut unnumbered = Vec::new();
    for line in task.failure.reduced_log.lines() {
        match numbered_line(line) {
            Some((number, text)) => {
                numbered.insert(number, text.to_owned());
            }
            None => unnumbered.push(LogLine { number: None, text: line.to_owned() }),
        }
    }
    // Evidence lines come second: they are whole, the reduced log may have cut them.
    numbered.extend(task.failure.lines.iter().map(|it| (it.number, it.text.clone())));
    let numbered = numbered.into_iter().map(|(number, text)| LogLine { number: Some(number), text });
    numbered.chain(unnumbered).collect()
}

fn numbered_line(line: &str) -> Option<(u64, &str)> {
    let (number, text) = line.split_once('|')?;
    let number = number.trim().parse().ok()?;
    Some((number, text.strip_prefix(' ').unwrap_or(text)))
}
