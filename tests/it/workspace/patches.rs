//! Patches as people and tools write them are applied whole or not at all, and never outside the tree.
use crate::workspace::world::World;
use crate::workspace::world::files;
use paramedic::domain::Patch;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::fs;

const BASE: &str = "mkdir src; printf 'one\\ntwo\\nthree\\n' > src/app.py; printf 'other\\n' > app.py; printf 'one\\r\\ntwo\\r\\nthree\\r\\n' > dos.txt";
const HUNK: &str = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

/// What `src/app.py` is after a patch.
async fn outcome(patch: &str) -> Result<String, WorkspaceError> {
    let world = World::new(BASE).await;
    let tree = world.applied(patch).await?;
    assert_eq!(fs::read_to_string(tree.root.join("app.py")).unwrap(), "other\n");
    Ok(fs::read_to_string(tree.root.join("src/app.py")).unwrap())
}

#[tokio::test]
async fn the_ways_in_which_people_write_patches_work() {
    let git = format!("diff --git a/src/app.py b/src/app.py\n--- a/src/app.py\n+++ b/src/app.py\n{HUNK}");
    let mail = format!(
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH] fix\n\n---\n src/app.py | 2 +-\n\n{git}-- \n2.40.0\n\n"
    );
    for patch in [
        git.clone(),
        git.trim_end().to_owned(),
        git.replace('\n', "\r\n"),
        mail.clone(),
        mail.replace('\n', "\r\n"),
        format!("--- a/src/app.py\t2024-01-01 00:00:00\n+++ b/src/app.py\t2024-01-01 00:00:01\n{HUNK}"),
        format!("--- src/app.py\n+++ src/app.py\n{HUNK}"),
        format!("diff --git src/app.py src/app.py\n--- src/app.py\n+++ src/app.py\n{HUNK}"),
        format!("Here is the fix:\n\n```diff\n{git}```\n"),
        git.replace("@@ -1,3 +1,3 @@", "@@ -1,9 +1,7 @@"),
        format!("diff --git i/src/app.py w/src/app.py\n--- i/src/app.py\n+++ w/src/app.py\n{HUNK}"),
    ] {
        assert_eq!(outcome(&patch).await.unwrap(), "one\n2\nthree\n", "{patch}");
    }
}

#[tokio::test]
async fn a_patch_without_carriage_returns_keeps_those_of_the_file() {
    let world = World::new(BASE).await;
    for ending in ["\n", "\r\n"] {
        let patch = format!("--- a/dos.txt\n+++ b/dos.txt\n{HUNK}").replace('\n', ending);
        let tree = world.applied(&patch).await.unwrap();
        assert_eq!(fs::read_to_string(tree.root.join("dos.txt")).unwrap(), "one\r\n2\r\nthree\r\n");
    }
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let world = World::new(BASE).await;
    let fits = format!("--- a/src/app.py\n+++ b/src/app.py\n{HUNK}");
    for patch in [
        format!("{fits}--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-wrong\n+x\n"),
        format!("{fits}--- a/missing.py\n+++ b/missing.py\n{HUNK}"),
        fits.replace(" one\n", "  one\n"),
        fits.replace("-two", "-\ttwo"),
        "no patch at all\n".to_owned(),
        "diff --git a/x b/x\n".to_owned(),
    ] {
        let tree = world.tree().await;
        let error = world.workspace.apply(&tree, &Patch(patch.clone())).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{patch}: {error}");
        assert!(world.workspace.difference(&tree).await.unwrap().is_empty(), "{patch}");
    }
    let huge = "x".repeat((4 << 20) + 1);
    assert!(matches!(world.applied(&huge).await, Err(WorkspaceError::BadPatch(_))));
}

#[tokio::test]
async fn no_patch_reaches_outside_the_tree_or_into_git() {
    let world = World::new(&format!("{BASE}; ln -s .. up; ln -s /tmp away")).await;
    let new = |path: &str| {
        format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")
    };
    let link = |path: &str, to: &str| {
        format!(
            "diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{to}\n\\ No newline at end of file\n"
        )
    };
    let plain = |path: &str| format!("--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n");
    for patch in [
        new("../evil"),
        new("../../git/config-evil"),
        new("up/evil"),
        new("away/paramedic-evil"),
        new(".git/hooks/post-checkout"),
        new(".git"),
        new("src/../../evil"),
        plain("/tmp/paramedic-evil"),
        plain("../evil"),
        plain("../../evil"),
        link("door", "..") + &new("door/evil"),
        "diff --git a/src/app.py b/../evil\nsimilarity index 100%\nrename from src/app.py\nrename to ../evil\n"
            .to_owned(),
    ] {
        let tree = world.tree().await;
        let place = tree.root.parent().unwrap().parent().unwrap().to_owned();
        let outside = || {
            let mut all = crate::workspace::world::everything(&place);
            all.retain(|path, _| !path.starts_with(&tree.root) || path.starts_with(tree.root.join(".git")));
            all.retain(|path, _| *path != place && !path.ends_with("git.applied"));
            all
        };
        let before = outside();
        let result = world.workspace.apply(&tree, &Patch(patch.clone())).await;
        // `-p1` takes the first component off, as git does: these two end up inside.
        let is_inside = ["/tmp/paramedic-evil", "../evil"].iter().any(|it| patch.contains(&format!("+++ {it}\n")));
        match result {
            Ok(()) => assert!(is_inside, "{patch}"),
            Err(error) => assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{patch}: {error}"),
        }
        assert!(before == outside(), "{patch}");
        assert!(!std::path::Path::new("/tmp/paramedic-evil").exists());
    }
}

#[tokio::test]
async fn links_binaries_modes_and_renames_are_applied_as_they_are() {
    let world = World::new("echo one > a; printf 'a\\0b' > bin; seq 10 > long").await;
    let patch = world
        .difference_after("ln -s /nowhere link; chmod +x a; printf 'b\\0c' > bin; mv long moved; : > empty")
        .await
        .unwrap();
    let tree = world.applied(patch.text()).await.unwrap();
    assert_eq!(files(&tree.root), ["a", "bin", "empty", "link", "moved"]);
    assert_eq!(fs::read_link(tree.root.join("link")).unwrap().to_str(), Some("/nowhere"));
    assert_eq!(fs::read(tree.root.join("bin")).unwrap(), b"b\0c");
    assert_eq!(world.workspace.difference(&tree).await.unwrap(), patch);
}

#[tokio::test]
async fn a_file_that_a_person_adds_counts_even_where_the_repository_ignores_it() {
    let world = World::new("printf '*.cfg\\n' > .gitignore").await;
    let patch = "--- /dev/null\n+++ b/local.cfg\n@@ -0,0 +1 @@\n+x\n";
    let tree = world.applied(patch).await.unwrap();
    fs::write(tree.root.join("other.cfg"), "y").unwrap();
    let stored = world.workspace.canonical(&tree).await.unwrap();
    assert!(stored.text().contains("b/local.cfg") && !stored.text().contains("other.cfg"), "{}", stored.text());
    let tree = world.applied(stored.text()).await.unwrap();
    assert_eq!(world.workspace.difference(&tree).await.unwrap(), stored);
}

#[tokio::test]
async fn an_empty_patch_is_no_change() {
    let world = World::new("echo one > a").await;
    let tree = world.applied(" \n").await.unwrap();
    assert!(world.workspace.difference(&tree).await.unwrap().is_empty());
}
