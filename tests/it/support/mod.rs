//! A world of its own for each test: a data directory, a real repository, and the real binary in a hermetic environment.
pub(crate) mod github;
pub(crate) mod postgres;

use paramedic::store::sqlite::SqliteStore;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PARAMEDIC: &str = env!("CARGO_BIN_EXE_paramedic");
/// How long a condition may take on a slow machine before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with everything a test needs; gone at the end.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

/// How the program ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Returns standard output as the one JSON document it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("paramedic-test-").tempdir().unwrap() }
    }

    /// Returns how many processes say that they take runs from the queue.
    pub(crate) fn n_workers(&self) -> usize {
        use paramedic::store::Store as _;
        let now = std::time::SystemTime::now().try_into().unwrap();
        std::fs::create_dir_all(self.data_dir()).unwrap();
        let read = async {
            let store = SqliteStore::open(&self.data_dir().join("paramedic.db")).await.unwrap();
            store.present(now).await.unwrap().len()
        };
        tokio::runtime::Runtime::new().unwrap().block_on(read)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// Makes the repository with these files and one commit; a content that starts with `#!` is made executable.
    pub(crate) fn with_repo(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        fs::create_dir_all(world.repo()).unwrap();
        for (path, content) in files {
            world.write(path, content);
        }
        world.git(&["init", "-q", "-b", "main", "."]);
        world.git(&["add", "-A", "-f", "."]);
        world.git(&["commit", "-q", "-m", "Start"]);
        world
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        if content.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Writes the settings of the person who works here.
    pub(crate) fn settings(&self, text: &str) {
        let folder = self.dir.path().join("home/.config/paramedic");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), text).unwrap();
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.repo())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "T")
            .env("GIT_AUTHOR_EMAIL", "t@localhost")
            .env("GIT_COMMITTER_NAME", "T")
            .env("GIT_COMMITTER_EMAIL", "t@localhost")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Returns a call of the program that sees nothing of the tester's own settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PARAMEDIC);
        let home = self.dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        command.args(args).current_dir(self.dir.path()).env_clear();
        for name in ["PATH", "PYENV_ROOT", "CARGO_HOME", "RUSTUP_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // pyenv's and rustup's shims look for their tools below the real home.
        if let Some(real) = std::env::var_os("HOME").map(PathBuf::from) {
            for (name, folder) in [("PYENV_ROOT", ".pyenv"), ("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() && real.join(folder).is_dir() {
                    command.env(name, real.join(folder));
                }
            }
        }
        command
            .env("HOME", home)
            .env("USER", "tester")
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("PARAMEDIC_DATA_DIR", self.data_dir())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let file = self.dir.path().join("input");
        fs::write(&file, input).unwrap();
        ran(self.command(args).stdin(fs::File::open(file).unwrap()))
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Heals the repository with a shell script as agent; returns the exit and the run.
    pub(crate) fn heal(&self, agent: &str, more: &[&str]) -> (i32, Value) {
        let repo = self.repo();
        let mut args = vec!["heal", "--json", "--repo", repo.to_str().unwrap(), "--agent-command", agent];
        args.extend(more);
        let ran = self.run(&args);
        (ran.code, ran.json())
    }

    /// Writes a shell program beside the repository and returns the command that runs it.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        format!("sh {}", path.display())
    }

    /// Returns content, mode and modification time of every file of the repository, git's own included.
    pub(crate) fn fingerprint(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64)> {
        let mut found = BTreeMap::new();
        collect(&self.repo(), &mut found);
        found
    }

    /// Checks the audit chain and that nothing was left behind.
    pub(crate) fn assert_clean(&self) {
        let audit = self.run(&["audit", "verify", "--json"]);
        assert_eq!(audit.code, 0, "{audit:#?}");
        let trees: Vec<_> = fs::read_dir(self.data_dir().join("trees"))
            .map(|it| it.flatten().map(|it| it.path()).filter(|it| it.is_dir()).collect())
            .unwrap_or_default();
        assert!(trees.is_empty(), "stray trees: {trees:?}");
        assert_eq!(self.strays(), Vec::<String>::new(), "stray processes");
    }

    /// Returns the names of the trees in which a process works right now.
    pub(crate) fn busy_trees(&self) -> Vec<String> {
        let trees = self.data_dir().join("trees");
        let name = |cwd: PathBuf| {
            let mut parts = cwd.strip_prefix(&trees).ok()?.iter().filter_map(|it| it.to_str());
            parts.find(|it| it.starts_with("tree-")).map(str::to_owned)
        };
        let cwds = fs::read_dir("/proc").unwrap().flatten().filter_map(|it| fs::read_link(it.path().join("cwd")).ok());
        cwds.filter_map(name).collect()
    }

    /// Returns the command lines of living processes that work below this world's folder.
    pub(crate) fn strays(&self) -> Vec<String> {
        let mine = self.dir.path().to_string_lossy().into_owned();
        let mut strays = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(cwd) = fs::read_link(entry.path().join("cwd")) else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if cwd.to_string_lossy().starts_with(&mine) && !line.is_empty() {
                strays.push(line);
            }
        }
        strays
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until `condition` gives a value, and fails after `PATIENCE`.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(since.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Asks again and again until there is an answer, and fails after `PATIENCE`.
pub(crate) async fn eventually_answered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap()
}

fn collect(dir: &Path, found: &mut BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path.clone(), (content, about.mode(), about.mtime(), about.mtime_nsec()));
        if about.is_dir() {
            collect(&path, found);
        }
    }
}

/// A small program with a bug, and its tests.
pub(crate) const BUGGY: &[(&str, &str)] = &[
    ("calc.py", "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n"),
    (
        "test_calc.py",
        "import unittest\n\nimport calc\n\n\nclass CalcTest(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(calc.add(2, 3), 5)\n\n    def test_double(self):\n        self.assertEqual(calc.double(4), 8)\n",
    ),
];

/// The agent that is right at once.
pub(crate) const RIGHT: &str = "sed -i 's/a - b/a + b/' calc.py; echo 'the sign was wrong'";
