//! The test command that is found, why, and that it really runs the tests.
use crate::workspace::world::World;
use crate::workspace::world::launcher;
use crate::workspace::world::sh;
use paramedic::process::Tool;
use paramedic::workspace::Preparation;
use paramedic::workspace::TestCommand;
use paramedic::workspace::Workspace as _;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

const UNITTEST: &str = "import unittest, code\\nclass T(unittest.TestCase):\\n    def test_it(self):\\n        self.assertEqual(code.one(), 1)\\n";
const CODE: &str = "def one():\\n    return 1\\n";
const PYTEST: &str = "import calc\\ndef test_it():\\n    assert calc.one() == 1\\n";

async fn found(files: &str) -> Option<TestCommand> {
    let world = World::new(files).await;
    let tree = world.tree().await;
    let before = crate::workspace::world::everything(&tree.root);
    let found = world.workspace.find_tests(&tree).await.unwrap();
    assert_eq!(crate::workspace::world::everything(&tree.root), before, "looking for tests runs nothing");
    found
}

async fn command(files: &str) -> String {
    found(files).await.map(|it| it.command).unwrap_or_default()
}

async fn has_pytest() -> bool {
    has_module("pytest").await
}

/// Whether this machine's Python has a module; without it some cases cannot be tried.
async fn has_module(name: &str) -> bool {
    let script = format!("import {name}");
    let args = ["-I", "-c", &script].map(OsStr::new);
    let timeout = Duration::from_mins(1);
    let (program, cwd, max_output) = ("python3", Path::new("/"), 1_000);
    let tool = Tool { program, args: &args, cwd, env: &[], stdin: None, timeout, max_output };
    launcher().tool(&tool).await.unwrap().code == Some(0)
}

#[tokio::test]
async fn whatever_declares_pytest_is_believed_and_named() {
    for (files, reason) in [
        ("touch pytest.ini", "pytest.ini"),
        ("printf '[tool.pytest.ini_options]\\n' > pyproject.toml", "pyproject.toml has a [tool.pytest] table"),
        ("printf '[tool:pytest]\\n' > setup.cfg", "setup.cfg has a [tool:pytest] section"),
        ("printf '[pytest]\\n' > tox.ini", "tox.ini has a [pytest] section"),
        ("printf 'requests\\npytest>=7 # x\\n' > requirements.txt", "requirements.txt requires pytest"),
        ("mkdir requirements; echo pytest > requirements/dev.txt", "requirements/dev.txt requires pytest"),
        ("echo pytest > requirements-dev.txt", "requirements-dev.txt requires pytest"),
        (
            "printf '[project]\\noptional-dependencies = { dev = [\"pytest\"] }\\n' > pyproject.toml",
            "pyproject.toml requires pytest",
        ),
        ("mkdir tests; touch tests/conftest.py", "tests/conftest.py"),
        ("printf 'x' > package.json; touch pytest.ini; printf 'test:\\n' > Makefile", "pytest.ini"),
        (&format!("printf '{PYTEST}' > test_calc.py"), "test_calc.py is written for pytest"),
    ] {
        let found = found(files).await.unwrap();
        assert_eq!(found.command, "python3 -m pytest -v -ra", "{files}");
        let reason =
            if has_pytest().await { reason.to_owned() } else { format!("{reason}; pytest is not installed here") };
        assert_eq!(found.reason, reason, "{files}");
    }
}

#[tokio::test]
async fn what_only_looks_like_pytest_is_not() {
    for files in [
        "printf '[metadata]\\n' > setup.cfg",
        "echo pytest-cov > requirements.txt",
        "echo '# pytest' > requirements.txt",
        "echo x > README.md",
    ] {
        assert_eq!(found(files).await, None, "{files}");
    }
}

#[tokio::test]
async fn declared_pytest_that_is_not_installed_gives_way_to_unittest() {
    let found = found(&format!("touch pytest.ini; printf '{UNITTEST}' > test_code.py")).await.unwrap();
    let expected = if has_pytest().await { "python3 -m pytest -v -ra" } else { "python3 -m unittest discover -v" };
    assert_eq!(found.command, expected);
}

#[tokio::test]
async fn unittest_is_found_wherever_it_lies_and_really_runs_it() {
    for (files, expected) in [
        ("printf \"$CODE\" > code.py; printf \"$TEST\" > test_code.py", "python3 -m unittest discover -v"),
        (
            "printf \"$CODE\" > code.py; mkdir tests; printf \"$TEST\" > tests/test_code.py",
            "python3 -m unittest discover -v -s tests",
        ),
        (
            "printf \"$CODE\" > code.py; mkdir tests; touch tests/__init__.py; printf \"$TEST\" > tests/test_code.py",
            "python3 -m unittest discover -v",
        ),
        (
            "printf \"$CODE\" > code.py; mkdir -p tests/unit; touch tests/unit/__init__.py; printf \"$TEST\" > tests/unit/test_code.py",
            "python3 -m unittest discover -v -s tests",
        ),
        (
            "mkdir src tests; printf \"$CODE\" > src/code.py; printf \"$TEST\" > tests/test_code.py",
            "PYTHONPATH=src python3 -m unittest discover -v -s tests",
        ),
        (
            "printf \"$CODE\" > code.py; printf \"$TEST\" > code_test.py",
            "python3 -m unittest discover -v -p '*_test.py'",
        ),
        (
            "printf \"$CODE\" > code.py; printf \"$TEST\" > test_code.py; mkdir tests; printf \"$TEST\" > tests/test_more.py",
            "failed=0; python3 -m unittest discover -v || failed=1; python3 -m unittest discover -v -s tests || failed=1; exit $failed",
        ),
    ] {
        // `code` is a module of the standard library too: only the right path finds ours.
        let [code, test] = [CODE, UNITTEST].map(|it| it.replace("code", "mycode"));
        let files = files
            .replace("$CODE", &code)
            .replace("$TEST", &test)
            .replace("code.py", "mycode.py")
            .replace("code_test", "mycode_test");
        let world = World::new(&files).await;
        let tree = world.tree().await;
        let found = world.workspace.find_tests(&tree).await.unwrap().unwrap();
        assert_eq!(found.command, expected, "{files}");
        let output = sh(&tree.root, &format!("({}) 2>&1", found.command)).await;
        assert!(output.contains("test_it") && output.contains("Ran 1 test"), "{files}\n{output}");
        sh(&tree.root, "find . -name mycode.py | xargs sed -i 's/return 1/return 2/'").await;
        let output = sh(&tree.root, &format!("({}) 2>&1 && exit 1 || true", found.command)).await;
        assert!(output.contains("FAILED"), "{files}\n{output}");
        assert!(world.workspace.find_preparation(&tree, &found.command).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn folders_that_a_shell_would_misread_are_not_named_to_it() {
    let command = command(&format!(
        "mkdir -p 'x; touch evil' tests; printf '{UNITTEST}' | tee 'x; touch evil/test_a.py' > tests/test_b.py"
    ))
    .await;
    assert_eq!(command, "python3 -m unittest discover -v -s tests");
}

#[tokio::test]
async fn node_projects_use_the_manager_of_their_lock_file() {
    let json = |more: &str| format!("printf '{{\"scripts\":{{\"test\":\"node --test\"}}{more}}}' > package.json");
    for (files, expected) in [
        (json(""), "npm test"),
        (json("") + "; touch pnpm-lock.yaml", "pnpm test"),
        (json("") + "; touch yarn.lock; printf 'test:\\n' > Makefile", "yarn test"),
        (json(",\"packageManager\":\"pnpm@9.1.0\"") + "; touch yarn.lock", "pnpm test"),
        ("printf '{\"scripts\":{\"test\":\"echo \\\\\\\"Error: no test specified\\\\\\\" && exit 1\"}}' > package.json".to_owned(), ""),
        ("printf '{\"scripts\":{}}' > package.json; printf 'test:\\n' > Makefile".to_owned(), "make test"),
        ("printf '{broken' > package.json".to_owned(), ""),
    ] {
        assert_eq!(command(&files).await, expected, "{files}");
    }
}

#[tokio::test]
async fn cargo_go_and_make_projects_are_found() {
    for (files, expected) in [
        (
            "printf '[package]\\nname = \"x\"\\n' > Cargo.toml; printf 'test:\\n' > Makefile",
            "cargo test --no-fail-fast",
        ),
        (
            "printf '[package]\\nname = \"x\"\\n[workspace]\\nmembers = []\\n' > Cargo.toml",
            "cargo test --workspace --no-fail-fast",
        ),
        ("printf '[workspace]\\nmembers = []\\n' > Cargo.toml", "cargo test --no-fail-fast"),
        ("printf 'module x\\n' > go.mod", "go test -v ./..."),
        ("printf 'all:\\n\\ttrue\\ntest: all\\n\\ttrue\\n' > Makefile", "make test"),
        ("printf 'check:\\n\\ttrue\\n' > makefile", "make check"),
        ("printf 'test := 1\\n.PHONY: test\\n' > Makefile", ""),
        ("ln -s /dev/zero Makefile; ln -s /etc/hostname Cargo.toml", ""),
    ] {
        assert_eq!(command(files).await, expected, "{files}");
    }
    let beside = format!("printf 'test:\\n\\tpython3 -m unittest\\n' > Makefile; printf '{UNITTEST}' > test_code.py");
    let found = found(&beside).await.unwrap();
    assert_eq!((found.command.as_str(), found.reason.as_str()), ("make test", "Makefile has a `test` target"));
}

async fn preparation(files: &str, test_command: &str) -> Option<Preparation> {
    let world = World::new(files).await;
    let tree = world.tree().await;
    world.workspace.find_preparation(&tree, test_command).await.unwrap()
}

#[tokio::test]
async fn ordinary_projects_need_no_preparation() {
    for (files, test) in [
        ("echo x > a", "make test"),
        ("printf '{\"scripts\":{\"test\":\"x\"}}' > package.json", "npm test"),
        ("printf '{\"dependencies\":{\"x\":\"1\"}}' > package.json", "cargo test"),
        (
            "printf '{\"dependencies\":{\"x\":\"1\"}}' > package.json; mkdir node_modules; touch node_modules/x; git add -f node_modules",
            "npm test",
        ),
        ("printf '[package]\\nname = \"x\"\\n[dependencies]\\ny = { path = \"y\" }\\n' > Cargo.toml", "cargo test"),
        ("printf 'pip\\nnever-there; python_version < \"3\"\\n' > requirements.txt", "python3 -m unittest"),
        ("printf '# nothing\\n' > requirements.txt", "python3 -m unittest"),
        ("touch go.mod", "go test ./..."),
    ] {
        if files.contains("pip") && !has_module("pip").await {
            continue;
        }
        assert_eq!(preparation(files, test).await, None, "{files}");
    }
}

#[tokio::test]
async fn missing_dependencies_are_fetched() {
    let json = "printf '{\"devDependencies\":{\"x\":\"1\"}}' > package.json";
    for (files, test, expected) in [
        (format!("{json}; touch package-lock.json"), "npm test", "npm ci --no-audit --no-fund"),
        (json.to_owned(), "npm test", "npm install --no-audit --no-fund --no-package-lock"),
        (format!("{json}; touch pnpm-lock.yaml"), "make test", "pnpm install --frozen-lockfile"),
        (format!("{json}; touch yarn.lock"), "yarn test", "yarn install --frozen-lockfile --non-interactive"),
        (
            "touch Cargo.toml; printf '[[package]]\\nsource = \"x\"\\n' > Cargo.lock".to_owned(),
            "cargo test",
            r#"cargo fetch --target "$host"; })"#,
        ),
        (
            "printf '[dependencies]\\nx = \"1\"\\n' > Cargo.toml".to_owned(),
            "cargo test",
            r#"cargo fetch --target "$host"; })"#,
        ),
        ("touch go.mod go.sum".to_owned(), "go test ./...", "go mod download; })"),
    ] {
        let found = preparation(&files, test).await.unwrap().command;
        assert!(found.ends_with(expected), "{files}: {found}");
    }
}

#[tokio::test]
async fn python_requirements_go_to_an_environment_in_the_scratch_folder() {
    let files = "printf 'pip\\nno-such-package-of-anybody>=1 ; python_version >= \"3\"\\n' > requirements.txt
                 printf '[project]\\ndependencies = [\"other-missing-one\"]\\n' > pyproject.toml";
    let found = preparation(files, "python3 -m unittest").await.unwrap();
    assert_eq!(found.reason, "no-such-package-of-anybody, other-missing-one are required but not installed");
    assert!(found.command.starts_with("python3 -m venv --system-site-packages \"$PARAMEDIC_SCRATCH/venv\" && "));
    assert!(found.command.contains(" -r requirements.txt -r \"$PARAMEDIC_SCRATCH/pyproject-requirements.txt\""));
    assert!(!found.command.contains("no-such-package"), "no text of the repository goes to a shell");
}

#[tokio::test]
async fn the_environment_is_really_made() {
    if !has_module("ensurepip").await {
        return;
    }
    let world = World::new(
        "printf '[project]\\ndependencies = [\"pip>=9\"]\\n' > pyproject.toml; echo never-there > requirements.txt",
    )
    .await;
    let tree = world.tree().await;
    let found = world.workspace.find_preparation(&tree, "python3 -m unittest").await.unwrap().unwrap();
    // Everything but the download itself, which needs a network.
    let offline = found.command.replace("pip install", "pip --version && exit 0 ; :");
    let script = format!(
        "PARAMEDIC_SCRATCH='{}'; ({offline}); cat \"$PARAMEDIC_SCRATCH/pyproject-requirements.txt\"",
        tree.scratch.display()
    );
    assert!(sh(&tree.root, &script).await.ends_with("pip>=9"));
    assert!(tree.scratch.join("venv/bin/python").exists());
}
