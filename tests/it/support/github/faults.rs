//! What can go wrong between GitHub and us.
use axum::body::Body;
use axum::response::Response;
use futures::stream;
use std::io;
use std::time::Duration;

/// A way to answer wrongly.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Another status, with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Half of the right answer; what was asked has happened.
    Cut,
    /// A body without end.
    Huge,
    /// A piece of a body now and then, for ever.
    Drip,
    /// No answer.
    Silence,
}

impl Fault {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    /// Returns the answer; `right` makes the one that would have been.
    pub(super) async fn answer(self, right: impl FnOnce() -> Option<Response>) -> Response {
        let with = |body: Body| Response::builder().header("content-type", "application/json").body(body).unwrap();
        match self {
            Self::Status(status, headers, body) => {
                let answer = headers
                    .into_iter()
                    .fold(Response::builder().status(status), |it, (name, value)| it.header(name, value));
                answer.body(Body::from(body)).unwrap()
            }
            Self::Cut => {
                right();
                let pieces = [Ok("[{\"half\":"), Err(io::Error::other("cut"))];
                with(Body::from_stream(stream::iter(pieces)))
            }
            Self::Huge => with(Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(vec![b' '; 1 << 20])))),
            Self::Drip => with(Body::from_stream(stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, io::Error>(" "), ()))
            }))),
            Self::Silence => std::future::pending().await,
        }
    }
}
