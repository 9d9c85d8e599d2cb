//! The command line's promises: exit codes, pure JSON, safe text, clear errors.
use crate::support::{BUGGY, RIGHT, World};

#[test]
fn bad_input_gets_a_clear_error_and_exit_code_2() {
    let world = World::new();
    for (args, says) in [
        (vec!["no-such-command"], "no-such-command"),
        (vec!["heal", "--repo", "/nowhere"], "/nowhere"),
        (vec!["heal", "--timeout", "soon"], "soon"),
        (vec!["heal", "--max-attempts", "9"], "1 to 5"),
        (vec!["heal", "--agent", "nobody"], "nobody"),
        (vec!["heal", "--test", " "], "--test"),
        (vec!["runs", "--status", "odd"], "odd"),
        (vec!["show", "not-a-run!"], "not-a-run!"),
        (vec!["human-fix", "latest"], "--patch"),
        (vec!["--config", "/nowhere.toml", "runs"], "/nowhere.toml"),
    ] {
        let ran = world.run(&args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:#?}");
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let missing = world.run(&["show", "latest"]);
    assert_eq!(missing.code, 1, "{missing:#?}");
}

#[test]
fn without_a_terminal_the_console_is_a_table() {
    let world = World::new();
    let ran = world.run(&[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("no runs"), "{}", ran.stdout);
    let json = world.run(&["--json"]);
    assert_eq!(json.json(), serde_json::json!({ "data": [], "total": 0 }));
}

#[test]
fn read_only_refuses_every_decision() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    for args in [vec!["approve", "latest"], vec!["deny", "latest"], vec!["abort", "latest"], vec!["retry", "latest"]] {
        let mut all = vec!["--read-only"];
        all.extend(args);
        assert_eq!(world.run(&all).code, 5, "{all:?}");
    }
    let heal = world.run(&["--read-only", "heal", "--repo", world.repo().to_str().unwrap()]);
    assert_eq!(heal.code, 5, "{heal:#?}");
    assert_eq!(world.run(&["show", "latest", "--json"]).json()["status"], "fixed");
}

#[test]
fn log_opens_at_what_is_red_and_says_what_is_missing() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let red = world.run(&["log", "latest", "--errors"]).stdout;
    assert!(red.contains("FAIL: test_add") && red.contains("AssertionError"), "{red}");
    let proof = world.run(&["log", "latest", "--attempt", "1"]).stdout;
    assert!(proof.contains("OK") && !proof.contains("FAIL"), "{proof}");
    world.run(&[
        "heal",
        "--repo",
        world.repo().to_str().unwrap(),
        "--test",
        "seq 1 2000000; false",
        "--max-attempts",
        "1",
    ]);
    let log = world.run(&["log", "latest"]).stdout;
    let lines: Vec<&str> = log.lines().collect();
    let gap = lines.iter().position(|it| it.ends_with("bytes were not kept]")).unwrap();
    assert_eq!((lines[0], lines.last()), ("1", Some(&"2000000")));
    let before: u64 = lines[gap - 2].parse().unwrap();
    assert!((150_000..170_000).contains(&before), "one mebibyte of head: {before}");
}

#[test]
fn nothing_hostile_leaves_through_log_diff_or_show() {
    let hostile = "import sys, unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        sys.stdout.buffer.write(b'\\x1b]52;c;ZXZpbA==\\x07\\x1b]0;owned\\x07\\x1b[2J\\xff\\xfe\\n')\n        sys.stdout.buffer.write('\\u202egnp.exe\\u200b \\u009b31m\\n'.encode())\n        sys.stdout.buffer.write(b'y' * 1000000 + b'\\n')\n        self.fail('\\x1b[31mred\\x1b]0;x\\x07 \\u202e')\n";
    let world = World::with_repo(&[("test_evil.py", hostile), ("evil.py", "x = 1\n")]);
    world.git(&["checkout", "-q", "-b", "feature/\u{202e}evil"]);
    let (_, run) = world.heal(
        "printf 'x = 2  # \\033]0;t\\007\\342\\200\\256\\n' > evil.py; printf '\\033[2Jdone\\342\\200\\256\\n'",
        &["--max-attempts", "1"],
    );
    assert_eq!(run["status"], "escalated");
    for args in [
        vec!["log", "latest", "--attempt", "0"],
        vec!["log", "latest", "--attempt", "1"],
        vec!["log", "latest", "--errors"],
        vec!["diff", "latest"],
        vec!["show", "latest"],
        vec!["runs"],
        vec![],
    ] {
        let ran = world.run(&args);
        for text in [&ran.stdout, &ran.stderr] {
            let bad =
                text.chars().find(|it| (it.is_control() && *it != '\n') || "\u{202e}\u{200b}\u{9b}".contains(*it));
            assert_eq!(bad, None, "{args:?}");
        }
    }
    let raw = world.command(&["log", "latest", "--attempt", "0", "--raw"]).output().unwrap();
    assert!(raw.stdout.windows(4).any(|it| it == b"\x1b]52"), "--raw gives the stored bytes");
}

#[test]
fn secrets_of_the_environment_are_neither_seen_nor_stored() {
    let test = "import os, unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        print('seen:', os.environ.get('DEPLOY_TOKEN'), os.environ.get('GITHUB_TOKEN'))\n        self.fail('token ghp_abcdefghijklmnopqrstuvwxyz0123456789')\n";
    let world = World::with_repo(&[("test_env.py", test)]);
    let repo = world.repo();
    let mut command = world.command(&["heal", "--json", "--repo", repo.to_str().unwrap()]);
    command.env("DEPLOY_TOKEN", "hunter2hunter2").env("GITHUB_TOKEN", "ghp_0123456789abcdefghijklmnopqrstuvwxyz");
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let log = world.run(&["log", "latest", "--attempt", "0"]).stdout;
    assert!(log.contains("seen: None None"), "{log}");
    for secret in ["hunter2", "ghp_0123", "ghp_abcdefghij"] {
        assert!(!printed.contains(secret) && !log.contains(secret), "{secret}");
    }
}

#[test]
fn help_manual_completions_and_doctor_work_anywhere() {
    let world = World::new();
    for args in
        [vec!["--help"], vec!["heal", "--help"], vec!["man"], vec!["completions", "bash"], vec!["config", "path"]]
    {
        let ran = world.run(&args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:#?}");
        assert!(ran.stdout.contains("paramedic"), "{args:?}");
    }
    for args in [["doctor", "--json"], ["config", "--json"]] {
        if args[0] == "doctor" {
            let ran = world.run(&args);
            assert_eq!(ran.code, 0, "{ran:#?}");
            assert!(ran.json()["checks"].as_array().unwrap().iter().any(|it| it["name"] == "sandbox"));
        }
    }
    assert_eq!(world.run(&["config", "check"]).code, 0);
    assert_eq!(world.run(&["config", "show", "--json"]).json()["safe_mode"], true);
}

#[test]
fn guard_judges_a_patch_for_scripts() {
    let world = World::with_repo(BUGGY);
    let repo = world.repo();
    let good = "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n";
    let ran = world.run_with_input(&["guard", "--json", "--repo", repo.to_str().unwrap(), "--patch", "-"], good);
    assert_eq!((ran.code, &ran.json()["verdict"]), (0, &"ok".into()), "{ran:#?}");
    world.git(&["checkout", "-q", "-b", "topic"]);
    world.git(&["rm", "-q", "test_calc.py"]);
    world.git(&["commit", "-q", "-m", "Remove the tests"]);
    let ran = world.run(&["guard", "--json", "--repo", repo.to_str().unwrap(), "--base", "main"]);
    assert_eq!((ran.code, &ran.json()["verdict"]), (1, &"violation".into()), "{ran:#?}");
}

#[test]
fn guard_judges_by_the_policy_that_a_branch_has_now() {
    let world = World::with_repo(&[BUGGY, &[("core/a.txt", "a\n")]].concat());
    let repo = world.repo();
    let guard = |more: &[&str]| world.run(&[&["guard", "--repo", repo.to_str().unwrap()], more].concat());
    world.git(&["checkout", "-q", "-b", "topic"]);
    world.write("core/a.txt", "b\n");
    world.git(&["commit", "-q", "-a", "-m", "Change"]);
    assert_eq!(guard(&["--base", "main"]).code, 0, "nothing is protected yet");
    let start = world.git(&["rev-parse", "main"]);
    // What the branch is for is protected after the branch left it, by each of the files that can say so.
    for (path, text) in
        [(".paramedic/policy.toml", "protected = [\"core/**\"]\n"), (".paramedic/protected-files.yml", "- core/**\n")]
    {
        world.git(&["checkout", "-q", "-B", "main", &start]);
        world.write(path, text);
        world.git(&["add", "-A"]);
        world.git(&["commit", "-q", "-m", "Protect"]);
        let tip = world.git(&["rev-parse", "main"]);
        world.git(&["update-ref", "refs/remotes/origin/main", "main"]);
        world.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
        world.git(&["checkout", "-q", "topic"]);
        for by in [["--base", "main"].as_slice(), &["--base", &tip], &[]] {
            let told = guard(by);
            assert_eq!((told.code, told.stdout.lines().next()), (5, Some("needs_two_keys")), "{by:?}: {told:#?}");
            assert!(told.stderr.contains(&tip[..12]) && told.stderr.contains(&start[..12]), "{told:#?}");
        }
        let told = guard(&["--base", "main", "--json"]).json();
        assert_eq!((&told["policyCommit"], &told["baseCommit"]), (&tip.into(), &start.clone().into()));
    }
    // The files that the change is laid over are still those that it was made from.
    world.git(&["checkout", "-q", "main"]);
    world.git(&["rm", "-q", "-r", "core", ".paramedic"]);
    world.git(&["commit", "-q", "-m", "Remove"]);
    world.git(&["checkout", "-q", "topic"]);
    assert_eq!(guard(&["--base", "main"]).code, 0);
    world.git(&["merge", "-q", "-s", "ours", "--no-edit", "main"]);
    let merged = guard(&["--base", "main"]);
    assert!(!merged.stderr.contains("judged by"), "it starts at what it is for: {merged:#?}");
}

#[test]
fn an_edited_history_is_found() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    assert_eq!(world.run(&["audit", "verify"]).code, 0);
    let database = world.data_dir().join("paramedic.db");
    let edit = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"update events set message = 'nothing happened' where seq = 2\")\nc.commit()\n";
    let script = world.dir.path().join("edit.py");
    std::fs::write(&script, edit).unwrap();
    let status = std::process::Command::new("python3").arg(script).arg(database).status().unwrap();
    assert!(status.success());
    let ran = world.run(&["audit", "verify"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stdout.contains('2'), "{}", ran.stdout);
}
