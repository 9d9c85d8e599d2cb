//! Makes a fresh tree: its own git folder with the user's branches, tags and objects to read, and the files of one commit.
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::command::Git;
use crate::workspace::git::gitdir::GitDir;
use crate::workspace::git::home::failed;
use crate::workspace::git::repository::Repository;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Makes a tree of the repository at `path` with the files of `rev`.
pub(super) async fn make(workspace: &GitWorkspace, path: &Path, rev: &str) -> Result<Tree, WorkspaceError> {
    let repo = workspace.locate(path).await?;
    let commit = repo.commit(&workspace.launcher, rev).await?;
    let guard = workspace.owner().await?.tree_dir()?;
    let dir = fs::canonicalize(guard.path()).map_err(|it| failed(guard.path(), it))?;
    let tree = Tree {
        root: dir.join("work").join(folder_name(&repo.root)),
        scratch: dir.join("scratch"),
        git_dir: dir.join("git"),
        commit,
        guard: Some(guard),
    };
    for path in [&tree.root, &tree.scratch] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|it| failed(path, it))?;
    }
    let git_dir = GitDir::write(&tree.git_dir, &repo.objects(), Some(&tree.commit))?;
    copy_refs(workspace, &repo, &git_dir).await?;
    link(&tree)?;
    check_out(workspace, &tree).await?;
    Ok(tree)
}

/// Tests may import the checkout by its folder's name, so the tree has it too.
fn folder_name(root: &Path) -> String {
    let name = root.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let is_usable =
        name.len() <= 64 && name.starts_with(|it: char| it.is_ascii_alphanumeric()) && name.chars().all(is_plain);
    if is_usable { name } else { "tree".to_owned() }
}

/// Branches and tags make `git describe` work; the end of a shallow history must be known as one.
async fn copy_refs(workspace: &GitWorkspace, repo: &Repository, git_dir: &GitDir) -> Result<(), WorkspaceError> {
    let args = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"];
    let refs = repo.git(&workspace.launcher).run(&args, None).await?;
    git_dir.write_refs(&refs)?;
    match fs::read(repo.common_dir.join("shallow")) {
        Ok(shallow) => git_dir.write_file("shallow", &shallow),
        Err(_) => Ok(()),
    }
}

/// Makes git find its folder from the tree, for whatever runs there. We ourselves never ask the file.
fn link(tree: &Tree) -> Result<(), WorkspaceError> {
    let mut text = b"gitdir: ".to_vec();
    text.extend_from_slice(tree.git_dir.as_os_str().as_bytes());
    text.push(b'\n');
    let path = tree.root.join(".git");
    fs::write(&path, text).map_err(|it| failed(&path, it))
}

async fn check_out(workspace: &GitWorkspace, tree: &Tree) -> Result<(), WorkspaceError> {
    let git = Git::on(&workspace.launcher, &tree.root, &tree.git_dir).work_tree(&tree.root).attributes_of(&tree.commit);
    match git.run(&["read-tree", "--reset", "-u", &tree.commit], None).await {
        Err(WorkspaceError::Git(said)) if is_about_missing_objects(&said) => Err(WorkspaceError::Unusable(format!(
            "objects of {} are missing; a partial clone needs `git fetch --refetch --no-filter` first ({said})",
            tree.commit
        ))),
        other => other.map(|_| ()),
    }
}

fn is_about_missing_objects(said: &str) -> bool {
    ["unable to read", "missing blob", "Could not read", "unable to find", "bad object"]
        .iter()
        .any(|it| said.contains(it))
}

/// Refuses a tree whose root was replaced by a link to other people's files.
pub(super) fn check_place(tree: &Tree) -> Result<(), WorkspaceError> {
    let place = fs::canonicalize(&tree.root).map_err(|it| failed(&tree.root, it))?;
    if place == tree.root {
        return Ok(());
    }
    Err(WorkspaceError::BadPatch("the root of the work tree was replaced by something else".to_owned()))
}

/// Where the paths are noted that a person's patch touched, ignored or not.
pub(super) fn applied_file(tree: &Tree) -> PathBuf {
    let mut name = OsString::from(tree.git_dir.as_os_str());
    name.push(".applied");
    PathBuf::from(name)
}
