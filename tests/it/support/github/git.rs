//! The repositories behind the fake: real ones without a work tree, whose branches are what the fake tells.
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Who commits at GitHub.
const IDENTITY: &str = "Octo Cat <octocat@github.com> 1795200000 +0000";

/// A bare repository. Whoever knows its address can push to it; that is seen at the next request.
#[derive(Debug)]
pub(crate) struct Git(PathBuf);

impl Git {
    pub(super) fn make(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let git = Self(path);
        git.run(&["init", "-q", "--bare", "-b", "main", "."]);
        git
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a commit on a branch, with these files beside those that are there; a new branch begins at `main`. Returns the commit.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)], message: &str) -> String {
        self.commit_by(IDENTITY, branch, files, message)
    }

    /// The same in another's name and at another time, as git writes both.
    pub(crate) fn commit_by(&self, who: &str, branch: &str, files: &[(&str, &str)], message: &str) -> String {
        let from = self.tip(branch).or_else(|| self.tip("main"));
        let mut script = format!("commit refs/heads/{branch}\ncommitter {who}\ndata {}\n{message}\n", message.len());
        if let Some(from) = from {
            writeln!(script, "from {from}").unwrap();
        }
        for (path, content) in files {
            let mode = if content.starts_with("#!") { "100755" } else { "100644" };
            writeln!(script, "M {mode} inline {path}\ndata {}\n{content}", content.len()).unwrap();
        }
        let output = self.git(&["fast-import", "--quiet", "--force"], &script);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.tip(branch).unwrap()
    }

    /// Returns the commit of a branch, `None` if there is no such branch.
    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        self.loose(branch).or_else(|| self.resolve(&format!("refs/heads/{branch}")))
    }

    /// Returns the commit that a name stands for: a branch's, or one of which it is the id.
    pub(super) fn resolve(&self, name: &str) -> Option<String> {
        if let Some(sha) = self.loose(name) {
            return Some(sha);
        }
        let tries = [format!("refs/heads/{name}^{{commit}}"), format!("{name}^{{commit}}")];
        tries.iter().filter(|it| !it.starts_with('-')).find_map(|it| self.ask(&["rev-parse", "-q", "--verify", it]))
    }

    /// Reads a branch as git writes it: asked for with every request, it is not worth a process. One that somebody packed is not found.
    fn loose(&self, branch: &str) -> Option<String> {
        let sha = std::fs::read_to_string(self.0.join("refs/heads").join(branch)).ok()?;
        Some(sha.trim_end().to_owned())
    }

    /// Returns all branches with their commits.
    pub(super) fn branches(&self) -> Vec<(String, String)> {
        let text = self.run(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/"]);
        text.lines()
            .map(|it| it.split_once(' ').unwrap())
            .map(|(name, sha)| (name.to_owned(), sha.to_owned()))
            .collect()
    }

    /// Returns the address, committer's address, message and date of a commit.
    pub(super) fn facts(&self, sha: &str) -> [String; 4] {
        let text = self.run(&["show", "-s", "--format=%ae%x00%ce%x00%B%x00%cI", sha]);
        let mut parts = text.split('\0').map(|it| it.trim_end().to_owned());
        [(); 4].map(|()| parts.next().unwrap())
    }

    /// Returns the commits of `head` that are not in `base`, oldest first.
    pub(super) fn between(&self, base: &str, head: &str) -> Vec<String> {
        let text = self.run(&["rev-list", "--reverse", &format!("{base}..{head}")]);
        text.lines().map(str::to_owned).collect()
    }

    /// Returns how a branch stands to a commit, in GitHub's words; `None` if one of them is not there.
    pub(super) fn compare(&self, base: &str, head: &str) -> Option<&'static str> {
        let (base, head) = (self.resolve(base)?, self.resolve(head)?);
        Some(match (self.between(&base, &head).is_empty(), self.between(&head, &base).is_empty()) {
            (true, true) => "identical",
            (false, true) => "ahead",
            (true, false) => "behind",
            (false, false) => "diverged",
        })
    }

    pub(crate) fn file(&self, at: &str, path: &str) -> Option<Vec<u8>> {
        let output = self.git(&["cat-file", "blob", &format!("{}:{path}", self.resolve(at)?)], "");
        output.status.success().then_some(output.stdout)
    }

    /// Returns the entries of a folder: kind (`blob`, `tree`) and path.
    pub(super) fn folder(&self, at: &str, path: &str) -> Option<Vec<(String, String)>> {
        let tree = format!("{}:{path}", self.resolve(at)?);
        let text = self.ask(&["ls-tree", "--format=%(objecttype) %(path)", &tree])?;
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let rows = text.lines().map(|it| it.split_once(' ').unwrap());
        Some(rows.map(|(kind, name)| (kind.to_owned(), below(name))).collect())
    }

    /// Returns the tree of a merge of both, `None` if they are in conflict.
    pub(super) fn merged_tree(&self, base: &str, head: &str) -> Option<String> {
        self.ask(&["merge-tree", "--write-tree", base, head])?.lines().next().map(str::to_owned)
    }

    /// Makes a commit of a tree and puts a branch there.
    pub(super) fn advance(&self, branch: &str, tree: &str, parents: &[&str], message: &str) -> String {
        let mut args = vec!["commit-tree", tree];
        args.extend(parents.iter().flat_map(|it| ["-p", it]));
        args.extend(["-m", message]);
        let sha = self.run(&args);
        self.run(&["update-ref", &format!("refs/heads/{branch}"), &sha]);
        sha
    }

    pub(crate) fn delete_branch(&self, branch: &str) {
        self.run(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    }

    /// Runs git, which must succeed; returns what it says.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.git(args, "");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs git, which may fail.
    fn ask(&self, args: &[&str]) -> Option<String> {
        let output = self.git(args, "");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn git(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(&self.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Octo Cat")
            .env("GIT_AUTHOR_EMAIL", "octocat@github.com")
            .env("GIT_COMMITTER_NAME", "GitHub")
            .env("GIT_COMMITTER_EMAIL", "noreply@github.com")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that ends without reading is no matter.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }
}
