//! What a job prints and how it ends.
use crate::process::Count;
use crate::process::LONG;
use crate::process::Place;
use crate::process::job;
use crate::process::launcher;
use crate::process::launchers;
use crate::process::name;
use crate::process::text;
use paramedic::process::Exit;
use paramedic::process::SandboxChoice;
use std::fs;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let cases = [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 137", Exit::Code(137)),
        ("no-such-program-anywhere", Exit::Code(127)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -TERM $$", Exit::Signal(15)),
    ];
    for launcher in launchers() {
        let place = Place::new();
        for (command, exit) in cases {
            let outcome = place.run(launcher, command).await;
            assert_eq!(outcome.exit, exit, "{command} in {}: {}", name(launcher), text(&outcome));
        }
    }
}

#[tokio::test]
async fn both_streams_come_in_order_and_input_is_a_file_or_empty() {
    for launcher in launchers() {
        let place = Place::new();
        let outcome = place.run(launcher, "echo a; echo b >&2; cat; echo c > /dev/stderr; echo d > /dev/stdout").await;
        assert_eq!(text(&outcome), "a\nb\nc\nd\n", "{}", name(launcher));

        // The prompt of an agent may lie where the agent itself must not look.
        let prompt = place.path("prompt");
        fs::write(&prompt, "hello\n").unwrap();
        let (tree, scratch) = (place.path("tree"), place.path("scratch"));
        let job = paramedic::process::Job { stdin: Some(&prompt), ..job("cat; pwd", &tree, &scratch, LONG) };
        let outcome = launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.unwrap();
        assert_eq!(text(&outcome), format!("hello\n{}\n", tree.display()));
    }
}

#[tokio::test]
async fn an_output_of_any_size_is_seen_whole_and_kept_at_both_ends() {
    let launcher = launcher(SandboxChoice::Auto);
    let place = Place::new();
    let command = "echo first; head -c 50000000 /dev/zero; echo last; exit 3";
    let (tree, scratch) = (place.path("tree"), place.path("scratch"));
    let mut sink = Count::default();
    let job = job(command, &tree, &scratch, LONG);
    let outcome = launcher.run(&job, &mut sink, &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code(3));
    assert_eq!(sink.n_bytes, 50_000_011);
    assert_eq!((outcome.output.head.len(), outcome.output.tail.len()), (1 << 20, 3 << 20));
    assert_eq!(outcome.output.dropped, 50_000_011 - (4 << 20));
    assert!(outcome.output.head.starts_with(b"first\n"));
    assert!(outcome.output.tail.ends_with(b"\0last\n"));
}

#[tokio::test]
async fn the_environment_is_made_anew() {
    for choice in [SandboxChoice::Auto, SandboxChoice::Off] {
        let mut options = crate::process::options(choice);
        let own =
            [("MY_API_TOKEN", "sesame-open-now"), ("AWS_SECRET_ACCESS_KEY", "abc/def/ghi"), ("EDITOR", "vi-unlikely")];
        options.environment.extend(own.map(|(name, value)| (name.into(), value.into())));
        let launcher = paramedic::process::Launcher::new(options);
        assert!(launcher.secrets().contains(&"sesame-open-now".to_owned()));
        let place = Place::new();
        let (tree, scratch) = (place.path("tree"), place.path("scratch"));
        let env = [("GIVEN".to_owned(), "a b".to_owned())];
        let job = paramedic::process::Job {
            env: &env,
            ..job(
                "env; cat /proc/$PPID/environ; echo x > $HOME/f && echo x > $TMPDIR/f && exit 4",
                &tree,
                &scratch,
                LONG,
            )
        };
        let outcome = launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.unwrap();
        let seen = text(&outcome);
        assert_eq!(outcome.exit, Exit::Code(4), "{seen}");
        for absent in ["sesame", "abc/def/ghi", "vi-unlikely", "CARGO_MANIFEST_DIR"] {
            assert!(!seen.contains(absent), "{absent} in {seen}");
        }
        for present in ["GIVEN=a b\n", "CI=true\n", &format!("HOME={}\n", scratch.join("home").display())] {
            assert!(seen.contains(present), "{present} in {seen}");
        }
    }
}

#[tokio::test]
async fn a_job_gets_no_descriptor_signal_mask_or_terminal_of_ours() {
    for launcher in launchers() {
        let place = Place::new();
        let mask = text(&place.run(launcher, "exec grep SigBlk /proc/self/status").await);
        assert_eq!(mask, "SigBlk:\t0000000000000000\n", "{}", name(launcher));
        let seen = text(&place.run(launcher, "ls /proc/self/fd | wc -l; ulimit -c; tty").await);
        // Input, output, error, and the folder that `ls` reads.
        assert_eq!(seen, "4\n0\nnot a tty\n", "{}", name(launcher));
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error_and_not_an_outcome() {
    for launcher in launchers() {
        let place = Place::new();
        let (tree, scratch) = (place.path("no-tree"), place.path("scratch"));
        let job = job("true", &tree, &scratch, LONG);
        assert!(launcher.run(&job, &mut Count::default(), &CancellationToken::new()).await.is_err());
    }
}

#[tokio::test]
async fn a_job_can_run_the_programs_of_this_machine() {
    for launcher in launchers() {
        let place = Place::new();
        fs::write(place.path("tree/a.py"), "import json, multiprocessing, socket, tempfile\nmultiprocessing.Lock()\nprint(len(tempfile.mkdtemp()) > 3)\n").unwrap();
        let outcome =
            place.run(launcher, "if command -v python3 >/dev/null; then python3 a.py; else echo True; fi").await;
        assert_eq!((text(&outcome).trim(), outcome.exit), ("True", Exit::Code(0)), "{}", name(launcher));
        let outcome = place
            .run(
                launcher,
                "if command -v cargo > /dev/null; then cargo init -q --vcs none --name demo . && cargo build -q; fi",
            )
            .await;
        assert_eq!((text(&outcome).trim(), outcome.exit), ("", Exit::Code(0)), "{}", name(launcher));
    }
}
