//! Which source line a log line speaks of.
use crate::console::document::pattern::pattern;
use crate::evidence::text::has_deceptive;
use regex::Regex;
use std::sync::LazyLock;

/// Bytes above which a path is none.
const MAX_PATH: usize = 400;

static PLACES: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r#"\bFile "(?<path>[^"]+)", line (?<line>\d+)"#,
        r"\bfile=(?<path>[^,:\s]+),line=(?<line>\d+)",
        r"(?<path>[\w./@+-]+\.[A-Za-z]\w{0,9})[:(](?<line>\d+)",
    ]
    .map(pattern)
});

/// Returns the first path and line that a text names.
///
/// The path is as the log has it: whoever opens it decides whether it lies inside the tree.
pub(super) fn in_text(text: &str) -> Option<(String, u32)> {
    PLACES.iter().find_map(|pattern| {
        pattern.captures_iter(text).find_map(|found| {
            let path = &found["path"];
            let line: u32 = found["line"].parse().ok()?;
            let is_path = path.len() <= MAX_PATH
                && !path.starts_with("//")
                && !path.starts_with('-')
                && !has_deceptive(path)
                && line > 0;
            let is_host =
                !path.contains('/') && [".com", ".org", ".net", ".io", ".dev"].iter().any(|it| path.ends_with(it));
            (is_path && !is_host).then(|| (path.trim_start_matches("./").to_owned(), line))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_as_tools_write_them() {
        for (text, expected) in [
            ("tests/test_retry.py:88: AssertionError", Some(("tests/test_retry.py", 88))),
            (r#"  File "/work/a b/x.py", line 3, in f"#, Some(("/work/a b/x.py", 3))),
            ("   --> src/main.rs:10:5", Some(("src/main.rs", 10))),
            ("./main.go:3:5: undefined: x", Some(("main.go", 3))),
            ("src/x.ts(3,5): error TS2322", Some(("src/x.ts", 3))),
            ("::error file=app/a.py,line=7::boom", Some(("app/a.py", 7))),
            ("at f (lib/a.js:4:2)", Some(("lib/a.js", 4))),
            ("GET http://example.com:80/x", None),
            ("connect to db.internal.example.com:5432", None),
            ("took 12.5:3 at 10:20:30", None),
            ("-rf.sh:1", None),
            ("x.py:99999999999", None),
            ("", None),
        ] {
            let expected = expected.map(|(path, line)| (path.to_owned(), line));
            assert_eq!(in_text(text), expected, "{text}");
        }
    }
}
