//! `paramedic serve` as a program: where it listens, how it stops, and the work it does beside.
use super::served::{OPERATOR, Served, VIEWER, database};
use crate::support::{BUGGY, RIGHT, World, eventually_answered};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn bad_addresses_are_wrong_usage_and_taken_ones_a_failure() {
    let world = World::new();
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:1"] {
        assert_eq!(world.run(&["serve", "--listen", address]).code, 2, "{address}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = world.run(&["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("something else listens there"), "{}", ran.stderr);
    let file = world.dir.path().join("c.toml");
    std::fs::write(&file, "[server]\nlisten = \"nonsense\"\n").unwrap();
    assert_eq!(world.run(&["serve", "--config", file.to_str().unwrap()]).code, 2);
    std::fs::write(&file, "[server]\ncors = true\n").unwrap();
    let ran = world.run(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("line 2"), "{}", ran.stderr);
}

#[tokio::test]
async fn it_stops_in_good_order_with_exit_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let world = World::new();
        let mut served = Served::start(&world, &[]);
        let held = reqwest::get(format!("{}/healthz", served.url)).await.unwrap();
        served.signal(signal);
        assert_eq!(served.child.wait().unwrap().code(), Some(0), "{signal}");
        assert_eq!(held.text().await.unwrap(), "ok\n");
    }
}

#[tokio::test]
async fn without_operators_it_says_how_to_add_one() {
    let world = World::new();
    let served = Served::start(&world, &[]);
    assert!(served.said.iter().any(|it| it.contains("paramedic operator add")), "{:?}", served.said);
    served.stop();
    database(&world).await;
    let served = Served::start(&world, &[]);
    assert_eq!(served.said.len(), 1, "{:?}", served.said);
}

#[tokio::test]
async fn tokens_in_the_clear_are_warned_of() {
    let world = World::new();
    let listening = world.command(&["serve", "--listen", "0.0.0.0:0", "--workers", "0"]);
    let served = Served::started(listening);
    assert!(served.said.iter().any(|it| it.contains("tokens travel in the clear")), "{:?}", served.said);
}

#[tokio::test]
async fn its_workers_heal_what_is_retried() {
    let world = World::with_repo(BUGGY);
    let agent = world.script("agent.sh", &format!("test -e {}/ready && {RIGHT}", world.dir.path().display()));
    let (_, run) = world.heal(&agent, &["--test", "python3 -m unittest", "--max-attempts", "1"]);
    assert_eq!(run["status"], "escalated", "{run}");
    std::fs::write(world.dir.path().join("ready"), "").unwrap();
    database(&world).await;
    let served = Served::start(&world, &["--workers", "2"]);
    let client = served.client();
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    let (status, done) = client.post(&format!("{path}/actions/retry"), OPERATOR, &json!({})).await;
    assert_eq!(status, 200, "{done}");
    eventually_answered(async || (client.get(&path, VIEWER).await.1["status"] == "fixed").then_some(())).await;
    served.stop();
    world.assert_clean();
}
