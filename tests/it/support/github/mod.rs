//! A stateful fake of GitHub on loopback: real repositories, real shapes, `ETag`s, paging, redirects, limits, refusals in GitHub's words,
//! and faults on demand. It runs in a thread of its own, for clients in this process and for programs that are started.
mod app;
mod faults;
mod git;
mod https;
mod reads;
mod routes;
mod rows;
mod state;
mod writes;

pub(crate) use faults::Fault;
pub(crate) use https::Https;
pub(crate) use rows::RunSpec;
pub(crate) use state::{Protection, Repo, Seen, State, Waiting};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use paramedic::clock::SystemClock;
use paramedic::forge::github::{Credential, Github, Setup, Timing, Token};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The token that the fake takes.
pub(crate) const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// The fake; gone when it is dropped.
pub(crate) struct Fake {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

impl Fake {
    /// Starts it with one repository, `acme/shop`, that has one commit on `main` and nothing else.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(Mutex::new(State::new(&url, folder.path())));
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let router = Router::new().fallback(move |request| answer(shared.clone(), request));
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    served = axum::serve(listener, router) => served.unwrap(),
                }
            });
        });
        let fake = Self { url, state, _folder: folder, _stop: stop };
        fake.commit("acme/shop", "main", &[("README.md", "# Shop\n")]);
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a repository, with one commit on `main`.
    pub(crate) fn add_repository(&self, name: &str) {
        self.state().add_repository(name);
        self.commit(name, "main", &[("README.md", "# New\n")]);
    }

    /// Returns where git finds a repository; anybody may push there.
    pub(crate) fn git_url(&self, repository: &str) -> String {
        format!("file://{}", self.git_dir(repository).display())
    }

    pub(crate) fn git_dir(&self, repository: &str) -> PathBuf {
        self.state().repos[repository].git.path().to_owned()
    }

    /// Gives a repository another name; at the old one there is only the way to it.
    pub(crate) fn rename(&self, old: &str, new: &str) {
        let mut state = self.state();
        let repo = state.repos.remove(old).unwrap();
        state.repos.insert(new.to_owned(), Repo { name: new.to_owned(), ..repo });
        state.renamed.insert(old.to_owned(), new.to_owned());
    }

    /// Makes a commit of octocat's on a branch, with these files beside those that are there; a new branch begins at `main`. Returns it.
    pub(crate) fn commit(&self, repository: &str, branch: &str, files: &[(&str, &str)]) -> String {
        self.state().repos[repository].git.commit(branch, files, "Change something")
    }

    /// Returns the commit of a branch, `None` if there is no such branch.
    pub(crate) fn tip(&self, repository: &str, branch: &str) -> Option<String> {
        self.state().repos[repository].git.tip(branch)
    }

    /// Adds a run as it is described, and returns its id.
    pub(crate) fn run(&self, repository: &str, run: &RunSpec<'_>) -> u64 {
        self.state().add_run(repository, run)
    }

    /// Adds a run at the tip of a branch, whose one job `build` failed with this log.
    pub(crate) fn red_run(&self, repository: &str, workflow: &str, branch: &str, log: &str) -> u64 {
        let jobs = [("build", "failure", log.as_bytes())];
        self.run(repository, &RunSpec { workflow, branch, jobs: &jobs, ..RunSpec::default() })
    }

    /// Adds a run at the tip of a branch, whose one job `build` went well.
    pub(crate) fn green_run(&self, repository: &str, workflow: &str, branch: &str) -> u64 {
        let jobs = [("build", "success", &b"all is well\n"[..])];
        self.run(
            repository,
            &RunSpec { workflow, branch, conclusion: Some("success"), jobs: &jobs, ..RunSpec::default() },
        )
    }

    /// Ends a run that is under way, or that was started again, with its jobs.
    pub(crate) fn finish(&self, repository: &str, run: u64, conclusion: &str) {
        self.state().finish(repository, run, conclusion);
    }

    /// Sets the checks of a commit: name and conclusion, or `queued` or `in_progress`.
    pub(crate) fn checks(&self, repository: &str, head: &str, checks: &[(&str, &str)]) {
        self.state().set_checks(repository, head, checks);
    }

    /// Lets somebody merge a pull request at GitHub itself; returns the commit that it became.
    pub(crate) fn merge_by_hand(&self, repository: &str, number: u64, login: &str) -> String {
        let mut state = self.state();
        let now = state.now();
        state.repo(repository).merge(number, "squash", "Merged by hand", login, &now).unwrap()
    }

    /// Lets somebody open a pull request of a branch at GitHub itself; returns its number.
    pub(crate) fn pull_by(&self, repository: &str, login: &str, branch: &str, title: &str, body: &str) -> u64 {
        let mut state = self.state();
        let repo = state.repo(repository);
        let number = repo.next_number();
        let row = repo.new_pull(number, title, body, branch, "main", login);
        repo.pulls.insert(0, row);
        number
    }

    /// Lets somebody close a pull request at GitHub itself.
    pub(crate) fn close_by_hand(&self, repository: &str, number: u64) {
        self.state().repo(repository).pull(number).unwrap()["state"] = json!("closed");
    }

    /// Gives the default branch another name, with the pull requests that go to it.
    pub(crate) fn rename_default_branch(&self, repository: &str, name: &str) {
        let mut state = self.state();
        let repo = state.repo(repository);
        let before = std::mem::replace(&mut repo.default_branch, name.to_owned());
        repo.git.run(&["branch", "-m", &before, name]);
        for pull in repo.pulls.iter_mut().filter(|it| it["state"] == "open" && it["base"]["ref"] == before.as_str()) {
            pull["base"]["ref"] = json!(name);
        }
        repo.renamed_branches.insert(before, name.to_owned());
    }

    /// Lets somebody open a closed pull request again at GitHub itself.
    pub(crate) fn reopen_by_hand(&self, repository: &str, number: u64) {
        self.state().repo(repository).pull(number).unwrap()["state"] = json!("open");
    }

    /// Answers the next request of this kind with a fault; see [`Seen::is`].
    pub(crate) fn next(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault, false));
    }

    /// Answers all requests of this kind with a fault; see [`Seen::is`].
    pub(crate) fn always(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault, true));
    }

    /// Takes back all faults.
    pub(crate) fn mend(&self) {
        self.state().faults.clear();
    }

    /// Returns the requests of this kind; see [`Seen::is`].
    pub(crate) fn seen(&self, request: &str) -> Vec<Seen> {
        self.state().seen.iter().filter(|it| it.is(request)).cloned().collect()
    }

    /// Counts the requests of this kind; see [`Seen::is`].
    pub(crate) fn count(&self, request: &str) -> usize {
        self.seen(request).len()
    }

    /// Returns the requests that were not GET.
    pub(crate) fn writes(&self) -> Vec<Seen> {
        self.state().seen.iter().filter(|it| it.method != "GET").cloned().collect()
    }

    /// Returns a client of it that may do everything.
    pub(crate) fn client(&self) -> Github {
        Github::new(self.setup(), Arc::new(SystemClock)).unwrap()
    }

    /// Returns what [`Fake::client`] is made from: patient, as a machine may be slow, but without pauses.
    pub(crate) fn setup(&self) -> Setup {
        let pause = Duration::from_millis(1);
        Setup {
            api_url: self.url.clone(),
            credential: Credential::Token(Token::new(TOKEN).unwrap()),
            is_of_workflow: false,
            is_read_only: false,
            timing: Timing { between_writes: pause, retry: pause, ..Timing::default() },
        }
    }
}

/// Writes down what is asked, and answers.
async fn answer(state: Arc<Mutex<State>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        etag: header("if-none-match"),
        host: header("host").unwrap_or_default(),
        length: header("content-length"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let locked = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut state = locked();
        state.seen.push(seen.clone());
        state.fault(&seen)
    };
    let is_silent = matches!(fault, Some(Fault::DoneAndSilent));
    let right = || {
        let answer = routes::answer(&mut locked(), &seen);
        locked().silenced += usize::from(is_silent);
        answer.unwrap_or_else(|| Response::builder().status(StatusCode::NOT_IMPLEMENTED).body(Body::empty()).unwrap())
    };
    match fault {
        Some(fault) => fault.answer(right).await,
        None => right(),
    }
}
