//! Architecture rules the compiler cannot see inside one crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which top-level modules each top-level module may name. What is not listed is forbidden.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &["cli", "process"]),
    ("domain", &[]),
    ("clock", &[]),
    ("evidence", &["domain"]),
    ("guard", &["domain", "evidence"]),
    ("rules", &["evidence"]),
    ("signal", &["domain"]),
    ("process", &["clock"]),
    ("store", &["domain", "clock"]),
    ("workspace", &["domain", "evidence", "process"]),
    ("agent", &["domain", "evidence", "process"]),
    ("forge", &["domain", "clock", "evidence"]),
    (
        "engine",
        &["domain", "clock", "evidence", "guard", "rules", "signal", "process", "store", "workspace", "agent", "forge"],
    ),
    ("access", &["domain", "clock", "store"]),
    ("telemetry", &["domain", "clock", "evidence", "store"]),
    ("notify", &["domain", "clock", "evidence", "process", "store", "telemetry"]),
    ("backlog", &["domain", "clock", "engine"]),
    ("http", &["domain", "clock", "evidence", "signal", "access", "engine", "telemetry", "backlog"]),
    ("console", &["domain", "evidence", "backlog"]),
    ("config", &["domain"]),
    ("demo", &["domain", "process"]),
    (
        "wiring",
        &[
            "domain",
            "clock",
            "evidence",
            "signal",
            "process",
            "store",
            "workspace",
            "agent",
            "forge",
            "engine",
            "access",
            "notify",
            "telemetry",
            "backlog",
            "http",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "clock",
            "evidence",
            "guard",
            "rules",
            "signal",
            "access",
            "engine",
            "backlog",
            "http",
            "console",
            "config",
            "demo",
            "telemetry",
            "wiring",
        ],
    ),
];

/// Outside crates and std paths that belong to one module only.
const FENCED: &[(&str, &[&str])] = &[
    ("ratatui::", &["console"]),
    ("crossterm::", &["console"]),
    ("ratatui_textarea::", &["console"]),
    ("syntect::", &["console"]),
    ("sqlx::", &["store"]),
    ("axum::", &["http"]),
    ("hyper::", &["http"]),
    ("utoipa::", &["http", "domain"]),
    ("tokio_rustls::", &["http"]),
    ("prometheus_client::", &["telemetry"]),
    ("tracing_subscriber::", &["telemetry"]),
    ("reqwest::", &["backlog", "notify", "forge"]),
    ("octocrab::", &["forge"]),
    ("zip::", &["forge"]),
    ("jsonwebtoken::", &["access", "forge"]),
    ("governor::", &["http"]),
    ("argon2::", &["access"]),
    ("tokio::process", &["process"]),
    ("std::process::Command", &["process"]),
    ("landlock::", &["process"]),
    ("nix::", &["process"]),
    ("clap::", &["cli"]),
    ("serde_saphyr::", &["rules", "cli"]),
    ("std::env::", &["config", "main"]),
];

/// Files that must stay pure: no I/O, no async, no clock.
const PURE: &[&str] = &[
    "domain",
    "evidence",
    "guard",
    "rules",
    "signal",
    "console/model",
    "console/update",
    "console/view",
    "console/layout",
    "console/keymap",
    "console/document",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "async fn",
    ".await",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime::now",
];

#[test]
fn modules_depend_only_on_what_they_may() {
    check(|module, code| {
        let top = module.split('/').next().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == top) else {
            return Some(format!("list `{top}` in MAY_USE"));
        };
        let target = code.split("crate::").skip(1).map(first_word).find(|it| *it != top && !allowed.contains(it))?;
        Some(format!("`{top}` may not use `crate::{target}`"))
    });
}

#[test]
fn the_table_of_the_documents_is_the_one_that_is_checked() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let told: BTreeMap<String, BTreeSet<String>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.trim_end_matches(" |").split_once(" | "))
        .flat_map(|(names, may)| words(&format!("`{names}")).into_iter().map(move |it| (it, words(may))))
        .collect();
    // The two roots are in no table; the crate is what they join.
    let checked = MAY_USE.iter().filter(|(name, _)| !["lib", "main"].contains(name));
    let checked: BTreeMap<String, BTreeSet<String>> =
        checked.map(|(name, may)| ((*name).to_owned(), may.iter().map(|it| (*it).to_owned()).collect())).collect();
    assert_eq!(told, checked);
}

#[test]
fn nobody_climbs_out_with_super() {
    check(|module, code| {
        let n_supers = code.split("super::super::").count() + usize::from(code.contains("super::")) - 1;
        let depth = module.split('/').count() - 1;
        (depth < n_supers).then(|| "write `crate::…` so the rules can see it".to_owned())
    });
}

#[test]
fn outside_crates_stay_behind_their_fence() {
    check(|module, code| {
        let top = module.split('/').next().unwrap_or_default();
        let (path, owners) = FENCED.iter().find(|(path, owners)| names(code, path) && !owners.contains(&top))?;
        Some(format!("`{path}` belongs to {owners:?}"))
    });
}

#[test]
fn pure_modules_do_no_io() {
    check(|module, code| {
        let is_pure = PURE.iter().any(|it| module == *it || module.starts_with(&format!("{it}/")));
        let word = IMPURE.iter().find(|word| is_pure && code.contains(**word))?;
        Some(format!("`{module}` is pure, `{word}` is not"))
    });
}

#[test]
fn every_file_says_what_it_holds() {
    let silent: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "open with a `//!` sentence: {silent:?}");
}

/// Runs `rule` on every line of production code and reports all offences at once.
fn check(rule: impl Fn(&str, &str) -> Option<String>) {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        // A module's tests may do what the module may not.
        if path.contains("/tests/") || path.ends_with("/tests.rs") {
            continue;
        }
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        for (idx, line) in production_code(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(offence) = rule(module, code) {
                offences.push(format!("src/{path}:{}: {offence}", idx + 1));
            }
        }
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// Whether `path` stands in `code` as a path of its own: `nix::` is none in `std::os::unix::fs`.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| !code[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_'))
}

fn first_word(text: &str) -> &str {
    text.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap_or_default()
}

fn production_code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}

/// `(path below src, text)` for every Rust file.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.sort();
    return found
        .into_iter()
        .map(|path| {
            (path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"), fs::read_to_string(&path).unwrap())
        })
        .collect();

    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, found),
                false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
                false => (),
            }
        }
    }
}
