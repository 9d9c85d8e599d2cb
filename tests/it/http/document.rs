//! The `OpenAPI` document: the committed one is the code's, and a tester of APIs finds it true.
use super::served::{ADMIN, Served, database, runs};
use crate::support::{BUGGY, RIGHT, World};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = paramedic::http::docs::text();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is stale: UPDATE_OPENAPI=1 cargo test --test it document");
}

/// Where `.ci/prepare` put the tester.
fn tester() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|it| it.join(".cache"))).unwrap();
    let program = cache.join("paramedic-tests/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run .ci/prepare", program.display());
    program
}

#[tokio::test]
async fn a_tester_of_apis_finds_the_document_true() {
    let world = World::with_repo(BUGGY);
    let (_, healed) = world.heal(RIGHT, &["--test", "python3 -m unittest"]);
    assert_eq!(healed["status"], "fixed", "{healed}");
    let store = database(&world).await;
    let proved = runs(&store).await;
    let unlimited = world.dir.path().join("config.toml");
    let text = "[access]\nrequests_per_second = 0\nfailures_per_minute_and_address = 0\nlogins_per_minute = 0\nlogins_per_minute_and_address = 0\n";
    fs::write(&unlimited, text).unwrap();
    let served = Served::start(&world, &["--config", unlimited.to_str().unwrap()]);
    let hooks = world.dir.path().join("hooks.py");
    fs::write(&hooks, HOOKS).unwrap();
    fs::write(world.dir.path().join("schemathesis.toml"), SETTINGS).unwrap();
    let ids = format!("{},{}", healed["id"].as_str().unwrap(), proved.id);
    let mut command = world.command(&[]);
    let mut tester = std::process::Command::new(tester());
    tester
        .args(["run", &format!("{}/openapi.json", served.url)])
        .args(["--header", &format!("Authorization: Bearer {ADMIN}")])
        .args(["--seed", "1", "--max-examples", "20", "--generation-deterministic", "--workers", "1"])
        // A stream has no end; its own tests read it.
        .args(["--exclude-operation-id", "stream", "--request-timeout", "20", "--no-color"])
        .current_dir(world.dir.path())
        .env_clear()
        .envs(
            command
                .env("SCHEMATHESIS_HOOKS", &hooks)
                .env("RUNS", ids)
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let ran = crate::support::ran(&mut tester);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let document: serde_json::Value = serde_json::from_str(&paramedic::http::docs::text()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let n_operations: usize = paths.map(|it| it.as_object().unwrap().len()).sum();
    assert!(ran.stdout.contains(&format!("Tested: {}\n", n_operations - 1)), "{}", ran.stdout);
    served.stop();
}

/// What cannot be told by a schema: whether a patch applies, whether words can be seen, and whether a beginning names one run. What a person does with
/// a run the tester tries on runs of CI, too, where other words go.
const SETTINGS: &str = r#"
[[operations]]
include-operation-id = ["decide"]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 412]

[[operations]]
include-operation-id = ["humanFix", "dispatch", "actOnCi", "resolveRun"]
[operations.checks]
positive_data_acceptance.enabled = false
"#;

/// Every second run that is asked for is one that is there.
const HOOKS: &str = r#"
import os
import itertools
import schemathesis

RUNS = itertools.cycle([*os.environ["RUNS"].split(","), None])


@schemathesis.hook
def map_path_parameters(ctx, parameters):
    known = next(RUNS)
    if known and parameters and "id" in parameters:
        parameters["id"] = known
    return parameters
"#;
