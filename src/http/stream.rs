//! The stream of events (server-sent events): what every process stored, numbered, to be resumed without loss or repeat.
use crate::domain::RunId;
use crate::http::auth::Reader;
use crate::http::error::RefusalOfOne;
use crate::http::events::MAX_SEQ;
use crate::http::feed::Told;
use crate::http::query::Parameters;
use crate::http::{Problem, Service};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use utoipa::IntoParams;

/// The content type of a stream.
pub const STREAM: &str = "text/event-stream";
/// Events in one piece of the answer.
const BATCH: usize = 64;
/// Events that one who is far behind gets from the store at once.
const PAGE: u32 = 100;
/// How long the newest event may be unknown before a stream is refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait when the store does not answer.
const PAUSE: Duration = Duration::from_secs(1);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What to tell.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct StreamParams {
    /// Only events of this run
    pub run_id: Option<RunId>,
    /// Begin after the event of this number; the header `Last-Event-ID` says the same and wins
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    pub after: Option<u64>,
}

/// Where a listener was cut off.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Resumed {
    /// Begin after the event of this number
    #[param(rename = "Last-Event-ID", value_type = u64, required = false, maximum = 9_223_372_036_854_775_807_u64)]
    pub last_event_id: Option<u64>,
}

/// Tells events as they are stored: first `{"type":"stream.connected"}`, then each event with its number as `id`, and now and then `{"type":"stream.heartbeat"}`.
#[utoipa::path(get, path = "/stream", tag = "events", operation_id = "stream", params(StreamParams, Resumed),
    responses((status = 200, description = "Server-sent events, without end", content_type = "text/event-stream",
        body = String), RefusalOfOne), security(("bearer" = [])))]
pub async fn stream(
    reader: Reader,
    State(service): State<Service>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let run = parameters.run("runId")?;
    let after = parameters.number("after", 0..=MAX_SEQ)?;
    parameters.finish()?;
    let after = last_event_id(&headers)?.or(after);
    if let Some(id) = run {
        service.backlog.resolve(&id.to_string()).await?;
    }
    let full = || Problem::unavailable("too many streams are open; try again in a moment");
    let place = service.feed.place().ok_or_else(full)?;
    let unknown = |_| Problem::unavailable("the database does not answer; try again in a moment");
    let newest = tokio::time::timeout(PATIENCE, service.feed.newest()).await.map_err(unknown)?;
    let cursor = match after {
        None => newest,
        Some(after) if after <= newest => after,
        // Either another server was told of more than this one knows by now, or it was another database.
        Some(after) => after.min(service.backlog.newest(after.saturating_sub(1)).await?),
    };
    let told = Telling::new(service, reader, run, cursor, place);
    let body = futures::stream::unfold(told, |mut told| async move {
        let bytes = told.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), told))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(STREAM)),
        // A proxy that gathers answers would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|it| !it.is_empty()) else { return Ok(None) };
    let number = value.to_str().ok().filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
    let number = number.and_then(|it| it.parse().ok()).filter(|it| *it <= MAX_SEQ);
    number.map(Some).ok_or_else(|| Problem::field("Last-Event-ID", "this is the number of an event"))
}

/// One stream under way. Nothing happens while nobody takes what it says.
#[derive(Debug)]
struct Telling {
    service: Service,
    reader: Reader,
    run: Option<RunId>,
    /// Number of the last event that was told, or passed over.
    cursor: u64,
    greeting: Option<Bytes>,
    heartbeat: Interval,
    _place: OwnedSemaphorePermit,
}

impl Telling {
    fn new(service: Service, reader: Reader, run: Option<RunId>, cursor: u64, place: OwnedSemaphorePermit) -> Self {
        let period = service.settings.heartbeat;
        let mut heartbeat = tokio::time::interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let greeting = message("stream.connected", &service, cursor, json!({ "runId": run }));
        Self { service, reader, run, cursor, greeting: Some(greeting), heartbeat, _place: place }
    }

    /// Returns the next piece, `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let shutdown = self.service.shutdown.clone();
        shutdown.run_until_cancelled(self.next_of_all()).await.flatten()
    }

    async fn next_of_all(&mut self) -> Option<Bytes> {
        loop {
            let piece = self.batch().await;
            if !piece.is_empty() {
                return Some(piece);
            }
            tokio::select! {
                () = self.service.feed.after(self.cursor) => {}
                _ = self.heartbeat.tick() => {
                    // A token may be taken back while a stream lasts.
                    if !self.reader.is_still_in(&self.service).await {
                        return None;
                    }
                    return Some(message("stream.heartbeat", &self.service, self.cursor, json!({})));
                }
            }
        }
    }

    /// Returns what there is to tell right now, perhaps nothing; and moves on.
    async fn batch(&mut self) -> Bytes {
        let told = match self.service.feed.recent(self.cursor, BATCH) {
            Some(told) => told,
            None if self.service.feed.newest().await <= self.cursor => Vec::new(),
            None => match self.service.backlog.events(self.cursor, PAGE).await {
                Ok(events) => events.iter().map(Told::from).collect(),
                Err(error) => {
                    tracing::warn!(%error, "a stream waits for the store");
                    tokio::time::sleep(PAUSE).await;
                    Vec::new()
                }
            },
        };
        let mut piece = Vec::new();
        for told in told {
            self.cursor = told.seq;
            let is_wanted = told.run != RunId::NONE && self.run.is_none_or(|it| it == told.run);
            if is_wanted {
                piece.extend_from_slice(&told.frame);
            }
        }
        piece.into()
    }
}

/// Returns a message that is no event. Its number is that of the last event before it, so that who breaks off here comes back there.
fn message(kind: &str, service: &Service, cursor: u64, mut data: Value) -> Bytes {
    data["type"] = json!(kind);
    data["timestamp"] = json!(service.clock.now());
    format!("id: {cursor}\ndata: {data}\n\n").into()
}
