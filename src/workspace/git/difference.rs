//! The whole difference of a folder from a commit, whatever happened to the folder's own index, ignore files, attributes and `.git`.
use crate::domain::Patch;
use crate::evidence::text;
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::git::Bench;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::MAX_PATCH_BYTES;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::gitdir::Objects;
use crate::workspace::git::ignore;
use crate::workspace::git::ignore::IgnoreRules;
use crate::workspace::git::objects;
use crate::workspace::git::repository::Repository;
use crate::workspace::git::settings::Settings;
use crate::workspace::git::tree;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The largest ignore file that is read.
const MAX_IGNORE_BYTES: usize = 1 << 20;
/// More new files than this are no patch, and git would take minutes to say so.
const MAX_NEW_FILES: usize = 10_000;

/// How a difference is written down, whatever the user's own settings say.
pub(super) const OPTIONS: &[&str] = &[
    "--patch",
    "--binary",
    "--full-index",
    "--find-renames",
    "-l1000",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--unified=3",
    "--inter-hunk-context=0",
    "--diff-algorithm=myers",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    // Looking for changes inside a nested repository would run git there, with that repository's configuration.
    "--ignore-submodules=dirty",
];

/// Returns the difference of a tree from its commit.
pub(super) async fn of_tree(workspace: &GitWorkspace, tree: &Tree) -> Result<Patch, WorkspaceError> {
    tree::check_place(tree)?;
    let bench = workspace.bench(&Objects::of(&tree.git_dir), Some(&tree.commit)).await?;
    let git = bench.git(&workspace.launcher, &tree.root).attributes_of(&tree.commit);
    let applied = fs::read(tree::applied_file(tree)).unwrap_or_default();
    let folder = Folder { bench: &bench, git, root: &tree.root, commit: &tree.commit };
    folder.read_commit().await?;
    folder.add_new_files(b"", &applied).await?;
    folder.patch().await
}

/// Returns the difference of a user's own checkout from a commit; only read, its index not even looked at.
pub(super) async fn of_checkout(
    workspace: &GitWorkspace,
    repo: &Path,
    dir: &Path,
    rev: &str,
) -> Result<Patch, WorkspaceError> {
    let repo = workspace.locate(repo).await?;
    let commit = repo.commit(&workspace.launcher, rev).await?;
    let checkout = workspace.locate(dir).await?;
    if checkout.common_dir != repo.common_dir && checkout.commit(&workspace.launcher, &commit).await.is_err() {
        let [dir, repo] = [&checkout.root, &repo.root].map(|it| text::clean_line(&it.to_string_lossy()));
        let hint = "use a worktree (`git worktree add`) or a clone of it";
        return Err(WorkspaceError::Unusable(format!(
            "{dir} is no checkout of {repo}: it lacks commit {commit}; {hint}"
        )));
    }
    let settings = Settings::read(&workspace.launcher, &checkout).await?;
    let bench = workspace.bench(&repo.objects(), Some(&commit)).await?;
    let git = settings.apply_to(bench.git(&workspace.launcher, &checkout.root).attributes_of(&commit));
    let folder = Folder { bench: &bench, git, root: &checkout.root, commit: &commit };
    folder.read_commit().await?;
    if settings.is_sparse {
        folder.skip_what_is_not_there(&checkout, workspace).await?;
    }
    folder.add_new_files(&settings.exclude, b"").await?;
    folder.patch().await
}

/// A folder that is compared with a commit.
struct Folder<'a> {
    bench: &'a Bench,
    git: Git,
    root: &'a Path,
    commit: &'a str,
}

impl Folder<'_> {
    /// Fills the private index with the commit, remembering nothing of the files: each is compared by its contents.
    async fn read_commit(&self) -> Result<(), WorkspaceError> {
        self.git.run(&["read-tree", self.commit], None).await.map(|_| ())
    }

    /// Compares the files of the commit, and adds those it has not to the private index without storing their contents anywhere.
    async fn add_new_files(&self, exclude: &[u8], always: &[u8]) -> Result<(), WorkspaceError> {
        let tracked = self.git.run(&["ls-files", "-s", "-z"], None).await?;
        let tracked: Vec<Entry<'_>> = tracked.split(|it| *it == 0).filter_map(Entry::parse).collect();
        self.check_kinds(&tracked)?;
        let rules = self.rules(&tracked, exclude).await?;
        let file = self.bench.dir.path().join("ignore");
        fs::write(&file, rules.text()).map_err(|source| WorkspaceError::Io { path: file.clone(), source })?;
        let mut exclude_from = OsString::from("--exclude-from=");
        exclude_from.push(&file);
        let args = [OsStr::new("ls-files"), OsStr::new("-o"), OsStr::new("-z"), &exclude_from];
        let listed = self.git.run(&args, None).await?;
        let known: BTreeSet<&[u8]> = tracked.iter().map(|it| it.path).collect();
        let always = always.split(|it| *it == 0).filter(|it| !known.contains(it));
        let paths: BTreeSet<&[u8]> = listed.split(|it| *it == 0).chain(always).filter(|it| !it.is_empty()).collect();
        if paths.len() > MAX_NEW_FILES {
            let text =
                format!("the change adds {} files, more than {MAX_NEW_FILES}; ignore what is generated", paths.len());
            return Err(WorkspaceError::BadPatch(text));
        }
        let records: Vec<u8> = paths.iter().filter_map(|it| self.record(it)).flatten().collect();
        // Refreshed first, which answers 1 when something differs: that comes next.
        let args = ["update-index", "-q", "--refresh", "-z", "--index-info"];
        let output = self.git.output(&args, Some(&records)).await?;
        if !matches!(output.code, Some(0 | 1)) {
            let text = format!("a new file cannot be kept in a patch: {}", complaint(&output));
            return Err(WorkspaceError::BadPatch(text));
        }
        Ok(())
    }

    /// git takes a pipe or a device in the place of a file for the unchanged file.
    fn check_kinds(&self, tracked: &[Entry<'_>]) -> Result<(), WorkspaceError> {
        let is_odd = |path: &[u8]| {
            let metadata = self.root.join(OsStr::from_bytes(path)).symlink_metadata();
            metadata.is_ok_and(|it| !it.is_file() && !it.is_dir() && !it.is_symlink())
        };
        match tracked.iter().find(|it| is_odd(it.path)) {
            None => Ok(()),
            Some(entry) => {
                let path = text::clean_line(&String::from_utf8_lossy(entry.path));
                Err(WorkspaceError::BadPatch(format!("{path} is neither a file nor a link any more")))
            }
        }
    }

    async fn rules(&self, tracked: &[Entry<'_>], exclude: &[u8]) -> Result<IgnoreRules, WorkspaceError> {
        let mut files: Vec<(&[u8], &Entry<'_>)> = tracked
            .iter()
            .filter_map(|it| match it.path.strip_suffix(b".gitignore")? {
                b"" => Some((&b""[..], it)),
                dir => Some((dir.strip_suffix(b"/")?, it)),
            })
            .filter(|(_, it)| it.mode.starts_with(b"100"))
            .collect();
        files.sort_by_key(|(dir, _)| dir.split(|it| *it == b'/').filter(|it| !it.is_empty()).count());
        let names: Vec<String> = files.iter().map(|(_, it)| String::from_utf8_lossy(it.object).into_owned()).collect();
        let texts = objects::blobs(&self.git, &names, MAX_IGNORE_BYTES).await?;
        let mut rules = IgnoreRules::new(exclude);
        for ((dir, _), text) in files.iter().zip(texts) {
            if let Some(text) = text.filter(|_| !dir.contains(&b'\n')) {
                rules.add_file(dir, &text.bytes);
            }
        }
        let dirs = tracked.iter().flat_map(|it| ignore::leftover_dirs_of(it.path));
        rules.add_leftovers(&dirs.filter(|it| !it.contains(&b'\n')).map(<[u8]>::to_vec).collect());
        Ok(rules)
    }

    /// Returns the index record of a new path. The object id is made up: it matches nothing, so that git reads the file itself.
    fn record(&self, path: &[u8]) -> Option<Vec<u8>> {
        let (path, is_dir) = path.strip_suffix(b"/").map_or((path, false), |it| (it, true));
        let metadata = self.root.join(OsStr::from_bytes(path)).symlink_metadata().ok()?;
        let mode = match metadata.file_type() {
            it if it.is_symlink() => "120000",
            it if it.is_dir() && is_dir => "160000",
            it if it.is_file() && metadata.permissions().mode() & 0o100 != 0 => "100755",
            it if it.is_file() => "100644",
            _ => return None,
        };
        let mut record = format!("{mode} {}\t", "1".repeat(self.commit.len())).into_bytes();
        record.extend_from_slice(path);
        record.push(0);
        Some(record)
    }

    /// In a sparse checkout a file that is left out on purpose is not deleted.
    async fn skip_what_is_not_there(
        &self,
        checkout: &Repository,
        workspace: &GitWorkspace,
    ) -> Result<(), WorkspaceError> {
        let listed = checkout.git(&workspace.launcher).run(&["ls-files", "-t", "-z"], None).await?;
        let ours = self.git.run(&["ls-files", "-z"], None).await?;
        let ours: BTreeSet<&[u8]> = ours.split(|it| *it == 0).collect();
        let skipped = listed.split(|it| *it == 0).filter_map(|it| it.strip_prefix(b"S "));
        let absent =
            skipped.filter(|it| ours.contains(it) && self.root.join(OsStr::from_bytes(it)).symlink_metadata().is_err());
        let paths: Vec<u8> = absent.flat_map(|it| it.iter().copied().chain([0])).collect();
        self.git.run(&["update-index", "--skip-worktree", "-z", "--stdin"], Some(&paths)).await.map(|_| ())
    }

    async fn patch(&self) -> Result<Patch, WorkspaceError> {
        let mut args = vec!["diff-index"];
        args.extend(OPTIONS);
        args.extend([self.commit, "--"]);
        let output = self.git.clone().max_output(MAX_PATCH_BYTES).output(&args, None).await?;
        if output.truncated {
            let text = format!("the change is larger than {} MiB as a patch", MAX_PATCH_BYTES >> 20);
            return Err(WorkspaceError::BadPatch(text));
        }
        if output.code != Some(0) {
            let text = format!("the change cannot be kept as a patch: {}", complaint(&output));
            return Err(WorkspaceError::BadPatch(text));
        }
        String::from_utf8(output.stdout).map(Patch).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let before = String::from_utf8_lossy(valid);
            let file = before.lines().rev().find_map(|it| it.strip_prefix("diff --git a/")).unwrap_or_default();
            let file = text::clean_line(file.split(" b/").next().unwrap_or_default());
            WorkspaceError::BadPatch(format!("the change of {file} is not UTF-8 and cannot be kept as a patch"))
        })
    }
}

/// A line of `ls-files -s`.
struct Entry<'a> {
    mode: &'a [u8],
    object: &'a [u8],
    path: &'a [u8],
}

impl<'a> Entry<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let tab = line.iter().position(|it| *it == b'\t')?;
        let mut head = line[..tab].split(|it| *it == b' ');
        Some(Self { mode: head.next()?, object: head.next()?, path: &line[tab + 1..] })
    }
}
