//! What people decide, from the command line: approve, deny, abort, retry, and a fix by hand.
use crate::support::{BUGGY, RIGHT, World, eventually};

fn fixed() -> World {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal(RIGHT, &[]);
    assert_eq!(code, 0, "{run:#}");
    world
}

const PATCH: &str =
    "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return b + a\n";

#[test]
fn approve_makes_one_commit_on_one_new_branch_and_nothing_else() {
    let world = fixed();
    let head = world.git(&["rev-parse", "HEAD"]);
    let status = world.git(&["status", "--porcelain"]);
    let before = world.fingerprint();
    let ran = world.run(&["approve", "latest", "--json", "--note", "looks right"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let run = ran.json();
    assert_eq!((&run["status"], &run["resolvedBy"]), (&"resolved".into(), &"ai".into()));
    assert_eq!(run["approvedBy"], serde_json::json!(["tester"]));
    let branch = run["healBranch"].as_str().unwrap();
    let hash8 = run["errorHash"].as_str().unwrap().rsplit(':').next().unwrap()[..8].to_owned();
    assert_eq!(branch, format!("heal/{hash8}-{}", &head[..8]));
    assert_eq!(world.git(&["rev-parse", &format!("{branch}^")]), head);
    assert_eq!(world.git(&["diff", "--name-only", "HEAD", branch]), "calc.py");
    assert!(world.git(&["show", &format!("{branch}:calc.py")]).contains("a + b"));
    assert_eq!(world.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(world.git(&["status", "--porcelain"]), status);
    let after = world.fingerprint();
    for (path, was) in &before {
        let text = path.to_string_lossy();
        // `git status` above refreshes the index; folders change when an object or a ref is added.
        if was.0.is_empty() || text.ends_with(".git/index") {
            continue;
        }
        assert_eq!(after.get(path), Some(was), "{text}");
    }
    assert!(ran.stderr.contains("merge --no-ff heal/"), "{}", ran.stderr);
    world.git(&["merge", "-q", "--no-ff", "-m", "Merge", branch]);
    world.assert_clean();
}

#[test]
fn a_stale_digest_is_refused_and_nothing_changes() {
    let world = fixed();
    let ran = world.run(&["approve", "latest", "--rev", "0000000"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("0000000"), "{}", ran.stderr);
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!(run["status"], "fixed");
    let digest = run["attempts"][0]["patchDigest"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&["approve", "latest", "--rev", &digest[..12]]).code, 0);
}

#[test]
fn two_approves_at_the_same_time_make_one_decision() {
    let world = fixed();
    let both =
        [world.spawn(&["approve", "latest", "--as", "mara"]), world.spawn(&["approve", "latest", "--as", "noor"])];
    let codes: Vec<_> = both.into_iter().map(|it| it.wait_with_output().unwrap()).collect();
    let mut numbers: Vec<_> = codes.iter().map(|it| it.status.code().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 3], "{codes:#?}");
    let run = world.run(&["show", "latest", "--json"]).json();
    let approvals = run["events"].as_array().unwrap().iter().filter(|it| it["type"] == "run.approved").count();
    assert_eq!((approvals, run["approvedBy"].as_array().unwrap().len()), (1, 1));
    assert_eq!(world.git(&["for-each-ref", "refs/heads/heal", "--format=x"]), "x");
    world.assert_clean();
}

#[test]
fn the_same_action_again_is_a_success_that_changes_nothing() {
    let world = fixed();
    for args in [["approve", "latest"], ["approve", "latest"]] {
        assert_eq!(world.run(&args).code, 0);
    }
    let other = fixed();
    assert_eq!(other.run(&["deny", "latest", "--note", "wrong layer"]).code, 0);
    assert_eq!(other.run(&["deny", "latest"]).code, 0);
    let run = other.run(&["show", "latest", "--json"]).json();
    assert_eq!((&run["status"], &run["escalationReason"]), (&"escalated".into(), &"denied".into()));
    assert_eq!(run["escalationNote"], "wrong layer");
    assert_eq!(other.run(&["approve", "latest"]).code, 3);
    assert_eq!(other.git(&["for-each-ref", "refs/heads/heal"]), "");
}

#[test]
fn abort_from_another_shell_kills_what_runs() {
    let world = World::with_repo(&[("a.txt", "a\n")]);
    let repo = world.repo();
    let args = ["heal", "--json", "--repo", repo.to_str().unwrap(), "--test", "trap '' TERM; sleep 3131; exit 1"];
    let heal = world.spawn(&args);
    eventually("the test sleeps", || world.strays().iter().any(|it| it.starts_with("sleep 3131")).then_some(()));
    let abort = world.run(&["abort", "latest", "--note", "wrong repository"]);
    assert_eq!(abort.code, 0, "{abort:#?}");
    let ended = heal.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    eventually("everything is gone", || world.strays().is_empty().then_some(()));
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!(run["status"], "aborted");
    assert_eq!(world.run(&["abort", "latest"]).code, 0);
    world.assert_clean();
}

#[test]
fn retry_gives_a_fresh_budget() {
    let world = World::with_repo(BUGGY);
    let (_, run) = world.heal(
        &format!("if [ $PARAMEDIC_ATTEMPT -ge 2 ]; then {RIGHT}; else sed -i 's/a - b/a * 9/' calc.py; fi"),
        &["--max-attempts", "1"],
    );
    assert_eq!(run["escalationReason"], "exhausted");
    let retry = world.run(&["retry", "latest", "--json"]);
    assert_eq!(retry.code, 0, "{retry:#?}");
    assert_eq!((&retry.json()["status"], &retry.json()["attemptCount"]), (&"fixed".into(), &2.into()));
    // The same patch is no repeat of what was proved: it is proved again.
    let again = world.run(&["retry", "latest", "--json"]);
    assert_eq!((&again.json()["status"], &again.json()["attemptCount"]), (&"fixed".into(), &3.into()), "{again:#?}");
}

#[test]
fn a_patch_by_hand_is_the_next_attempt_and_is_proved() {
    let world = World::with_repo(BUGGY);
    let (_, run) = world.heal("true", &["--max-attempts", "1"]);
    assert_eq!(run["escalationReason"], "agent_failed");
    let ran = world.run_with_input(&["human-fix", "latest", "--patch", "-", "--as", "mara", "--json"], PATCH);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let run = ran.json();
    assert_eq!(
        (&run["status"], &run["resolvedBy"], &run["attemptCount"]),
        (&"fixed".into(), &"human".into(), &2.into())
    );
    assert_eq!(run["attempts"][1]["author"], "human:mara");
    assert_eq!(world.run(&["approve", "latest"]).code, 0);
}

#[test]
fn after_a_failed_patch_by_hand_the_agent_goes_on_from_it() {
    let world = World::with_repo(BUGGY);
    let agent = "grep -q 'a \\* b' calc.py && sed -i 's/a \\* b/a + b/' calc.py";
    let (_, run) = world.heal(agent, &["--max-attempts", "1"]);
    assert_eq!(run["status"], "escalated");
    let wrong = PATCH.replace("b + a", "a * b");
    let ran = world.run_with_input(&["human-fix", "latest", "--patch", "-", "--json"], &wrong);
    let run = ran.json();
    assert_eq!((ran.code, &run["attemptCount"]), (0, &3.into()), "{run:#}");
    assert_eq!(run["attempts"][1]["status"], "failed");
    assert!(run["attempts"][2]["proposedFix"].as_str().unwrap().contains("-    return a - b"), "{run:#}");
}

#[test]
fn a_patch_by_hand_is_guarded_too() {
    let world = World::with_repo(BUGGY);
    world.heal("true", &["--max-attempts", "1"]);
    let secret = PATCH.replace("b + a", "b + a  # ghp_abcdefghijklmnopqrstuvwxyz0123456789");
    let ran = world.run_with_input(&["human-fix", "latest", "--patch", "-", "--json"], &secret);
    let run = ran.json();
    assert_eq!(ran.code, 1, "{run:#}");
    assert_eq!(run["attempts"][1]["guard"]["verdict"], "violation");
    let skip = "--- a/test_calc.py\n+++ b/test_calc.py\n@@ -6,4 +6,5 @@\n class CalcTest(unittest.TestCase):\n+    @unittest.skip(\"x\")\n     def test_add(self):\n         self.assertEqual(calc.add(2, 3), 5)\n \n";
    let ran = world.run_with_input(&["human-fix", "latest", "--patch", "-", "--json"], skip);
    assert_ne!(ran.json()["status"], "fixed", "a skipped test is no proof, whoever skips it");
}

#[test]
fn a_worktree_is_taken_as_it_is_and_left_alone() {
    let world = World::with_repo(BUGGY);
    world.heal("true", &["--max-attempts", "1"]);
    world.write("calc.py", &BUGGY[0].1.replace("a - b", "a + b"));
    let before = world.fingerprint();
    let repo = world.repo();
    let ran = world.run(&["human-fix", "latest", "--from-worktree", repo.to_str().unwrap(), "--json"]);
    assert_eq!((ran.code, &ran.json()["status"]), (0, &"fixed".into()), "{ran:#?}");
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_hint_reaches_the_agent_whose_attempt_it_stays() {
    let world = World::with_repo(BUGGY);
    let agent = format!("if grep -q 'look at the sign' \"$PARAMEDIC_PROMPT\"; then {RIGHT}; fi");
    let (_, run) = world.heal(&agent, &["--max-attempts", "1"]);
    assert_eq!(run["status"], "escalated");
    let ran = world.run(&["human-fix", "latest", "--hint", "look at the sign", "--json"]);
    let run = ran.json();
    assert_eq!((ran.code, &run["attempts"][1]["author"]), (0, &"command".into()), "{run:#}");
}

#[test]
fn a_patch_that_does_not_apply_is_refused_before_anything_changes() {
    let world = World::with_repo(BUGGY);
    world.heal("true", &["--max-attempts", "1"]);
    let ran = world.run_with_input(&["human-fix", "latest", "--patch", "-"], &PATCH.replace("a - b", "a / b"));
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert_eq!(world.run(&["show", "latest", "--json"]).json()["status"], "escalated");
}
