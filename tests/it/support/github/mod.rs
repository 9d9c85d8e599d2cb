//! A stateful fake of GitHub on loopback: real shapes, `ETag`s, paging, redirects, limits, and faults on demand.
mod faults;
mod routes;
mod state;

pub(crate) use faults::Fault;
pub(crate) use state::{Seen, State};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use paramedic::clock::SystemClock;
use paramedic::forge::github::{Github, Setup, Timing, Token};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;

/// The token that the fake takes.
pub(crate) const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// The fake; gone when it is dropped.
pub(crate) struct Fake {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _stop: oneshot::Sender<()>,
}

impl Fake {
    /// Starts it with one repository, `acme/shop`, which knows nothing yet.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::new(&url)));
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
        Self { url, state, _stop: stop }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Answers the next request whose method and path begin so with a fault.
    pub(crate) fn next(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault, false));
    }

    /// Answers all requests whose method and path begin so with a fault.
    pub(crate) fn always(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault, true));
    }

    /// Returns the requests whose method and path begin so.
    pub(crate) fn seen(&self, request: &str) -> Vec<Seen> {
        self.state().seen.iter().filter(|it| it.line().starts_with(request)).cloned().collect()
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
            token: Some(Token::new(TOKEN).unwrap()),
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
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let fault = {
        let mut state = state.lock().unwrap();
        state.seen.push(seen.clone());
        state.fault(&seen.line())
    };
    if let Some(fault) = fault {
        return fault.answer(|| routes::answer(&mut state.lock().unwrap(), &seen)).await;
    }
    let answer = routes::answer(&mut state.lock().unwrap(), &seen);
    answer.unwrap_or_else(|| Response::builder().status(StatusCode::NOT_IMPLEMENTED).body(Body::empty()).unwrap())
}
