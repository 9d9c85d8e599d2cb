//! Where a backlog lives while it is tested: an engine on a real database and a real repository, asked directly or through a server.
use crate::store_contract::fixtures::{creation, taken, with_patch};
use crate::support::github::Fake;
use crate::support::{BUGGY, PARAMEDIC, World, postgres};
use jiff::{SignedDuration, Timestamp};
use paramedic::access::Registry;
use paramedic::backlog::embedded::Embedded;
use paramedic::backlog::remote::{Access, Remote};
use paramedic::backlog::{Acted, ActionKind, ActionRequest, Backlog, BacklogError, HandMade};
use paramedic::clock::SystemClock;
use paramedic::config::checked::Flags;
use paramedic::config::{Config, Environment};
use paramedic::domain::{AttemptStatus, Author, ForgeTerms, Judgement, Order, Patch, Role, Run, RunId, Verdict};
use paramedic::engine::Engine;
use paramedic::engine::forge::ForgeSeat;
use paramedic::http::{Server, Settings};
use paramedic::process::{Launcher, LauncherOptions, SandboxChoice};
use paramedic::store::Store;
use paramedic::wiring::App;
use paramedic::workspace::GitWorkspace;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The change that makes [`BUGGY`] right.
pub(crate) const RIGHT_PATCH: &str = "\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,5 +1,5 @@
 def add(a, b):
-    return a - b
+    return a + b
 
 
 def double(a):
";

/// A repository, a database, and the engine on both.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) engine: Engine,
    /// What it watches, if it watches anything.
    pub(crate) fake: Option<Fake>,
    config: Config,
}

/// Which database a place has.
pub(crate) trait Kind {
    /// Returns the URL of an empty one, none for the embedded one.
    async fn url() -> Option<String>;
}

/// A file in the data folder.
pub(crate) struct Sqlite;

impl Kind for Sqlite {
    async fn url() -> Option<String> {
        None
    }
}

/// A database on the tests' server.
pub(crate) struct Postgres;

impl Kind for Postgres {
    async fn url() -> Option<String> {
        Some(postgres::database().await)
    }
}

impl Place {
    pub(crate) async fn new(database: Option<String>) -> Self {
        let world = World::with_repo(BUGGY);
        let environment = Environment::from_pairs([("HOME".into(), "/nonexistent".into())]);
        let flags = Flags { data_dir: Some(world.data_dir()), database, ..Flags::default() };
        let config = Config::load(&environment, &flags).unwrap();
        let mut engine = App::open(&config, &environment).await.unwrap().engine;
        // This test program is no supervisor.
        engine.launcher = Launcher::new(LauncherOptions {
            supervisor: PathBuf::from(PARAMEDIC),
            environment: std::env::vars_os().filter(|(name, _)| name != "HOME").collect(),
            sandbox: SandboxChoice::Off,
            private: Vec::new(),
        });
        engine.workspace = Arc::new(GitWorkspace::new(engine.launcher.clone(), world.data_dir().join("trees")));
        Self { world, engine, fake: None, config }
    }

    /// Returns a place that watches two repositories at a fake of GitHub and may do everything there.
    async fn at_forge(database: Option<String>) -> Self {
        let mut place = Self::new(database).await;
        let fake = Fake::start();
        let github = Arc::new(fake.client());
        let watch = vec!["acme/shop".to_owned(), "acme/new".to_owned()];
        place.engine.forge = ForgeSeat {
            reads: Some(github.clone()),
            writes: Some(github),
            terms: ForgeTerms { watch, ..ForgeTerms::default() },
            ..ForgeSeat::default()
        };
        place.fake = Some(fake);
        place
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.engine.store.as_ref()
    }

    pub(crate) fn embedded(&self, is_read_only: bool) -> Arc<dyn Backlog> {
        Arc::new(Embedded::new(self.engine.clone(), is_read_only))
    }

    /// Stores a queued run of the repository.
    pub(crate) async fn queued(&self, now: Timestamp) -> Run {
        let order = Order { repo_path: self.world.repo().display().to_string(), ..Order::default() };
        let run = Run::queued("acme/calc", "main", &self.world.git(&["rev-parse", "HEAD"]), order, 3, now);
        self.store().create(&creation(&run), None).await.unwrap();
        run
    }

    /// Stores a run with a proved patch that makes the repository right. Ten seconds pass.
    pub(crate) async fn fixed(&self, now: Timestamp, author: &str, verdict: Verdict) -> Run {
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let run = self.queued(now).await;
        let (run, lease) = taken(self.store(), &run, "w", later(1)).await;
        let started = run.attempt_started(Author::from(author), None, later(2)).unwrap();
        self.store().commit(&started, Some(&lease)).await.unwrap();
        let mut attempt = with_patch(started.attempt.unwrap(), Patch(RIGHT_PATCH.to_owned()));
        attempt.status = AttemptStatus::Succeeded;
        attempt.guard = Some(Judgement { verdict, findings: Vec::new() });
        let fixed = started.run.fixed(attempt, later(10)).unwrap();
        self.store().commit(&fixed, Some(&lease)).await.unwrap();
        fixed.run
    }
}

/// A backlog in its home.
pub(crate) trait Home: Sized {
    async fn fresh() -> Self;

    /// Returns a home that watches two repositories at a fake of GitHub.
    async fn at_forge() -> Self;

    fn place(&self) -> &Place;

    /// Returns the backlog as a person has it; `ann` and `bob` may decide, `root` may see the audit too.
    fn of(&self, name: &str) -> Arc<dyn Backlog>;

    /// Returns a handle that must not decide.
    fn read_only(&self) -> Arc<dyn Backlog>;

    /// Decides as a person whose name was checked.
    async fn decide(&self, by: &str, id: RunId, decision: Decision<'_>) -> Result<Acted, BacklogError> {
        self.of(by).act(id, decision.request(by)).await
    }
}

/// A decision in short.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision<'a> {
    pub(crate) kind: Option<ActionKind>,
    pub(crate) note: Option<&'a str>,
    pub(crate) rev: Option<&'a str>,
    pub(crate) version: Option<u64>,
    pub(crate) fix: Option<HandMade>,
}

impl Decision<'_> {
    pub(crate) fn of(kind: ActionKind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    pub(crate) fn request(self, by: &str) -> ActionRequest {
        ActionRequest {
            kind: self.kind.unwrap_or(ActionKind::HumanFix),
            by: by.to_owned(),
            is_authenticated: true,
            note: self.note.map(str::to_owned),
            rev: self.rev.map(str::to_owned),
            version: self.version,
            fix: self.fix,
            machine: None,
        }
    }
}

/// In this process.
pub(crate) struct Here<K> {
    place: Place,
    kind: PhantomData<K>,
}

impl<K: Kind> Home for Here<K> {
    async fn fresh() -> Self {
        Self { place: Place::new(K::url().await).await, kind: PhantomData }
    }

    async fn at_forge() -> Self {
        Self { place: Place::at_forge(K::url().await).await, kind: PhantomData }
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn of(&self, _: &str) -> Arc<dyn Backlog> {
        self.place.embedded(false)
    }

    fn read_only(&self) -> Arc<dyn Backlog> {
        self.place.embedded(true)
    }
}

/// A server in the test's process, on a port of its own.
pub(crate) struct Running {
    pub(crate) url: String,
    shutdown: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) async fn start(place: &Place, listen: &str) -> Self {
        let settings = Settings { listen: listen.to_owned(), grace: Duration::from_millis(200), ..Settings::default() };
        let server = Server::bind(&settings).await.unwrap();
        let app = App { engine: place.engine.clone(), backlog: place.embedded(false), watcher: None };
        let service = app.service(&place.config, settings, app.metrics()).unwrap();
        let (url, shutdown) = (server.url(), service.shutdown.clone());
        Self { url, shutdown, task: Some(tokio::spawn(server.run(service.into()))) }
    }

    /// Returns `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Stops the server; its port is free when this returns.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// On a server.
pub(crate) struct There<K = Sqlite> {
    place: Place,
    pub(crate) server: Running,
    tokens: BTreeMap<String, String>,
    kind: PhantomData<K>,
}

impl<K> There<K> {
    /// Returns the backlog that somebody with this token has.
    pub(crate) fn with(&self, token: Option<&str>, is_read_only: bool) -> Remote {
        let access = Access { address: self.server.url.clone(), token: token.map(str::to_owned), ..Access::default() };
        Remote::new(&access, is_read_only).unwrap()
    }

    pub(crate) fn token(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// Stops the server; the place stays.
    pub(crate) async fn leave(self) -> Place {
        self.server.stop().await;
        self.place
    }
}

impl<K: Kind> Home for There<K> {
    async fn fresh() -> Self {
        Self::serving(Place::new(K::url().await).await).await
    }

    async fn at_forge() -> Self {
        Self::serving(Place::at_forge(K::url().await).await).await
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn of(&self, name: &str) -> Arc<dyn Backlog> {
        Arc::new(self.with(Some(self.token(name)), false))
    }

    fn read_only(&self) -> Arc<dyn Backlog> {
        Arc::new(self.with(Some(self.token("ann")), true))
    }
}

impl<K> There<K> {
    /// Serves a place, with its operators.
    async fn serving(place: Place) -> Self {
        let registry = Registry::new(place.engine.store.clone(), Arc::new(SystemClock));
        let mut tokens = BTreeMap::new();
        for (name, role) in
            [("ann", Role::Operator), ("bob", Role::Operator), ("vic", Role::Viewer), ("root", Role::Admin)]
        {
            let (_, token) = registry.add(name, role, None, "test").await.unwrap();
            tokens.insert(name.to_owned(), token.reveal().to_owned());
        }
        let server = Running::start(&place, "127.0.0.1:0").await;
        Self { place, server, tokens, kind: PhantomData }
    }
}
