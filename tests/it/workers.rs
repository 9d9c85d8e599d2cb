//! Workers as real processes on one database: killed, stopped, limited; and the repositories they find by themselves.
use crate::support::{BUGGY, RIGHT, World, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paramedic::domain::{EventType, NewEvent, Order, Provider, Run, RunId, Transition};
use paramedic::store::Store as _;
use paramedic::store::sqlite::SqliteStore;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Child;

/// A world whose settings end with `settings`; programs run without a sandbox, so that agents can leave signs outside.
fn world(files: &[(&str, &str)], settings: &str) -> World {
    let world = World::with_repo(files);
    fs::write(world.dir.path().join("config.toml"), format!("sandbox = \"off\"\n{settings}")).unwrap();
    world
}

fn worker(world: &World, more: &[&str]) -> Child {
    world.spawn(&[&["worker", "--config", "config.toml"], more].concat())
}

fn drain(world: &World) {
    let ran = world.run(&["worker", "--config", "config.toml", "--drain"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
}

fn order(world: &World, test: &str, agent: &str) -> Order {
    Order {
        repo_path: world.repo().to_string_lossy().into_owned(),
        test_command: Some(test.to_owned()),
        agents: vec!["command".to_owned()],
        agent_command: Some(agent.to_owned()),
        timeout_ms: 60_000,
        ..Order::default()
    }
}

/// An order for whoever finds the repository by its name.
fn order_from_elsewhere(agent: &str) -> Order {
    Order { agents: vec!["command".to_owned()], agent_command: Some(agent.to_owned()), ..Order::default() }
}

fn queue(world: &World, repository: &str, order: Order, max_attempts: u32) -> RunId {
    let provider = if order.repo_path.is_empty() { Provider::Generic } else { Provider::Local };
    let run = Run::queued(
        repository,
        "main",
        &world.git(&["rev-parse", "HEAD"]),
        order,
        max_attempts,
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    store(&Run { provider, ..run }, world)
}

fn store(run: &Run, world: &World) -> RunId {
    fs::create_dir_all(world.data_dir()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap();
        let events = vec![NewEvent::new(EventType::RunCreated, "system", "queued")];
        let creation = Transition { run: run.clone(), attempt: None, events, releases_lease: false };
        store.create(&creation, None).await.unwrap();
    });
    run.id
}

fn show(world: &World, id: RunId) -> Value {
    world.run(&["show", &id.to_string(), "--json"]).json()
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn ended(mut child: Child) -> Option<i32> {
    eventually("the worker ends", || child.try_wait().unwrap()).code()
}

fn count(run: &Value, kind: &str) -> usize {
    run["events"].as_array().unwrap().iter().filter(|it| it["type"] == kind).count()
}

#[test]
fn killed_workers_lose_nothing_and_no_run_is_worked_on_twice_at_a_time() {
    let world = world(BUGGY, "");
    let signs = world.dir.path().join("signs");
    fs::create_dir_all(&signs).unwrap();
    // A lock ends with whoever holds it, also by kill -9.
    let agent = format!(
        "exec 9>{0}/$PARAMEDIC_RUN_ID; flock -n 9 || echo twice >> {0}/overlap; echo one >> {0}/turns; sleep 0.3",
        signs.display()
    );
    let ids: Vec<RunId> =
        (0..6).map(|n| queue(&world, &format!("acme/{}", n % 2), order(&world, "false", &agent), 2)).collect();
    let start = || worker(&world, &["--concurrency", "2", "--per-repository", "0"]);
    let mut workers: Vec<Child> = (0..3).map(|_| start()).collect();
    let turns = || fs::read_to_string(signs.join("turns")).unwrap_or_default().lines().count();
    for victim in &mut workers {
        let before = turns();
        eventually("more turns", || (turns() > before).then_some(()));
        victim.kill().unwrap();
        victim.wait().unwrap();
        *victim = start();
    }
    eventually("all runs end", || {
        let list = world.run(&["runs", "--json"]).json();
        list["data"].as_array().unwrap().iter().all(|it| it["status"] == "escalated").then_some(())
    });
    for worker in &workers {
        signal(worker, Signal::SIGTERM);
    }
    for worker in workers {
        assert_eq!(ended(worker), Some(0));
    }
    assert!(!signs.join("overlap").exists(), "a run was worked on twice at a time");
    for id in ids {
        let run = show(&world, id);
        assert_eq!((&run["escalationReason"], &run["attemptCount"]), (&"agent_failed".into(), &2.into()), "{run:#}");
        assert_eq!((count(&run, "run.escalated"), count(&run, "attempt.started")), (1, 2), "{run:#}");
    }
    world.assert_clean();
}

/// An agent that says it began, and then waits for `go`.
fn waiting_agent(signs: &Path) -> String {
    fs::create_dir_all(signs).unwrap();
    format!("touch {0}/began; until [ -e {0}/go ]; do sleep 0.05; done; {RIGHT}", signs.display())
}

#[test]
fn a_stopped_worker_finishes_what_it_has_and_takes_nothing_more() {
    let world = world(BUGGY, "[workers]\ngrace = \"10m\"\n");
    let signs = world.dir.path().join("signs");
    let agent = waiting_agent(&signs);
    let ids = [(); 2].map(|()| queue(&world, "acme/shop", order(&world, "python3 -m unittest", &agent), 3));
    let worker = worker(&world, &["--concurrency", "1"]);
    eventually("the agent begins", || signs.join("began").exists().then_some(()));
    signal(&worker, Signal::SIGTERM);
    eventually("nobody may count on the worker", || (world.n_workers() == 0).then_some(()));
    fs::write(signs.join("go"), b"").unwrap();
    assert_eq!(ended(worker), Some(0));
    let mut states: Vec<Value> = ids.map(|id| show(&world, id)["status"].clone()).to_vec();
    states.sort_by_key(ToString::to_string);
    assert_eq!(states, ["fixed", "queued"]);
    world.assert_clean();
}

#[test]
fn a_second_signal_or_the_end_of_grace_gives_back_and_costs_no_attempt() {
    for (settings, n_signals) in [("[workers]\ngrace = \"10m\"\n", 2), ("[workers]\ngrace = \"1s\"\n", 1)] {
        let world = world(BUGGY, settings);
        let signs = world.dir.path().join("signs");
        let agent = waiting_agent(&signs);
        let id = queue(&world, "acme/shop", order(&world, "python3 -m unittest", &agent), 1);
        let worker = worker(&world, &[]);
        eventually("the agent begins", || signs.join("began").exists().then_some(()));
        signal(&worker, Signal::SIGTERM);
        if n_signals == 2 {
            eventually("the first signal is heard", || (world.n_workers() == 0).then_some(()));
            signal(&worker, Signal::SIGINT);
        }
        assert_eq!(ended(worker), Some(0));
        let run = show(&world, id);
        assert_eq!((&run["status"], &run["budget"]), (&"queued".into(), &1.into()), "{run:#}");
        assert_eq!(run["attempts"][0]["status"], "failed");
        assert!(run["attempts"][0]["failureReason"].as_str().unwrap().contains("does not count"), "{run:#}");
        world.assert_clean();
        fs::write(signs.join("go"), b"").unwrap();
        drain(&world);
        let run = show(&world, id);
        assert_eq!((&run["status"], &run["attemptCount"]), (&"fixed".into(), &2.into()), "{run:#}");
    }
}

#[test]
fn runs_of_the_service_wait_between_attempts_and_local_ones_do_not() {
    let world = world(BUGGY, "[workers]\nretry_delay = \"1h\"\n");
    let path = world.repo();
    let settings = format!(
        "sandbox = \"off\"\n[workers]\nretry_delay = \"1h\"\n[repositories.\"acme/shop\"]\npath = \"{}\"\ntest = \"false\"\n",
        path.display()
    );
    fs::write(world.dir.path().join("config.toml"), settings).unwrap();
    let far = queue(&world, "acme/shop", order_from_elsewhere("true"), 2);
    let near = queue(&world, "acme/near", order(&world, "false", "true"), 2);
    let worker = worker(&world, &[]);
    eventually("the local run ends and the other waits", || {
        let (far, near) = (show(&world, far), show(&world, near));
        (near["status"] == "escalated" && far["status"] == "queued" && far["attemptCount"] == 1).then_some(())
    });
    signal(&worker, Signal::SIGTERM);
    assert_eq!(ended(worker), Some(0));
    let run = show(&world, far);
    let (failed, due): (jiff::Timestamp, jiff::Timestamp) = (
        serde_json::from_value(run["updatedAt"].clone()).unwrap(),
        serde_json::from_value(run["notBefore"].clone()).unwrap(),
    );
    assert!((due - failed).total(jiff::Unit::Minute).unwrap() > 59.0, "{run:#}");
    assert_eq!(run["order"]["testReason"], "settings");
}

/// The machine that a run is left to, as it is stored.
fn machine_of(world: &World, id: RunId) -> Option<String> {
    show(world, id)["order"]["machine"].as_str().map(str::to_owned)
}

#[test]
fn a_foreground_retry_of_a_run_of_the_service_stays_on_its_machine() {
    let world = world(BUGGY, "");
    let path = world.repo();
    let settings =
        format!("sandbox = \"off\"\n[repositories.\"acme/shop\"]\npath = \"{}\"\ntest = \"false\"\n", path.display());
    fs::write(world.dir.path().join("config.toml"), settings).unwrap();
    let signs = world.dir.path().join("signs");
    let id = queue(&world, "acme/shop", order_from_elsewhere(&waiting_agent(&signs)), 1);
    fs::write(signs.join("go"), "").unwrap();
    drain(&world);
    assert_eq!((&show(&world, id)["status"], machine_of(&world, id)), (&"escalated".into(), None));

    fs::remove_file(signs.join("go")).unwrap();
    fs::remove_file(signs.join("began")).unwrap();
    let mut foreground = world.spawn(&["retry", &id.to_string(), "--config", "config.toml"]);
    eventually("the agent begins", || signs.join("began").exists().then_some(()));
    assert_eq!(machine_of(&world, id), Some(paramedic::engine::worker::this_machine()));
    // Let go of, it is anybody's again.
    signal(&foreground, Signal::SIGHUP);
    eventually("the foreground ends", || foreground.try_wait().unwrap());
    assert_eq!((&show(&world, id)["status"], machine_of(&world, id)), (&"queued".into(), None));
    world.assert_clean();
}

/// Signals that come before a service has begun are heard when it has.
#[test]
fn a_service_stopped_while_it_starts_ends_in_good_order() {
    let world = world(BUGGY, "");
    for args in [vec!["worker"], vec!["serve", "--listen", "127.0.0.1:0"]] {
        for has_begun in [is_listening as fn(&World, u32) -> bool, has_database, has_worker] {
            fs::remove_dir_all(world.data_dir()).unwrap_or_default();
            let mut child = world.spawn(&args);
            eventually("the moment", || has_begun(&world, child.id()).then_some(()));
            signal(&child, Signal::SIGTERM);
            let ended = eventually("it ends", || child.try_wait().unwrap());
            assert_eq!(ended.code(), Some(0), "{args:?}: {ended}");
        }
    }
}

fn has_database(world: &World, _: u32) -> bool {
    world.data_dir().join("paramedic.db").exists()
}

fn has_worker(world: &World, _: u32) -> bool {
    has_database(world, 0) && world.n_workers() > 0
}

/// Whether a process catches SIGTERM.
fn is_listening(_: &World, pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    u64::from_str_radix(caught, 16).unwrap_or(0) & (1 << (Signal::SIGTERM as u32 - 1)) != 0
}

#[test]
fn one_repository_does_not_take_all_workers() {
    let world = world(BUGGY, "");
    let signs = world.dir.path().join("signs");
    fs::create_dir_all(&signs).unwrap();
    let agent = |name: &str| {
        format!(
            "exec 9>{0}/{name}; flock -n 9 || echo twice >> {0}/overlap; echo {name} >> {0}/order; sleep 0.3",
            signs.display()
        )
    };
    for name in ["busy", "busy", "busy", "calm"] {
        queue(&world, &format!("acme/{name}"), order(&world, "false", &agent(name)), 1);
    }
    let ran =
        world.run(&["worker", "--config", "config.toml", "--drain", "--concurrency", "4", "--per-repository", "1"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!signs.join("overlap").exists());
    let order = fs::read_to_string(signs.join("order")).unwrap();
    let place = order.lines().position(|it| it == "calm").unwrap();
    assert!(place <= 1, "the calm repository waited for the busy one: {order}");
}

/// Settings that mirror the world's own repository, as if it were far away.
fn mirrored(world: &World, more: &str) {
    let settings = format!(
        "sandbox = \"off\"\n{more}\n[repositories.\"acme/repo\"]\nclone_url = \"file://{}\"\ntest = \"python3 -m unittest\"\n",
        world.repo().display()
    );
    fs::write(world.dir.path().join("config.toml"), settings).unwrap();
}

#[test]
fn a_run_from_elsewhere_is_healed_in_a_mirror_and_its_patch_is_handed_out() {
    let world = world(BUGGY, "");
    mirrored(&world, "");
    let before = world.fingerprint();
    let [id, other] = [(); 2].map(|()| queue(&world, "acme/repo", order_from_elsewhere(RIGHT), 1));
    drain(&world);
    for id in [id, other] {
        let run = show(&world, id);
        assert_eq!(run["status"], "fixed", "{run:#}");
    }
    let id = id.to_string();
    let approved = world.run(&["approve", &id, "--config", "config.toml"]);
    assert_eq!(approved.code, 0, "{approved:#?}");
    assert!(approved.stdout.contains("paramedic diff") && approved.stdout.contains("git apply"), "{approved:#?}");
    let run = world.run(&["show", &id, "--json"]).json();
    assert_eq!((&run["status"], &run["healBranch"]), (&"resolved".into(), &Value::Null));
    let patch = world.run(&["diff", &id, "--raw"]).stdout;
    assert!(patch.contains("+    return a + b"), "{patch}");
    assert_eq!(world.fingerprint(), before, "the remote was touched");
    world.assert_clean();
}

#[test]
fn a_patch_handed_in_without_a_copy_is_checked_by_the_worker() {
    let world = world(BUGGY, "");
    mirrored(&world, "");
    let id = queue(&world, "acme/repo", order_from_elsewhere("true"), 1);
    drain(&world);
    let id_text = id.to_string();
    let wrong = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def nothing(a, b):\n-    return 0\n+    return 1\n";
    let right =
        "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n";
    // Another process counts as the worker, so that the fix is not carried out here.
    let worker = worker(&world, &[]);
    eventually("the worker says that it is there", || (world.n_workers() > 0).then_some(()));
    for (patch, status, kind) in [(wrong, "escalated", "bad_patch"), (right, "fixed", "")] {
        let fix = world.run_with_input(&["human-fix", &id_text, "--patch", "-", "--config", "config.toml"], patch);
        assert!([0, 1, 8].contains(&fix.code), "{fix:#?}");
        let run = eventually("the fix is judged", || {
            let run = show(&world, id);
            (run["status"] == status).then_some(run)
        });
        let attempt = run["attempts"].as_array().unwrap().iter().rfind(|it| it["author"] == "human:tester").unwrap();
        assert_eq!(attempt["failureKind"].as_str().unwrap_or_default(), kind, "{run:#}");
    }
    signal(&worker, Signal::SIGTERM);
    assert_eq!(ended(worker), Some(0));
}

#[test]
fn mirrors_keep_to_their_size() {
    let large: Vec<String> =
        (0..40_000_u64).map(|it| format!("{:x}", it.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let large = large.join("\n");
    let files = [BUGGY, &[("large.txt", large.as_str())]].concat();
    let refused = world(&files, "");
    mirrored(&refused, "[workers]\nmirror_cap = \"100KiB\"");
    let id = queue(&refused, "acme/repo", order_from_elsewhere(RIGHT), 1);
    drain(&refused);
    let run = show(&refused, id);
    assert_eq!(run["escalationReason"], "infrastructure", "{run:#}");
    assert!(run["escalationNote"].as_str().unwrap().contains("mirror_cap"), "{run:#}");

    let world = world(&files, "");
    let url = format!("file://{}", world.repo().display());
    let section =
        |name: &str| format!("[repositories.\"acme/{name}\"]\nclone_url = \"{url}\"\ntest = \"python3 -m unittest\"\n");
    let settings =
        format!("sandbox = \"off\"\n[workers]\nmirror_cap = \"700KiB\"\n{}{}", section("one"), section("two"));
    fs::write(world.dir.path().join("config.toml"), settings).unwrap();
    let mirrors = || {
        let entries = fs::read_dir(world.data_dir().join("mirrors")).unwrap().flatten();
        let names = entries.filter(|it| it.path().is_dir()).flat_map(|it| fs::read_dir(it.path()).unwrap().flatten());
        names.map(|it| it.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    for name in ["one", "two"] {
        let id = queue(&world, &format!("acme/{name}"), order_from_elsewhere(RIGHT), 1);
        drain(&world);
        assert_eq!(show(&world, id)["status"], "fixed");
        assert_eq!(mirrors(), [name]);
    }
}

#[test]
fn what_no_settings_name_is_told_and_not_fetched() {
    let world = world(BUGGY, "");
    mirrored(&world, "");
    let unknown = queue(&world, "acme/none", order_from_elsewhere(RIGHT), 1);
    let gone = Run {
        provider: Provider::Generic,
        ..Run::queued(
            "acme/repo",
            "main",
            &"0123456789".repeat(4),
            order_from_elsewhere(RIGHT),
            1,
            jiff::Timestamp::UNIX_EPOCH,
        )
    };
    let gone = store(&gone, &world);
    drain(&world);
    for (id, words) in [(unknown, "[repositories.\"acme/none\"]"), (gone, "has no commit")] {
        let run = show(&world, id);
        assert_eq!(
            (&run["status"], &run["escalationReason"]),
            (&"escalated".into(), &"infrastructure".into()),
            "{run:#}"
        );
        assert!(run["escalationNote"].as_str().unwrap().contains(words), "{run:#}");
    }
}

/// Each agent waits until a second one runs beside it: with two places for its repository, a place that is left empty would be seen.
#[test]
fn a_long_queue_of_one_repository_fills_all_its_places_to_the_end() {
    let world = world(BUGGY, "");
    let signs = world.dir.path().join("signs");
    fs::create_dir_all(&signs).unwrap();
    let agent = format!(
        "cd {}; mine=$(flock begun sh -c 'echo one >> begun; wc -l < begun'); pair=$(((mine + 1) / 2 * 2))\n\
         until [ $(wc -l < begun) -ge $pair ]; do sleep 0.02; done; [ $(wc -l < begun) -lt $((pair + 2)) ] || echo $mine >> crowd",
        signs.display()
    );
    let ids: Vec<RunId> = (0..16).map(|_| queue(&world, "acme/busy", order(&world, "false", &agent), 1)).collect();
    let ran =
        world.run(&["worker", "--config", "config.toml", "--drain", "--concurrency", "4", "--per-repository", "2"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for id in ids {
        let run = show(&world, id);
        assert_eq!(run["attempts"][0]["failureKind"], "no_change", "{run:#}");
    }
    assert!(!signs.join("crowd").exists(), "more than two at a time");
    world.assert_clean();
}

#[test]
fn whether_somebody_works_is_told_by_the_database() {
    let world = world(BUGGY, "");
    queue(&world, "acme/elsewhere", Order { machine: Some("another".to_owned()), ..order_from_elsewhere("true") }, 1);
    let idle = "no worker is running";
    for args in [&["runs"][..], &["show", "latest"]] {
        let ran = world.run(args);
        assert!(ran.code == 0 && ran.stderr.contains(idle), "{ran:#?}");
    }
    let mut working = worker(&world, &[]);
    eventually("the worker is seen", || (world.n_workers() == 1).then_some(()));
    for args in [&["runs"][..], &["show", "latest"]] {
        assert!(!world.run(args).stderr.contains(idle));
    }
    // One that died without a word is seen to be gone, by whoever is on its machine.
    working.kill().unwrap();
    working.wait().unwrap();
    assert!(world.run(&["runs"]).stderr.contains(idle));
}
