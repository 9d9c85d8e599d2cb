//! The policy of a repository: what a patch may touch and how large it may be. Read from the base commit, checked as a whole.
use crate::domain::verdict::Finding;
use crate::domain::verdict::Verdict;
use crate::guard::glob::Case;
use crate::guard::glob::Globs;
use serde::Deserialize;
use toml::Spanned;

/// Where a repository keeps its policy.
pub const POLICY_PATHS: &[&str] = &[".paramedic/policy.toml"];
/// Where a repository keeps its plain list of protected paths.
pub const PROTECTED_PATHS: &[&str] = &[".lukhas/protected-files.yml", ".paramedic/protected-files.yml"];
/// Most files a policy may allow.
pub const MAX_FILES_CEILING: u64 = 20;

const DEFAULT_MAX_FILES: u64 = 2;
const DEFAULT_MAX_LINES: u64 = 40;
const DEFAULT_UNCOUNTED: &[&str] =
    &["*.lock", "*.lockb", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum"];
/// What tells a service which commands to run, mostly with secrets at hand. Robots that merge or review are no matter of a policy: `rules::paths`
/// has them.
const DEFAULT_CI: &[&str] = &[
    ".github/workflows/**",
    ".github/actions/**",
    ".gitlab-ci.yml",
    ".gitlab/ci/**",
    ".circleci/**",
    "Jenkinsfile*",
    ".travis.yml",
    "azure-pipelines*.yml",
    "azure-pipelines*.yaml",
    ".azure-pipelines/**",
    "bitbucket-pipelines.yml",
    ".buildkite/**",
    ".drone.yml",
    ".woodpecker.yml",
    ".woodpecker/**",
    "appveyor.yml",
    ".appveyor.yml",
    ".cirrus.yml",
    ".semaphore/**",
    ".teamcity/**",
    ".forgejo/**",
    ".gitea/**",
    ".ci/**",
    "buildspec*.yml",
    "buildspec*.yaml",
    "cloudbuild*.yml",
    "cloudbuild*.yaml",
    "Dangerfile*",
    "codecov.yml",
    ".codecov.yml",
];
const DEFAULT_TESTS: &[&str] = &[
    // Directories.
    "tests/",
    "test/",
    "__tests__/",
    "spec/",
    "specs/",
    "testdata/",
    "__snapshots__/",
    "e2e/",
    "cypress/",
    // Python, and programs that are their own tests.
    "test_*.py",
    "*_test.py",
    "*_tests.py",
    "test.py",
    "tests.py",
    "conftest.py",
    "test*.sh",
    "*_test.sh",
    "run_tests*",
    "run-tests*",
    "runtests*",
    "*.bats",
    // JavaScript and TypeScript.
    "*.test.*",
    "*.spec.*",
    "test.js",
    "test.mjs",
    "test.cjs",
    "test.ts",
    "*-test.js",
    "*_test.js",
    "*_test.ts",
    // Rust, Go, C.
    "tests.rs",
    "*_test.rs",
    "*_tests.rs",
    "test_*.rs",
    "*_test.go",
    "test_*.c",
    "*_test.c",
    "test_*.cpp",
    "*_test.cpp",
    "*_test.cc",
    "*_unittest.cc",
    // The JVM, .NET, PHP, Ruby, Elixir, Swift, Dart.
    "*Test.java",
    "*Tests.java",
    "*IT.java",
    "Test*.java",
    "*Test.kt",
    "*Tests.kt",
    "*Spec.scala",
    "*Test.scala",
    "*Spec.groovy",
    "*Test.cs",
    "*Tests.cs",
    "*Test.php",
    "*_spec.rb",
    "*_test.rb",
    "test_*.rb",
    "*_test.exs",
    "*Tests.swift",
    "*_test.dart",
    // Recorded expectations.
    "*.snap",
    "*.golden",
    "*.stderr",
];

/// What a patch is judged by; every value is checked.
#[derive(Debug, Clone)]
pub struct Policy {
    pub max_files: usize,
    pub max_lines: usize,
    /// Command to run after the proof, before a merge.
    pub canary: Option<String>,
    uncounted: Globs,
    protected: Globs,
    ci: Globs,
    tests: Globs,
}

/// Why a policy cannot be used; a policy that is not understood permits nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct PolicyError {
    pub file: String,
    /// Line in that file, 1-based.
    pub line: u32,
    pub message: String,
}

impl PolicyError {
    /// Returns the error as the one finding of a judgement: nothing passes a policy that is not understood.
    pub fn to_finding(&self) -> Finding {
        Finding {
            file: self.file.clone(),
            line: Some(self.line),
            rule: "invalid-policy".to_owned(),
            reason: format!("the policy cannot be read, so nothing is permitted: {}", self.message),
            verdict: Verdict::Violation,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    max_files: Option<Spanned<u64>>,
    max_lines: Option<Spanned<u64>>,
    uncounted: Option<Vec<Spanned<String>>>,
    protected: Option<Vec<Spanned<String>>>,
    ci: Option<Vec<Spanned<String>>>,
    tests: Option<Vec<Spanned<String>>>,
    canary: Option<Spanned<String>>,
}

/// A glob with the place it stands in.
struct Placed {
    glob: String,
    file: String,
    line: u32,
}

impl AsRef<str> for Placed {
    fn as_ref(&self) -> &str {
        &self.glob
    }
}

impl Policy {
    /// Checks a policy file and any number of protected-files lists, each `(name, text)`; absent files mean the defaults.
    pub fn from_sources(policy_toml: Option<&str>, protected_lists: &[(&str, &str)]) -> Result<Self, PolicyError> {
        let source = Source { file: POLICY_PATHS[0], text: policy_toml.unwrap_or_default() };
        let raw: RawPolicy = toml::from_str(source.text)
            .map_err(|bad| source.error(bad.span().map_or(0, |it| it.start), first_line(bad.message())))?;
        let mut protected = source.place(raw.protected);
        for (file, text) in protected_lists {
            protected.extend(read_list(file, text)?);
        }
        let canary = raw.canary.map(|it| source.check_canary(it)).transpose()?;
        Ok(Self {
            max_files: source.check_max(raw.max_files, "max_files", DEFAULT_MAX_FILES, MAX_FILES_CEILING)?,
            max_lines: source.check_max(raw.max_lines, "max_lines", DEFAULT_MAX_LINES, u64::from(u32::MAX))?,
            canary,
            uncounted: compile(&source.place_or(raw.uncounted, DEFAULT_UNCOUNTED), Case::Sensitive)?,
            protected: compile(&protected, Case::Insensitive)?,
            ci: compile(&source.place_or(raw.ci, DEFAULT_CI), Case::Insensitive)?,
            tests: compile(&source.place_or(raw.tests, DEFAULT_TESTS), Case::Insensitive)?,
        })
    }

    /// Whether a file is left out of the size caps.
    pub fn is_uncounted(&self, path: &str) -> bool {
        self.uncounted.is_match(path)
    }

    /// Returns the glob that protects a path, if one does.
    pub fn protected_by(&self, path: &str) -> Option<&str> {
        self.protected.find(path)
    }

    /// Whether a file configures continuous integration.
    pub fn is_ci(&self, path: &str) -> bool {
        self.ci.is_match(path)
    }

    /// Whether a file is a test, or something tests are measured by.
    pub fn is_test(&self, path: &str) -> bool {
        self.tests.is_match(path)
    }
}

fn compile(globs: &[Placed], case: Case) -> Result<Globs, PolicyError> {
    Globs::new(globs, case).map_err(|(idx, message)| {
        let (file, line) = globs.get(idx).map_or((String::new(), 1), |it| (it.file.clone(), it.line));
        PolicyError { file, line, message }
    })
}

fn first_line(text: &str) -> String {
    crate::evidence::text::clean_line(text.lines().next().unwrap_or_default())
}

/// A text with its name, for errors that name a line.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line(self, offset: usize) -> u32 {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        u32::try_from(before.split(|it| *it == b'\n').count()).unwrap_or(u32::MAX)
    }

    fn error(self, offset: usize, message: String) -> PolicyError {
        PolicyError { file: self.file.to_owned(), line: self.line(offset), message }
    }

    fn place(self, globs: Option<Vec<Spanned<String>>>) -> Vec<Placed> {
        let place = |it: Spanned<String>| Placed {
            line: self.line(it.span().start),
            file: self.file.to_owned(),
            glob: it.into_inner(),
        };
        globs.unwrap_or_default().into_iter().map(place).collect()
    }

    fn place_or(self, globs: Option<Vec<Spanned<String>>>, default: &[&str]) -> Vec<Placed> {
        match globs {
            Some(globs) => self.place(Some(globs)),
            None => default.iter().map(|it| Placed { glob: (*it).to_owned(), file: String::new(), line: 1 }).collect(),
        }
    }

    fn check_max(self, value: Option<Spanned<u64>>, name: &str, default: u64, max: u64) -> Result<usize, PolicyError> {
        let (value, offset) = value.map_or((default, 0), |it| (*it.get_ref(), it.span().start));
        if !(1..=max).contains(&value) {
            return Err(self.error(offset, format!("{name} is {value}; allowed are 1 to {max}")));
        }
        Ok(usize::try_from(value).unwrap_or(usize::MAX))
    }

    fn check_canary(self, canary: Spanned<String>) -> Result<String, PolicyError> {
        let offset = canary.span().start;
        let canary = canary.into_inner();
        if canary.trim().is_empty() {
            return Err(self.error(offset, "canary is empty; leave the line out for none".to_owned()));
        }
        Ok(canary)
    }
}

/// Reads a plain YAML list of globs: `- glob` lines, quotes, comments. Anything else is refused, because a parser that
/// skips what it does not know would protect less than its author meant.
fn read_list(file: &str, text: &str) -> Result<Vec<Placed>, PolicyError> {
    let mut globs = Vec::new();
    for (idx, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let number = u32::try_from(idx + 1).unwrap_or(u32::MAX);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') || trimmed == "---" || trimmed == "[]" {
            continue;
        }
        let item = trimmed.strip_prefix('-').filter(|it| it.starts_with([' ', '\t'])).map(str::trim_start);
        let glob = item.ok_or("is no list item; write `- glob`").and_then(read_item);
        let error = |why: &str| PolicyError {
            file: file.to_owned(),
            line: number,
            message: format!("`{}` {why}", first_line(trimmed)),
        };
        globs.push(Placed { glob: glob.map_err(error)?, file: file.to_owned(), line: number });
    }
    Ok(globs)
}

/// Reads one scalar: quoted, or plain up to a comment.
fn read_item(item: &str) -> Result<String, &'static str> {
    let is_end =
        |rest: &str| rest.trim().is_empty() || rest.trim_start().starts_with('#') && rest.starts_with([' ', '\t']);
    if let Some(body) = item.strip_prefix('\'') {
        let (glob, rest) = body.split_once('\'').ok_or("lacks its closing quote")?;
        return if is_end(rest) { Ok(glob.to_owned()) } else { Err("has text behind its closing quote") };
    }
    if let Some(body) = item.strip_prefix('"') {
        let (glob, rest) = body.split_once('"').ok_or("lacks its closing quote")?;
        if glob.contains('\\') {
            return Err("has an escape; use single quotes");
        }
        return if is_end(rest) { Ok(glob.to_owned()) } else { Err("has text behind its closing quote") };
    }
    let plain = item.split(" #").next().unwrap_or_default().trim_end();
    // A plain `*` at the start would be an alias to a real YAML parser, but it is what people write in such lists.
    if plain.is_empty()
        || plain.starts_with(['[', '{', '&', '!', '|', '>', '%', '@', '`', '-'])
        || plain.contains(": ")
        || plain.ends_with(':')
    {
        return Err("is no plain text; quote it");
    }
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, PolicyError> {
        Policy::from_sources(Some(text), &[])
    }

    #[test]
    fn without_files_the_defaults_hold() {
        let policy = Policy::from_sources(None, &[]).unwrap();
        assert_eq!((policy.max_files, policy.max_lines, policy.canary.as_deref()), (2, 40, None));
        assert!(policy.protected_by("anything").is_none());
        for path in ["Cargo.lock", "sub/package-lock.json", "go.sum"] {
            assert!(policy.is_uncounted(path), "{path}");
        }
        for path in [
            ".github/workflows/ci.yml",
            ".gitlab-ci.yml",
            "Jenkinsfile",
            ".GitHub/Workflows/x.yml",
            ".ci/run",
            "cloudbuild.prod.yaml",
            "dangerfile.ts",
        ] {
            assert!(policy.is_ci(path), "{path}");
        }
        for path in [
            "tests/x.py",
            "test_a.py",
            "pkg/a_test.go",
            "src/a.test.ts",
            "src/__tests__/a.js",
            "a/tests/b.rs",
            "FooTest.java",
            "spec/a_spec.rb",
            "conftest.py",
            "run_tests.sh",
            "src/test/java/A.java",
            "src/x/tests.rs",
            "ui/__snapshots__/a.snap",
        ] {
            assert!(policy.is_test(path), "{path}");
        }
        for path in [
            "src/calc.py",
            "contest.py",
            "latest.py",
            "src/testing.rs",
            "attest.go",
            "greatest.js",
            "src/lib.rs",
            "testimony.py",
        ] {
            assert!(!policy.is_test(path), "{path}");
        }
    }

    #[test]
    fn a_policy_file_is_read() {
        let text = "max_files = 5\nmax_lines = 100\nprotected = [\"core/security/**\"]\ncanary = \"make canary\"\ntests = [\"checks/**\"]\nci=[\".x/**\"]\nuncounted=[\"gen/**\"]\n";
        let policy = policy(text).unwrap();
        assert_eq!((policy.max_files, policy.max_lines, policy.canary.as_deref()), (5, 100, Some("make canary")));
        assert_eq!(policy.protected_by("Core/security/a.py"), Some("core/security/**"));
        assert!(policy.is_test("checks/a.py") && !policy.is_test("tests/a.py"));
        assert!(policy.is_ci(".x/y") && policy.is_uncounted("gen/z"));
    }

    #[test]
    fn every_error_names_its_line() {
        for (text, line, word) in [
            ("max_files = 2\nmax_fiels = 3\n", 2, "max_fiels"),
            ("\n\nmax_files = 21\n", 3, "20"),
            ("max_files = 0\n", 1, "max_files"),
            ("max_lines = -1\n", 1, ""),
            ("max_lines = \"40\"\n", 1, ""),
            ("protected = [\n  \"a\",\n  \"!b\",\n]\n", 3, "`!`"),
            ("tests = [\"[a\"]\n", 1, "glob"),
            ("canary = \" \"\n", 1, "canary"),
            ("max_files = \n", 1, ""),
            ("max_files = 1\nmax_files = 2\n", 2, ""),
            ("[extra]\nx = 1\n", 1, "extra"),
        ] {
            let bad = policy(text).expect_err(text);
            assert_eq!((bad.file.as_str(), bad.line), (".paramedic/policy.toml", line), "{text:?}: {bad}");
            assert!(bad.message.contains(word), "{bad}");
            assert_eq!(bad.to_finding().verdict, Verdict::Violation);
        }
    }

    #[test]
    fn a_protected_list_is_read_or_refused() {
        let list = "# sacred\n---\n- serve/identity_api.py\n- 'core/security/**'   # two keys\n  - \"a b/*.py\" # why\n\n- lukhas/identity/**\n- *.pem\n- x#y\n";
        let policy = Policy::from_sources(Some("protected = [\"own/**\"]\n"), &[(PROTECTED_PATHS[0], list)]).unwrap();
        for path in
            ["serve/identity_api.py", "core/security/a/b", "a b/c.py", "lukhas/identity/x", "k/y.pem", "own/z", "x#y"]
        {
            assert!(policy.protected_by(path).is_some(), "{path}");
        }
        assert!(policy.protected_by("serve/other.py").is_none());
        for (list, line) in [
            ("- a\nprotected: x\n", 2),
            ("a\n", 1),
            ("- a: b\n", 1),
            ("-a\n", 1),
            ("- 'a\n", 1),
            ("- 'a' b\n", 1),
            ("- [a, b]\n", 1),
            ("- ok\n- !x\n", 2),
            ("- ok\n- '!x'\n", 2),
            ("- \n", 1),
            ("- - a\n", 1),
        ] {
            let bad = Policy::from_sources(None, &[(PROTECTED_PATHS[1], list)]).expect_err(list);
            assert_eq!((bad.file.as_str(), bad.line), (PROTECTED_PATHS[1], line), "{list:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_sources_never_panic(policy in "\\PC{0,80}", list in "(- )?[-a-z*?\\[\\]{}!'\"#:\\\\ /.\n]{0,60}") {
            let _ = Policy::from_sources(Some(&policy), &[("list.yml", &list)]);
            let _ = Policy::from_sources(Some(&format!("protected = ['{policy}']")), &[]);
        }
    }
}
