//! An approve makes one commit and one branch, once, and nothing else.
use crate::workspace::world::World;
use crate::workspace::world::launcher;
use paramedic::domain::Patch;
use paramedic::workspace::BranchCommit;
use paramedic::workspace::GitWorkspace;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::collections::BTreeSet;

const BRANCH: &str = "heal/01234567-89abcdef";

async fn world_with_patch() -> (World, String, Patch) {
    let world = World::new("echo one > a; printf 'a\\0b' > bin; seq 10 > long").await;
    let patch = world
        .difference_after("echo two > a; printf 'b\\0' > bin; mv long moved; chmod +x a; echo x > 'né w'")
        .await
        .unwrap();
    let head = world.head().await;
    world.sh("echo dirty > a; echo staged > s; git add s; git config commit.gpgSign true; git config core.logAllRefUpdates always").await;
    for hook in ["pre-commit", "post-commit", "commit-msg", "reference-transaction"] {
        world.sh(&format!("printf '#!/bin/sh\\ntouch ../marker ../../marker\\nexit 1\\n' > .git/hooks/{hook}; chmod +x .git/hooks/{hook}")).await;
    }
    (world, head, patch)
}

fn wanted<'a>(base: &'a str, patch: &'a Patch, message: &'a str) -> BranchCommit<'a> {
    BranchCommit { base, branch: BRANCH, patch, message, unix_seconds: 1_700_000_000 }
}

#[tokio::test]
async fn one_commit_one_branch_and_nothing_else() {
    let (world, head, patch) = world_with_patch().await;
    let before = world.everything();
    let made = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Heal it\n\nBody é\n")).await.unwrap();
    let after = world.everything();
    let changed: BTreeSet<_> = after
        .iter()
        .filter(|(path, it)| {
            before.get(*path).map(|it| &it.3) != Some(&it.3) || (!path.is_dir() && before[*path] != **it)
        })
        .map(|(path, _)| path.strip_prefix(world.repo.join(".git")).unwrap().to_string_lossy().into_owned())
        .collect();
    let other: Vec<_> = changed.iter().filter(|it| !it.starts_with("objects/")).collect();
    assert_eq!(other, ["refs/heads/heal", "refs/heads/heal/01234567-89abcdef"]);
    assert!(before.keys().all(|it| after.contains_key(it)));
    assert!(!world.dir.path().join("marker").exists());

    let shown = world.sh(&format!("git log -1 --format='%an <%ae> %at %cn <%ce> %ct%n%P%n%B' {BRANCH}")).await;
    assert_eq!(
        shown,
        format!(
            "Paramedic <paramedic@localhost> 1700000000 Paramedic <paramedic@localhost> 1700000000\n{head}\nHeal it\n\nBody é"
        )
    );
    let tree = world.workspace.tree(&world.repo, &made).await.unwrap();
    let expected = world.applied(patch.text()).await.unwrap();
    let files = crate::workspace::world::files(&tree.root);
    assert_eq!(files, crate::workspace::world::files(&expected.root));
    for name in files {
        assert_eq!(
            std::fs::read(tree.root.join(&name)).unwrap(),
            std::fs::read(expected.root.join(&name)).unwrap(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn again_is_a_no_op_and_something_else_is_refused() {
    let (world, head, patch) = world_with_patch().await;
    let first = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Heal")).await.unwrap();
    let before: Vec<_> = world.everything().into_keys().collect();
    let again = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Heal")).await.unwrap();
    assert_eq!(again, first);
    let other = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Something else")).await.unwrap_err();
    assert!(matches!(other, WorkspaceError::BranchTaken { branch } if branch == BRANCH));
    assert_eq!(world.everything().into_keys().collect::<Vec<_>>(), before, "a refusal leaves nothing behind");
    assert_eq!(world.sh(&format!("git rev-parse {BRANCH}")).await, first);
}

#[tokio::test]
async fn two_at_the_same_time_make_one_branch() {
    let (world, head, patch) = world_with_patch().await;
    let other = GitWorkspace::new(launcher(), world.home());
    let (first, second) = (wanted(&head, &patch, "Heal"), wanted(&head, &patch, "Heal"));
    let (one, two) =
        tokio::join!(world.workspace.commit_branch(&world.repo, &first), other.commit_branch(&world.repo, &second));
    assert_eq!(one.unwrap(), two.unwrap());
    let third = BranchCommit { branch: "heal/race", ..wanted(&head, &patch, "One") };
    let fourth = BranchCommit { branch: "heal/race", ..wanted(&head, &patch, "Two") };
    let (one, two) =
        tokio::join!(world.workspace.commit_branch(&world.repo, &third), other.commit_branch(&world.repo, &fourth));
    let n_taken = [&one, &two].into_iter().filter(|it| matches!(it, Err(WorkspaceError::BranchTaken { .. }))).count();
    assert_eq!(n_taken, 1, "{one:?} {two:?}");
}

#[tokio::test]
async fn names_that_cannot_be_and_patches_that_do_not_fit_are_refused() {
    let (world, head, patch) = world_with_patch().await;
    world.sh("git -c core.hooksPath=/dev/null branch heal").await;
    let error = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Heal")).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unusable(text) if text.contains("cannot make branch")), "{error}");
    for name in ["", "-x", "a b", "a..b", "x.lock", "a\nb", "/x"] {
        let wanted = BranchCommit { branch: name, ..wanted(&head, &patch, "Heal") };
        let error = world.workspace.commit_branch(&world.repo, &wanted).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Unusable(_)), "{name:?}: {error}");
    }
    let misfit = Patch("--- a/a\n+++ b/a\n@@ -1 +1 @@\n-wrong\n+x\n".to_owned());
    let wanted = BranchCommit { branch: "misfit", ..wanted(&head, &misfit, "Heal") };
    let error = world.workspace.commit_branch(&world.repo, &wanted).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{error}");
}

#[tokio::test]
async fn a_branch_is_deleted_only_where_it_was_put() {
    let (world, head, patch) = world_with_patch().await;
    let made = world.workspace.commit_branch(&world.repo, &wanted(&head, &patch, "Heal")).await.unwrap();
    let error = world.workspace.delete_branch(&world.repo, BRANCH, &head).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::BranchTaken { .. }), "{error}");
    world.sh(&format!("git -c core.hooksPath=/dev/null worktree add -q ../side {BRANCH}")).await;
    let error = world.workspace.delete_branch(&world.repo, BRANCH, &made).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unusable(text) if text.contains("checked out")), "{error}");
    world.sh("git -c core.hooksPath=/dev/null worktree remove ../side").await;
    world.workspace.delete_branch(&world.repo, BRANCH, &made).await.unwrap();
    world.workspace.delete_branch(&world.repo, BRANCH, &made).await.unwrap();
    assert_eq!(world.sh("git branch --format='%(refname:short)'").await, "main");
    assert!(!world.dir.path().join("marker").exists());
}
