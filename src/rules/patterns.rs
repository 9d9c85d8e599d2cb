//! Lists of names with `*` in them.
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::borrow::Cow;

/// A checked list of patterns.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
}

/// What a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Names and paths of workflows: upper and lower case are the same, `*` is any text, and everything else is what it is.
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
            let written = match subject {
                Subject::Workflow => Cow::Owned(globset::escape(pattern).replace("[*]", "*")),
                Subject::Branch | Subject::File => Cow::Borrowed(pattern),
            };
            let glob = GlobBuilder::new(&written)
                .backslash_escape(subject != Subject::Workflow)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_known_by_its_name_whatever_is_in_it() {
        for name in ["Deploy [prod]", "{a,b}", "Really?", "a\\b", "[*]", "[", "}", "[!a]", "**"] {
            let is_match = |it: &str| Patterns::new(&[name], Subject::Workflow).unwrap().is_match(it);
            assert!(is_match(name) && is_match(&name.to_uppercase()), "{name}");
        }
        for (pattern, name, expected) in [
            ("Deploy [prod]", "Deploy p", false),
            ("{a,b}", "a", false),
            ("Really?", "Really!", false),
            ("Deploy [*]", "deploy [test / x]", true),
            ("Deploy [*]", "deploy x", false),
            (".github/workflows/*.yml", ".github/workflows/ci.yml", true),
        ] {
            let patterns = Patterns::new(&[pattern], Subject::Workflow).unwrap();
            assert_eq!(patterns.is_match(name), expected, "{pattern} {name}");
        }
    }
}
