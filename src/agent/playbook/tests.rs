//! Each fixer on real folders: where it applies, what exactly it changes, where it declines.
use super::*;
use crate::agent::testing::Stage;
use crate::domain::AttemptStatus;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

type Files = &'static [(&'static str, &'static str)];

/// What the fixers make of a failure: the new content of files, or the reason for declining.
struct Case {
    name: &'static str,
    files: Files,
    log: &'static str,
    /// The one file that is changed, with its new content; none = declined.
    changed: Option<(&'static str, &'static str)>,
    /// Stands in the diagnosis, or in the reason.
    says: &'static str,
}

fn check(cases: &[Case]) {
    for case in cases {
        let stage = Stage::new(case.files).log(case.log);
        run(case, &stage);
    }
}

fn run(case: &Case, stage: &Stage) {
    let before = contents(stage);
    let said = match consult(&stage.task()) {
        Consulted::Fix(fixer, fix) => match edit(&stage.task(), fixer, &fix) {
            Turn::Edited(account) => account.diagnosis,
            turn => panic!("{}: {turn:?}", case.name),
        },
        Consulted::Nothing(reason) => reason,
        Consulted::Run(_, _, repair) => panic!("{}: would run {repair:?}", case.name),
    };
    assert!(said.contains(case.says), "{}: {said}", case.name);
    let mut after = before;
    if let Some((file, content)) = case.changed {
        after.insert(file.to_owned(), content.to_owned());
        assert!(said.contains("log line "), "{}: quotes no line: {said}", case.name);
    }
    assert_eq!(contents(stage), after, "{}", case.name);
}

fn contents(stage: &Stage) -> BTreeMap<String, String> {
    TreeFiles::new(stage.root()).walk().into_iter().map(|it| (it.clone(), stage.read(&it))).collect()
}

const NO_YAML: &str =
    "Traceback (most recent call last):\n  File \"app.py\", line 1\nModuleNotFoundError: No module named 'yaml'";

#[test]
fn python_dependencies_are_added_where_they_are_listed() {
    check(&[
        Case {
            name: "sorted requirements, mapped name",
            files: &[("app.py", "import yaml\n"), ("requirements.txt", "flask==1.0\nzope\n")],
            log: NO_YAML,
            changed: Some(("requirements.txt", "flask==1.0\nPyYAML\nzope\n")),
            says: "added `PyYAML` to requirements.txt:2",
        },
        Case {
            name: "CRLF, no newline at the end",
            files: &[("app.py", "import yaml\r\n"), ("requirements.txt", "zope\r\nflask")],
            log: NO_YAML,
            changed: Some(("requirements.txt", "zope\r\nflask\r\nPyYAML\r\n")),
            says: "log line 3",
        },
        Case {
            name: "submodule of a package under its own name",
            files: &[("app.py", "from google_x.cloud import a\n"), ("requirements.txt", "")],
            log: "E   ModuleNotFoundError: No module named 'google_x.cloud'",
            changed: Some(("requirements.txt", "google_x\n")),
            says: "check that it is the package meant",
        },
        Case {
            name: "known below a shared top",
            files: &[("app.py", "import google.protobuf.x"), ("requirements.txt", "")],
            log: "ModuleNotFoundError: No module named 'google.protobuf.x'",
            changed: Some(("requirements.txt", "protobuf\n")),
            says: "`protobuf`",
        },
        Case {
            name: "pyproject is where the list is",
            files: &[
                ("app.py", "import yaml"),
                ("pyproject.toml", "[project] # mine\nname = 'x'\ndependencies = [\n  'flask', # web\n]\n"),
                ("requirements.txt", "-e .\n"),
            ],
            log: NO_YAML,
            changed: Some((
                "pyproject.toml",
                "[project] # mine\nname = 'x'\ndependencies = [\n  'flask', # web\n  \"PyYAML\",\n]\n",
            )),
            says: "pyproject.toml [project] dependencies",
        },
        Case {
            name: "poetry",
            files: &[
                ("app.py", "import yaml"),
                ("poetry.lock", ""),
                ("pyproject.toml", "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.9'"),
            ],
            log: NO_YAML,
            changed: Some((
                "pyproject.toml",
                "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.9'\nPyYAML = \"*\"\n",
            )),
            says: "poetry.lock has to be renewed",
        },
        Case {
            name: "only tests import it",
            files: &[
                ("tests/test_app.py", "    import yaml, os"),
                ("requirements.txt", "flask\n"),
                ("requirements-dev.txt", "-r requirements.txt\nblack\n"),
            ],
            log: NO_YAML,
            changed: Some(("requirements-dev.txt", "-r requirements.txt\nblack\nPyYAML\n")),
            says: "only tests import it",
        },
        Case {
            name: "several at once, each once",
            files: &[("app.py", "import yaml\nimport cv2 as c\n"), ("requirements.txt", "flask\n")],
            log: "ModuleNotFoundError: No module named 'yaml'\nImportError: No module named cv2\n\
                  ModuleNotFoundError: No module named \"yaml.x\"",
            changed: Some(("requirements.txt", "flask\nopencv-python\nPyYAML\n")),
            says: "added `opencv-python` to requirements.txt:2, added `PyYAML` to requirements.txt:3",
        },
        Case {
            name: "included file holds the list",
            files: &[
                ("app.py", "import yaml"),
                ("requirements.txt", "-r requirements/base.txt\n"),
                ("requirements/base.txt", "flask\n"),
            ],
            log: NO_YAML,
            changed: Some(("requirements/base.txt", "flask\nPyYAML\n")),
            says: "requirements/base.txt:2",
        },
        Case {
            name: "a new file where a script installs from it",
            files: &[("app.py", "import yaml"), ("ci.sh", "pip install -r requirements.txt")],
            log: NO_YAML,
            changed: Some(("requirements.txt", "PyYAML\n")),
            says: "requirements.txt:1",
        },
    ]);
}

#[test]
fn python_dependencies_are_not_guessed() {
    let none = |name, files, log, says| Case { name, files, log, changed: None, says };
    check(&[
        none("no list", &[("app.py", "import yaml")], NO_YAML, "no file lists"),
        none(
            "listed in another case, with extras and marker",
            &[("app.py", "import yaml"), ("requirements.txt", "pyYAML[x]>=5 ; python_version < '4'")],
            NO_YAML,
            "listed already (requirements.txt:1)",
        ),
        none(
            "listed in an included file",
            &[("app.py", "import yaml"), ("requirements.txt", "a\n-r more.txt\n"), ("more.txt", "pyyaml")],
            NO_YAML,
            "listed already (more.txt:1)",
        ),
        none(
            "own package",
            &[("app.py", "import yaml"), ("src/yaml/core.py", ""), ("requirements.txt", "a")],
            NO_YAML,
            "the repository's own",
        ),
        none(
            "own module further down",
            &[("app.py", "import helper"), ("lib/x/helper.py", ""), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'helper'",
            "the repository's own",
        ),
        none(
            "standard library",
            &[("app.py", "import tomllib"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'tomllib'",
            "belongs to Python itself",
        ),
        none(
            "part of the interpreter",
            &[("app.py", "import sqlite3"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named '_sqlite3'",
            "belongs to Python itself",
        ),
        none(
            "test runner",
            &[("app.py", ""), ("requirements.txt", "a")],
            "/usr/bin/python3: No module named pytest",
            "runs tests",
        ),
        none(
            "misspelling of a package",
            &[("app.py", "import reqeusts"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'reqeusts'",
            "misspelling of `requests`",
        ),
        none(
            "misspelling of an own module",
            &[("app.py", "import calcualtor"), ("calculator.py", ""), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'calcualtor'",
            "misspelling of `calculator`",
        ),
        none(
            "nobody imports it",
            &[("app.py", "import os"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'evil_package'",
            "no Python file of the tree imports",
        ),
        none(
            "hostile name",
            &[("app.py", "import os"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'x --index-url http:'",
            "no name of a module",
        ),
        none(
            "hostile name with a line break",
            &[("app.py", "import os"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'x\u{0b}evil'",
            "no name of a module",
        ),
        none(
            "a shared top",
            &[("app.py", "import google.x"), ("requirements.txt", "a")],
            "ModuleNotFoundError: No module named 'google'",
            "shared by many packages",
        ),
        none(
            "only talk",
            &[("app.py", "import yaml"), ("requirements.txt", "a")],
            "No module named 'yaml', he said",
            "no fixer",
        ),
        none(
            "compiled list",
            &[("app.py", "import yaml"), ("requirements.txt", "a==1 --hash=sha256:00")],
            NO_YAML,
            "written by a tool",
        ),
    ]);
}

const NO_LODASH: &str = "node:internal/modules/cjs/loader:1080\nError: Cannot find module 'lodash/fp'\nRequire stack:";

#[test]
fn npm_dependencies_are_added_to_the_nearest_manifest() {
    check(&[
        Case {
            name: "sorted, sub-path, version from the lockfile",
            files: &[
                ("a.js", "const f = require('lodash/fp');\n"),
                ("package.json", "{\n  \"dependencies\": {\n    \"a\": \"1\",\n    \"z\": \"1\"\n  }\n}\n"),
                ("package-lock.json", "{\"packages\": {\"node_modules/lodash\": {\"version\": \"4.17.21\"}}}"),
            ],
            log: NO_LODASH,
            changed: Some((
                "package.json",
                "{\n  \"dependencies\": {\n    \"a\": \"1\",\n    \"lodash\": \"^4.17.21\",\n    \"z\": \"1\"\n  }\n}\n",
            )),
            says: "the one package-lock.json knows; package-lock.json has to be renewed",
        },
        Case {
            name: "no list yet, CRLF, no newline at the end, any version",
            files: &[("a.mjs", "import x from \"@s/p/q\""), ("package.json", "{\r\n\t\"name\": \"x\"\r\n}")],
            log: "Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@s/p' imported from /home/runner/a.mjs",
            changed: Some((
                "package.json",
                "{\r\n\t\"name\": \"x\",\r\n\t\"dependencies\": {\r\n\t\t\"@s/p\": \"*\"\r\n\t}\r\n}",
            )),
            says: "any, as the repository knows none",
        },
        Case {
            name: "workspace, only tests, range of another workspace",
            files: &[
                ("package.json", "{}"),
                ("packages/a/package.json", "{\"devDependencies\": {}}"),
                ("packages/a/test/t.test.ts", "import l from 'lodash'"),
                ("packages/b/package.json", "{\"dependencies\": {\"lodash\": \"~4.1\"}}"),
            ],
            log: "Cannot find module 'lodash' from 'test/t.test.ts'",
            changed: Some(("packages/a/package.json", "{\"devDependencies\": {\n  \"lodash\": \"~4.1\"\n}}")),
            says: "the one packages/b/package.json asks for",
        },
    ]);
}

#[test]
fn npm_dependencies_are_not_guessed() {
    let none = |name, files, log, says| Case { name, files, log, changed: None, says };
    check(&[
        none("relative", &[("a.js", "require('./x')"), ("package.json", "{}")], "Cannot find module './x'", "no fixer"),
        none("absolute", &[("package.json", "{}")], "Error: Cannot find module '/app/index.js'", "no fixer"),
        none("hostile", &[("package.json", "{}")], "Cannot find module 'x\",\"scripts\":{'", "no fixer"),
        none(
            "built in",
            &[("a.js", "require('sqlite')"), ("package.json", "{}")],
            "Cannot find module 'sqlite'",
            "built into node",
        ),
        none(
            "not imported",
            &[("a.js", ""), ("package.json", "{}")],
            "Cannot find module 'evil'",
            "no file of the tree imports",
        ),
        none(
            "listed",
            &[("a.js", "require('lodash')"), ("package.json", "{\"devDependencies\": {\"lodash\": \"1\"}}")],
            NO_LODASH,
            "listed already (package.json devDependencies)",
        ),
        none(
            "misspelling",
            &[("a.js", "require('lodahs')"), ("package.json", "{\"dependencies\": {\"lodash\": \"1\"}}")],
            "Cannot find module 'lodahs'",
            "misspelling of `lodash`",
        ),
        none(
            "alias",
            &[("a.ts", "import '@app/x'"), ("package.json", "{}"), ("tsconfig.json", "{\"paths\": {\"@app/*\": []}}")],
            "Cannot find module '@app/x'",
            "alias",
        ),
        none(
            "itself",
            &[("a.js", "require('me')"), ("package.json", "{\"name\": \"me\"}")],
            "Cannot find module 'me'",
            "own package",
        ),
        none("broken manifest", &[("a.js", "require('lodash')"), ("package.json", "{,}")], NO_LODASH, "is not JSON"),
        none("no manifest", &[("a.js", "require('lodash')")], NO_LODASH, "no package.json"),
    ]);
}

const FLOW: &str = "on: push\njobs:\n  build:\n    timeout-minutes: 30 # enough?\n    steps:\n      - run: |\n          timeout-minutes: 9\n";

#[test]
fn the_time_of_our_own_job_is_doubled() {
    check(&[
        Case {
            name: "one value",
            files: &[(".github/workflows/ci.yml", FLOW)],
            log: "##[error]The job running on runner X has exceeded the maximum execution time of 30 minutes.",
            changed: Some((
                ".github/workflows/ci.yml",
                "on: push\njobs:\n  build:\n    timeout-minutes: 60 # enough?\n    steps:\n      - run: |\n          timeout-minutes: 9\n",
            )),
            says: "job `build` from 30 to 60 (.github/workflows/ci.yml:4)",
        },
        Case {
            name: "newer wording, the value tells, CRLF, capped",
            files: &[(
                ".github/workflows/a.yml",
                "jobs:\r\n  a:\r\n    timeout-minutes: 200\r\n  b:\r\n    steps:\r\n      - timeout-minutes: 5",
            )],
            log: "The job has exceeded the maximum execution time of 3h20m0s",
            changed: Some((
                ".github/workflows/a.yml",
                "jobs:\r\n  a:\r\n    timeout-minutes: 360\r\n  b:\r\n    steps:\r\n      - timeout-minutes: 5",
            )),
            says: "from 200 to 360",
        },
        Case {
            name: "the step is named by its minutes",
            files: &[(
                ".github/workflows/a.yaml",
                "jobs:\n  a:\n    timeout-minutes: 20\n    steps:\n      - timeout-minutes: 5\n        run: x",
            )],
            log: "##[error]The action 'Run x' has timed out after 5 minutes.",
            changed: Some((
                ".github/workflows/a.yaml",
                "jobs:\n  a:\n    timeout-minutes: 20\n    steps:\n      - timeout-minutes: 10\n        run: x",
            )),
            says: "from 5 to 10",
        },
        Case {
            name: "the file is named",
            files: &[
                (".github/workflows/a.yml", FLOW),
                (".github/workflows/b.yml", "jobs:\n  b:\n    timeout-minutes: 30"),
            ],
            log: "workflow .github/workflows/b.yml\nThe job has exceeded the maximum execution time of 30m0s",
            changed: Some((".github/workflows/b.yml", "jobs:\n  b:\n    timeout-minutes: 60")),
            says: "b.yml:3",
        },
    ]);
    let none = |name, files, log, says| Case { name, files, log, changed: None, says };
    let over = "exceeded the maximum execution time of 30 minutes";
    check(&[
        none(
            "at the ceiling",
            &[(".github/workflows/a.yml", "jobs:\n  a:\n    timeout-minutes: 360\n")],
            "exceeded the maximum execution time of 360 minutes",
            "the most there is",
        ),
        none(
            "two are possible",
            &[(".github/workflows/a.yml", FLOW), (".github/workflows/b.yml", FLOW)],
            over,
            "which of 2",
        ),
        none(
            "another value",
            &[(".github/workflows/a.yml", "jobs:\n  a:\n    timeout-minutes: 7\n")],
            over,
            "which of 1",
        ),
        none("no value", &[(".github/workflows/a.yml", "jobs:\n")], over, "no workflow sets"),
        none("not ours", &[("docs/workflows/a.yml", FLOW)], over, "no workflow sets"),
        none(
            "an expression",
            &[(".github/workflows/a.yml", "jobs:\n  a:\n    timeout-minutes: ${{ x }}\n")],
            over,
            "no workflow",
        ),
        none(
            "a service",
            &[(".github/workflows/a.yml", FLOW)],
            "curl: (28) Connection timed out after 30 minutes",
            "no fixer",
        ),
        none("an option", &[(".github/workflows/a.yml", FLOW)], "usage: x --timeout SECONDS", "no fixer"),
    ]);
}

#[test]
fn a_lost_executable_bit_is_given_back() {
    for log in [
        "sh: 1: ./bin/run.sh: Permission denied",
        "bash: line 3: ./bin/run.sh: Permission denied",
        "/bin/sh: /home/runner/work/x/x/bin/run.sh: Permission denied",
        "make: ./run.sh: Permission denied",
        "zsh: permission denied: ./bin/run.sh",
        "PermissionError: [Errno 13] Permission denied: './bin/run.sh'",
        "Error: spawn ./bin/run.sh EACCES",
        "fork/exec ./bin/run.sh: permission denied",
        "test.sh: 2: bin/run.sh: Permission denied",
    ] {
        let stage = Stage::new(&[("bin/run.sh", "#!/bin/sh\n"), ("other.sh", "#!/bin/sh\n")]).log(log);
        let Consulted::Fix(fixer, fix) = consult(&stage.task()) else { panic!("{log}") };
        assert!(matches!(edit(&stage.task(), fixer, &fix), Turn::Edited(_)), "{log}");
        let mode = |file: &str| fs::metadata(stage.root().join(file)).unwrap().permissions().mode() & 0o111;
        assert_eq!((mode("bin/run.sh"), mode("other.sh")), (0o111, 0), "{log}");
        assert!(matches!(consult(&stage.task()), Consulted::Nothing(_)), "{log}: twice");
    }
    let none = |name, files, log, says| Case { name, files, log, changed: None, says };
    check(&[
        none("no shebang", &[("data.txt", "x")], "sh: ./data.txt: Permission denied", "no `#!` line"),
        none("not there", &[("a", "x")], "sh: ./gone.sh: Permission denied", "no fixer"),
        none("out of the tree", &[("a", "x")], "sh: ../../bin/run.sh: Permission denied", "no fixer"),
        none("a key", &[("a", "x")], "git@github.com: Permission denied (publickey).", "no fixer"),
        none(
            "two are possible",
            &[("a/run.sh", "#!/bin/sh"), ("b/run.sh", "#!/bin/sh")],
            "sh: ./run.sh: Permission denied",
            "no fixer",
        ),
    ]);
}

#[test]
fn conflicts_are_recognised_and_left_alone() {
    let conflict = "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n";
    let none = |name, files, log, says| Case { name, files, log, changed: None, says };
    check(&[
        none(
            "the log shows the marker",
            &[("x.txt", "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n")],
            "    <<<<<<< HEAD",
            "x.txt holds",
        ),
        none(
            "nothing else is tried",
            &[("app.py", "<<<<<<< a\nimport yaml\n=======\n>>>>>>> b\n"), ("requirements.txt", "a")],
            "<<<<<<< a\nModuleNotFoundError: No module named 'yaml'",
            "which side is meant cannot be guessed",
        ),
        none("a heading is no marker", &[("x.md", "Title\n=======\n")], ">>>>>>> doctest", "no fixer"),
    ]);
    let mut stage = Stage::new(&[("x.py", conflict)]).log("SyntaxError: invalid syntax");
    stage.failure.files = vec!["x.py".to_owned()];
    assert!(
        matches!(consult(&stage.task()), Consulted::Nothing(reason) if reason.contains("x.py") && reason.contains("line 2"))
    );
}

#[test]
fn a_fixer_is_not_tried_twice_in_a_run() {
    let mut stage =
        Stage::new(&[("app.py", "import yaml"), ("requirements.txt", "a"), ("run.sh", "#!/bin/sh")]).log(NO_YAML);
    let Consulted::Fix(fixer, fix) = consult(&stage.task()) else { panic!("does not apply") };
    let told = Told { fixer, saw: &fix.saw }.account(&fix.did, &fix.why, Vec::new());
    stage.failed("claude", &told.diagnosis);
    assert!(
        matches!(consult(&stage.task()), Consulted::Fix("python-dependency", _)),
        "another agent's words do not count"
    );
    stage.failed(NAME, "fixer exec-bit\nsaw: fixer python-dependency");
    assert!(matches!(consult(&stage.task()), Consulted::Fix(..)), "what the log says does not count");
    stage.failed(NAME, &told.diagnosis).status = AttemptStatus::Succeeded;
    assert!(matches!(consult(&stage.task()), Consulted::Fix(..)), "what was proved may come again");
    stage.failed(NAME, &told.diagnosis).status = AttemptStatus::Failed;
    assert!(matches!(consult(&stage.task()), Consulted::Nothing(reason) if reason.contains("earlier attempt")));
}

#[test]
fn failures_for_people_are_left_to_them() {
    let mut stage = Stage::new(&[("run.sh", "#!/bin/sh")]).log("sh: ./run.sh: Permission denied");
    for category in [Category::Auth, Category::Credential, Category::Security] {
        stage.failure.category = category;
        assert!(matches!(consult(&stage.task()), Consulted::Nothing(reason) if reason.contains("for people")));
    }
}

#[test]
fn a_repair_needs_its_project() {
    let log = "Diff in src/main.rs\nplease run `cargo fmt`";
    let stage = Stage::new(&[("Cargo.toml", ""), ("src/main.rs", "")]).log(log);
    assert!(matches!(consult(&stage.task()), Consulted::Run("repair-command", saw, _) if saw.contains("log line 2")));
    let stage = Stage::new(&[("main.rs", "")]).log(log);
    assert!(matches!(consult(&stage.task()), Consulted::Nothing(_)));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_log_makes_a_fixer_panic_or_write_a_strange_name(name in "[a-z'\" ;\\\\/.\\-@\u{202e}\n]{0,20}", message in 0_usize..4) {
        let log = [
            format!("ModuleNotFoundError: No module named '{name}'"),
            format!("Error: Cannot find module '{name}'"),
            format!("sh: 1: {name}: Permission denied"),
            format!("job '{name}' exceeded the maximum execution time of {name}9 minutes, run `{name}`"),
        ][message].clone();
        let stage = Stage::new(&[("requirements.txt", "flask\n"), ("package.json", "{}"), ("a.py", ""), ("a.js", "")]).log(&log);
        proptest::prop_assert!(matches!(consult(&stage.task()), Consulted::Nothing(_) | Consulted::Run(..)));
    }
}
