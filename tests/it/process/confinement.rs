//! What a job cannot reach, in every sandbox that works here.
use crate::process::Count;
use crate::process::LONG;
use crate::process::Place;
use crate::process::SandboxKind;
use crate::process::job;
use crate::process::launcher;
use crate::process::launchers;
use crate::process::name;
use crate::process::options;
use crate::process::text;
use paramedic::process::Exit;
use paramedic::process::Job;
use paramedic::process::Launcher;
use paramedic::process::LauncherOptions;
use paramedic::process::SandboxChoice;
use std::fs;
use std::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[test]
fn what_the_sandbox_is_can_be_said() {
    let off = launcher(SandboxChoice::Off).sandbox();
    assert_eq!(off.to_string(), "no sandbox: switched off in the settings");
    let auto = launcher(SandboxChoice::Auto).sandbox();
    let best = launchers()[0].sandbox();
    assert_eq!(auto.confines_files(), best.confines_files());
    assert_eq!(auto.confines_network(), best.confines_network());
    assert!(!auto.to_string().is_empty());
}

#[tokio::test]
async fn a_sandbox_asked_for_by_name_is_never_replaced_by_less() {
    let environment = vec![("PATH".into(), "/nowhere".into())];
    let launcher = Launcher::new(LauncherOptions { environment, ..options(SandboxChoice::Bubblewrap) });
    assert_eq!(launcher.sandbox(), SandboxKind::None { reason: "bubblewrap is not installed".to_owned() });
    let place = Place::new();
    let (tree, scratch) = (place.path("tree"), place.path("scratch"));
    let job = job("echo x > ran", &tree, &scratch, LONG);
    assert!(launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.is_err());
    assert!(!tree.join("ran").exists());
}

#[tokio::test]
async fn a_job_writes_in_its_own_folders_only() {
    for launcher in launchers().iter().filter(|it| it.sandbox().confines_files()) {
        let place = Place::new();
        let victim = place.path("elsewhere/victim");
        fs::write(&victim, "safe").unwrap();
        std::os::unix::fs::symlink(place.path("elsewhere"), place.path("tree/link")).unwrap();
        let elsewhere = place.path("elsewhere").display().to_string();
        let command = format!(
            "echo x > inside; mkdir -p a/b; mv inside a/b/moved; echo x > $TMPDIR/t; \
             echo x > {elsewhere}/new; echo x > ../elsewhere/new; echo x > link/new; echo x > link/victim; \
             rm -f {elsewhere}/victim; mv a/b/moved {elsewhere}/; ln {elsewhere}/victim hard && echo x > hard; \
             truncate -s 0 {elsewhere}/victim; chmod 777 {elsewhere}/victim; mkdir {elsewhere}/folder; \
             echo x > /etc/paramedic-was-here; true"
        );
        let outcome = place.run(launcher, &command).await;
        assert_eq!(outcome.exit, Exit::Code(0), "{}", text(&outcome));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "safe", "{}", name(launcher));
        let left: Vec<_> = fs::read_dir(place.path("elsewhere")).unwrap().flatten().map(|it| it.file_name()).collect();
        assert_eq!(left, ["victim"], "{}", name(launcher));
        assert!(place.path("tree/a/b/moved").exists() && place.path("scratch/tmp/t").exists(), "{}", text(&outcome));
        assert!(!std::path::Path::new("/etc/paramedic-was-here").exists());
    }
}

#[tokio::test]
async fn further_folders_are_writable_when_they_are_given() {
    for launcher in launchers() {
        let place = Place::new();
        let (tree, scratch, elsewhere) = (place.path("tree"), place.path("scratch"), place.path("elsewhere"));
        let command = format!("echo x > {}/new", elsewhere.display());
        let job = Job { writable: &[&elsewhere], ..job(&command, &tree, &scratch, LONG) };
        let outcome = launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.exit, Exit::Code(0), "{} {}", name(launcher), text(&outcome));
        assert!(elsewhere.join("new").exists());
    }
}

#[tokio::test]
async fn private_folders_and_secrets_of_the_home_cannot_be_read() {
    for choice in [SandboxChoice::Bubblewrap, SandboxChoice::Landlock] {
        // The trees of runs lie below the data folder, which is private.
        let place = Place::new();
        let home = place.path("elsewhere");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::write(home.join(".ssh/id"), "private-key").unwrap();
        fs::write(home.join(".netrc"), "private-login").unwrap();
        fs::write(home.join("notes"), "plain-notes").unwrap();
        fs::write(place.path("database"), "private-data").unwrap();
        let mut options = LauncherOptions { private: vec![place.path("database")], ..options(choice) };
        options.environment.retain(|(name, _)| name != "HOME");
        options.environment.push(("HOME".into(), home.clone().into()));
        let launcher = Launcher::new(options);
        if !launcher.sandbox().confines_files() {
            continue;
        }
        let home = home.display();
        let command = format!(
            "cat {home}/.ssh/id {home}/.netrc {home}/notes ../database; ls {home} > /dev/null; ls / > /dev/null && exit 6"
        );
        let outcome = place.run(&launcher, &command).await;
        let seen = text(&outcome);
        assert!(!seen.contains("private-"), "{choice:?} {seen}");
        assert!(seen.contains("plain-notes"), "{choice:?} {seen}");
        assert_eq!(outcome.exit, Exit::Code(6), "{choice:?} {seen}");
    }
}

#[tokio::test]
async fn a_tree_below_a_private_folder_still_works() {
    for choice in [SandboxChoice::Bubblewrap, SandboxChoice::Landlock] {
        let place = Place::new();
        fs::write(place.path("database"), "private-data").unwrap();
        let launcher = Launcher::new(LauncherOptions { private: vec![place.path("")], ..options(choice) });
        if !launcher.sandbox().confines_files() {
            continue;
        }
        let outcome = place.run(&launcher, "echo x > new && cat new && cat ../database").await;
        assert!(text(&outcome).starts_with("x\n"), "{choice:?} {}", text(&outcome));
        assert!(!text(&outcome).contains("private-data"), "{choice:?}");
        assert!(place.path("tree/new").exists());
    }
}

/// `/bin/sh` cannot connect, so the job is a small Python program where there is Python.
fn connect(port: u16) -> String {
    format!(
        "command -v python3 > /dev/null || {{ echo skipped; exit 0; }}; python3 - <<'END'\n\
         import socket\n\
         own = socket.create_server(('127.0.0.1', 0))\n\
         socket.create_connection(own.getsockname(), 5)\n\
         print('own')\n\
         try:\n    socket.create_connection(('127.0.0.1', {port}), 5)\n    print('reached')\n\
         except OSError:\n    print('refused')\n\
         END\n"
    )
}

#[tokio::test]
async fn without_network_only_the_own_loopback_is_there() {
    for launcher in launchers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::new();
        let (tree, scratch) = (place.path("tree"), place.path("scratch"));
        let command = connect(listener.local_addr().unwrap().port());
        for network in [false, true] {
            let job = Job { network, ..job(&command, &tree, &scratch, LONG) };
            let outcome = launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.unwrap();
            let seen = text(&outcome);
            let is_confined = launcher.sandbox().confines_network() && !network;
            let expected = if is_confined { "own\nrefused\n" } else { "own\nreached\n" };
            assert!(seen == expected || seen == "skipped\n", "{}: {seen}", name(launcher));
        }
    }
}

#[tokio::test]
async fn processes_outside_are_out_of_reach() {
    for launcher in launchers().iter().filter(|it| it.sandbox().confines_processes()) {
        let place = Place::new();
        let own = std::process::id();
        let command = format!("kill -0 {own} && grep -aq process /proc/{own}/cmdline; [ $$ -lt 100 ] && exit 9");
        let outcome = place.run(launcher, &command).await;
        assert_eq!(outcome.exit, Exit::Code(9), "{}: {}", name(launcher), text(&outcome));
        let mut lines = text(&place.run(launcher, "ls -d /proc/[0-9]*").await).lines().count();
        lines += usize::from(lines == 0);
        assert!(lines < 20, "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_superuser_gets_no_power_over_the_machine() {
    for launcher in launchers().iter().filter(|it| it.sandbox().confines_files()) {
        let place = Place::new();
        let outcome = place.run(launcher, "grep -E 'CapEff|NoNewPrivs' /proc/self/status").await;
        let seen = text(&outcome);
        let effective = seen.lines().find_map(|it| it.strip_prefix("CapEff:\t")).unwrap();
        let effective = u64::from_str_radix(effective, 16).unwrap();
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
        let harmless = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;
        assert_eq!(effective & !harmless, 0, "{}: {seen}", name(launcher));
        assert!(seen.contains("NoNewPrivs:\t1"), "{}: {seen}", name(launcher));
    }
}

#[tokio::test]
async fn the_temporary_folder_of_the_machine_is_not_shared() {
    for launcher in launchers().iter().filter(|it| it.sandbox().confines_files()) {
        let place = Place::new();
        let shared = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        fs::write(shared.path(), "shared").unwrap();
        let file = shared.path().display();
        let new = format!("/tmp/paramedic-{}", uuid::Uuid::new_v4());
        let command = format!("cat {file}; pwd; echo x > {file}; echo y > {new} && cat {new}");
        let outcome = place.run(launcher, &command).await;
        let seen = text(&outcome);
        assert!(seen.starts_with(&format!("shared{}\n", place.path("tree").display())), "{}: {seen}", name(launcher));
        // Where the sandbox cannot make a folder of its own there, writing is refused.
        let is_own = outcome.exit == Exit::Code(0) && seen.ends_with("y\n");
        assert!(is_own || outcome.exit != Exit::Code(0), "{}: {seen}", name(launcher));
        assert_eq!(fs::read_to_string(shared.path()).unwrap(), "shared");
        assert!(!std::path::Path::new(&new).exists());
    }
}
