//! The real program: two workers that both may tell, one heal, each text once; and nothing secret in their logs.
use crate::notify::server::Server;
use crate::support::{BUGGY, RIGHT, World, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::process::Child;

fn worker(world: &World, name: &str, url: &str) -> (Child, std::path::PathBuf) {
    let log = world.dir.path().join(name);
    let config = world.dir.path().join("config.toml");
    fs::write(&config, "[notify]\nfrom_workers = true\n").unwrap();
    let mut command = world.command(&["worker", "--config", config.to_str().unwrap(), "--log-format", "json"]);
    command.env("CI_HEALING_SLACK_WEBHOOK_URL", url).stderr(File::create(&log).unwrap());
    (command.spawn().unwrap(), log)
}

#[test]
fn two_workers_tell_one_heal_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start([]));
    let world = World::with_repo(BUGGY);
    let mut workers = [worker(&world, "log-1", &server.url), worker(&world, "log-2", &server.url)];
    let logs = || workers.iter().map(|(_, log)| fs::read_to_string(log).unwrap()).collect::<String>();
    eventually("one of them tells", || logs().contains("telling what happens").then_some(()));
    let (code, run) = world.heal(RIGHT, &[]);
    assert_eq!(code, 0, "{run}");
    let id = run["id"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&["abort", &id]).code, 0);
    let aborted = format!("🛑 Run {id} aborted by tester.");
    eventually("the last text", || server.texts().contains(&aborted).then_some(()));
    for (child, _) in &mut workers {
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let sha = &run["commitSha"].as_str().unwrap()[..7];
    assert_eq!(
        server.texts(),
        [
            format!("🔴 Pipeline failed for repo ({sha}). Agent queued run {id}."),
            format!("🔧 Attempt 1/3 for repo ({sha})."),
            format!("✅ Run {id} fixed in attempt 1. Proposed patch ready."),
            aborted,
        ]
    );
    for (_, log) in &workers {
        let log = fs::read_to_string(log).unwrap();
        assert!(!log.contains("s3cretPartOfTheUrl"), "{log}");
    }
    world.assert_clean();
}

#[test]
fn config_show_keeps_addresses_to_itself() {
    let world = World::new();
    for args in [vec!["config", "show"], vec!["config", "show", "--json"]] {
        let mut command = world.command(&args);
        command.env("CI_HEALING_SLACK_WEBHOOK_URL", "https://hooks.example/T0/s3cret");
        let ran = crate::support::ran(&mut command);
        assert!(ran.code == 0 && ran.stdout.contains("slack") && !ran.stdout.contains("s3cret"), "{ran:#?}");
    }
}
