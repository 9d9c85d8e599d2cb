//! What can go wrong between GitHub and us.
use axum::body::Body;
use axum::response::Response;
use futures::stream;
use serde_json::json;
use std::io;
use std::time::Duration;

/// A way to answer wrongly.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Another status, with headers and a body; what was asked has not happened.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Half of the right answer; what was asked has happened.
    Cut,
    /// The connection ends without an answer; what was asked has happened.
    LostAnswer,
    /// The connection ends without an answer; what was asked has not happened.
    Reset,
    /// The right answer, later.
    Delay(Duration),
    /// A body without end.
    Huge,
    /// A piece of a body now and then, for ever.
    Drip,
    /// No answer.
    Silence,
    /// No answer; what was asked has happened.
    DoneAndSilent,
}

impl Fault {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    /// A refusal in GitHub's words.
    pub(crate) fn said(status: u16, message: &str) -> Self {
        Self::Status(status, Vec::new(), json!({ "message": message }).to_string())
    }

    /// A secondary limit, with the seconds to wait.
    pub(crate) fn secondary(retry_after: u32) -> Self {
        let words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let headers = vec![("retry-after", retry_after.to_string())];
        Self::Status(403, headers, json!({ "message": words }).to_string())
    }

    /// Returns the answer; `right` does what was asked and makes the one that would have been.
    pub(super) async fn answer(self, right: impl FnOnce() -> Response) -> Response {
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
            Self::LostAnswer => {
                right();
                hang_up()
            }
            Self::Reset => hang_up(),
            Self::Delay(wait) => {
                tokio::time::sleep(wait).await;
                right()
            }
            Self::Huge => with(Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(vec![b' '; 1 << 20])))),
            Self::Drip => with(Body::from_stream(stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, io::Error>(" "), ()))
            }))),
            Self::Silence => std::future::pending().await,
            Self::DoneAndSilent => {
                right();
                std::future::pending().await
            }
        }
    }
}

/// Ends the task of this connection, without a word; what it has of the connection is closed with it.
fn hang_up() -> ! {
    std::panic::resume_unwind(Box::new(()))
}
