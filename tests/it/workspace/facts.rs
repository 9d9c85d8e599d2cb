//! What is said of a repository, and which ones are refused with a hint.
use crate::workspace::world::World;
use crate::workspace::world::sh;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::path::Path;

async fn refusal(world: &World, path: &Path) -> String {
    match world.workspace.facts(path).await {
        Err(WorkspaceError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn facts_come_from_any_folder_of_the_checkout() {
    let world = World::new("mkdir -p a/b; echo x > a/b/c").await;
    world.sh("git remote add origin https://user:ghp_secret@github.com/owner/name.git").await;
    let facts = world.workspace.facts(&world.repo.join("a/b")).await.unwrap();
    assert_eq!(facts.root, world.repo);
    assert_eq!((facts.name.as_str(), facts.branch.as_str()), ("owner/name", "main"));
    assert_eq!(facts.head, world.head().await);
    assert_eq!(facts.dirty, [""; 0]);
}

#[tokio::test]
async fn without_an_origin_the_folder_names_the_repository_and_a_detached_head_is_called_head() {
    let world = World::new("echo x > a").await;
    world.sh("git checkout -q --detach").await;
    let facts = world.workspace.facts(&world.repo).await.unwrap();
    assert_eq!((facts.name.as_str(), facts.branch.as_str()), ("project", "HEAD"));
}

#[tokio::test]
async fn dirty_files_are_said_without_touching_anything_or_running_a_filter() {
    let world = World::new("echo x > a; echo x > b; echo '*.dat filter=evil' > .gitattributes; echo x > c.dat; echo 'ignored' > .gitignore").await;
    world
        .sh("git config filter.evil.clean 'touch ../marker; cat'; git config core.fsmonitor 'touch ../marker; false'
             echo changed > a; echo changed > c.dat; git add b; rm b; echo new > 'new file'; echo x > ignored; touch -d '2001-01-01' a; rm -f ../marker")
        .await;
    let before = world.everything();
    let facts = world.workspace.facts(&world.repo).await.unwrap();
    assert_eq!(world.everything(), before);
    assert!(!world.dir.path().join("marker").exists());
    assert_eq!(facts.dirty, ["a", "b", "c.dat", "new file"]);
}

#[tokio::test]
async fn at_most_ten_dirty_paths_are_named_and_none_can_move_a_cursor() {
    let world = World::new("echo x > a").await;
    world.sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo x > $(printf \"f$i\\033[2J\"); done").await;
    let facts = world.workspace.facts(&world.repo).await.unwrap();
    assert_eq!(facts.dirty.len(), 10);
    assert!(facts.dirty.iter().all(|it| !it.contains('\u{1b}')));
}

#[tokio::test]
async fn what_cannot_be_healed_is_refused_with_a_hint() {
    let world = World::bare();
    let root = world.repo.parent().unwrap();
    assert!(refusal(&world, &root.join("nowhere")).await.contains("does not exist"));
    assert!(refusal(&world, &world.repo).await.contains("git init"));
    world.sh("git init -q .").await;
    assert!(refusal(&world, &world.repo).await.contains("no commit yet"));
    assert!(refusal(&world, &world.repo.join(".git")).await.contains("inside the .git folder"));
    sh(root, "git init -q --bare bare.git").await;
    assert!(refusal(&world, &root.join("bare.git")).await.contains("git clone"));
}

#[tokio::test]
async fn a_linked_worktree_and_a_submodule_are_repositories_too() {
    let world = World::new("echo x > a").await;
    world
        .sh("git worktree add -q -b side ../side; git init -q --bare ../lib.git; git clone -q ../lib.git ../lib 2>&1")
        .await;
    world.sh("cd ../lib; echo y > b; git add b; git commit -q -m lib; git push -q origin HEAD 2>&1").await;
    world.sh("git -c protocol.file.allow=always submodule add -q ../lib.git sub 2>&1; git commit -q -m sub").await;
    let root = world.repo.parent().unwrap();
    let facts = world.workspace.facts(&root.join("side")).await.unwrap();
    assert_eq!((facts.branch.as_str(), facts.root), ("side", root.join("side")));
    let facts = world.workspace.facts(&world.repo.join("sub")).await.unwrap();
    assert_eq!(facts.root, world.repo.join("sub"));
    let tree = world.workspace.tree(&world.repo.join("sub"), &facts.head).await.unwrap();
    assert_eq!(std::fs::read_to_string(tree.root.join("b")).unwrap(), "y\n");
}

#[tokio::test]
async fn files_of_a_commit_are_read_as_they_were() {
    let world = World::new("mkdir d; printf 'one\\n' > d/f; printf '\\377x' > bin; echo changed > 'a b'").await;
    let head = world.head().await;
    world.sh("echo changed > d/f").await;
    let read = async |path: &str| world.workspace.file_at(&world.repo, &head, path).await.unwrap();
    assert_eq!(read("d/f").await.as_deref(), Some("one\n"));
    assert_eq!(read("a b").await.as_deref(), Some("changed\n"));
    assert_eq!(read("bin").await.as_deref(), Some("\u{fffd}x"));
    for absent in ["d", "nowhere", "../project/d/f", "/etc/passwd", "", "d/f\nd/f"] {
        assert_eq!(read(absent).await, None, "{absent:?}");
    }
    // All at once, and what does not fit into one answer of git in several.
    world.sh("for it in 1 2 3; do head -c 6000000 /dev/zero | tr '\\0' $it > large$it; done; git add large*; git commit -qm large").await;
    let base = world.workspace.base(&world.repo, "HEAD").await.unwrap();
    let files =
        world.workspace.files_of(&base, &["large3", "../a", "large1", "d", "d/f", "large2", "none"]).await.unwrap();
    let starts: Vec<_> = files.iter().map(|it| it.as_deref().map(|it| (it.len(), &it[..1]))).collect();
    let large = |start| Some((6_000_000, start));
    assert_eq!(starts, [large("3"), None, large("1"), None, Some((4, "o")), large("2"), None]);
    world.sh("head -c 20000000 /dev/zero > huge; git add huge; git commit -qm huge").await;
    let error = world.workspace.file_at(&world.repo, "HEAD", "huge").await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unusable(text) if text.contains("huge is larger than 16 MiB")));
    let error =
        world.workspace.file_at(&world.repo, "0123456789012345678901234567890123456789", "d/f").await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unusable(text) if text.contains("git fetch")));
    let error = world.workspace.file_at(&world.repo, "--output=/tmp/x", "d/f").await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unusable(_)));
}

#[tokio::test]
async fn a_stranger_s_repository_is_refused_in_gits_words() {
    let world = World::new("echo x > a").await;
    // Only root can give files away; elsewhere there is no stranger to be had.
    let is_given = world.sh("if [ $(id -u) = 0 ]; then chown -R 12345 . && echo yes; fi").await == "yes";
    let facts = world.workspace.facts(&world.repo).await;
    if is_given {
        assert!(matches!(&facts, Err(WorkspaceError::Unusable(text)) if text.contains("safe.directory")), "{facts:?}");
    } else {
        facts.unwrap();
    }
}
