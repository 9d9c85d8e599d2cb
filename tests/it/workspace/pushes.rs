//! A push makes one commit at the remote, once, and never touches what somebody else put there.
use crate::workspace::world::{World, sh};
use paramedic::domain::Patch;
use paramedic::workspace::{BranchCommit, Push, Pushed, Remote, Workspace as _, WorkspaceError};
use std::fs;
use std::path::PathBuf;

const BRANCH: &str = "heal/01234567-89abcdef";

/// A checkout, the remote that it came from, and a patch.
struct Shop {
    world: World,
    far: PathBuf,
    head: String,
    patch: Patch,
    remote: Remote,
}

impl Shop {
    async fn new() -> Self {
        let world = World::new("echo one > a; seq 10 > long").await;
        world.sh("git clone -q --bare . ../far.git").await;
        let patch = world.difference_after("echo two > a; mv long moved").await.unwrap();
        let far = world.dir.path().join("far.git");
        let head = world.head().await;
        let remote = Remote {
            url: format!("file://{}", far.display()),
            name: "acme/shop".to_owned(),
            username: "x-access-token".to_owned(),
            token: Some("s3cr3t-t0ken".to_owned()),
        };
        Self { world, far, head, patch, remote }
    }

    fn commit<'a>(&'a self, message: &'a str) -> BranchCommit<'a> {
        BranchCommit { base: &self.head, branch: BRANCH, patch: &self.patch, message, unix_seconds: 1_700_000_000 }
    }

    async fn push(&self, message: &str, parent: Option<&str>) -> Result<Pushed, WorkspaceError> {
        let push = Push { commit: self.commit(message), parent, is_reverse: false, remote: &self.remote };
        self.world.workspace.push(&self.world.repo, &push).await
    }

    async fn far(&self, script: &str) -> String {
        sh(&self.far, script).await
    }
}

#[tokio::test]
async fn one_commit_however_often_and_nothing_here() {
    let shop = Shop::new().await;
    let contents = || shop.world.everything().into_iter().map(|(path, it)| (path, it.3)).collect::<Vec<_>>();
    let before = contents();
    let first = shop.push("Heal it\n\nBody é", None).await.unwrap();
    assert!(!first.was_there);
    let again = shop.push("Heal it\n\nBody é", None).await.unwrap();
    assert_eq!(again, Pushed { was_there: true, ..first.clone() });
    assert_eq!(shop.far(&format!("git rev-parse {BRANCH}")).await, first.commit);
    assert_eq!(
        shop.far(&format!("git log -1 --format='%an %P %B' {BRANCH}")).await,
        format!("Paramedic {} Heal it\n\nBody é", shop.head)
    );
    assert_eq!(shop.far(&format!("git show {BRANCH}:a; git ls-tree --name-only {BRANCH}")).await, "two\na\nmoved");
    assert!(contents() == before, "the checkout is as it was");
    assert!(
        fs::read_dir(shop.world.home())
            .unwrap()
            .flatten()
            .all(|it| !it.file_name().to_string_lossy().contains("bench"))
    );
}

#[tokio::test]
async fn the_next_attempt_stands_on_the_one_before_from_any_machine() {
    let shop = Shop::new().await;
    let first = shop.push("One", None).await.unwrap();
    let patch = shop.world.difference_after("echo three > a").await.unwrap();
    let push = |parent| Push {
        commit: BranchCommit { patch: &patch, ..shop.commit("Two") },
        parent,
        is_reverse: false,
        remote: &shop.remote,
    };
    let workspace = &shop.world.workspace;
    let second = workspace.push(&shop.world.repo, &push(Some(&first.commit))).await.unwrap();
    let again = workspace.push(&shop.world.repo, &push(Some(&first.commit))).await.unwrap();
    assert_eq!((again.commit, again.was_there), (second.commit.clone(), true));
    let log = shop.far(&format!("git log --format=%H {BRANCH}")).await;
    assert_eq!(log.lines().collect::<Vec<_>>(), [&*second.commit, &*first.commit, &*shop.head]);
    assert_eq!(shop.far(&format!("git show {BRANCH}:a; git ls-tree --name-only {BRANCH}")).await, "three\na\nlong");
    // Whoever does not know that it went on changes nothing.
    let error = shop.push("Other", None).await.unwrap_err();
    assert!(
        matches!(&error, WorkspaceError::Foreign { branch, at } if branch == BRANCH && *at == second.commit),
        "{error}"
    );
}

#[tokio::test]
async fn what_somebody_else_pushed_stays() {
    let shop = Shop::new().await;
    let first = shop.push("One", None).await.unwrap();
    let work = shop.world.dir.path().join("work");
    let url = &shop.remote.url;
    shop.world
        .sh(&format!(
            "git clone -q -b {BRANCH} {url} {0}; cd {0}; echo mine > mine; git add .; git commit -qm mine; git push -q",
            work.display()
        ))
        .await;
    let theirs = shop.far(&format!("git rev-parse {BRANCH}")).await;
    for (message, parent) in [("One", None), ("Two", Some(&*first.commit)), ("Two", Some(&*"0".repeat(40)))] {
        let error = shop.push(message, parent).await.unwrap_err();
        assert!(matches!(&error, WorkspaceError::Foreign { at, .. } if *at == theirs), "{error}");
    }
    assert_eq!(shop.far(&format!("git rev-parse {BRANCH}")).await, theirs);
}

#[tokio::test]
async fn a_patch_is_found_where_it_stands_alone_whoever_made_it() {
    let shop = Shop::new().await;
    let (workspace, repo) = (&shop.world.workspace, &shop.world.repo);
    let other = shop.world.difference_after("echo three > a").await.unwrap();
    let find = async |patch| workspace.find_patch(repo, &shop.head, patch, BRANCH, &shop.remote).await.unwrap();
    assert_eq!(find(&shop.patch).await, None, "there is no branch");
    let first = shop.push("One", None).await.unwrap().commit;
    assert_eq!((find(&shop.patch).await, find(&other).await), (Some(first.clone()), None));
    let commit = BranchCommit { patch: &other, ..shop.commit("Two") };
    let next = Push { commit, parent: Some(&first), is_reverse: false, remote: &shop.remote };
    workspace.push(repo, &next).await.unwrap();
    assert_eq!((find(&shop.patch).await, find(&other).await), (None, None), "it is not alone");
}

#[tokio::test]
async fn a_change_is_taken_back_as_it_was_made() {
    let shop = Shop::new().await;
    let merged = shop.push("One", None).await.unwrap().commit;
    shop.world.sh(&format!("git fetch -q {} {merged}", shop.remote.url)).await;
    let commit = BranchCommit { base: &merged, branch: "heal/revert-1", ..shop.commit("Revert") };
    let push = Push { commit, parent: None, is_reverse: true, remote: &shop.remote };
    let made = shop.world.workspace.push(&shop.world.repo, &push).await.unwrap();
    assert_eq!(shop.far(&format!("git diff --stat {} {}", shop.head, made.commit)).await, "");
    let twice = Push { commit: BranchCommit { base: &shop.head, ..push.commit.clone() }, ..push };
    let error = shop.world.workspace.push(&shop.world.repo, &twice).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::DoesNotApply(_)), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_token() {
    let shop = Shop::new().await;
    let hook = shop.far.join("hooks/pre-receive");
    let script = "printf '#!/bin/sh\\necho protected: s3cr3t-t0ken >&2\\nexit 1\\n'";
    shop.far(&format!("mkdir -p hooks; {script} > {0}; chmod +x {0}", hook.display())).await;
    let error = shop.push("One", None).await.unwrap_err().to_string();
    assert!(error.contains("acme/shop cannot be pushed to") && error.contains("protected: ***"), "{error}");
    assert_eq!(shop.far("git branch --list 'heal/*'").await, "");
    let gone = Remote { url: "file:///nonexistent".to_owned(), ..shop.remote.clone() };
    let push = Push { commit: shop.commit("One"), parent: None, is_reverse: false, remote: &gone };
    let error = shop.world.workspace.push(&shop.world.repo, &push).await.unwrap_err().to_string();
    assert!(error.contains("acme/shop cannot be reached"), "{error}");
}

#[tokio::test]
async fn two_at_the_same_time_push_one_commit() {
    let shop = Shop::new().await;
    let (one, two) = tokio::join!(shop.push("One", None), shop.push("One", None));
    assert_eq!(one.unwrap().commit, two.unwrap().commit);
    let (one, two) = tokio::join!(shop.push("Other", None), shop.push("Another", None));
    assert!(matches!((one, two), (Err(WorkspaceError::Foreign { .. }), Err(WorkspaceError::Foreign { .. }))));
}
