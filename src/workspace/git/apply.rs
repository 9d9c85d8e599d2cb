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
                Ok(paths) => return note_paths(tree, &paths),
                Err(said) => complaint = complaint.or(Some(said)),
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

/// Returns the paths that were touched, or what git has against it.
async fn apply(
    git: &Git,
    reading: &Reading<'_>,
    anchoring: &[&str],
) -> Result<Result<Vec<u8>, String>, WorkspaceError> {
    let output = git.output(&args(reading, anchoring), Some(reading.text.as_bytes())).await?;
    if output.code != Some(0) {
        return Ok(Err(complaint(&output)));
    }
    let records = output.stdout.split(|it| *it == 0).filter_map(|it| it.splitn(3, |byte| *byte == b'\t').nth(2));
    Ok(Ok(records.flat_map(|it| it.iter().copied().chain([0])).collect()))
}

fn args<'a>(reading: &Reading<'_>, anchoring: &[&'a str]) -> Vec<&'a str> {
    let strip = if reading.strip == 0 { "-p0" } else { "-p1" };
    let recount = reading.recount.then_some("--recount");
    let listing = ["--apply", "--numstat", "-z", "--whitespace=nowarn"];
    ["apply", strip].into_iter().chain(recount).chain(listing).chain(anchoring.iter().copied()).chain(["-"]).collect()
}

/// Notes which paths were touched: a file that a person adds counts even where the repository ignores it.
fn note_paths(tree: &Tree, paths: &[u8]) -> Result<(), WorkspaceError> {
    let path = tree::applied_file(tree);
    let write = File::options().create(true).append(true).open(&path).and_then(|mut it| it.write_all(paths));
    write.map_err(|it| failed(&path, it))
}
