//! Lists of names with `*` in them.
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A checked list of patterns.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
}

/// What a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Names and paths of workflows: upper and lower case are the same, `*` is any text.
    Workflow,
    /// Branches: exact, `*` stays between two slashes, `**` does not.
    Branch,
    /// Paths of files: exact, `*` stays within a folder.
    File,
}

impl Patterns {
    /// Compiles a list; the error has the index of the bad pattern and what is wrong with it.
    pub(super) fn new<T: AsRef<str>>(patterns: &[T], subject: Subject) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        for (idx, pattern) in patterns.iter().enumerate() {
            let pattern = pattern.as_ref();
            let glob = GlobBuilder::new(pattern)
                .case_insensitive(subject == Subject::Workflow)
                .literal_separator(subject != Subject::Workflow)
                .build()
                .map_err(|bad| (idx, format!("`{pattern}` is no pattern: {}", bad.kind())))?;
            builder.add(glob);
        }
        let set = builder.build().map_err(|bad| (0, format!("the patterns are too large: {}", bad.kind())))?;
        Ok(Self { set })
    }

    /// Whether one of the patterns fits.
    pub fn is_match(&self, name: &str) -> bool {
        self.set.is_match(name)
    }
}
