//! The pictures in the README: recorded sessions replayed through the real `update` and `view`. `UPDATE_SCREENSHOTS=1` draws them anew.
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use paramedic::console::document::Highlighter;
use paramedic::console::model::Opening;
use paramedic::console::picture::Paper;
use paramedic::console::picture::svg;
use paramedic::console::recorder::parse;
use paramedic::console::recorder::replay;
use paramedic::console::theme::Theme;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The pictures, with the keys that were pressed for them.
const PICTURES: &[(&str, &str)] = &[
    ("queue", ""),
    ("run", "enter"),
    ("review", "enter d ] j j j j"),
    ("log", "enter l"),
    ("fix", "enter F enter"),
    ("ci", "c j j j"),
    ("ci-run", "c j j j enter"),
    ("help", "enter d ?"),
    (ON_SERVER, "enter d q q"),
];

/// The picture of a console on a server that has just gone away.
const ON_SERVER: &str = "server";

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn recording(name: &str, keys: &str) -> String {
    let is_on_server = name == ON_SERVER;
    let server = is_on_server.then(|| "ci.example.com:7171".to_owned());
    let mut console = Console::with(&Opening { server, ..opening() }, fixture::backlog());
    console.press(keys).wait(12_000);
    if is_on_server {
        console.go_offline().wait(9_000);
    }
    console.recorder.dump().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment to draw anew")]
fn is_updating() -> bool {
    std::env::var_os("UPDATE_SCREENSHOTS").is_some()
}

#[test]
fn screenshots_are_current() {
    let mut theme = Theme::named("dark").unwrap();
    theme.highlighter = Some(Arc::new(Highlighter::load()));
    let mut stale = Vec::new();
    for (name, keys) in PICTURES {
        let path = root(&format!("tests/it/recordings/{name}.jsonl"));
        if is_updating() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, recording(name, keys)).unwrap();
        }
        let (opening, actions) = parse(&fs::read_to_string(&path).unwrap()).unwrap();
        for (columns, rows) in [(80, 24), (120, 36)] {
            let drawn = svg(&replay(&opening, &actions, (columns, rows), &theme), Paper::DARK);
            let picture = root(&format!("screenshots/{name}-{columns}x{rows}.svg"));
            if is_updating() {
                fs::create_dir_all(picture.parent().unwrap()).unwrap();
                fs::write(&picture, drawn).unwrap();
            } else if fs::read_to_string(&picture).unwrap_or_default() != drawn {
                stale.push(picture);
            }
        }
    }
    assert!(stale.is_empty(), "UPDATE_SCREENSHOTS=1 cargo test --test it pictures draws them anew: {stale:?}");
}

#[test]
fn a_replayed_session_ends_on_the_same_frame() {
    for keys in ["enter d ]", "l / e r r o r enter n", "F enter x y z esc", "D", "j j enter tab j"] {
        let mut console = Console::new();
        console.press(keys).wait(2_000);
        let (opening, actions) = parse(&console.recorder.dump().unwrap()).unwrap();
        assert_eq!(replay(&opening, &actions, (80, 24), &Theme::named("dark").unwrap()), console.buffer(), "{keys}");
    }
}

#[test]
fn a_broken_recording_names_its_line() {
    let text = recording("queue", "j");
    let broken = text.replacen("{\"do\":\"down\"}", "{\"do\":\"explode\"}", 1);
    assert_ne!(text, broken);
    let line = text.lines().position(|it| it.contains("\"down\"")).unwrap() + 1;
    assert!(parse(&broken).unwrap_err().to_string().contains(&format!("line {line}")));
}
