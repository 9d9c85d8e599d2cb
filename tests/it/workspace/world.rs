//! A user's repository in a temporary folder, and a workspace on it.
use paramedic::domain::Patch;
use paramedic::process::Launcher;
use paramedic::process::LauncherOptions;
use paramedic::process::SandboxChoice;
use paramedic::process::Tool;
use paramedic::workspace::GitWorkspace;
use paramedic::workspace::Tree;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// A launcher whose user has no settings of their own.
#[expect(clippy::disallowed_methods, reason = "a test stands where `config` would")]
pub(super) fn launcher() -> Launcher {
    let environment = std::env::vars_os().filter(|(name, _)| name != "HOME");
    Launcher::new(LauncherOptions {
        supervisor: PathBuf::from(env!("CARGO_BIN_EXE_paramedic")),
        environment: environment.chain([("HOME".into(), "/nonexistent".into())]).collect(),
        sandbox: SandboxChoice::Off,
        private: Vec::new(),
    })
}

/// Runs a script that must succeed, with a git that asks nobody.
pub(super) async fn sh(dir: &Path, script: &str) -> String {
    let home = dir.as_os_str();
    let text = format!("set -e\n{script}");
    let args = [OsStr::new("-c"), OsStr::new(&text)];
    let env = [
        ("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null")),
        ("GIT_AUTHOR_NAME", OsStr::new("User")),
        ("GIT_AUTHOR_EMAIL", OsStr::new("user@localhost")),
        ("GIT_COMMITTER_NAME", OsStr::new("User")),
        ("GIT_COMMITTER_EMAIL", OsStr::new("user@localhost")),
        ("HOME", home),
        // A changed file of the same size within the same second looks like the compiled one.
        ("PYTHONDONTWRITEBYTECODE", OsStr::new("1")),
    ];
    let timeout = Duration::from_mins(2);
    let tool = Tool { program: "sh", args: &args, cwd: dir, env: &env, stdin: None, timeout, max_output: 16 << 20 };
    let output = launcher().tool(&tool).await.unwrap();
    assert_eq!(output.code, Some(0), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) repo: PathBuf,
    pub(super) workspace: GitWorkspace,
}

impl World {
    /// A repository made by a script in an empty one, everything committed at the end.
    pub(super) async fn new(script: &str) -> Self {
        let world = Self::bare();
        sh(&world.repo, &format!("git init -q -b main .\n{script}\ngit add -A\ngit commit -q --allow-empty -m base"))
            .await;
        world
    }

    /// An empty folder, no repository yet.
    pub(super) fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let repo = root.join("project");
        fs::create_dir(&repo).unwrap();
        let workspace = GitWorkspace::new(launcher(), root.join("data/trees"));
        Self { dir, repo, workspace }
    }

    pub(super) fn home(&self) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join("data/trees")
    }

    pub(super) async fn sh(&self, script: &str) -> String {
        sh(&self.repo, script).await
    }

    pub(super) async fn head(&self) -> String {
        self.sh("git rev-parse HEAD").await
    }

    pub(super) async fn tree(&self) -> Tree {
        self.workspace.tree(&self.repo, &self.head().await).await.unwrap()
    }

    /// What a tree's difference is after a script ran in it.
    pub(super) async fn difference_after(&self, script: &str) -> Result<Patch, WorkspaceError> {
        let tree = self.tree().await;
        sh(&tree.root, script).await;
        self.workspace.difference(&tree).await
    }

    /// Applies a patch to a fresh tree and returns the tree.
    pub(super) async fn applied(&self, patch: &str) -> Result<Tree, WorkspaceError> {
        let tree = self.tree().await;
        self.workspace.apply(&tree, &Patch(patch.to_owned())).await.map(|()| tree)
    }

    /// Everything in the user's folder, `.git` included, with modes, times and contents.
    pub(super) fn everything(&self) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
        everything(&self.repo)
    }
}

pub(super) fn everything(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let contents = match metadata.file_type() {
            it if it.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
            it if it.is_file() => fs::read(&path).unwrap(),
            it if it.is_dir() => {
                left.extend(fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()));
                Vec::new()
            }
            _ => Vec::new(),
        };
        found.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), contents));
    }
    found
}

/// Names of the files in a tree, `.git` left out.
pub(super) fn files(root: &Path) -> Vec<String> {
    let all = everything(root);
    let names = all.keys().filter(|it| !it.is_dir() || it.is_symlink()).map(|it| it.strip_prefix(root).unwrap());
    names.map(|it| it.to_string_lossy().into_owned()).filter(|it| it != ".git").collect()
}
