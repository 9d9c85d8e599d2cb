//! Targets over a real store: retries, giving up, places in the chain, and what one dead target does not hold up.
use crate::notify::server::{Answer, Server};
use crate::store_contract::fixtures::{at, new_run};
use jiff::Timestamp;
use paramedic::clock::{Clock, SystemClock};
use paramedic::domain::{EventType, NewEvent, RunId, Transition};
use paramedic::evidence::mask::Masker;
use paramedic::notify::slack::Slack;
use paramedic::notify::{Channel, Notifier, Pace, Target};
use paramedic::store::Store;
use paramedic::store::sqlite::SqliteStore;
use paramedic::telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A store with one run in it, and what tells about it.
struct Scene {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    run: RunId,
}

/// As the real pace, a thousand times faster; a try may take two seconds.
fn fast() -> Pace {
    Pace {
        first_wait: Duration::from_millis(2),
        all_waits: Duration::from_secs(3),
        limit: Duration::from_secs(2),
        ..Pace::default()
    }
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
        let run = new_run(at(0));
        let id = run.id;
        let events = vec![NewEvent::new(EventType::RunCreated, "system", "taken in")];
        store.create(&Transition { run, attempt: None, events, releases_lease: false }, None).await.unwrap();
        let metrics = Arc::new(Metrics::new(store.clone(), Arc::new(SystemClock)));
        Self { _folder: folder, path, store, metrics, run: id }
    }

    fn notifier(&self, targets: Vec<Target>) -> Notifier {
        Notifier {
            store: self.store.clone(),
            clock: Arc::new(SystemClock),
            masker: Masker::new(["hunter2-and-more".to_owned()]),
            metrics: Some(self.metrics.clone()),
            pace: fast(),
            targets,
        }
    }

    /// Stores a fact about the run.
    async fn fact(&self, kind: EventType, message: &str) {
        let event = NewEvent::new(kind, "human:ann", message);
        self.store.note(self.run, &[event], now()).await.unwrap();
    }

    /// Starts telling, and returns when every target has its place in the chain.
    async fn start(&self, notifier: &Notifier) -> CancellationToken {
        let stop = CancellationToken::new();
        let (running, token) = (notifier.clone(), stop.clone());
        tokio::spawn(async move { running.run(&token).await });
        for target in &notifier.targets {
            let name = format!("notify:{}", target.name);
            // Somebody else cannot take a place that is held.
            until(async || self.store.hold_cursor(&name, "test", now(), Duration::ZERO).await.unwrap().is_none()).await;
        }
        stop
    }

    async fn metric(&self, line: &str) -> bool {
        self.metrics.render().await.lines().any(|it| it == line)
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let since = std::time::Instant::now();
    while !condition().await {
        assert!(since.elapsed() < crate::support::PATIENCE, "never happened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn slack(name: &str, url: &str) -> Target {
    let channel: Arc<dyn Channel> = Arc::new(Slack::new(url).unwrap());
    Target { name: name.to_owned(), events: EventType::ALL.iter().copied().collect(), channel }
}

#[tokio::test]
async fn what_fails_is_tried_again_and_told_once() {
    let server = Server::start([Answer::Status(500), Answer::Status(503), Answer::Status(429)]).await;
    let scene = Scene::new().await;
    scene.start(&scene.notifier(vec![slack("s", &server.url)])).await;
    scene.fact(EventType::RunAborted, "aborted").await;
    scene.fact(EventType::RunDenied, "denied: token=hunter2-and-more <!here> \u{1b}[2J").await;
    let posted = server.until(5).await;
    let texts = server.texts();
    assert!(texts[..4].iter().all(|it| it == &format!("🛑 Run {} aborted by ann.", scene.run)), "{texts:?}");
    assert_eq!(texts[4], format!("⛔ Run {} denied and escalated by ann: token=*** &lt;!here&gt; ", scene.run));
    assert_eq!(posted.len(), 5, "the first event was told once it arrived");
    until(async || scene.metric("paramedic_notifications_total{target=\"s\",result=\"sent\"} 2").await).await;
}

#[tokio::test]
async fn a_target_that_never_answers_is_given_up_and_holds_up_no_other() {
    let dead = Server::start(std::iter::repeat_n(Answer::Silence, 100)).await;
    let alive = Server::start([]).await;
    let scene = Scene::new().await;
    let mut notifier = scene.notifier(vec![slack("dead", &dead.url), slack("alive", &alive.url)]);
    notifier.pace.limit = Duration::from_millis(50);
    scene.start(&notifier).await;
    scene.fact(EventType::RunAborted, "one").await;
    scene.fact(EventType::RunAborted, "two").await;
    alive.until(2).await;
    // Five tries of the first event; then, as long as it is down, one of each.
    let posted = dead.until(6).await;
    let bodies: Vec<_> = posted.iter().map(|it| it.body.clone()).collect();
    assert!(bodies[..5].iter().all(|it| *it == bodies[0]));
    until(async || scene.metric("paramedic_notifications_total{target=\"dead\",result=\"given-up\"} 2").await).await;
    assert_eq!(dead.posted().len(), 6);
    assert_eq!(alive.posted().len(), 2);
}

#[tokio::test]
async fn what_the_other_side_refuses_is_not_tried_again() {
    let elsewhere = Server::start([]).await;
    let server = Server::start([Answer::Status(404), Answer::Redirect(elsewhere.url.clone())]).await;
    let scene = Scene::new().await;
    scene.start(&scene.notifier(vec![slack("s", &server.url)])).await;
    for _ in 0..3 {
        scene.fact(EventType::RunAborted, "aborted").await;
    }
    server.until(3).await;
    until(async || scene.metric("paramedic_notifications_total{target=\"s\",result=\"sent\"} 1").await).await;
    assert_eq!(server.posted().len(), 3);
    assert_eq!(elsewhere.posted().len(), 0, "a redirect is not followed");
}

#[tokio::test]
async fn a_busy_target_is_left_alone_as_long_as_it_asks() {
    let server = Server::start([Answer::RetryAfter(429, "1"), Answer::RetryAfter(503, "3600")]).await;
    let scene = Scene::new().await;
    scene.start(&scene.notifier(vec![slack("s", &server.url)])).await;
    scene.fact(EventType::RunAborted, "first").await;
    let posted = server.until(2).await;
    assert!(posted[1].at - posted[0].at >= Duration::from_secs(1), "the waits of the pace are milliseconds");
    // An hour is more than any event is worth.
    until(async || scene.metric("paramedic_notifications_total{target=\"s\",result=\"given-up\"} 1").await).await;
    assert_eq!(server.posted().len(), 2);
}

#[tokio::test]
async fn two_processes_tell_once_and_the_second_takes_over() {
    let server = Server::start([]).await;
    let scene = Scene::new().await;
    let first = scene.start(&scene.notifier(vec![slack("s", &server.url)])).await;
    // Another handle on the same file, as another process has.
    let mut second = scene.notifier(vec![slack("s", &server.url)]);
    second.store = Arc::new(SqliteStore::open(&scene.path).await.unwrap());
    let stop = CancellationToken::new();
    let (running, token) = (second.clone(), stop.clone());
    tokio::spawn(async move { running.run(&token).await });
    for n in 0..5 {
        scene.fact(EventType::RunAborted, &format!("{n}")).await;
    }
    server.until(5).await;
    first.cancel();
    scene.fact(EventType::RunDenied, "denied: after the first has stopped").await;
    server.until(6).await;
    stop.cancel();
    let texts = server.texts();
    assert_eq!(texts.len(), 6, "{texts:?}");
    assert!(texts[5].contains("after the first has stopped"));
}

#[tokio::test]
async fn only_chosen_events_are_told_and_nothing_from_before() {
    let server = Server::start([]).await;
    let scene = Scene::new().await;
    let mut target = slack("s", &server.url);
    target.events = [EventType::RunDenied].into();
    scene.start(&scene.notifier(vec![target])).await;
    scene.fact(EventType::RunAborted, "aborted").await;
    scene.fact(EventType::RunDenied, "denied: no").await;
    let texts: Vec<_> = server.until(1).await.iter().map(crate::notify::server::Posted::text).collect();
    assert_eq!(texts, [format!("⛔ Run {} denied and escalated by ann: no", scene.run)]);
}
