//! Stories of `heal`, through the real binary on real repositories.
use crate::support::{BUGGY, RIGHT, World, eventually};
use serde_json::Value;

fn events(run: &Value) -> Vec<String> {
    run["events"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn right_at_once_is_fixed_in_one_attempt() {
    let world = World::with_repo(BUGGY);
    let before = world.fingerprint();
    let (code, run) = world.heal(RIGHT, &[]);
    assert_eq!((code, &run["status"], &run["attemptCount"]), (0, &"fixed".into(), &1.into()), "{run:#}");
    assert_eq!(run["errorType"], "AssertionError");
    assert_eq!(run["resolvedBy"], "ai");
    let attempt = &run["attempts"][0];
    assert_eq!(attempt["author"], "command");
    assert_eq!(attempt["guard"]["verdict"], "ok");
    assert!(attempt["proposedFix"].as_str().unwrap().contains("+    return a + b"));
    assert!(attempt["diagnosis"].as_str().unwrap().contains("the sign was wrong"));
    for kind in ["run.created", "attempt.reproduced", "attempt.proposed", "attempt.guarded", "attempt.succeeded"] {
        assert!(events(&run).contains(&kind.to_owned()), "{kind} is missing: {:?}", events(&run));
    }
    assert_eq!(world.fingerprint(), before, "the repository was touched");
    world.assert_clean();
}

#[test]
fn wrong_answers_before_the_right_one_are_counted() {
    for n_wrong in 1..=2 {
        let world = World::with_repo(BUGGY);
        let agent = format!(
            "if [ $PARAMEDIC_ATTEMPT -le {n_wrong} ]; then sed -i \"s/a - b/a * $PARAMEDIC_ATTEMPT/\" calc.py; else {RIGHT}; fi"
        );
        let (code, run) = world.heal(&agent, &[]);
        assert_eq!((code, &run["attemptCount"]), (0, &(n_wrong + 1).into()), "{run:#}");
        assert_eq!(run["attempts"][0]["failureKind"], "still_red");
        assert!(run["attempts"][0]["newFailure"].as_str().unwrap().contains("AssertionError"));
    }
}

#[test]
fn always_wrong_ends_exhausted_with_every_attempt_kept() {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal("sed -i \"s/a - b/a * $PARAMEDIC_ATTEMPT/\" calc.py", &[]);
    assert_eq!((code, &run["status"], &run["escalationReason"]), (1, &"escalated".into(), &"exhausted".into()));
    assert_eq!(run["attempts"].as_array().unwrap().len(), 3);
    let log = world.run(&["log", "latest", "--attempt", "2"]);
    assert!(log.stdout.contains("AssertionError"), "{log:#?}");
    world.assert_clean();
}

#[test]
fn an_agent_without_a_patch_ends_agent_failed() {
    for (agent, kind) in
        [("true", "no_change"), ("echo broken >&2; exit 7", "agent_crashed"), ("sleep 600", "agent_timed_out")]
    {
        let world = World::with_repo(BUGGY);
        let timeout: &[&str] = if kind == "agent_timed_out" { &["--timeout", "5s"] } else { &[] };
        let (code, run) = world.heal(agent, timeout);
        assert_eq!((code, &run["escalationReason"]), (1, &"agent_failed".into()), "{agent}: {run:#}");
        assert_eq!(run["attemptCount"], 3, "{agent}");
        assert_eq!(run["attempts"][2]["failureKind"], kind, "{agent}");
        world.assert_clean();
    }
}

#[test]
fn the_same_patch_again_ends_the_run_early() {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal("sed -i 's/a - b/a * b/' calc.py", &[]);
    assert_eq!((code, &run["escalationReason"], &run["attemptCount"]), (1, &"exhausted".into(), &2.into()), "{run:#}");
    assert_eq!(run["attempts"][1]["failureKind"], "repeated_patch");
}

#[test]
fn a_loop_in_the_program_under_test_is_cut_and_can_be_healed() {
    let world = World::with_repo(&[
        ("spin.py", "def spin(n):\n    while n > 0:\n        n += 1\n    return n\n"),
        (
            "test_spin.py",
            "import unittest, spin\n\nclass T(unittest.TestCase):\n    def test_ends(self):\n        self.assertEqual(spin.spin(3), 0)\n",
        ),
    ]);
    let (code, run) = world.heal("sed -i 's/n += 1/n -= 1/' spin.py", &["--timeout", "8s"]);
    assert_eq!((code, &run["attemptCount"]), (0, &1.into()), "{run:#}");
    world.assert_clean();
}

#[test]
fn green_at_the_commit_is_not_healed() {
    let world =
        World::with_repo(&[("test_ok.py", "import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")]);
    let (code, run) = world.heal(RIGHT, &[]);
    assert_eq!((code, &run["escalationReason"], &run["attemptCount"]), (1, &"not_reproducible".into(), &0.into()));
}

#[test]
fn red_then_green_at_the_same_commit_is_flaky_and_keeps_the_proof() {
    let world = World::with_repo(&[("a.txt", "a\n")]);
    let colours = world.dir.path().join("colours");
    std::fs::create_dir_all(&colours).unwrap();
    // Each run of the test waits until somebody outside tells its own tree's colour: the first red, the second green.
    let test = format!(
        "tree=$(pwd | grep -o 'tree-[^/]*'); colour={}/$tree; until [ -s $colour ]; do sleep 0.02; done; grep -q green $colour",
        colours.display()
    );
    let repo = world.repo();
    let heal =
        world.spawn(&["heal", "--json", "--repo", repo.to_str().unwrap(), "--agent-command", "true", "--test", &test]);
    let mut told: Vec<String> = Vec::new();
    eventually("two runs were told their colour", || {
        for tree in world.busy_trees() {
            if !told.contains(&tree) {
                let colour = if told.is_empty() { "red\n" } else { "green\n" };
                std::fs::write(colours.join(&tree), colour).unwrap();
                told.push(tree);
            }
        }
        (told.len() >= 2).then_some(())
    });
    let ended = heal.wait_with_output().unwrap();
    let run: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.status.code(), &run["escalationReason"]), (Some(1), &"flaky".into()), "{run:#}");
    let show = world.run(&["show", "latest"]);
    assert!(show.stdout.contains("base.log") && show.stdout.contains("base_rerun_1.log"), "{}", show.stdout);
}

#[test]
fn no_tests_is_never_a_pass() {
    let world = World::with_repo(&[("readme.md", "nothing\n")]);
    let (code, run) = world.heal("true", &[]);
    assert_eq!((code, &run["escalationReason"]), (1, &"no_tests".into()));
}

#[test]
fn without_an_agent_it_still_analyses_and_says_how_to_get_one() {
    let world = World::with_repo(BUGGY);
    let ran = world.run(&["heal", "--json", "--repo", world.repo().to_str().unwrap()]);
    let run = ran.json();
    assert_eq!((ran.code, &run["escalationReason"]), (1, &"agent_failed".into()));
    assert_eq!(run["errorType"], "AssertionError");
    assert!(ran.stderr.contains("--agent-command"), "{}", ran.stderr);
}

#[test]
fn a_dirty_checkout_is_said_and_left_alone() {
    let world = World::with_repo(BUGGY);
    world.write("calc.py", "def add(a, b):\n    return 'work in progress'\n");
    world.write("new.txt", "untracked\n");
    let before = world.fingerprint();
    let repo = world.repo();
    let ran = world.run(&["heal", "--repo", repo.to_str().unwrap(), "--agent-command", RIGHT]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stderr.contains("not committed") && ran.stderr.contains("calc.py"), "{}", ran.stderr);
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn later_attempts_get_the_patches_and_failures_before_them() {
    let world = World::with_repo(BUGGY);
    let agent = "cat > /dev/null; cp \"$PARAMEDIC_CONTEXT\" context.json; python3 - <<'END'\nimport json, os\nc = json.load(open('context.json'))\nos.remove('context.json')\nn = int(os.environ['PARAMEDIC_ATTEMPT'])\nif n == 2:\n    e = c['attempts'][0]\n    assert 'a * 7' in e['patch'] and e['failureReason'], e\n    print('saw', e['failureKind'])\nsrc = open('calc.py').read()\nopen('calc.py', 'w').write(src.replace('a - b', 'a * 7' if n == 1 else 'a + b'))\nEND";
    let (code, run) = world.heal(agent, &[]);
    assert_eq!((code, &run["attemptCount"]), (0, &2.into()), "{run:#}");
    assert!(run["attempts"][1]["diagnosis"].as_str().unwrap().contains("saw still_red"), "{run:#}");
}

/// A runner that says nothing but in a file; `suite.txt` lists the tests.
const SILENT_RUNNER: &str = r#"
import os, sys, traceback, calc
os.makedirs("reports", exist_ok=True)
rows, code = [], 0
for name in open("suite.txt").read().split():
    said = ""
    if name == "test_add" and calc.add(1, 2) != 3:
        said, code = "<failure>AssertionError: 1 + 2 != 3</failure>", 1
    rows.append(f"<testcase classname='suite' name='{name}'>{said}</testcase>")
open("reports/junit.xml", "w").write("<testsuite>" + "".join(rows) + "</testsuite>")
sys.exit(code)
"#;

#[test]
fn a_runner_that_speaks_in_files_only_is_heard() {
    let files = [
        ("calc.py", "def add(a, b):\n    return a - b\n"),
        ("suite.txt", "test_add test_more\n"),
        ("run.py", SILENT_RUNNER),
    ];
    let world = World::with_repo(&files);
    let (code, run) = world.heal(RIGHT, &["--test", "python3 run.py"]);
    assert_eq!((code, &run["errorType"]), (0, &"AssertionError".into()), "{run:#}");
    let log = world.run(&["log", "latest", "--attempt", "1"]);
    assert!(log.stdout.contains("JUnit: 2 tests, 0 failed"), "{log:#?}");
    let world = World::with_repo(&files);
    let (code, run) = world.heal("echo test_more > suite.txt", &["--test", "python3 run.py"]);
    assert_eq!((code, &run["attempts"][0]["failureKind"]), (1, &"not_proved".into()), "{run:#}");
    assert!(run["attempts"][0]["failureReason"].as_str().unwrap().contains("suite.test_add"), "{run:#}");
}

/// Stands in for go: it can download once it is told of a proxy, and its tests need what was downloaded.
const GO: &str = r#"#!/bin/sh
case "$*" in
    "env GOPROXY") echo https://proxy.invalid ;;
    "env GOMODCACHE") echo /nonexistent ;;
    "mod download") [ "$GOPROXY" != off ] && mkdir -p "$GOMODCACHE" && cp go.mod "$GOMODCACHE" ;;
    *) echo "cache $GOMODCACHE"; cmp go.mod "$GOMODCACHE/go.mod" && grep right code.txt ;;
esac
"#;

#[test]
fn dependencies_are_fetched_once_for_all_trees_that_need_the_same() {
    for (agent, is_shared) in [("echo right > code.txt", true), ("echo right | tee code.txt >> go.mod", false)] {
        let world = World::with_repo(&[("code.txt", "wrong\n"), ("go.mod", "module m\n"), ("go.sum", "x\n")]);
        world.script("go", GO);
        let bin = world.dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::rename(world.dir.path().join("go"), bin.join("go")).unwrap();
        std::fs::set_permissions(bin.join("go"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let repo = world.repo();
        let args =
            ["heal", "--json", "--repo", repo.to_str().unwrap(), "--test", "go test ./...", "--agent-command", agent];
        let run = crate::support::ran(world.command(&args).env("PATH", path)).json();
        assert_eq!(run["status"], "fixed", "{run:#}");
        let cache = |more: &[&str]| {
            let log = world.run(&[&["log", "latest"], more].concat()).stdout;
            log.lines().find(|it| it.contains("cache /")).map_or_else(|| panic!("{log}"), str::to_owned)
        };
        assert_eq!(cache(&["--attempt", "0"]) == cache(&["--attempt", "1"]), is_shared, "{agent}");
    }
}
