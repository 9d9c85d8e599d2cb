//! `kill -9` in the middle of a heal: no attempt is lost or doubled, the audit chain holds, and nothing stays behind.
use crate::support::{BUGGY, World, eventually};
use std::fs;

#[test]
fn another_worker_takes_over_where_the_killed_one_stopped() {
    // Moments: reproducing, the agent's turn, the proof. Each is recognised by what runs then.
    for (moment, test, agent) in [
        ("reproducing", "sleep 0.6; python3 -m unittest -v", "sed -i 's/a - b/a + b/' calc.py"),
        ("attempt 1: command", "python3 -m unittest -v", "sleep 1; sed -i 's/a - b/a + b/' calc.py"),
        ("attempt 1: proving", "sleep 0.6; python3 -m unittest -v", "sed -i 's/a - b/a + b/' calc.py"),
    ] {
        let world = World::with_repo(BUGGY);
        let repo = world.repo();
        let args = ["heal", "--json", "--repo", repo.to_str().unwrap(), "--test", test, "--agent-command", agent];
        let mut heal = world.spawn(&args);
        let live = world.data_dir().join("live");
        eventually(moment, || {
            let files = fs::read_dir(&live).ok()?;
            let is_there = files.flatten().any(|it| {
                fs::read_to_string(it.path()).is_ok_and(|it| it.contains(&format!("\"phase\":\"{moment}\"")))
            });
            is_there.then_some(())
        });
        heal.kill().unwrap();
        heal.wait().unwrap();
        eventually("the killed worker's processes end", || world.strays().is_empty().then_some(()));
        let list = world.run(&["runs", "--json"]).json();
        assert_eq!((&list["total"], &list["data"][0]["status"]), (&1.into(), &"queued".into()), "{moment}: {list:#}");
        let worker = world.run(&["worker", "--drain"]);
        assert_eq!(worker.code, 0, "{worker:#?}");
        let run = world.run(&["show", "latest", "--json"]).json();
        assert_eq!((&run["status"], &run["attemptCount"]), (&"fixed".into(), &1.into()), "{moment}: {run:#}");
        let started = run["events"].as_array().unwrap().iter().filter(|it| it["type"] == "attempt.started").count();
        assert_eq!(started, 1, "{moment}");
        world.assert_clean();
    }
}
