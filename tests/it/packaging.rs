//! What is shipped beside the program fits the program: units name options it has, and the example of the settings has every key.
use crate::support::World;
use paramedic::config::notify::RawTarget;
use paramedic::config::raw::{RawAgent, RawConfig};
use paramedic::config::repositories::RawRepository;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

#[test]
fn units_name_only_options_that_there_are() {
    let world = World::new();
    let mut n_seen = 0;
    for folder in [packaging(), packaging().join("user")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|it| it != "service") {
                continue;
            }
            let unit = fs::read_to_string(&path).unwrap();
            let start = unit.lines().find_map(|it| it.strip_prefix("ExecStart=/usr/local/bin/paramedic ")).unwrap();
            let mut words = start.split_whitespace();
            let help = world.run(&[words.next().unwrap(), "--help"]);
            assert_eq!(help.code, 0, "{help:#?}");
            for option in words.filter(|it| it.starts_with("--")) {
                assert!(help.stdout.contains(&format!("{option} ")), "{}: {option}", path.display());
            }
            n_seen += 1;
        }
    }
    assert_eq!(n_seen, 3);
}

/// Returns the example with every commented key and section in force, its secrets in `folder`.
fn in_force(example: &str, folder: &Path) -> String {
    let key = Regex::new(r"(?m)^#([a-z_]+ = |\[)").unwrap();
    let example = key.replace_all(example, "$1").replace("/etc/paramedic/keymap.toml", "keymap.toml");
    let secret = Regex::new(r"/etc/paramedic/credentials/([a-z-]+)").unwrap();
    for found in secret.captures_iter(&example) {
        fs::write(folder.join(&found[1]), "https://hooks.example/s3cret-and-long-enough-to-sign-tokens\n").unwrap();
    }
    secret.replace_all(&example, format!("{}/$1", folder.display())).into_owned()
}

#[test]
fn the_example_of_the_settings_is_valid_in_every_key() {
    let world = World::new();
    let example = fs::read_to_string(packaging().join("config.toml")).unwrap();
    let file = world.dir.path().join("config.toml");
    let keymap = Path::new(env!("CARGO_MANIFEST_DIR")).join("keymaps/default.toml");
    fs::copy(keymap, world.dir.path().join("keymap.toml")).unwrap();
    for text in [example.clone(), in_force(&example, world.dir.path())] {
        fs::write(&file, text).unwrap();
        let ran = world.run(&["config", "check", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let shown = world.run(&["config", "show", "--config", file.to_str().unwrap()]).stdout;
    for target in ["slack", "on-call", "dashboard", "pager"] {
        assert!(shown.contains(&format!("notify.targets.{target}")), "{shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_example_of_the_settings_has_every_key() {
    let example = fs::read_to_string(packaging().join("config.toml")).unwrap();
    let raw = format!(
        "{:?} {:?} {:?} {:?}",
        RawConfig::default(),
        RawAgent::default(),
        RawTarget::default(),
        RawRepository::default()
    );
    let key = Regex::new(r"(\w+): ").unwrap();
    let is_there = |name: &str| {
        // A secret is shown as the file it is in.
        let names = [name.to_owned(), format!("{name}_file")];
        names.iter().any(|it| {
            example.lines().any(|line| {
                let line = line.trim_start_matches('#');
                line.starts_with(&format!("{it} = "))
                    || line.starts_with(&format!("[{it}"))
                    || line.contains(&format!(".{it}."))
            })
        })
    };
    let missing: Vec<&str> =
        key.captures_iter(&raw).map(|it| it.get(1).unwrap().as_str()).filter(|it| !is_there(it)).collect();
    assert!(missing.is_empty(), "not in packaging/config.toml: {missing:?}");
}

#[test]
fn what_no_limit_is_written_as_is_said_where_the_limits_are() {
    let example = fs::read_to_string(packaging().join("config.toml")).unwrap();
    let runbook = fs::read_to_string(packaging().join("../docs/RUNBOOK.md")).unwrap();
    let line = |text: &str, word: &str| text.lines().find(|it| it.contains(word)).unwrap().to_owned();
    assert!(line(&example, "runs healed a day").ends_with("0 = any number."));
    assert!(line(&runbook, "`runs_per_day`").contains("0 is any number"));
}
