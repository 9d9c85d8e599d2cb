//! Metrics over a real store, the log of the real program, and copies of a database in use.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]
use crate::store_contract::fixtures::at;
use crate::support::{BUGGY, RIGHT, World, eventually};
use paramedic::clock::SystemClock;
use paramedic::domain::run::Provider;
use paramedic::domain::{Attempt, Author, EventType, NewEvent, Order, Run, Transition};
use paramedic::store::sqlite::SqliteStore;
use paramedic::store::{Claim, Store};
use paramedic::telemetry::{Metrics, chain};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Returns the samples of an exposition by series.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|it| !it.starts_with('#'));
    lines.map(|it| it.rsplit_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

async fn until_sample(metrics: &Metrics, name: &str, value: f64) -> BTreeMap<String, f64> {
    let since = Instant::now();
    loop {
        let samples = samples(&metrics.render().await);
        if samples.get(name).is_some_and(|it| (*it - value).abs() < f64::EPSILON) {
            return samples;
        }
        assert!(since.elapsed() < crate::support::PATIENCE, "{name} is {:?}, not {value}", samples.get(name));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A worker in another process works; this one only reads, and counts it all.
#[tokio::test]
async fn what_happens_elsewhere_is_counted_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (here, elsewhere) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    let here: Arc<dyn Store> = Arc::new(here);
    let metrics = Arc::new(Metrics::new(here.clone(), Arc::new(SystemClock)));
    let fact = NewEvent::new(EventType::RunQueued, "system", "");
    let create = async |run: Run| {
        let creation = Transition { run, attempt: None, events: vec![fact.clone()], releases_lease: false };
        elsewhere.create(&creation, None).await.unwrap();
    };
    let new_run = || Run {
        provider: Provider::Jenkins,
        ..Run::queued("acme/shop", "main", "c0ffee", Order::default(), 3, at(0))
    };
    // This one is being worked on when the counting begins: that it was taken is not counted.
    create(new_run()).await;
    let (early, lease) = elsewhere.claim(&Claim::of("w", None, at(1), Duration::from_secs(8))).await.unwrap().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(chain::follow(here, metrics.clone(), stop.clone()));
    // The counting has begun when a first event is counted.
    let queued = "ci_healing_run_status_transitions_total{status=\"queued\",provider=\"jenkins\"}";
    let since = Instant::now();
    let mut n_created = 0.0;
    while samples(&metrics.render().await)[queued] < 1.0 {
        assert!(since.elapsed() < crate::support::PATIENCE);
        create(new_run()).await;
        n_created += 1.0;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let started = early.attempt_started(Author::Agent("a".to_owned()), None, at(10)).unwrap();
    elsewhere.commit(&started, Some(&lease)).await.unwrap();
    let attempt: Attempt = started.attempt.clone().unwrap();
    let proof = NewEvent::new(EventType::AttemptValidated, "system", "").with(serde_json::json!({ "passed": true }));
    let proved = started.run.attempt_updated(attempt.clone(), vec![proof], at(11)).unwrap();
    elsewhere.commit(&proved, Some(&lease)).await.unwrap();
    let fixed = proved.run.fixed(attempt, at(40)).unwrap();
    elsewhere.commit(&fixed, Some(&lease)).await.unwrap();
    let (_, lost) = elsewhere.claim(&Claim::of("w", None, at(50), Duration::from_secs(1))).await.unwrap().unwrap();
    assert_eq!(elsewhere.take_back(at(60), &[]).await.unwrap(), [lost.run_id]);

    let samples = until_sample(&metrics, "paramedic_lease_losses_total", 1.0).await;
    let transitions = |status: &str| {
        samples[&format!("ci_healing_run_status_transitions_total{{status=\"{status}\",provider=\"jenkins\"}}")]
    };
    assert_eq!(
        (transitions("running"), transitions("fixed")),
        (1.0, 1.0),
        "the lost one ran, the early one ran before"
    );
    assert_eq!(samples["ci_healing_attempts_total{status=\"succeeded\",provider=\"jenkins\"}"], 1.0);
    assert_eq!(samples["ci_healing_container_validation_total{result=\"passed\"}"], 1.0);
    assert_eq!(samples["paramedic_attempt_duration_seconds_sum"], 30.0);
    assert_eq!((samples["paramedic_queue_depth"], samples["paramedic_leases_held"]), (n_created, 0.0));
    assert!(samples["paramedic_oldest_queued_age_seconds"] > 0.0);
    assert_eq!(samples["paramedic_database_up"], 1.0);
    metrics.webhook(Provider::Github, true);
    metrics.request("BREW", "/x/{id}", 418, Duration::from_millis(3));
    let samples =
        until_sample(&metrics, "ci_healing_webhooks_total{provider=\"github\",deduplicated=\"true\"}", 1.0).await;
    assert_eq!(samples["paramedic_http_requests_total{method=\"OTHER\",route=\"/x/{id}\",status=\"418\"}"], 1.0);
    for name in ["ci_healing_pr_actions_total{action=\"opened\"}", "ci_healing_human_actions_total{action=\"approve\"}"]
    {
        assert_eq!(samples[name], 0.0, "known series are there from the start");
    }
    stop.cancel();
}

#[tokio::test]
async fn a_schema_that_a_newer_program_made_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let metrics = Metrics::new(store, Arc::new(SystemClock));
    assert_eq!(metrics.ready(Duration::from_secs(10)).await, Ok(()));
    let mut conn = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    conn = conn.create_if_missing(false);
    let mut conn = sqlx::ConnectOptions::connect(&conn).await.unwrap();
    let forward =
        "UPDATE _sqlx_migrations SET version = 99999999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(forward).execute(&mut conn).await.unwrap();
    let why = metrics.ready(Duration::from_secs(10)).await.unwrap_err();
    assert!(why.contains("99999999"), "{why}");
}

#[test]
fn a_worker_logs_its_runs_as_json_and_nothing_secret() {
    let secret = "hunter2-and-more-hunter2";
    let world = World::with_repo(BUGGY);
    let log = world.dir.path().join("log");
    world.heal(&format!("echo 'Authorization: Bearer {secret}'; exit 1"), &["--max-attempts", "1"]);
    assert_eq!(world.run(&["retry", "latest", "--read-only"]).code, 5);
    let mut worker = world.command(&["worker", "--log-format", "json", "--log-level", "debug"]);
    worker.env("DEPLOY_TOKEN", secret).stderr(File::create(&log).unwrap());
    let mut worker = worker.spawn().unwrap();
    eventually("a worker", || (world.n_workers() > 0).then_some(()));
    let retried = world.run(&["retry", "latest", "--json"]);
    let id = retried.json()["id"].as_str().unwrap().to_owned();
    eventually("the end of the run", || fs::read_to_string(&log).unwrap().contains("let go").then_some(()));
    worker.kill().unwrap();
    worker.wait().unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(!log.contains("hunter2") && !log.contains('\u{1b}'), "{log}");
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
    let of_run: Vec<_> = lines.iter().filter(|it| it["run_id"] == id.as_str()).collect();
    for event in ["attempt.started", "attempt.failed"] {
        assert!(of_run.iter().any(|it| it["event"] == event && it["level"] == "INFO"), "{event}: {log}");
    }
    assert!(of_run.iter().any(|it| it["message"] == "claimed" && it["repository"] == "repo"), "{log}");
    assert!(of_run.iter().all(|it| it["timestamp"].is_string() && it["target"].is_string()));
}

#[test]
fn other_commands_are_silent_and_a_wrong_level_is_refused() {
    let world = World::new();
    assert_eq!(world.run(&["runs"]).stderr, "");
    assert_eq!(world.run(&["runs", "--log-level", "info"]).code, 0);
    for args in [["worker", "--log-level", "loud"], ["runs", "--log-level", "loud"]] {
        let ran = world.run(&args);
        assert!(ran.code == 2 && ran.stderr.contains("loud"), "{ran:#?}");
    }
}

#[test]
fn a_backup_is_whole_private_and_never_over_another() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let copy = world.dir.path().join("copy.db");
    let args = ["store", "backup", copy.to_str().unwrap(), "--json"];
    let ran = world.run(&args);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.json()["bytes"], fs::metadata(&copy).unwrap().len());
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&copy).unwrap();
    let again = world.run(&args);
    assert!(again.code == 2 && again.stderr.contains("is there already") && again.stdout.is_empty(), "{again:#?}");
    assert_eq!(fs::read(&copy).unwrap(), before);
    let url = format!("sqlite:{}", copy.display());
    let here = world.run(&["audit", "verify", "--json"]).json();
    let there = world.run(&["--database", &url, "audit", "verify", "--json"]);
    assert_eq!((there.code, there.json()), (0, here));
    let nowhere = world.run(&["--database", "sqlite:/nowhere/db", "store", "backup", "/tmp/never-made"]);
    assert!(nowhere.code == 1 && !std::path::Path::new("/tmp/never-made").exists(), "{nowhere:#?}");
}
