//! A real server on a free port, with operators and runs in its database.
use crate::store_contract::fixtures::{at, fixed, full_attempt, full_run, queued, taken};
use crate::support::{PATIENCE, World};
use jiff::Timestamp;
use paramedic::config::checked::Flags;
use paramedic::config::{Config, Environment};
use paramedic::domain::{Digest, EventType, NewEvent, Operator, Role, Run, RunId, Transition, Verdict};
use paramedic::http::{Server, Settings};
use paramedic::store::Operators;
use paramedic::store::Store;
use paramedic::store::StoredOutput;
use paramedic::store::sqlite::SqliteStore;
use paramedic::wiring::App;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) const API: &str = "/api/v1/ci-healing";
/// Access tokens of the three operators that every database here has.
pub(crate) const VIEWER: &str = "token-of-vera-the-viewer";
pub(crate) const OPERATOR: &str = "token-of-otto-the-operator";
pub(crate) const SECOND: &str = "token-of-olga-the-operator";
pub(crate) const ADMIN: &str = "token-of-ada-the-admin";
pub(crate) const REVOKED: &str = "token-of-rolf-who-left";

/// Opens the database of a world as another process would, with its operators in it.
pub(crate) async fn database(world: &World) -> SqliteStore {
    std::fs::create_dir_all(world.data_dir()).unwrap();
    let store = SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap();
    for (name, role, token) in [
        ("vera", Role::Viewer, VIEWER),
        ("otto", Role::Operator, OPERATOR),
        ("olga", Role::Operator, SECOND),
        ("ada", Role::Admin, ADMIN),
        ("rolf", Role::Admin, REVOKED),
    ] {
        let operator = Operator {
            id: uuid::Uuid::new_v4(),
            name: name.to_owned(),
            role,
            token_digest: Some(Digest::of(token)),
            password_hash: None,
            created_at: at(0),
            revoked_at: (token == REVOKED).then(|| at(1)),
        };
        let fact = NewEvent::new(EventType::OperatorAdded, "system", format!("added {name}"));
        store.add_operator(&operator, &fact).await.unwrap();
    }
    store
}

/// Stores runs of all kinds. Returns one that is fixed.
pub(crate) async fn runs(store: &SqliteStore) -> Run {
    queued(store, at(10)).await;
    let held = queued(store, at(20)).await;
    taken(store, &held, "w", at(21)).await;
    let full = full_run(at(30));
    let facts =
        vec![NewEvent::new(EventType::RunCreated, "system", "created").with(json!({ "deep": [{ "a": null }] }))];
    let creation =
        Transition { run: full.clone(), attempt: Some(full_attempt(1, at(31))), events: facts, releases_lease: false };
    store.create(&creation, None).await.unwrap();
    let output = StoredOutput {
        name: "base.log".to_owned(),
        bytes: b"a\0\x1b[31m\xff<script>".to_vec(),
        dropped_bytes: 7,
        created_at: at(32),
    };
    store.put_output(full.id, &output, None).await.unwrap();
    fixed(store, at(40), Verdict::Ok).await
}

/// Stores one more event about a run.
pub(crate) async fn tell(store: &dyn Store, run: RunId, message: &str) {
    let fact = NewEvent::new(EventType::AttemptThinking, "system", message);
    store.note(run, &[fact], Timestamp::UNIX_EPOCH).await.unwrap();
}

/// The real program, serving a world's database until it is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) child: Child,
    /// What it said until it was ready.
    pub(crate) said: Vec<String>,
    stderr: mpsc::Receiver<String>,
}

impl Served {
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(args);
        if !args.contains(&"--workers") {
            all.extend(["--workers", "0"]);
        }
        Self::started(world.command(&all))
    }

    /// Starts a call of the program and waits until it is ready.
    pub(crate) fn started(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (lines, stderr) = mpsc::channel();
        let reader = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|it| lines.send(it)));
        let said = lines_until(&stderr, "listening on ");
        let url = said.last().unwrap().trim_start_matches("listening on ").to_owned();
        Self { url, child, said, stderr }
    }

    /// Waits for a line on standard error that has these words.
    pub(crate) fn line(&self, words: &str) {
        lines_until(&self.stderr, words);
    }

    pub(crate) fn client(&self) -> Client {
        Client { url: self.url.clone(), http: reqwest::Client::new() }
    }

    /// Stops as a service manager does.
    pub(crate) fn stop(mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

fn lines_until(stderr: &mpsc::Receiver<String>, words: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|it: &String| it.contains(words)) {
        let line = stderr.recv_timeout(PATIENCE);
        seen.push(line.unwrap_or_else(|_| panic!("the server never said `{words}` but {seen:?}")));
    }
    seen
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server inside the test, for settings that nobody should need to change.
pub(crate) struct Inside {
    pub(crate) url: String,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Inside {
    pub(crate) async fn start(world: &World, settings: Settings) -> Self {
        let environment = Environment::from_pairs([("HOME".into(), world.dir.path().into())]);
        let flags = Flags { data_dir: Some(world.data_dir()), ..Flags::default() };
        let config = Config::load(&environment, &flags).unwrap();
        let app = App::open(&config, &environment).await.unwrap();
        let settings = Settings { listen: "127.0.0.1:0".to_owned(), ..settings };
        let server = Server::bind(&settings).await.unwrap();
        let url = server.url();
        let service = app.service(&config, settings, app.metrics()).unwrap();
        let shutdown = service.shutdown.clone();
        let serving = tokio::spawn(server.run(service.into()));
        Self { url, shutdown, serving }
    }

    pub(crate) fn client(&self) -> Client {
        Client { url: self.url.clone(), http: reqwest::Client::new() }
    }

    /// Stops and waits until every connection is done.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Client {
    /// Begins a request below the prefix of the API.
    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let path = if path.starts_with("//") { path[1..].to_owned() } else { format!("{API}{path}") };
        let request = self.http.request(method, format!("{}{path}", self.url));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path, token).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path, token).json(body).send().await.unwrap()).await
    }
}

pub(crate) async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, json)
}

/// Returns code and field of a refusal.
pub(crate) fn refusal(answer: &(StatusCode, Value)) -> (u16, &str, Option<&str>) {
    let error = &answer.1["error"];
    let code = error["code"].as_str().unwrap_or_else(|| panic!("no refusal: {answer:?}"));
    assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{answer:?}");
    (answer.0.as_u16(), code, error["field"].as_str())
}
