//! What a repository is and where it stands, read without refreshing its index.
use crate::evidence::text;
use crate::workspace::RepositoryFacts;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitWorkspace;
use crate::workspace::git::home::failed;
use crate::workspace::git::remote;
use crate::workspace::git::repository::Repository;
use crate::workspace::git::settings::Settings;
use std::fs;
use std::path::Path;

const MAX_DIRTY: usize = 10;

/// Reads the facts of the repository that `path` belongs to.
pub(super) async fn read(workspace: &GitWorkspace, path: &Path) -> Result<RepositoryFacts, WorkspaceError> {
    let repo = workspace.locate(path).await?;
    let git = repo.git(&workspace.launcher);
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}"];
    let Some(head) = git.line(&args).await? else {
        let root = text::clean_line(&repo.root.to_string_lossy());
        let hint = "commit the code first: `git add -A && git commit`";
        return Err(WorkspaceError::Unusable(format!("{root} has no commit yet; {hint}")));
    };
    let branch = git.line(&["symbolic-ref", "--quiet", "HEAD"]).await?;
    let branch = branch.as_deref().map_or("HEAD", |it| it.strip_prefix("refs/heads/").unwrap_or(it));
    let origin = git.line(&["config", "--get", "remote.origin.url"]).await?;
    let name = origin.as_deref().and_then(remote::name_of).unwrap_or_else(|| folder_name(&repo.root));
    Ok(RepositoryFacts {
        name: text::clean_line(&name),
        branch: text::clean_line(branch),
        dirty: dirty(workspace, &repo, &head).await?,
        head,
        root: repo.root,
    })
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "repository".to_owned(), |it| it.to_string_lossy().into_owned())
}

/// Lists changed and new paths by a copy of the index in a private repository: the user's index is not refreshed,
/// and no filter or monitor of the user's configuration is run.
async fn dirty(workspace: &GitWorkspace, repo: &Repository, head: &str) -> Result<Vec<String>, WorkspaceError> {
    let settings = Settings::read(&workspace.launcher, repo).await?;
    let bench = workspace.bench(&repo.objects(), Some(head)).await?;
    copy_index(repo, bench.dir.path(), bench.git_dir.path())?;
    bench.git_dir.write_file("info/exclude", &settings.exclude)?;
    let args =
        ["status", "--porcelain=v1", "-z", "--no-renames", "--ignore-submodules=dirty", "--untracked-files=normal"];
    let git = bench.git(&workspace.launcher, &repo.root).attributes_of(head);
    let listing = settings.apply_to(git).run(&args, None).await?;
    let paths = listing.split(|it| *it == 0).filter_map(|it| it.get(3..)).take(MAX_DIRTY);
    Ok(paths.map(|it| text::clean_line(&String::from_utf8_lossy(it))).collect())
}

/// Copies the index, with the part that a split index shares.
fn copy_index(repo: &Repository, bench: &Path, git_dir: &Path) -> Result<(), WorkspaceError> {
    let index = repo.git_dir.join("index");
    if index.exists() {
        fs::copy(&index, bench.join("index")).map_err(|it| failed(&index, it))?;
    }
    for entry in fs::read_dir(&repo.git_dir).map_err(|it| failed(&repo.git_dir, it))?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("sharedindex.") {
            fs::copy(entry.path(), git_dir.join(&name)).map_err(|it| failed(&entry.path(), it))?;
        }
    }
    Ok(())
}
