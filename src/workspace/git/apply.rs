//! Applies a patch to the files of a tree, whole or not at all. `git apply` itself refuses paths outside the tree, through links, and into `.git`.
use crate::domain::Patch;
use crate::workspace::Tree;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::MAX_PATCH_BYTES;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;
use crate::workspace::git::gitdir::Objects;
use crate::workspace::git::home::failed;
use crate::workspace::git::mend;
use crate::workspace::git::mend::Reading;
use crate::workspace::git::tree;
use std::fs::File;
use std::io::Write as _;

/// A hunk without context after its change belongs to the end of the file, one without context before it to the beginning.
const ANCHORED: &[&str] = &[];
/// A person may have left out the context; what context there is must still match exactly.
const UNANCHORED: &[&str] = &["--unidiff-zero"];

/// Applies the first reading of `patch` that fits the tree; complains about the exact one.
pub(super) async fn to_tree(workspace: &GitWorkspace, tree: &Tree, patch: &Patch) -> Result<(), WorkspaceError> {
    if patch.is_empty() {
        return Ok(());
    }
    check_size(patch)?;
    tree::check_place(tree)?;
    let bench = workspace.bench(&Objects::of(&tree.git_dir), Some(&tree.commit)).await?;
    let git = bench.git(&workspace.launcher, &tree.root);
    let exists = |path: &str| tree.root.join(path.trim_start_matches('/')).symlink_metadata().is_ok();
    let mut complaint = None;
    for anchoring in [ANCHORED, UNANCHORED] {
        for reading in mend::readings(patch.text(), &exists) {
            match apply(&git, &reading, anchoring).await? {
                None => return note_paths(&git, tree, &reading).await,
                Some(said) => complaint = complaint.or(Some(said)),
            }
        }
    }
    Err(WorkspaceError::DoesNotApply(complaint.unwrap_or_default()))
}

/// Refuses what is larger than a patch may be.
pub(super) fn check_size(patch: &Patch) -> Result<(), WorkspaceError> {
    if patch.text().len() <= MAX_PATCH_BYTES {
        return Ok(());
    }
    Err(WorkspaceError::BadPatch(format!("the patch is larger than {} MiB", MAX_PATCH_BYTES >> 20)))
}

/// Returns what git has against it, if anything.
async fn apply(git: &Git, reading: &Reading<'_>, anchoring: &[&str]) -> Result<Option<String>, WorkspaceError> {
    let more: Vec<&str> = ["--whitespace=nowarn"].iter().chain(anchoring).copied().collect();
    let output = git.output(&args(reading, &more), Some(reading.text.as_bytes())).await?;
    Ok((output.code != Some(0)).then(|| complaint(&output)))
}

fn args<'a>(reading: &Reading<'_>, more: &[&'a str]) -> Vec<&'a str> {
    let strip = if reading.strip == 0 { "-p0" } else { "-p1" };
    let recount = reading.recount.then_some("--recount");
    ["apply", strip].into_iter().chain(recount).chain(more.iter().copied()).chain(["-"]).collect()
}

/// Notes which paths were touched: a file that a person adds counts even where the repository ignores it.
async fn note_paths(git: &Git, tree: &Tree, reading: &Reading<'_>) -> Result<(), WorkspaceError> {
    let listing = git.run(&args(reading, &["--numstat", "-z"]), Some(reading.text.as_bytes())).await?;
    let records = listing.split(|it| *it == 0).filter_map(|it| it.splitn(3, |byte| *byte == b'\t').nth(2));
    let paths: Vec<u8> = records.flat_map(|it| it.iter().copied().chain([0])).collect();
    let path = tree::applied_file(tree);
    let write = File::options().create(true).append(true).open(&path).and_then(|mut it| it.write_all(&paths));
    write.map_err(|it| failed(&path, it))
}
