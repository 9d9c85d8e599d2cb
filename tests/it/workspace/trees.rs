//! Trees are fresh, private, gone afterwards, and leave no trace in the user's repository.
use crate::workspace::world::World;
use crate::workspace::world::files;
use crate::workspace::world::launcher;
use crate::workspace::world::sh;
use paramedic::workspace::GitWorkspace;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A repository with everything a user may have lying around.
async fn lived_in() -> World {
    let world =
        World::new("echo one > a; mkdir d; echo two > d/b; ln -s a link; echo '#!/bin/sh' > run; chmod +x run").await;
    world
        .sh("git tag -a v1 -m one; git branch other; git config core.hooksPath .git/hooks
             for hook in pre-commit post-checkout post-commit reference-transaction post-index-change pre-auto-gc; do
                 printf '#!/bin/sh\\ntouch ../../marker ../marker /tmp/marker-never; exit 0\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook
             done
             git config filter.evil.smudge 'touch ../marker; cat'; git config filter.evil.clean 'touch ../marker; cat'
             git config core.fsmonitor 'touch ../marker'; echo '* filter=evil' > .git/info/attributes
             git config gc.auto 1")
        .await;
    world.sh("git -c core.fsmonitor=false -c core.hooksPath=/dev/null stash list; echo stashed > a; git -c core.hooksPath=/dev/null -c core.fsmonitor=false stash -q; rm -f ../marker").await;
    world.sh("echo dirty > a; echo new > untracked; git -c core.fsmonitor=false add d/b; touch -d '2001-02-03' d/b; rm -f ../marker").await;
    world
}

#[tokio::test]
async fn the_users_repository_stays_byte_for_byte_the_same() {
    let world = lived_in().await;
    let head = world.sh("git -c core.fsmonitor=false rev-parse HEAD").await;
    let before = world.everything();
    let facts = world.workspace.facts(&world.repo).await.unwrap();
    assert_eq!(facts.head, head);
    let tree = world.workspace.tree(&world.repo, &head).await.unwrap();
    assert_eq!(fs::read_to_string(tree.root.join("a")).unwrap(), "one\n");
    // One file with contents that the repository holds already, one with new ones: neither may touch its objects.
    sh(&tree.root, "echo two > copy; echo three > d/b; : > empty; git status; git log; git describe").await;
    let patch = world.workspace.difference(&tree).await.unwrap();
    let second = world.workspace.tree(&world.repo, &head).await.unwrap();
    world.workspace.apply(&second, &patch).await.unwrap();
    assert_eq!(world.workspace.difference(&second).await.unwrap(), patch);
    world.workspace.file_at(&world.repo, &head, "a").await.unwrap();
    world.workspace.difference_of(&world.repo, &world.repo, &head).await.unwrap();
    world.workspace.find_tests(&tree).await.unwrap();
    drop((tree, second));
    world.workspace.sweep().await.unwrap();
    assert_eq!(world.everything(), before);
    assert!(!world.dir.path().join("marker").exists(), "something of the user's configuration was run");
}

#[tokio::test]
async fn a_tree_holds_what_git_tracks_and_knows_its_history() {
    let world = lived_in().await;
    let head = world.sh("git -c core.fsmonitor=false rev-parse HEAD").await;
    let tree = world.workspace.tree(&world.repo, &head).await.unwrap();
    assert_eq!(files(&tree.root), ["a", "d/b", "link", "run"]);
    assert_eq!(tree.root.file_name().unwrap(), "project");
    assert!(fs::metadata(tree.root.join("run")).unwrap().permissions().mode() & 0o100 != 0);
    assert_eq!(
        sh(&tree.root, "git describe --tags; git status --porcelain; git rev-parse HEAD").await,
        format!("v1\n{head}")
    );
    assert_eq!(fs::metadata(&tree.scratch).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!tree.scratch.starts_with(&tree.root) && !tree.git_dir.starts_with(&tree.root));
    assert_eq!(fs::metadata(world.home()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn trees_in_parallel_share_nothing() {
    let world = World::new("echo one > a").await;
    let (one, two) = tokio::join!(world.tree(), world.tree());
    sh(&one.root, "echo changed > a; mkdir __pycache__; touch __pycache__/x.pyc; git add -A; git commit -q -m mine")
        .await;
    assert_eq!(files(&two.root), ["a"]);
    assert_eq!(fs::read_to_string(two.root.join("a")).unwrap(), "one\n");
    assert!(world.workspace.difference(&two).await.unwrap().is_empty());
    assert!(!world.workspace.difference(&one).await.unwrap().is_empty());
    assert_eq!(sh(&two.root, "git log --oneline | wc -l").await.trim(), "1");
}

#[tokio::test]
async fn a_dropped_tree_is_gone_however_its_files_resist() {
    let world = World::new("echo one > a").await;
    let tree = world.tree().await;
    sh(
        &tree.root,
        "mkdir -p locked/deep; echo x > locked/deep/f; chmod 000 locked/deep/f; chmod 500 locked/deep locked",
    )
    .await;
    sh(&tree.scratch, "mkdir -p home; echo x > home/f; chmod 000 home").await;
    let place = tree.root.clone();
    drop(tree);
    assert!(!place.exists());
    let owners: Vec<_> =
        fs::read_dir(world.home()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()).collect();
    assert_eq!(owners.len(), 1);
    assert_eq!(fs::read_dir(&owners[0]).unwrap().count(), 1, "only the lock is left");
    let home = world.home();
    drop(world.workspace);
    assert!(
        fs::read_dir(home).unwrap().all(|it| it.unwrap().path().is_file()),
        "the owner's folder goes with the workspace"
    );
}

/// Sweeps until something was found. A program that another test is just starting may hold a lock for a moment longer than we do.
async fn swept(one: &GitWorkspace, two: &GitWorkspace) -> usize {
    for _ in 0..1_000 {
        let (left, right) = tokio::join!(one.sweep(), two.sweep());
        let n_trees = left.unwrap() + right.unwrap();
        if n_trees > 0 {
            return n_trees;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    0
}

#[tokio::test]
async fn a_sweep_takes_the_trees_of_the_dead_and_of_nobody_else() {
    let world = World::new("echo one > a").await;
    let living = world.tree().await;
    let make = |name: &str| {
        let dir = world.home().join(name);
        fs::create_dir_all(dir.join("tree-one/work/project/locked")).unwrap();
        fs::create_dir_all(dir.join("tree-two")).unwrap();
        fs::create_dir_all(dir.join("bench-one")).unwrap();
        fs::write(dir.join("tree-one/work/project/locked/f"), "x").unwrap();
        fs::set_permissions(dir.join("tree-one/work/project/locked"), fs::Permissions::from_mode(0o500)).unwrap();
        let lock = fs::File::create(dir.join("lock")).unwrap();
        lock.lock().unwrap();
        (dir, lock)
    };
    let (one, one_lock) = make("owner-other1");
    let (two, two_lock) = make("owner-other2");
    assert_eq!(world.workspace.sweep().await.unwrap(), 0);
    drop(one_lock);
    assert_eq!(swept(&world.workspace, &world.workspace).await, 2);
    assert!(!one.exists() && two.exists() && living.root.exists());
    drop(two_lock);
    let another = GitWorkspace::new(launcher(), world.home());
    assert_eq!(swept(&world.workspace, &another).await, 2, "each tree is counted once");
    assert!(!two.exists() && living.root.join("a").exists());
    // An owner that died before it could take its lock.
    fs::create_dir_all(world.home().join("owner-early")).unwrap();
    world.workspace.sweep().await.unwrap();
    assert!(!world.home().join("owner-early").exists());
}

#[tokio::test]
async fn a_tree_outlives_its_workspace_and_is_not_swept() {
    let world = World::new("echo one > a").await;
    let tree = {
        let short_lived = GitWorkspace::new(launcher(), world.home());
        short_lived.tree(&world.repo, "HEAD").await.unwrap()
    };
    assert_eq!(world.workspace.sweep().await.unwrap(), 0);
    assert!(tree.root.join("a").exists());
}

#[tokio::test]
async fn shallow_clones_linked_worktrees_and_borrowed_objects_work() {
    let world = World::new("echo one > a").await;
    world.sh("echo two > a; git commit -q -am two; git tag v2; git worktree add -q ../linked HEAD~1").await;
    world.sh("git clone -q --depth 1 file://$PWD ../shallow; git clone -q --shared . ../shared; git clone -q --shared ../shared ../twice").await;
    let root = world.repo.parent().unwrap();
    for (name, contents) in [("shallow", "two\n"), ("shared", "two\n"), ("twice", "two\n"), ("linked", "one\n")] {
        let repo = root.join(name);
        let before = crate::workspace::world::everything(&repo);
        let facts = world.workspace.facts(&repo).await.unwrap();
        let tree = world.workspace.tree(&repo, &facts.head).await.unwrap();
        assert_eq!(fs::read_to_string(tree.root.join("a")).unwrap(), contents, "{name}");
        sh(&tree.root, "git log; git fsck --connectivity-only 2>&1; echo three > a").await;
        let patch = world.workspace.difference(&tree).await.unwrap();
        assert_eq!(patch.stat(), (1, 1, 1), "{name}");
        assert_eq!(crate::workspace::world::everything(&repo), before, "{name}");
    }
}

#[tokio::test]
async fn sha256_repositories_and_odd_paths_work() {
    let world = World::bare();
    let root = world.repo.parent().unwrap();
    let repo = root.join("\"odd\" na#me é ");
    fs::create_dir(&repo).unwrap();
    sh(&repo, "git init -q --object-format=sha256 .; echo one > a; git add a; git commit -q -m one").await;
    let facts = world.workspace.facts(&repo).await.unwrap();
    assert_eq!(facts.head.len(), 64);
    let tree = world.workspace.tree(&repo, &facts.head).await.unwrap();
    sh(&tree.root, "echo two > a; echo new > b; git status").await;
    assert_eq!(world.workspace.difference(&tree).await.unwrap().stat(), (2, 2, 1));
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_said() {
    let world = World::new("echo one > a").await;
    for rev in ["0123456789012345678901234567890123456789", "nowhere", "--all", ""] {
        let error = world.workspace.tree(&world.repo, rev).await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Unusable(text) if text.contains("has no commit")), "{rev:?}: {error}");
    }
}

#[tokio::test]
async fn files_kept_outside_stay_pointers_and_line_endings_follow_the_commit() {
    let world = World::new("printf 'x\\n' > a.bat; printf 'pointer\\n' > big.bin").await;
    world.sh("printf '*.bat text eol=crlf\\n*.bin filter=lfs diff=lfs -text\\n' > .gitattributes; git add -A; git commit -q -m attributes").await;
    let tree = world.tree().await;
    assert_eq!(fs::read(tree.root.join("a.bat")).unwrap(), b"x\r\n");
    assert_eq!(fs::read(tree.root.join("big.bin")).unwrap(), b"pointer\n");
    assert!(world.workspace.difference(&tree).await.unwrap().is_empty());
    // An agent that edits the attributes changes that one file and nothing about how the others are seen.
    sh(&tree.root, "printf '* -diff\\n*.py diff\\n' > .gitattributes; echo other > big.bin").await;
    let patch = world.workspace.difference(&tree).await.unwrap();
    assert!(patch.text().contains("+other") && patch.text().contains("+* -diff"), "{}", patch.text());
    assert_eq!(patch.stat().0, 2);
}
