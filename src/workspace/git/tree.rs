//! Makes a fresh tree: its own git folder with the user's branches, tags and objects to read, and the files of one commit.
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::git::Base;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::command::Git;
use crate::workspace::git::gitdir::GitDir;
use crate::workspace::git::home::failed;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Makes a tree with the files of `base`.
pub(super) async fn make(workspace: &GitWorkspace, base: &Base) -> Result<Tree, WorkspaceError> {
    let guard = workspace.owner().await?.tree_dir()?;
    let dir = fs::canonicalize(guard.path()).map_err(|it| failed(guard.path(), it))?;
    let tree = Tree {
        root: dir.join("work").join(folder_name(&base.repository.root)),
        scratch: dir.join("scratch"),
        git_dir: dir.join("git"),
        commit: base.commit.clone(),
        guard: Some(guard),
    };
    for path in [&tree.root, &tree.scratch] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|it| failed(path, it))?;
    }
    let git_dir = GitDir::write(&tree.git_dir, &base.repository.objects(), Some(&tree.commit))?;
    git_dir.write_refs(&base.refs)?;
    if let Some(shallow) = &base.shallow {
        git_dir.write_file("shallow", shallow)?;
    }
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
