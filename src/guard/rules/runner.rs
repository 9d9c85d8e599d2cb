//! Files that stand in for the test runner, configure it, or are loaded before it.
use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::glob::Globs;
use crate::guard::lang::Lang;
use crate::guard::rules::paths::constant;
use crate::guard::rules::paths::words;
use crate::guard::scene::Scene;
use crate::guard::view::FileView;
use std::sync::LazyLock;

/// Loaded by an interpreter or runner by itself, or taken for one.
const LOADED_BY_ITSELF: &str = "\
    sitecustomize* usercustomize* *.pth *.egg-link pyvenv.cfg conftest.py .pythonrc* .pythonstartup _pytest/ \
    node_modules/ site-packages/ dist-packages/ .venv/ __pycache__/ *.pyc *.pyo .pnp.* .env .env.* .direnv/ .bashrc \
    .profile .zshrc .bash_profile .bash_env .irbrc .pryrc *.dist-info/ *.egg-info/ build/classes/ target/debug/ \
    target/release/";
/// Settings of test runners, coverage and package managers.
const RUNNER_CONFIG: &str = "\
    pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini tox.toml .coveragerc noxfile.py nose.cfg .noserc \
    .nose2.cfg unittest.cfg jest.config* jest.setup* jest-setup* jest.preset* setupTests.* setup-tests.* \
    vitest.config* vitest.setup* vitest.workspace* vite.config* .mocharc* mocha.opts .taprc ava.config* karma.conf* \
    playwright.config* cypress.config* wdio.conf* .nycrc* nyc.config* .c8rc* .npmrc .yarnrc* .pnpmfile.* \
    pnpm-workspace.yaml bunfig.toml deno.json deno.jsonc .babelrc* babel.config* .cargo/ .config/nextest* \
    nextest.toml rust-toolchain* go.work go.work.sum phpunit.xml* .rspec* .simplecov Rakefile spec_helper.rb \
    test_helper.rb rails_helper.rb junit-platform.properties .mvn/ gradle.properties *.runsettings justfile \
    .justfile Taskfile.y*ml dodo.py bazelrc .bazelrc";
/// Settings of linters and type checkers.
const LINT_CONFIG: &str = "\
    .eslintrc* eslint.config* .eslintignore .flake8 .pylintrc pylintrc mypy.ini .mypy.ini ruff.toml .ruff.toml \
    pyrightconfig.json .rubocop* .golangci* clippy.toml .clippy.toml rustfmt.toml .rustfmt.toml .stylelintrc* \
    .prettierignore biome.json* phpstan.neon* psalm.xml* .phpcs.xml* .shellcheckrc .swiftlint.yml detekt.yml .bandit \
    sonar-project.properties";
/// Run by the build before anything else; a person and a second one should see it.
const BUILD_SCRIPTS: &[&str] = &["build.rs", "tsconfig*.json", "binding.gyp"];

/// Modules of Python's library, and of its test tools, that a file of the same name would stand in for.
const PYTHON_MODULES: &str = "\
    abc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cmath cmd code codecs \
    codeop collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg cProfile csv \
    ctypes curses dataclasses datetime dbm decimal difflib dis doctest email encodings ensurepip enum errno \
    faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext \
    glob graphlib grp gzip hashlib heapq hmac html http imaplib importlib inspect io ipaddress itertools json \
    keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder multiprocessing netrc \
    ntpath numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix \
    posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc queue quopri random re readline reprlib resource \
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib socket socketserver \
    sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable sys \
    sysconfig syslog tarfile tempfile termios textwrap threading time timeit token tokenize tomllib trace traceback \
    tracemalloc tty turtle types typing unicodedata unittest urllib uuid venv warnings wave weakref webbrowser \
    winreg wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo _pytest pytest pluggy iniconfig packaging \
    exceptiongroup tomli pygments colorama nose nose2 coverage xdist execnet hypothesis mock py attr attrs tox nox \
    pytest_cov pytest_asyncio pytest_mock pytest_timeout anyio typing_extensions setuptools pkg_resources pip";
/// Folders a Python program usually has on its path, besides those of the tests.
const PYTHON_ROOTS: &[&str] = &["", "src", "lib"];

static LOADED: LazyLock<Globs> = LazyLock::new(|| constant(&words(LOADED_BY_ITSELF)));
static CONFIG: LazyLock<Globs> = LazyLock::new(|| constant(&words(RUNNER_CONFIG)));
static LINT: LazyLock<Globs> = LazyLock::new(|| constant(&words(LINT_CONFIG)));
static BUILD: LazyLock<Globs> = LazyLock::new(|| constant(BUILD_SCRIPTS));

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    for path in file.change.paths() {
        check_path(scene, file, path, findings);
    }
    if let Some(module) = file.change.new_path.as_deref().and_then(|it| shadowed_module(scene, file, it)) {
        let reason =
            format!("`{module}` would stand in for the module of that name that Python or its test runner imports");
        findings.violation(file.path, None, "runner-shadowed", reason);
    }
    if is_build_config_added(file) {
        findings.violation(
            file.path,
            None,
            "runner-shadowed",
            "a new make file would be taken instead of, or before, another",
        );
    }
}

fn check_path(scene: &Scene<'_>, file: &FileView<'_>, path: &str, findings: &mut Findings) {
    let is_fixing_exec_bit = file.change.is_exec_bit_only();
    if LOADED.is_match(path) {
        let reason = "is loaded by an interpreter or test runner by itself; fix the code under test instead";
        findings.violation(path, None, "runner-shadowed", reason);
    }
    if CONFIG.is_match(path) && !is_fixing_exec_bit {
        findings.violation(
            path,
            None,
            "runner-config",
            "configures the test runner or its tools; fix the code under test instead",
        );
    }
    if LINT.is_match(path) {
        findings.violation(path, None, "lint-config", "configures linters; fix what they report instead");
    }
    if BUILD.is_match(path) {
        findings.two_keys(path, None, "build-script", "takes part in every build: two people must approve");
    }
    let is_doctested = scene.command.uses_doctest && file.lang == Lang::Python && !file.is_test;
    if scene.command.runs(path) && !is_fixing_exec_bit && !is_doctested {
        findings.violation(
            path,
            None,
            "runner-changed",
            "the test command runs this very file; fix the code it tests instead",
        );
    }
}

fn is_python(path: &str) -> bool {
    [".py", ".pyw", ".so", ".pyd"].iter().any(|it| path.to_lowercase().ends_with(it))
}

/// The part of a new file's path that would be imported instead of a well-known module.
fn shadowed_module<'p>(scene: &Scene<'_>, file: &FileView<'_>, path: &'p str) -> Option<&'p str> {
    let is_new = file.change.old_path.as_deref() != Some(path);
    if !is_new || !is_python(path) {
        return None;
    }
    // A directory stands in for a module only through its `__init__.py`; without one, the library's module wins.
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (parent, name) = match name.strip_prefix("__init__.") {
        Some(_) => parent.rsplit_once('/').unwrap_or(("", parent)),
        None => (parent, name),
    };
    let is_on_path = PYTHON_ROOTS.contains(&parent) || scene.context.policy.is_test(&format!("{parent}/x"));
    let stem = name.split('.').next().unwrap_or_default();
    (is_on_path && words(PYTHON_MODULES).contains(&stem)).then_some(name)
}

fn is_build_config_added(file: &FileView<'_>) -> bool {
    let is_make = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
        matches!(name.as_str(), "makefile" | "gnumakefile" | "bsdmakefile")
    };
    let is_new = matches!(file.change.kind, ChangeKind::Added | ChangeKind::Copied | ChangeKind::Renamed);
    let is_gone = matches!(file.change.kind, ChangeKind::Deleted | ChangeKind::Renamed);
    (is_new || is_gone) && file.change.paths().any(is_make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_compiles() {
        for globs in [&LOADED, &CONFIG, &LINT, &BUILD] {
            assert!(!globs.is_match("src/calc.py"));
        }
    }
}
