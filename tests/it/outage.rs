//! Workers and a server while their database goes away and comes back, and machines that share it.
use crate::remote::serve::Serve;
use crate::support::postgres::Server;
use crate::support::{Ran, World, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paramedic::domain::{EventType, NewEvent, Order, Run, RunId, Transition};
use paramedic::store::Store as _;
use paramedic::store::postgres::PostgresStore;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::runtime::Runtime;

const N_RUNS: usize = 8;

/// A world on `url` whose agent changes nothing: each run ends after its two attempts.
fn world(url: &str) -> World {
    let world = World::with_repo(&[("a.txt", "a\n")]);
    let settings = format!(
        "database = \"{url}\"\nsandbox = \"off\"\nmax_attempts = 2\nagents_by_default = [\"idle\"]\n[agents.idle]\ncommand = \"sleep 0.2\"\n\
         [workers]\nretry_delay = \"0\"\nper_repository = 0\n[repositories.\"acme/shop\"]\npath = \"{}\"\ntest = \"false\"\n",
        world.repo().display()
    );
    fs::write(world.dir.path().join("config.toml"), settings).unwrap();
    world
}

fn run(world: &World, args: &[&str]) -> Ran {
    world.run(&[args, &["--config", "config.toml"]].concat())
}

fn report(world: &World, number: usize) {
    let body = json!({
        "provider": "generic", "repository": "acme/shop", "branch": "main", "commitSha": world.git(&["rev-parse", "HEAD"]),
        "pipelineUrl": format!("https://ci.example/{number}"), "errorLog": format!("Error: {} is not there", "x".repeat(number + 1)),
    });
    let file = world.dir.path().join("report.json");
    fs::write(&file, body.to_string()).unwrap();
    let ran = run(world, &["ingest", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:#?}");
}

/// Starts a worker with a data directory of its own.
fn worker(world: &World, name: &str) -> Child {
    let mut command = world.command(&["worker", "--config", "config.toml", "--data-dir", name, "--concurrency", "2"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn stop(mut worker: Child) {
    kill(Pid::from_raw(i32::try_from(worker.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(eventually("the worker ends", || worker.try_wait().unwrap()).code(), Some(0));
}

fn runs(world: &World) -> Vec<Value> {
    run(world, &["runs", "--json"]).json()["data"].as_array().unwrap().clone()
}

fn n_ended(world: &World) -> usize {
    runs(world).iter().filter(|it| it["status"] == "escalated").count()
}

fn count(run: &Value, kind: &str) -> usize {
    run["events"].as_array().unwrap().iter().filter(|it| it["type"] == kind).count()
}

#[test]
fn a_killed_worker_and_a_database_that_restarts_lose_and_double_nothing() {
    let server = Server::start();
    let runtime = Runtime::new().unwrap();
    let world = world(&runtime.block_on(server.database()));
    (0..N_RUNS).for_each(|it| report(&world, it));
    let serve = Serve::of(world.command(&[
        "serve",
        "--config",
        "config.toml",
        "--data-dir",
        "front",
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "0",
    ]));
    // An answer that hangs is a failure.
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let ready = || {
        let url = format!("{}/readyz", serve.url);
        runtime.block_on(async { client.get(url).send().await.unwrap() }).status().as_u16()
    };
    assert_eq!(ready(), 200);
    let (mut one, mut other) = (worker(&world, "one"), worker(&world, "other"));

    eventually("a run ends", || (n_ended(&world) > 0).then_some(()));
    one.kill().unwrap();
    one.wait().unwrap();
    one = worker(&world, "one");

    let before = n_ended(&world);
    eventually("another run ends", || (n_ended(&world) > before).then_some(()));
    server.stop();
    assert_eq!(ready(), 503);
    assert_eq!((one.try_wait().unwrap(), other.try_wait().unwrap()), (None, None), "a worker gave up");
    server.start_again();
    eventually("the server is back", || (ready() == 200).then_some(()));

    eventually("all runs end", || (n_ended(&world) == N_RUNS).then_some(()));
    stop(one);
    stop(other);
    for run in runs(&world) {
        let run = self::run(&world, &["show", run["id"].as_str().unwrap(), "--json"]).json();
        assert_eq!((&run["escalationReason"], &run["attemptCount"]), (&"agent_failed".into(), &2.into()), "{run:#}");
        assert_eq!((count(&run, "run.escalated"), count(&run, "attempt.started")), (1, 2), "{run:#}");
    }
    let audit = run(&world, &["audit", "verify"]);
    assert_eq!(audit.code, 0, "{audit:#?}");
}

#[test]
fn a_run_of_a_local_path_is_left_to_its_machine() {
    let runtime = Runtime::new().unwrap();
    let url = runtime.block_on(crate::support::postgres::database());
    let world = world(&url);
    let repo = world.repo().to_string_lossy().into_owned();
    let far = queued(&runtime, &url, &repo, Some("another"));
    let any = queued(&runtime, &url, &repo, None);
    // Ends although a run waits: it waits for somebody else.
    assert_eq!(run(&world, &["worker", "--drain"]).code, 0);
    let show = |id: RunId| run(&world, &["show", &id.to_string(), "--json"]).json();
    assert_eq!((&show(far)["status"], &show(any)["status"]), (&"queued".into(), &"escalated".into()));

    // Nor is it spoiled by somebody here who wants it tried again.
    assert_eq!(run(&world, &["abort", &far.to_string()]).code, 0);
    assert_eq!(run(&world, &["retry", &far.to_string()]).code, 8);
    assert_eq!(show(far)["status"], "queued");

    // What `heal` leaves behind is taken over by a worker of the same machine.
    let mut heal = world.command(&[
        "heal",
        "--repo",
        "repo",
        "--test",
        "false",
        "--agent-command",
        "sleep 60",
        "--config",
        "config.toml",
    ]);
    let mut heal = heal.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let left = eventually("heal works on its run", || {
        let run = runs(&world).into_iter().find(|it| it["attemptCount"] == 1 && it["status"] == "running")?;
        Some(run["id"].as_str().unwrap().to_owned())
    });
    heal.kill().unwrap();
    heal.wait().unwrap();
    let worker = worker(&world, "one");
    eventually("the run is taken over", || {
        let run = run(&world, &["show", &left, "--json"]).json();
        (count(&run, "run.requeued") == 1 && run["status"] == "running").then_some(())
    });
    assert_eq!(run(&world, &["abort", &left]).code, 0);
    stop(worker);
}

/// Queues a run of a local repository as a foreground command of `machine` does.
fn queued(runtime: &Runtime, url: &str, repo: &str, machine: Option<&str>) -> RunId {
    let order = Order {
        repo_path: repo.to_owned(),
        machine: machine.map(str::to_owned),
        test_command: Some("false".to_owned()),
        agents: vec!["idle".to_owned()],
        timeout_ms: 60_000,
        ..Order::default()
    };
    let head =
        std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(Path::new(repo)).output().unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    let run = Run::queued("acme/local", "main", head.trim(), order, 1, jiff::Timestamp::now());
    let events = vec![NewEvent::new(EventType::RunCreated, "system", "queued")];
    let creation = Transition { run: run.clone(), attempt: None, events, releases_lease: false };
    runtime.block_on(async { PostgresStore::open(url).await.unwrap().create(&creation, None).await.unwrap() });
    run.id
}
