//! Whatever a job does, its end is the end of everything it started, and is told as it was.
use crate::process::LONG;
use crate::process::Place;
use crate::process::eventually;
use crate::process::launcher;
use crate::process::launchers;
use crate::process::name;
use crate::process::now;
use crate::process::running;
use crate::process::text;
use crate::process::unique_seconds;
use paramedic::process::Exit;
use paramedic::process::Owner;
use paramedic::process::SandboxChoice;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Starts processes that hide in every way: deaf to requests, in sessions of their own, orphaned, without environment.
fn stubborn(seconds: &str) -> String {
    format!(
        "trap '' TERM HUP INT\n\
         sleep {seconds} &\n\
         setsid sleep {seconds} &\n\
         (setsid sh -c 'trap \"\" TERM; sleep {seconds}; sleep {seconds}' > /dev/null 2>&1 &)\n\
         (env -i setsid sleep {seconds} &) &\n\
         echo started > started\n"
    )
}

#[tokio::test]
async fn a_time_limit_ends_everything_however_it_hides() {
    for launcher in launchers() {
        let place = Place::new();
        let seconds = unique_seconds();
        let command = format!("{}wait; sleep {seconds}", stubborn(&seconds));
        let started = now();
        let outcome = place.run_for(launcher, &command, Duration::from_millis(700), &CancellationToken::new()).await;
        assert_eq!(outcome.exit, Exit::TimedOut, "{}: {}", name(launcher), text(&outcome));
        assert!(place.path("tree/started").exists(), "{}", text(&outcome));
        assert_eq!(running(&seconds), [0; 0], "{}", name(launcher));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_request_to_kill_ends_everything() {
    for launcher in launchers() {
        let place = Place::new();
        let seconds = unique_seconds();
        let command = format!("{}wait; sleep {seconds}", stubborn(&seconds));
        let cancel = CancellationToken::new();
        let canceller = cancel.clone();
        let marker = place.path("tree/started");
        std::thread::spawn(move || {
            eventually("the job starts", || marker.exists());
            canceller.cancel();
        });
        let outcome = place.run_for(launcher, &command, LONG, &cancel).await;
        assert_eq!(outcome.exit, Exit::Cancelled, "{}: {}", name(launcher), text(&outcome));
        assert_eq!(running(&seconds), [0; 0], "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_job_is_asked_before_it_is_killed() {
    for launcher in launchers() {
        let place = Place::new();
        let command = "trap 'echo saved > saved; exit 0' TERM; echo x; while :; do sleep 0.05; done";
        let outcome = place.run_for(launcher, command, Duration::from_millis(500), &CancellationToken::new()).await;
        assert_eq!(outcome.exit, Exit::TimedOut, "{}", name(launcher));
        assert!(place.path("tree/saved").exists(), "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_job_cancelled_before_it_starts_does_not_start() {
    let place = Place::new();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = place.run_for(&launcher(SandboxChoice::Auto), "echo x > ran", LONG, &cancel).await;
    assert_eq!(outcome.exit, Exit::Cancelled);
    assert!(!place.path("tree/ran").exists());
}

#[tokio::test]
async fn what_a_job_leaves_behind_ends_with_it() {
    for launcher in launchers() {
        let place = Place::new();
        let seconds = unique_seconds();
        let outcome = place.run(launcher, &format!("{}echo end; exit 5", stubborn(&seconds))).await;
        assert_eq!(outcome.exit, Exit::Code(5), "{}: {}", name(launcher), text(&outcome));
        assert!(text(&outcome).ends_with("end\n"));
        assert_eq!(running(&seconds), [0; 0], "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_job_that_kills_what_runs_it_is_not_green_and_leaves_nothing() {
    let killers = [
        "kill -9 $PPID",
        // Every ancestor it can see, except the shell that runs the tests.
        "p=$PPID; while [ \"$p\" -gt 1 ] && grep -aq __supervise /proc/$p/cmdline; do n=$(cut -d' ' -f4 /proc/$p/stat); kill -9 $p; p=$n; done",
    ];
    for launcher in launchers() {
        for killer in killers {
            let place = Place::new();
            let seconds = unique_seconds();
            let command = format!("sleep {seconds} & setsid sleep {seconds} & sleep 0.1; {killer}; sleep 0.1; exit 0");
            let outcome = place.run(launcher, &command).await;
            let in_vain = launcher.sandbox().confines_processes() && outcome.exit == Exit::Code(0);
            if !in_vain {
                assert_eq!(outcome.exit, Exit::Signal(9), "{}: {killer}: {}", name(launcher), text(&outcome));
            }
            eventually("nothing is left", || running(&seconds).is_empty());
        }
    }
}

#[tokio::test]
async fn a_forged_report_is_not_believed() {
    for launcher in launchers() {
        let place = Place::new();
        // Only at its own ancestors: other tests run beside this one.
        let command = "p=$PPID; while [ \"$p\" -gt 1 ] && grep -aq __supervise /proc/$p/cmdline; do \
                       for n in 1 3 4 5 6; do echo 'x code 0' > /proc/$p/fd/$n; printf 'code 0' > /proc/$p/fd/$n; done; \
                       p=$(cut -d' ' -f4 /proc/$p/stat); done 2> /dev/null; exit 1";
        let outcome = place.run(launcher, command).await;
        assert_eq!(outcome.exit, Exit::Code(1), "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_fork_storm_ends() {
    for launcher in launchers() {
        let place = Place::new();
        let seconds = unique_seconds();
        // A chain of orphans, each born by one that ends at once.
        let script =
            format!("n=$1; [ \"$n\" -le 0 ] && exec sleep {seconds}; sh storm.sh $((n - 1)) & sleep {seconds} &");
        fs::write(place.path("tree/storm.sh"), script).unwrap();
        let outcome = place
            .run_for(launcher, "sh storm.sh 60; wait", Duration::from_millis(600), &CancellationToken::new())
            .await;
        assert!(!text(&outcome).contains("annot"), "{}", text(&outcome));
        assert_eq!(running(&seconds), [0; 0], "{}", name(launcher));
    }
}

#[tokio::test]
async fn dropping_the_future_ends_the_job() {
    for launcher in launchers() {
        let place = Place::new();
        let seconds = unique_seconds();
        let command = format!("{}wait; sleep {seconds}", stubborn(&seconds));
        let marker = place.path("tree/started");
        let cancel = CancellationToken::new();
        let run = place.run_for(launcher, &command, LONG, &cancel);
        let started = tokio::task::spawn_blocking(move || eventually("the job starts", || marker.exists()));
        tokio::select! {
            outcome = run => panic!("ended: {outcome:?}"),
            started = started => started.unwrap(),
        }
        eventually("nothing is left", || running(&seconds).is_empty());
    }
}

/// Set for the process that plays the engine, which is this test binary again.
const ENGINE: &str = "PARAMEDIC_TEST_ENGINE";

#[test]
fn the_death_of_the_engine_ends_its_jobs() {
    for choice in ["off", "landlock", "bubblewrap"] {
        let seconds = unique_seconds();
        let place = Place::new();
        let mut engine = engine(choice, &place, &seconds);
        let owner = Owner::of(engine.id()).unwrap();
        eventually("the job starts, or cannot", || {
            place.path("tree/started").exists() || engine.try_wait().unwrap().is_some()
        });
        if place.path("tree/started").exists() {
            assert!(!running(&seconds).is_empty() && owner.has_jobs());
        }
        engine.kill().unwrap();
        engine.wait().unwrap();
        eventually("the jobs of the dead end", || !owner.has_jobs());
        assert_eq!(running(&seconds), [0; 0], "what seems to have ended is still there");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test stands outside")]
fn engine(choice: &str, place: &Place, seconds: &str) -> std::process::Child {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "process::endings::play_the_engine", "--nocapture"]);
    command.env(ENGINE, format!("{choice}\n{seconds}\n{}", place.path("").display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Does nothing unless another test starts it as the engine.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test that starts this one says what to do")]
async fn play_the_engine() {
    let Ok(order) = std::env::var(ENGINE) else { return };
    let [choice, seconds, root] = order.splitn(3, '\n').collect::<Vec<_>>().try_into().unwrap();
    let choice = match choice {
        "off" => SandboxChoice::Off,
        "landlock" => SandboxChoice::Landlock,
        _ => SandboxChoice::Bubblewrap,
    };
    let root = PathBuf::from(root);
    let (tree, scratch) = (root.join("tree"), root.join("scratch"));
    let command = format!("{}wait; sleep {seconds}", stubborn(seconds));
    let job = crate::process::job(&command, &tree, &scratch, LONG);
    let cancel = CancellationToken::new();
    let _ = launcher(choice).run(&job, &mut crate::process::Count::default(), &cancel).await;
}
