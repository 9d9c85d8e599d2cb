//! A small real HTTP server that notes what is posted to it and answers as it is told.
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the server answers one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Redirect(String),
    /// Never answers.
    Silence,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Posted {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        self.json()["text"].as_str().unwrap().to_owned()
    }
}

#[derive(Debug, Default)]
struct Inner {
    posted: Vec<Posted>,
    answers: VecDeque<Answer>,
}

/// A server on a port of its own; it ends with the runtime.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    pub(crate) url: String,
}

impl Server {
    /// Starts one that gives these answers first and then 200.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let inner = Arc::new(Mutex::new(Inner { posted: Vec::new(), answers: answers.into_iter().collect() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/T000/B000/s3cretPartOfTheUrl", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, url }
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.inner.lock().unwrap().posted.clone()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.posted().iter().map(Posted::text).collect()
    }

    /// Waits until `n` requests came.
    pub(crate) async fn until(&self, n: usize) -> Vec<Posted> {
        let since = Instant::now();
        loop {
            let posted = self.posted();
            if posted.len() >= n {
                return posted;
            }
            assert!(since.elapsed() < crate::support::PATIENCE, "only {} of {n}: {:?}", posted.len(), self.texts());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut inner = inner.lock().unwrap();
        inner.posted.push(Posted { headers, body: body.to_vec(), at: Instant::now() });
        inner.answers.pop_front().unwrap_or(Answer::Status(200))
    };
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::RetryAfter(status, seconds) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", seconds)]).into_response()
        }
        Answer::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Answer::Silence => std::future::pending().await,
    }
}
