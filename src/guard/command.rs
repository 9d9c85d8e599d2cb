//! What a test command names: the files it runs and the make targets it asks for. Never run, only read.
use crate::guard::Base;
use std::collections::BTreeSet;

/// Programs that run the file they are given.
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "python", "python2", "python3", "pypy", "pypy3", "node", "deno", "bun",
    "tsx", "ts-node", "ruby", "perl", "php", "lua", "Rscript", "julia", "source", ".", "coverage",
];
/// Programs that only read the files they are given: naming a source file there is no reason to keep it as it is.
const READERS: &[&str] = &[
    "cc",
    "gcc",
    "g++",
    "c++",
    "clang",
    "clang++",
    "rustc",
    "javac",
    "kotlinc",
    "tsc",
    "mypy",
    "pyright",
    "ruff",
    "flake8",
    "pylint",
    "black",
    "isort",
    "eslint",
    "prettier",
    "shellcheck",
    "gofmt",
    "go",
    "cat",
    "test",
    "cp",
    "diff",
    "grep",
    "echo",
];
/// Python modules that only read the files they are given.
const READER_MODULES: &[&str] =
    &["doctest", "py_compile", "compileall", "mypy", "flake8", "pylint", "ruff", "black", "isort", "pyflakes", "pip"];
/// Programs in front of the one that counts.
const PREFIXES: &[&str] = &[
    "env", "exec", "time", "timeout", "nice", "command", "sudo", "uv", "poetry", "pipenv", "run", "npx", "bundle",
    "xvfb-run",
];

/// What a test command names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct TestCommand {
    /// Relative paths the command runs or reads as settings; may name what does not exist.
    files: BTreeSet<String>,
    /// Python modules run by `-m`.
    modules: BTreeSet<String>,
    /// Make targets asked for; empty with `uses_make` means the default target.
    pub(crate) make_targets: BTreeSet<String>,
    pub(crate) uses_make: bool,
    /// Package scripts asked for.
    scripts: BTreeSet<String>,
    pub(crate) uses_doctest: bool,
    /// The command changes directory, so its names may be relative to another one.
    moves: bool,
}

impl TestCommand {
    pub(crate) fn parse(command: &str) -> Self {
        let mut parsed = Self { uses_doctest: command.contains("doctest"), ..Self::default() };
        for words in simple_commands(command) {
            parsed.take(&words);
        }
        parsed
    }

    /// Follows the command one or two steps: what its make targets, package scripts and shell scripts run in turn. Of those only
    /// files that are called like checks count; a script may well run the program under test.
    pub(crate) fn follow(&mut self, base: &dyn Base, recipes: &dyn Fn(&str, &Self) -> String) {
        const MAX_STEPS: usize = 16;
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = self.texts(base, recipes);
        while let Some(text) = open.pop().filter(|_| seen.len() < MAX_STEPS) {
            if !seen.insert(text.clone()) {
                continue;
            }
            for line in text.lines().take(2_000) {
                let step = Self::parse(line.trim_start().trim_start_matches(['@', '-', '+']));
                open.extend(step.texts(base, recipes));
                self.files.extend(step.files.into_iter().filter(|it| is_called_check(it)));
                self.modules.extend(step.modules.into_iter().filter(|it| is_called_check(it)));
                self.make_targets.extend(step.make_targets);
                self.uses_make |= step.uses_make;
                self.scripts.extend(step.scripts);
            }
        }
    }

    /// The texts of what this command runs, as far as the base commit tells.
    fn texts(&self, base: &dyn Base, recipes: &dyn Fn(&str, &Self) -> String) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        if self.uses_make {
            let files = ["GNUmakefile", "makefile", "Makefile"];
            texts.extend(files.iter().find_map(|it| base.file(it)).map(|it| recipes(&it, self)));
        }
        if !self.scripts.is_empty() {
            let manifest = base.file("package.json").and_then(|it| serde_json::from_str::<serde_json::Value>(&it).ok());
            let script = |name: &String| Some(manifest.as_ref()?.get("scripts")?.get(name)?.as_str()?.to_owned());
            texts.extend(self.scripts.iter().filter_map(script));
        }
        let is_shell = |path: &&String| [".sh", ".bash"].iter().any(|it| path.ends_with(it)) || !path.contains('.');
        texts.extend(self.files.iter().filter(is_shell).filter_map(|it| base.file(it)));
        texts
    }

    /// Whether the command runs this file.
    pub(crate) fn runs(&self, path: &str) -> bool {
        let is_named = |name: &String| {
            name == path || (self.moves && path.strip_suffix(name.as_str()).is_some_and(|it| it.ends_with('/')))
        };
        let is_module = |module: &String| {
            let stem = module.replace('.', "/");
            [format!("{stem}.py"), format!("{stem}/__main__.py"), format!("{stem}/__init__.py")].iter().any(is_named)
        };
        self.files.iter().any(is_named) || self.modules.iter().any(is_module)
    }

    fn take(&mut self, words: &[String]) {
        let is_prefix = |it: &&String| {
            PREFIXES.contains(&it.as_str())
                || is_assignment(it)
                || it.starts_with('-')
                || it.bytes().all(|b| b.is_ascii_digit())
        };
        let n_prefix = words.iter().take_while(is_prefix).count();
        let Some((program, args)) = words[n_prefix..].split_first() else { return };
        let name = program.rsplit('/').next().unwrap_or_default();
        match name {
            "cd" | "pushd" => self.moves = true,
            "npm" | "pnpm" | "yarn" | "bun" => self.take_script(args),
            "make" | "gmake" | "bmake" | "just" | "task" => self.take_make(args),
            _ if READERS.contains(&program.as_str()) || (name != "test" && READERS.contains(&name)) => {}
            _ => {
                if program.contains('/') {
                    self.name_file(program);
                }
                self.take_args(name, args);
            }
        }
    }

    fn take_make(&mut self, args: &[String]) {
        self.uses_make = true;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-f" | "--file" | "--makefile" => {
                    if let Some(file) = args.next() {
                        self.name_file(file);
                    }
                }
                "-C" | "--directory" => {
                    self.moves = true;
                    args.next();
                }
                "-j" | "-k" | "-s" => {}
                it if it.starts_with('-') || is_assignment(it) => self.moves |= it.starts_with("-C"),
                it => drop(self.make_targets.insert(it.to_owned())),
            }
        }
    }

    /// `npm test`, `npm run check`, `yarn check`: scripts of the package, with what runs before and after them.
    fn take_script(&mut self, args: &[String]) {
        let name = args.iter().find(|it| !it.starts_with('-') && !matches!(it.as_str(), "run" | "run-script" | "exec"));
        let name = name.map_or("test", |it| if it == "t" { "test" } else { it });
        self.scripts.extend(["", "pre", "post"].map(|it| format!("{it}{name}")));
    }

    fn take_args(&mut self, program: &str, args: &[String]) {
        let is_interpreter = INTERPRETERS.contains(&program) || program.starts_with("python3.");
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if is_interpreter && arg == "-m" {
                let Some(module) = args.next() else { return };
                if READER_MODULES.contains(&module.as_str()) {
                    return;
                }
                self.modules.insert(module.clone());
            } else if is_interpreter && matches!(arg.as_str(), "-c" | "-e") {
                // The text is a command of its own; what it names counts as well.
                if let Some(text) = args.next().filter(|_| !program.starts_with("py")) {
                    let inner = Self::parse(text);
                    self.files.extend(inner.files);
                    self.modules.extend(inner.modules);
                    self.uses_make |= inner.uses_make;
                    self.make_targets.extend(inner.make_targets);
                }
            } else {
                let value = arg.split_once('=').filter(|_| arg.starts_with('-')).map_or(arg.as_str(), |(_, it)| it);
                self.name_file(value);
                if self.modules.contains("unittest") {
                    self.name_test(value);
                }
            }
        }
    }

    /// Takes `package.module.Class.method`: any front part of it may be the module.
    fn name_test(&mut self, dotted: &str) {
        let ends = dotted.match_indices('.').map(|(at, _)| at).chain([dotted.len()]).take(8);
        self.modules.extend(ends.map(|end| dotted[..end].to_owned()).filter(|it| !it.is_empty()));
    }

    fn name_file(&mut self, word: &str) {
        let path = word.split("::").next().unwrap_or_default().trim_start_matches("./");
        if !path.is_empty() && !path.starts_with('-') {
            self.files.insert(path.to_owned());
        }
    }
}

fn is_called_check(name: &str) -> bool {
    let name = name.to_lowercase();
    ["test", "check", "verify", "spec", "suite", "assert", "validate", "lint"].iter().any(|it| name.contains(it))
}

fn is_assignment(word: &str) -> bool {
    let is_name = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// Splits a shell command into simple commands and words: quotes are honoured, nothing is expanded.
fn simple_commands(command: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(ch) = chars.next() {
        match (quote, ch) {
            (Some(mark), ch) if ch == mark => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '\'' | '"') => {
                quote = Some(ch);
                word.get_or_insert_default();
            }
            (None, ch) if ch.is_whitespace() && ch != '\n' => finish(&mut commands, &mut word),
            (None, ';' | '&' | '|' | '(' | ')' | '{' | '}' | '\n' | '<' | '>') => {
                finish(&mut commands, &mut word);
                commands.push(Vec::new());
            }
            (_, ch) => word.get_or_insert_default().push(ch),
        }
    }
    finish(&mut commands, &mut word);
    commands.retain(|it| !it.is_empty());
    commands
}

fn finish(commands: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(words), Some(word)) = (commands.last_mut(), word.take()) {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_which_files_it_runs() {
        for (command, path, is_run) in [
            ("sh run_tests.sh", "run_tests.sh", true),
            ("./scripts/test --fast", "scripts/test", true),
            ("FOO=1 timeout 60 bash ./ci/t.sh && echo done", "ci/t.sh", true),
            ("python3 -m unittest discover", "unittest.py", true),
            ("python3 -m unittest -v checks.verify.TestAdd.test_one", "checks/verify.py", true),
            ("python3 -m checks.all", "checks/all.py", true),
            ("python3 -m checks", "checks/__main__.py", true),
            ("python3 -m doctest calc.py", "calc.py", false),
            ("python3 check.py calc.py", "check.py", true),
            ("pytest checks/verify.py::test_a -q", "checks/verify.py", true),
            ("pytest --config=conf/p.ini", "conf/p.ini", true),
            ("cd sub && sh t.sh", "sub/t.sh", true),
            ("sh t.sh", "sub/t.sh", false),
            ("gcc main.c -o main && ./main", "main.c", false),
            ("mypy app.py", "app.py", false),
            ("bash -c 'sh inner.sh'", "inner.sh", true),
            ("pytest -q", "src/calc.py", false),
            ("make -f build/Other.mk test", "build/Other.mk", true),
        ] {
            assert_eq!(TestCommand::parse(command).runs(path), is_run, "{command}: {path}");
        }
    }

    #[test]
    fn make_targets_are_known() {
        let parsed = TestCommand::parse("make -j 2 CC=gcc lint test");
        assert!(parsed.uses_make && parsed.make_targets.contains("test") && parsed.make_targets.contains("lint"));
        assert!(TestCommand::parse("make").uses_make);
        assert!(!TestCommand::parse("cmake --build .").uses_make);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_commands_never_panic(command in "[-a-z'\"\\\\ ;&|/.=:\u{e9}]{0,60}") {
            TestCommand::parse(&command).runs("a/b.py");
        }
    }
}
