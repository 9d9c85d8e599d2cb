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
    assert!(ran.stderr.contains("vic has the role viewer here"), "{ran:#?}");
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

/// A server that checks signatures and takes orders for its one repository; nobody works there.
fn open_to_reports() -> (World, Serve, Elsewhere) {
    let world = World::with_repo(BUGGY);
    let secret = world.dir.path().join("secret");
    fs::write(&secret, "hush\n").unwrap();
    let (secret, repo) = (secret.display(), world.repo());
    let repo = repo.display();
    world.settings(&format!(
        "[webhook]\nsecret_file = \"{secret}\"\n[repositories.\"acme/shop\"]\npath = \"{repo}\"\n[dispatch]\nrepository = \"acme/shop\"\n"
    ));
    let token = operator(&world, "ann", "operator");
    let server = Serve::start(&world, "127.0.0.1:0", "0");
    let ann = Elsewhere::new(&server.url, &token);
    (world, server, ann)
}

#[test]
fn a_report_goes_to_the_webhook_signed() {
    let (world, server, ann) = open_to_reports();
    let report =
        r#"{"provider":"generic","repository":"acme/shop","branch":"main","commitSha":"abc123","errorLog":"FAIL: t"}"#;
    let signed = |args: &[&str], secret: &str, body: &str| {
        let file = ann.world.dir.path().join("report.json");
        fs::write(&file, body).unwrap();
        let args = [&["ingest", file.to_str().unwrap()], args].concat();
        ran(ann.command(&args).env("CI_HEALING_WEBHOOK_SECRET", secret))
    };
    let first = signed(&["--json"], "hush", report);
    assert_eq!(first.code, 0, "{first:#?}");
    assert_eq!((&first.json()["status"], &first.json()["deduplicated"]), (&"queued".into(), &false.into()));
    let second = signed(&[], "hush", report);
    assert!(second.code == 0 && second.stdout.contains("(seen before)"), "{second:#?}");
    assert_eq!(world.run(&["runs", "--json"]).json()["total"], 1);
    let ping = signed(&["--event", "ping"], "hush", r#"{"zen":"Keep it simple"}"#);
    assert!(ping.code == 0 && ping.stdout.starts_with("ignored: "), "{ping:#?}");
    for secret in ["", "wrong"] {
        let ran = signed(&[], secret, report);
        assert_eq!(ran.code, 4, "{ran:#?}");
        assert!(
            ran.stderr.contains("set CI_HEALING_WEBHOOK_SECRET") && !ran.stderr.contains("PARAMEDIC_TOKEN"),
            "{ran:#?}"
        );
    }
    let bad = signed(&[], "hush", &report.replace("abc123", "--all"));
    assert_eq!(bad.code, 2, "{bad:#?}");
    assert!(bad.stderr.contains("commitSha"), "{bad:#?}");
    assert_eq!(signed(&["--read-only"], "hush", report).code, 5);
    server.kill();
    let gone = signed(&[], "hush", report);
    assert!(gone.code == 1 && gone.stderr.contains("nothing was sent"), "{gone:#?}");
}

#[test]
fn an_order_goes_to_the_server() {
    let (world, server, ann) = open_to_reports();
    let ordered = ann.run(&["dispatch", "create", "a function that doubles", "--context", "calc.py", "--json"]);
    assert_eq!(ordered.code, 8, "{ordered:#?}");
    let run = ordered.json();
    assert_eq!((&run["source"], &run["order"]["requestedBy"]), (&"dispatch".into(), &"ann".into()), "{run:#}");
    assert_eq!(run, world.run(&["show", "latest", "--json"]).json());
    let plain = ann.run(&["dispatch", "fix", "the sum"]);
    let id = ann.run(&["show", "latest", "--json"]).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(plain.stdout, format!("{}/api/v1/ci-healing/runs/{id}\n", server.url), "{plain:#?}");
    assert!(plain.stderr.contains("paramedic watch"), "{plain:#?}");
    for (args, code, words) in [
        (&["dispatch", "fix", "x", "--test", "true"][..], 2, "--test is for an order on this machine"),
        (&["dispatch", "fix", " "], 2, "the instruction has nothing in it that can be read"),
        (&["dispatch", "fix", &"x".repeat(20_001)], 2, "instruction: String should have at most"),
        (&["dispatch", "fix", "x", "--read-only"], 5, "--read-only"),
    ] {
        let ran = ann.run(args);
        assert_eq!(ran.code, code, "{ran:#?}");
        assert!(ran.stderr.contains(words), "{ran:#?}");
    }
    let vic = Elsewhere::new(&server.url, &operator(&world, "vic", "viewer")).run(&["dispatch", "fix", "x"]);
    assert!(vic.code == 5 && vic.stderr.contains("vic has the role viewer here"), "{vic:#?}");
    let nobody = Elsewhere::new(&server.url, "pmd_nobody").run(&["dispatch", "fix", "x"]);
    assert!(nobody.code == 4 && nobody.stderr.contains("PARAMEDIC_TOKEN"), "{nobody:#?}");
    assert_eq!(world.run(&["runs", "--json"]).json()["total"], 2, "what was refused made no run");
}

#[test]
fn where_no_orders_are_taken_the_server_says_what_is_missing() {
    let (_world, _server, ann) = healed();
    let ran = ann.run(&["dispatch", "fix", "x"]);
    assert!(ran.code == 3 && ran.stderr.contains("[dispatch]"), "{ran:#?}");
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
    let tls = ann.run(&["--api", &server.url.replace("http:", "https:"), "runs"]);
    assert!(tls.code == 1 && tls.stderr.contains("is it http://?"), "{tls:#?}");
    server.kill();
    let gone = ann.run(&["doctor", "--json"]);
    assert_eq!(gone.code, 1);
    assert!(check(&gone.json(), "server").contains("cannot reach"), "{gone:#?}");
    assert_eq!(ann.run(&["runs"]).code, 1);
}

#[test]
fn doctor_and_the_settings_tell_what_a_service_has_and_lacks() {
    let (world, _server, _ann) = open_to_reports();
    let healths = |more: &[&str]| {
        let ran = world.run(&[&["doctor", "--json"], more].concat()).json();
        let checks = ran["checks"].as_array().unwrap().clone();
        move |name: &str| {
            let found =
                checks.iter().find(|it| it["name"] == name).map(|it| format!("{} {}", it["health"], it["text"]));
            found.unwrap_or_default().replace('"', "")
        }
    };
    let of = healths(&[]);
    assert_eq!(of("operators"), "ok 1, one can decide; two keys need two");
    assert_eq!(of("webhook"), "ok reports must be signed");
    assert_eq!(of("repositories"), "ok 1 set");
    assert_eq!(of("orders"), "ok taken for acme/shop, carried out here; nothing is published");
    assert!(of("notify").starts_with("note nobody is told"));
    let of = healths(&["--database", "postgres://nobody:s3cret@127.0.0.1:1/x"]);
    assert!(of("database").starts_with("broken ") && !of("database").contains("s3cret"), "{}", of("database"));
    let shown = world.run(&["config", "show"]).stdout;
    for name in [
        "database",
        "server.listen",
        "access.requests",
        "workers.concurrency",
        "repositories.acme/shop",
        "dispatch.repository",
        "github",
        "webhook.secret",
    ] {
        assert!(shown.lines().any(|it| it.starts_with(name)), "{name}: {shown}");
    }
    world.settings("[repositories.\"acme/gone\"]\npath = \"/nowhere/gone\"\n");
    let of = healths(&[]);
    assert!(of("repository").starts_with("broken acme/gone"), "{}", of("repository"));
    assert!(of("webhook").starts_with("note no secret"));
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
    // The agent is stubborn: its patch is the one that was proved before, and is proved again.
    assert_eq!((status.code(), &run["status"], &run["attemptCount"]), (Some(0), &"fixed".into(), &2.into()), "{run:#}");
}
