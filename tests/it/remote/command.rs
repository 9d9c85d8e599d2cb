//! The command line on a server: the same words, the same JSON and the same exit codes as on the machine itself.
use crate::remote::serve::{Elsewhere, Serve, operator};
use crate::support::{BUGGY, RIGHT, World, eventually, ran};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

/// A healed run, a server without workers, and an operator elsewhere.
fn healed() -> (World, Serve, Elsewhere) {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let token = operator(&world, "ann", "admin");
    let server = Serve::start(&world, "127.0.0.1:0", "0");
    let ann = Elsewhere::new(&server.url, &token);
    (world, server, ann)
}

#[test]
fn reading_is_the_same_from_afar() {
    let (world, _server, ann) = healed();
    for args in [
        &["runs", "--json"][..],
        &["runs", "--json", "--status", "fixed"],
        &["runs", "--json", "--limit", "0"],
        &["show", "latest", "--json"],
        &["show", "latest"],
        &["log", "latest"],
        &["log", "latest", "--json"],
        &["log", "latest", "--errors"],
        &["log", "latest", "--attempt", "1"],
        &["log", "latest", "--raw"],
        &["log", "latest", "--output", "nothing"],
        &["diff", "latest"],
        &["diff", "latest", "--json"],
        &["diff", "latest", "--attempt", "7"],
        &["watch", "latest", "--json"],
        &["audit", "verify", "--json"],
        &["audit", "export"],
        &["show", "ffffffff"],
        &["show", "zz"],
        &["runs", "--status", "nonsense"],
    ] {
        let (here, there) = (world.run(args), ann.run(args));
        assert_eq!((here.code, &here.stdout), (there.code, &there.stdout), "{args:?}\n{there:#?}");
        assert_eq!(here.code == 0, !there.stdout.is_empty(), "{args:?} {there:#?}");
        if here.code != 0 {
            assert_eq!(here.stderr, there.stderr, "{args:?}");
        }
    }
}

#[test]
fn deciding_ends_with_the_same_exit_codes() {
    let (world, server, ann) = healed();
    let vic = Elsewhere::new(&server.url, &operator(&world, "vic", "viewer"));
    let nobody = Elsewhere::new(&server.url, "pmd_nobody");
    assert_eq!(vic.run(&["show", "latest"]).code, 0);
    let ran = vic.run(&["approve", "latest"]);
    assert_eq!(ran.code, 5, "{ran:#?}");
    assert!(ran.stderr.contains("vic is viewer here"), "{ran:#?}");
    let ran = nobody.run(&["runs"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.stderr.contains("PARAMEDIC_TOKEN"), "{ran:#?}");
    assert_eq!(ann.run(&["--read-only", "approve", "latest"]).code, 5);
    assert_eq!(ann.run(&["approve", "latest", "--rev", "0123456"]).code, 3);
    assert_eq!(ann.run(&["approve", "--as", "mallory", "latest", "--note", "fine"]).code, 0);
    let again = ann.run(&["approve", "latest"]);
    assert!(again.code == 0 && again.stdout.contains("nothing changed"), "{again:#?}");
    let ran = ann.run(&["retry", "latest"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!((&run["status"], &run["approvedBy"][0]), (&"resolved".into(), &"ann".into()));
    assert!(world.git(&["show", &format!("{}:calc.py", run["healBranch"].as_str().unwrap())]).contains("a + b"));
    drop(server);
    world.assert_clean();
}

#[test]
fn a_fix_of_this_machine_goes_to_the_server_as_a_patch() {
    let (world, server, ann) = healed();
    let clone = ann.world.dir.path().join("clone");
    let cloned = ran(std::process::Command::new("git").args(["clone", "-q"]).arg(world.repo()).arg(&clone));
    assert_eq!(cloned.code, 0, "{cloned:#?}");
    fs::write(clone.join("calc.py"), BUGGY[0].1.replace("a - b", "b + a")).unwrap();
    let ran = ann.run(&["human-fix", "latest", "--from-worktree", clone.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 8, "{ran:#?}");
    let pending = &ran.json()["pending"];
    assert!(pending["patch"].as_str().unwrap().contains("+    return b + a"), "{pending:#}");
    let ran = ann.run(&["watch", "--help"]);
    assert_eq!(ran.code, 0);
    // A worker takes it from here.
    drop(server);
    let server = Serve::start(&world, "127.0.0.1:0", "1");
    let ann = Elsewhere::new(&server.url, &ann.token);
    let watched = ann.run(&["watch", "latest", "--json"]);
    assert_eq!((watched.code, &watched.json()["status"]), (0, &"fixed".into()), "{watched:#?}");
    let own = ann.run(&["approve", "latest"]);
    assert_eq!(own.code, 5, "{own:#?}");
    assert!(own.stderr.contains("wrote this patch"), "{own:#?}");
    let hint = ann.run(&["human-fix", "latest", "--hint", "other way round"]);
    assert_eq!(hint.code, 8, "{hint:#?}");
    assert_eq!(ann.run(&["abort", "latest"]).code, 0);
    assert_eq!(ann.run(&["watch", "latest"]).code, 1);
    assert_eq!(ann.run(&["human-fix", "latest", "--from-worktree", "/nowhere"]).code, 2);
}

#[test]
fn what_needs_the_machine_itself_says_so() {
    let (world, _server, ann) = healed();
    let repo = world.repo().display().to_string();
    for args in
        [&["heal", "--repo", &repo][..], &["worker"], &["serve"], &["operator", "list"], &["demo", "--headless"]]
    {
        let ran = ann.run(args);
        assert_eq!(ran.code, 2, "{args:?} {ran:#?}");
        assert!(ran.stderr.contains("not through a server"), "{ran:#?}");
    }
    assert_eq!(ann.run(&["--api", "", "operator", "list"]).code, 0, "an empty address means this machine");
    assert_eq!(ann.run(&["config", "show"]).code, 0);
    let shown = ann.run(&["config", "show", "--json"]).json();
    assert_eq!((&shown["api"]["address"], &shown["api"]["token"]), (&ann.url.clone().into(), &"***".into()));
    for address in ["ftp://x", "http://me:secret@127.0.0.1", "nonsense", "http://ci.example"] {
        let ran = ann.run(&["--api", address, "runs"]);
        assert_eq!(ran.code, 2, "{address}: {ran:#?}");
        assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    }
}

#[test]
fn doctor_looks_at_the_server() {
    let (_world, server, ann) = healed();
    let check = |ran: &Value, name: &str| {
        let checks = ran["checks"].as_array().unwrap();
        checks.iter().find(|it| it["name"] == name).map(|it| it["text"].as_str().unwrap().to_owned()).unwrap()
    };
    let ran = ann.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(check(&ran.json(), "operator"), "ann, admin");
    assert_eq!(check(&ran.json(), "backlog"), "1 runs");
    assert!(check(&ran.json(), "server").contains(env!("CARGO_PKG_VERSION")));
    let nobody = Elsewhere::new(&server.url, "pmd_nobody").run(&["doctor", "--json"]);
    assert_eq!(nobody.code, 1);
    assert!(check(&nobody.json(), "operator").contains("PARAMEDIC_TOKEN"));
    server.kill();
    let gone = ann.run(&["doctor", "--json"]);
    assert_eq!(gone.code, 1);
    assert!(check(&gone.json(), "server").contains("cannot reach"), "{gone:#?}");
    assert_eq!(ann.run(&["runs"]).code, 1);
}

#[test]
fn a_watch_goes_on_across_a_restart() {
    let (world, server, ann) = healed();
    assert_eq!(ann.run(&["retry", "latest"]).code, 8);
    let mut watch = ann.command(&["watch", "latest", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stderr.take().unwrap()).lines();
    let mut sees = |text: &str| {
        let found = lines.by_ref().map(Result::unwrap).find(|it| it.contains(text));
        assert!(found.is_some(), "`{text}` was never said");
    };
    sees("retried");
    let address = server.kill();
    sees("waiting for it to come back");
    let _server = Serve::start(&world, &address, "1");
    sees("the server answers again");
    let status = eventually("the watch ends", || watch.try_wait().unwrap());
    let mut text = String::new();
    watch.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let run: Value = serde_json::from_str(&text).unwrap();
    // The agent is stubborn: its patch is the one that was given up.
    assert_eq!((status.code(), &run["status"]), (Some(1), &"escalated".into()), "{run:#}");
}
