//! Path globs that mean what they mean in a `.gitignore`.
use globset::GlobBuilder;
use globset::GlobSet;
use globset::GlobSetBuilder;

/// A checked list of globs; a directory that matches covers everything below it.
#[derive(Debug, Clone)]
pub struct Globs {
    set: GlobSet,
    /// Which glob, as its author wrote it, each compiled one belongs to.
    sources: Vec<String>,
}

/// Whether `A` and `a` are the same: they are where a match forbids, they are not where a match permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Insensitive,
}

impl Globs {
    /// Compiles a list; the error names the first bad glob by its index and says what is wrong.
    pub fn new<T: AsRef<str>>(globs: &[T], case: Case) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        let mut sources = Vec::new();
        for (idx, glob) in globs.iter().enumerate() {
            let glob = glob.as_ref();
            for pattern in expand(glob).map_err(|why| (idx, why))? {
                let compiled = GlobBuilder::new(&pattern)
                    .literal_separator(true)
                    .backslash_escape(true)
                    .case_insensitive(case == Case::Insensitive)
                    .build()
                    .map_err(|bad| (idx, format!("`{glob}` is no glob: {}", bad.kind())))?;
                builder.add(compiled);
                sources.push(glob.to_owned());
            }
        }
        let set = builder.build().map_err(|bad| (0, format!("the globs are too many or too large: {}", bad.kind())))?;
        Ok(Self { set, sources })
    }

    /// Whether a path, or a directory above it, matches.
    pub fn is_match(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Returns the first glob that matches, as its author wrote it.
    pub fn find(&self, path: &str) -> Option<&str> {
        let idx = self.set.matches(path).into_iter().min()?;
        self.sources.get(idx).map(String::as_str)
    }
}

/// Turns one `.gitignore` glob into the anchored patterns it stands for.
fn expand(glob: &str) -> Result<[String; 2], String> {
    let text = glob.trim();
    let why = if text.is_empty() {
        "a glob is empty"
    } else if text.starts_with('!') {
        "exceptions (`!`) are not supported: a later line cannot take protection away; list what is meant"
    } else if text.starts_with('#') {
        "begins with `#`, which starts a comment in a .gitignore; write `\\#`"
    } else if text.contains(['{', '}']) {
        "has braces, which mean nothing in a .gitignore; write one glob for each alternative"
    } else if text.split('/').any(|it| it == "..") {
        "holds `..`, which never matches"
    } else {
        ""
    };
    if !why.is_empty() {
        return Err(format!("`{}`: {why}", crate::evidence::text::clean_line(text)));
    }
    let text = text.trim_start_matches("./");
    let is_dir = text.ends_with('/') || text.ends_with("/**");
    let body = text.trim_end_matches("/**").trim_end_matches('/');
    // As in a .gitignore, a separator in front or in the middle anchors the glob; one at the end does not.
    let is_anchored = body.contains('/') || text.ends_with("/**");
    let body = body.trim_start_matches('/');
    if body.is_empty() || body == "**" {
        return Ok(["**".to_owned(), "**".to_owned()]);
    }
    let body = if is_anchored { body.to_owned() } else { format!("**/{body}") };
    let below = format!("{body}/**");
    Ok([if is_dir { below.clone() } else { body }, below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        Globs::new(&[glob], Case::Sensitive).unwrap().is_match(path)
    }

    #[test]
    fn globs_mean_what_a_gitignore_means() {
        for (glob, path, is_match) in [
            ("*.lock", "a.lock", true),
            ("*.lock", "sub/dir/a.lock", true),
            ("**/*.lock", "a.lock", true),
            ("/a.py", "a.py", true),
            ("/a.py", "sub/a.py", false),
            ("core/*.py", "core/a.py", true),
            ("core/*.py", "core/sub/a.py", false),
            ("core/*.py", "x/core/a.py", false),
            ("core/security/**", "core/security/a/b.py", true),
            ("core/security/**", "core/security", false),
            ("core/security", "core/security/a.py", true),
            ("core/**/x", "core/a/b/x", true),
            ("tests/", "tests/a.py", true),
            ("tests/", "sub/tests/a.py", true),
            ("tests/", "tests", false),
            ("tests/**", "sub/tests/a.py", false),
            ("docs", "a/docs/b/c", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[ab].py", "b.py", true),
            ("./x/y", "x/y", true),
            ("\\#x", "#x", true),
            ("with blank.py", "sub/with blank.py", true),
            ("*", "any/thing", true),
            ("**", "any/thing", true),
            ("/", "any/thing", true),
        ] {
            assert_eq!(matches(glob, path), is_match, "{glob} {path}");
        }
    }

    #[test]
    fn a_bad_glob_says_what_is_wrong() {
        for glob in ["", "  ", "!x", "#x", "{a,b}", "a/../b", "[a", "x\\"] {
            assert!(Globs::new(&[glob], Case::Sensitive).is_err(), "{glob:?}");
        }
        let (idx, why) = Globs::new(&["ok", "!x"], Case::Sensitive).unwrap_err();
        assert_eq!(idx, 1);
        assert!(why.contains("`!`"), "{why}");
    }

    #[test]
    fn the_glob_that_matched_is_named() {
        let globs = Globs::new(&["a/**", "*.PEM"], Case::Insensitive).unwrap();
        assert_eq!(globs.find("x/y.pem"), Some("*.PEM"));
        assert_eq!(globs.find("b"), None);
    }
}
