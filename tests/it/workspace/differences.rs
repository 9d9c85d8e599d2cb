//! The difference of a tree is what was done to its files, whatever was done to hide it.
use crate::workspace::world::World;
use crate::workspace::world::sh;
use paramedic::domain::Patch;
use paramedic::workspace::Workspace as _;
use paramedic::workspace::WorkspaceError;
use std::fs;

async fn patch(base: &str, script: &str) -> String {
    let world = World::new(base).await;
    let patch = world.difference_after(script).await.unwrap();
    // Whatever is a patch can be applied to a fresh tree and then is the same patch.
    let tree = world.tree().await;
    world.workspace.apply(&tree, &patch).await.unwrap();
    assert_eq!(world.workspace.difference(&tree).await.unwrap(), patch);
    assert_eq!(world.workspace.canonical(&tree).await.unwrap(), patch);
    patch.0
}

async fn refusal(base: &str, script: &str) -> String {
    let world = World::new(base).await;
    match world.difference_after(script).await {
        Err(WorkspaceError::BadPatch(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_done_is_an_empty_patch() {
    assert_eq!(patch("echo one > a", "touch a; touch -d '2001-01-01' a").await, "");
}

#[tokio::test]
async fn changed_new_deleted_and_moved_files_are_in_it() {
    let text = patch(
        "echo one > a; echo gone > b; seq 20 > c; mkdir d; echo x > d/f",
        "echo two > a; rm b; mv c moved; mkdir -p e/f; echo new > e/f/g; : > empty; rm -r d; echo file > d",
    )
    .await;
    for part in [
        "-one\n+two",
        "deleted file mode 100644",
        "rename from c\nrename to moved",
        "+++ b/e/f/g",
        "b/empty",
        "+++ b/d\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(
        text.contains("similarity index 100%")
            && text
                .contains("index 5626abf0f72e58d7a153368ba57db4c673c0e171..f719efd430d52bcfc8566a43b2eb655688d38871")
    );
}

#[tokio::test]
async fn commits_staging_and_flags_in_the_tree_hide_nothing() {
    let base = "echo one > a; echo one > b; echo one > c; echo one > d";
    for script in [
        "git add -A",
        "git add -A; git commit -q -m mine",
        "git update-index --assume-unchanged a b; git update-index --skip-worktree c",
        "git add -A; git commit -q -m mine; git reset -q --hard; git checkout -q --orphan x",
        "rm .git",
        "rm .git; git init -q .; git add -A; git commit -q -m mine",
        "echo 'gitdir: /nowhere' > .git",
        "git rm -q --cached a b c; git config core.worktree /; git config core.bare true",
        "git config core.ignoreStat true; git config core.fileMode false; git config status.showUntrackedFiles no",
    ] {
        let script = format!("echo two > a; echo two > b; rm c; echo new > new\n{script}");
        let text = patch(base, &script).await;
        for part in ["+++ b/a", "+++ b/b", "--- a/c\n+++ /dev/null", "+++ b/new"] {
            assert!(text.contains(part), "{script}\n{part:?} is not in\n{text}");
        }
        assert_eq!(text.matches("diff --git").count(), 4, "{script}\n{text}");
    }
}

#[tokio::test]
async fn programs_that_a_tree_wants_run_are_not() {
    let world = World::new("echo one > a; git init -q nested-base 2>/dev/null; rm -r nested-base").await;
    let marker = world.dir.path().join("marker");
    let touch = format!("touch {}", marker.display());
    let tree = world.tree().await;
    sh(
        &tree.root,
        &format!(
            "git config core.fsmonitor '{touch}'; git config diff.external '{touch}'; git config filter.x.clean '{touch}; cat'
             git config diff.x.textconv '{touch}; cat'; printf '* filter=x diff=x\\n' > .gitattributes
             git init -q nested; cd nested; echo x > f; git add f; git commit -q -m x; echo y > f
             git config core.fsmonitor '{touch}'; git config filter.x.clean '{touch}; cat'; cd ..; echo two > a"
        ),
    )
    .await;
    fs::remove_file(&marker).ok();
    let patch = world.workspace.difference(&tree).await.unwrap();
    assert!(!marker.exists());
    assert!(
        patch.text().contains("new file mode 160000") && patch.text().contains("+Subproject commit"),
        "{}",
        patch.text()
    );
    assert!(patch.text().contains("+two"));
}

#[tokio::test]
async fn ignore_files_are_the_base_commits() {
    let base = "printf 'ignored/\\n*.log\\n!keep.log\\n' > .gitignore; mkdir d; printf '/top.txt\\n*.tmp\\n' > d/.gitignore; echo x > d/f
                mkdir tracked.log; echo x > tracked.log/f; git add -f tracked.log";
    let text = patch(
        base,
        "printf '*\\n' > .gitignore; echo x > hidden.py; mkdir ignored d/e; echo x > ignored/f; echo x > a.log; echo x > keep.log
         echo x > d/top.txt; echo x > d/e/top.txt; echo x > d/e/a.tmp; rm d/.gitignore; mkdir sly; printf '*\\n' > sly/.gitignore; echo x > sly/f
         mkdir -p .git/info 2>/dev/null || true; echo '*' >> ../../git/info/exclude",
    )
    .await;
    for part in
        ["b/.gitignore", "b/hidden.py", "b/keep.log", "b/d/e/top.txt", "b/sly/.gitignore", "b/sly/f", "d/.gitignore"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for part in ["ignored/f", "b/a.log", "b/d/top.txt", "a.tmp"] {
        assert!(!text.contains(part), "{part:?} is in\n{text}");
    }
}

#[tokio::test]
async fn ignore_rules_cannot_be_lifted_to_flood_a_patch() {
    let text = patch("printf 'out/\\n' > .gitignore", "rm .gitignore; mkdir out; echo x > out/f").await;
    assert!(text.contains("deleted file") && !text.contains("out/f"), "{text}");
}

#[tokio::test]
async fn leftovers_of_tools_are_left_out_but_tracked_ones_count() {
    let base = "mkdir -p src/target node_modules/kept venv; echo x > src/target/mod.rs; echo x > node_modules/kept/index.js; echo x > old.pyc; git add -f .";
    let text = patch(
        base,
        "for dir in __pycache__ a/__pycache__ .pytest_cache target a/target node_modules/new a/node_modules .venv x.egg-info .hypothesis .tox; do
             mkdir -p $dir; echo x > $dir/leftover
         done
         echo x > a.pyc; echo x > .coverage; echo x > .DS_Store; echo x > .a.swp; echo x > 'a~'; echo x > .aider.chat.history.md
         echo y > old.pyc; echo y > src/target/mod.rs; echo y > src/target/new.rs; echo y > node_modules/kept/index.js; echo x > a/real",
    )
    .await;
    let files: Vec<_> = text
        .lines()
        .filter_map(|it| it.strip_prefix("diff --git a/"))
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "a/real",
            "node_modules/kept/index.js",
            "node_modules/new/leftover",
            "old.pyc",
            "src/target/mod.rs",
            "src/target/new.rs"
        ]
    );
}

#[tokio::test]
async fn links_modes_and_kinds_are_shown_not_followed() {
    let text = patch(
        "echo one > a; echo one > b; ln -s a link; mkdir d; echo x > d/f; echo run > run; chmod +x run",
        "ln -s /etc/passwd evil; ln -sf b link; chmod +x a; chmod -x run; rm -r d; ln -s /etc d; rm b; mkdir b; echo other > b/c",
    )
    .await;
    for part in [
        "diff --git a/evil b/evil\nnew file mode 120000",
        "+/etc/passwd\n\\ No newline",
        "old mode 100644\nnew mode 100755",
        "old mode 100755\nnew mode 100644",
        "--- a/d/f\n+++ /dev/null",
        "diff --git a/d b/d\nnew file mode 120000",
        "deleted file mode 100644",
        "b/b/c",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn any_file_name_is_kept() {
    let text = patch(
        "echo x > 'base file'",
        "echo y > 'base file'; echo x > 'a b'; echo x > 'quo\"te'; echo x > \"new
line\"; echo x > 'tab\tname'; echo x > é; echo x > \"$(printf 'raw\\377')\"; echo x > ' lead'; echo x > '-dash'; echo x > '[glob]*'; echo x > ':colon'",
    )
    .await;
    for part in [
        "b/a b",
        "\"b/quo\\\"te\"",
        "\"b/new\\nline\"",
        "\"b/tab\\tname\"",
        "\"b/\\303\\251\"",
        "\"b/raw\\377\"",
        "b/ lead",
        "b/-dash",
        "b/[glob]*",
        "b/:colon",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn binary_files_are_in_it_and_text_that_is_not_utf8_is_refused_by_name() {
    let text = patch("printf 'a\\0b' > bin", "printf 'a\\0c' > bin; printf '\\0\\377' > new").await;
    assert_eq!(text.matches("GIT binary patch").count(), 2, "{text}");
    let text = refusal("echo x > a", "printf 'caf\\351\\n' > 'latin file'").await;
    assert!(text.contains("latin file") && text.contains("not UTF-8"), "{text}");
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let text = refusal("echo x > a", "yes 0123456789 | head -c 5000000 > big").await;
    assert!(text.contains("larger than 4 MiB"), "{text}");
    let text = refusal("echo x > a", "mkdir many; cd many; seq 10001 | xargs touch").await;
    assert!(text.contains("10001 files"), "{text}");
}

#[tokio::test]
async fn odd_kinds_of_files_break_nothing() {
    let world = World::new("echo x > a; echo x > b").await;
    let patch = world.difference_after("mkfifo new-pipe; echo y > b").await.unwrap();
    assert_eq!(patch.stat(), (1, 1, 1));
    let replaced = world.difference_after("rm a; mkfifo a").await;
    assert!(matches!(replaced, Err(WorkspaceError::BadPatch(_))), "{replaced:?}");
    let invalid = world.difference_after("mkdir .GIT; echo x > .GIT/config").await;
    assert!(invalid.as_ref().is_ok_and(Patch::is_empty), "no patch can hold what git takes for its own: {invalid:?}");
}

#[tokio::test]
async fn nested_repositories_in_any_state_break_nothing() {
    let world = World::new("echo x > a").await;
    let patch = world
        .difference_after(
            "git init -q empty; git init -q loose; echo x > loose/f; git init -q broken; echo garbage > broken/.git/HEAD; echo x > broken/f
             mkdir away; echo 'gitdir: /nowhere' > away/.git; echo x > away/f; git init -q --bare bare; echo y > a
             git init -q real; cd real; echo x > f; git add f; git commit -q -m x",
        )
        .await
        .unwrap();
    assert!(patch.text().contains("+y") && patch.text().contains("b/real\nnew file mode 160000"), "{}", patch.text());
}

#[tokio::test]
async fn a_replaced_root_is_refused() {
    let world = World::new("echo x > a").await;
    let tree = world.tree().await;
    fs::rename(&tree.root, tree.root.with_file_name("moved")).unwrap();
    std::os::unix::fs::symlink("/etc", &tree.root).unwrap();
    let error = world.workspace.difference(&tree).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::BadPatch(text) if text.contains("replaced")), "{error}");
    let patch = Patch("--- /dev/null\n+++ b/paramedic-evil\n@@ -0,0 +1 @@\n+x\n".to_owned());
    assert!(world.workspace.apply(&tree, &patch).await.is_err());
}

#[tokio::test]
async fn a_users_own_folder_is_compared_and_stays_as_it_is() {
    let world = World::new("echo one > a; echo one > b; printf 'ignored\\n' > .gitignore").await;
    let head = world.head().await;
    world.sh("git worktree add -q ../fix; git clone -q . ../clone; echo private > .git/info/exclude; echo elsewhere > c; git add c; git commit -q -m later").await;
    let root = world.repo.parent().unwrap().to_owned();
    for name in ["fix", "clone", "project"] {
        let dir = root.join(name);
        sh(&dir, "echo two > a; echo new > n; git add n; mkdir -p __pycache__; echo x > __pycache__/y; echo x > ignored; git update-index --assume-unchanged a").await;
        let before = crate::workspace::world::everything(&dir);
        let patch = world.workspace.difference_of(&world.repo, &dir, &head).await.unwrap();
        assert_eq!(crate::workspace::world::everything(&dir), before, "{name}");
        let n_files = if name == "project" { 3 } else { 2 };
        assert_eq!(patch.stat().0, n_files, "{name}\n{}", patch.text());
        assert!(patch.text().contains("+two") && patch.text().contains("b/n"), "{name}");
    }
    sh(&root, "mkdir other; cd other; git init -q .; echo x > x; git add x; git commit -q -m x").await;
    let error = world.workspace.difference_of(&world.repo, &root.join("other"), &head).await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Unusable(text) if text.contains("no checkout of")), "{error}");
}

#[tokio::test]
async fn a_users_line_endings_and_sparse_files_are_no_change() {
    let world = World::new("printf 'one\\ntwo\\n' > a; mkdir left out; echo x > left/f; echo x > out/f").await;
    let head = world.head().await;
    world.sh("git clone -q -c core.autocrlf=true . ../crlf; cd ../crlf; git sparse-checkout set left 2>/dev/null; git status --porcelain").await;
    let dir = world.repo.parent().unwrap().join("crlf");
    assert_eq!(fs::read(dir.join("a")).unwrap(), b"one\r\ntwo\r\n");
    assert!(!dir.join("out").exists());
    assert_eq!(world.workspace.difference_of(&world.repo, &dir, &head).await.unwrap().text(), "");
    sh(&dir, "printf 'one\\r\\nthree\\r\\n' > a").await;
    assert_eq!(world.workspace.difference_of(&world.repo, &dir, &head).await.unwrap().stat(), (1, 1, 1));
}
