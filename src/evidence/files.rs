//! Which files a failure names, relative to the tree, the innermost frame first.
use crate::evidence::pattern::pattern;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Files that are reported.
pub const MAX_FILES: usize = 10;
/// Candidates that are remembered of each kind.
const MAX_CANDIDATES: usize = 200;
/// Frames of one traceback that are remembered: the innermost count.
const MAX_FRAMES: usize = 50;
const MAX_PATH_BYTES: usize = 300;

static QUICK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"File "|--> |\.[A-Za-z]\w{0,5}[:(]\d|\bin [\w/.-]+\.ya?ml\b|^(?:FAILED|ERROR) \S+\.py"#)
});
static PYTHON: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^\s*(?:E\s+)?File "(?P<path>[^"]+)"(?:, line \d+)?"#));
static RUST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:-->|:::) (?P<path>[^:\s][^:]*):\d+:\d+"));
static PANIC: LazyLock<Regex> = LazyLock::new(|| pattern(r"panicked at (?:'.*', )?(?P<path>[^:\s]+):\d+:\d+"));
/// The last line of pytest's long tracebacks.
static PYTEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?P<path>[^\s:]+\.py):\d+: [A-Z]\w+$"));
static NODE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:#\s+)?\s*(?:at )?(?:async )?(?:[^()\s][^()]*\()?(?:file://)?(?P<path>(?:[A-Za-z]:)?[^():\s]+\.[cm]?[jt]sx?):\d+:\d+\)?(?: \{)?$",
    )
});
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?:^|[\s'\x22`(\[\]=])(?P<path>(?:[A-Za-z]:)?[A-Za-z0-9_@./\\+-]+\.(?:",
        r"py|pyi|rs|go|jsx?|tsx?|[cm][jt]s|java|kts?|scala|rb|php|cc|cpp|cxx|hpp|hh|[chmrR]|mm|cs|fs|vb|swift|sh|bash|ya?ml|toml|json|md|html?|css|scss",
        r"|sql|lua|p[lm]|exs?|erl|hs|mli?|dart|jl|vue|svelte|tf|proto|xml|gradle|cmake|txt|cfg|ini))(?::\d+|\(\d+,\d+\))"
    ))
});
static MENTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bin (?P<path>[\w/.-]+\.ya?ml)\b|^(?:FAILED|ERROR) (?P<test>\S+\.py)\b"));
static WORKSPACE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:/home/runner/work/[^/]+/[^/]+/|/__w/[^/]+/[^/]+/|/github/workspace/|/builds/[^/]+/[^/]+/|[A-Za-z]:/a/[^/]+/[^/]+/)",
    )
});

/// What belongs to a language or a package manager and not to the repository.
const FOREIGN: &[&str] = &[
    "site-packages/",
    "dist-packages/",
    "node_modules/",
    "/lib/python",
    "lib/python3",
    "<frozen",
    "node:",
    "internal/process",
    "internal/modules",
    "rustc/",
    ".cargo/registry",
    "library/std/",
    "library/core/",
    "library/test/",
    "go/pkg/mod/",
    "/usr/local/go/",
    "libexec/go",
    ".pyenv/",
    ".venv/",
    "venv/lib",
    ".nvm/",
    ".tox/",
    ".nox/",
    "vendor/bundle/",
];

/// Gathers the files that the telling lines of a log name.
#[derive(Debug, Default)]
pub struct FileFinder {
    roots: Vec<String>,
    /// Frames of the traceback that is being read, the outermost first.
    open: Vec<String>,
    frames: Vec<String>,
    mentions: Vec<String>,
    /// Whether the innermost frame so far of the open traceback is the repository's.
    is_own: bool,
    own_exceptions: BTreeSet<String>,
    seen: BTreeSet<String>,
}

impl FileFinder {
    /// Starts with the folders that count as root of the tree.
    pub fn new(roots: &[String]) -> Self {
        let roots =
            roots.iter().map(|root| with_slash(&root.replace('\\', "/"))).filter(|root| root.len() > 1).collect();
        Self { roots, ..Self::default() }
    }

    /// Takes the next line.
    pub fn see(&mut self, line: &str) {
        let is_frame_text = line.starts_with([' ', '\t']);
        if !is_frame_text {
            self.note_exception(line);
            self.close();
        }
        if !QUICK.is_match(line) {
            return;
        }
        if let Some(found) = PYTHON.captures(line) {
            self.push_open(&found["path"]);
            return;
        }
        let frames = [&*RUST, &*PANIC, &*PYTEST, &*NODE];
        let frame = frames.iter().find_map(|frame| frame.captures(line));
        if let Some(found) = frame {
            if let Some(path) = self.relative(&found["path"]) {
                push_new(&mut self.frames, path);
            }
            return;
        }
        let plain = PLAIN.captures_iter(line).chain(MENTION.captures_iter(line));
        let paths: Vec<_> =
            plain.filter_map(|it| it.name("path").or_else(|| it.name("test"))).map(|it| it.as_str()).collect();
        for path in paths {
            if let Some(path) = self.relative(path) {
                push_new(&mut self.mentions, path);
            }
        }
    }

    /// Returns the files, at most ten, each once.
    pub fn finish(mut self) -> Vec<String> {
        self.close();
        let mut files = Vec::new();
        for file in self.frames.into_iter().chain(self.mentions) {
            if files.len() < MAX_FILES && self.seen.insert(file.clone()) {
                files.push(file);
            }
        }
        files
    }

    /// Returns the names of the exceptions that the repository's own code raised, as far as Python's tracebacks show. What the system
    /// refused (`[Errno 28]`) is not its own.
    pub(crate) fn own_exceptions(&self) -> impl Iterator<Item = &str> {
        self.own_exceptions.iter().map(String::as_str)
    }

    fn note_exception(&mut self, line: &str) {
        let is_own = std::mem::take(&mut self.is_own);
        if !is_own || line.contains("[Errno ") || self.own_exceptions.len() >= MAX_CANDIDATES {
            return;
        }
        let path = line.split(':').next().unwrap_or_default().trim();
        let name = path.rsplit('.').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() <= 60
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name {
            self.own_exceptions.insert(name.to_owned());
        }
    }

    fn push_open(&mut self, path: &str) {
        let path = self.relative(path);
        self.is_own = path.is_some();
        if let Some(path) = path {
            if self.open.len() >= MAX_FRAMES {
                self.open.remove(0);
            }
            self.open.push(path);
        }
    }

    /// Python prints the innermost frame last.
    fn close(&mut self) {
        while let Some(path) = self.open.pop() {
            push_new(&mut self.frames, path);
        }
    }

    /// Returns a path relative to the tree, nothing for what is outside of it.
    fn relative(&self, path: &str) -> Option<String> {
        let path = path.trim().replace('\\', "/");
        let path = path.strip_prefix("file://").unwrap_or(&path);
        let below = self.roots.iter().find_map(|root| path.strip_prefix(root.as_str()));
        let below = below.or_else(|| WORKSPACE.find(path).map(|it| &path[it.end()..]));
        let path = below.unwrap_or(path);
        let path = path.strip_prefix("./").unwrap_or(path);
        let is_absolute = path.starts_with('/') || path.as_bytes().get(1) == Some(&b':');
        let is_foreign = FOREIGN.iter().any(|part| path.contains(part)) || path.starts_with(['<', '~']);
        let climbs = path.split('/').any(|part| part == "..");
        let is_name = path.len() <= MAX_PATH_BYTES
            && path.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !path.chars().any(char::is_control);
        (!is_absolute && !is_foreign && !climbs && is_name && !path.is_empty()).then(|| path.to_owned())
    }
}

/// Returns the files that these lines name.
pub fn affected_files<S: AsRef<str>>(lines: &[S], roots: &[String]) -> Vec<String> {
    let mut finder = FileFinder::new(roots);
    for line in lines {
        finder.see(line.as_ref());
    }
    finder.finish()
}

fn push_new(list: &mut Vec<String>, path: String) {
    if list.len() < MAX_CANDIDATES && !list.contains(&path) {
        list.push(path);
    }
}

fn with_slash(root: &str) -> String {
    format!("{}/", root.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<String> {
        affected_files(&text.lines().collect::<Vec<_>>(), &["/tmp/tree".to_owned()])
    }

    #[test]
    fn the_innermost_frame_of_the_repository_comes_first() {
        let text = "Traceback (most recent call last):\n  File \"/usr/lib/python3.11/unittest/case.py\", line 57, in x\n  File \"/tmp/tree/tests/test_a.py\", line 3, in test\n    f()\n  File \"/tmp/tree/app/core.py\", line 9, in f\n    g()\n  File \"/tmp/tree/.venv/lib/python3/site-packages/x.py\", line 1, in g\nKeyError: 'a'\n";
        assert_eq!(files(text), ["app/core.py", "tests/test_a.py"]);
    }

    #[test]
    fn every_language_names_files_its_way() {
        for (line, file) in [
            ("  --> src/lib.rs:3:5", "src/lib.rs"),
            ("thread 'a' panicked at src/b.rs:3:5:", "src/b.rs"),
            ("    at Object.<anonymous> (/tmp/tree/lib/x.js:3:4)", "lib/x.js"),
            ("    at file:///tmp/tree/lib/y.mjs:3:4", "lib/y.mjs"),
            ("./main.go:3:2: undefined: foo", "main.go"),
            ("    calc_test.go:12: got 3, want 4", "calc_test.go"),
            ("src/a.ts(3,4): error TS2322: no", "src/a.ts"),
            ("src/a.c:3:4: error: no", "src/a.c"),
            ("/home/runner/work/p/p/src/z.py:3: Error", "src/z.py"),
            ("tests/test_a.py:5: AssertionError", "tests/test_a.py"),
            ("FAILED tests/test_b.py::test_c - boom", "tests/test_b.py"),
            ("error in .github/workflows/ci.yml", ".github/workflows/ci.yml"),
            ("E     File \"/tmp/tree/bad.py\", line 1", "bad.py"),
        ] {
            assert_eq!(files(line), [file], "{line}");
        }
    }

    #[test]
    fn what_is_not_of_the_repository_is_left_out() {
        for line in [
            "  File \"/usr/lib/python3.11/json/decoder.py\", line 3, in x",
            "    at Module._compile (node:internal/modules/cjs/loader:1521:14)",
            "    at x (/tmp/tree/node_modules/a/b.js:1:1)",
            "  --> /root/.cargo/registry/src/x/lib.rs:1:1",
            "../outside.py:3: x",
            "at 12:30:45 it was 3.14:15",
            "    self.assertEqual(calc.add(1,2),3)",
            "connect to example.com:443 failed",
        ] {
            assert!(files(line).is_empty(), "{line}: {:?}", files(line));
        }
        let many = (0..50).map(|n| format!("f{n}.py:1: x")).collect::<Vec<_>>().join("\n");
        assert_eq!(files(&many).len(), MAX_FILES);
    }
}
