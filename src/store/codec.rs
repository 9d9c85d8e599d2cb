//! How values stand in the tables of every adapter: ids, times, numbers and documents, both ways.
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::EventType;
use crate::domain::Run;
use crate::domain::RunId;
use crate::store::MAX_STORED_BYTES;
use crate::store::StoreError;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::time::Duration;

/// The columns of an event, as [`event`] reads them.
macro_rules! event_columns {
    () => {
        "seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest"
    };
}
pub(in crate::store) use event_columns;

pub(in crate::store) fn broken(error: impl Display) -> StoreError {
    StoreError::Broken(error.to_string())
}

/// Returns what went wrong without the words that every such error opens with.
pub(in crate::store) fn why(error: StoreError) -> String {
    match error {
        StoreError::Broken(why) | StoreError::Unavailable(why) => why,
        StoreError::Conflict | StoreError::NotFound => error.to_string(),
    }
}

pub(in crate::store) fn id(id: RunId) -> String {
    id.0.simple().to_string()
}

pub(in crate::store) fn parse_id(text: &str) -> Result<RunId, StoreError> {
    text.parse().map_err(|error| StoreError::Broken(format!("a stored run id cannot be read: {error}")))
}

/// Returns a form that sorts as text and loses nothing: events are hashed with their time to the nanosecond.
pub(in crate::store) fn time(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(in crate::store) fn parse_time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|error| StoreError::Broken(format!("a stored time cannot be read: {error}")))
}

/// Returns how long ago a stored time is at `now`; what is yet to come is no time ago.
pub(in crate::store) fn age(text: &str, now: Timestamp) -> Result<Duration, StoreError> {
    Ok(now.duration_since(parse_time(text)?).try_into().unwrap_or_default())
}

/// Returns a count as the databases' largest integer. What is larger than any count fits no row.
pub(in crate::store) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(in crate::store) fn count(n: i64) -> Result<u64, StoreError> {
    u64::try_from(n).map_err(|_| StoreError::Broken(format!("a stored count is negative: {n}")))
}

/// Writes a document, bounded and certain to be readable again.
pub(in crate::store) fn doc<T: Serialize + DeserializeOwned>(
    what: impl Display,
    value: &T,
) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| unstorable(&what, &error))?;
    if text.len() > MAX_STORED_BYTES {
        return Err(unstorable(&what, &format!("{} bytes, at most {MAX_STORED_BYTES}", text.len())));
    }
    serde_json::from_str::<T>(&text).map_err(|error| unstorable(&what, &error))?;
    Ok(text)
}

/// Longest name of a repository, in bytes: an index of `PostgreSQL` holds it whole, and what one database takes the other must take.
const MAX_REPOSITORY_BYTES: usize = 1_000;

/// The row of a run, made before the transaction begins.
#[derive(Debug)]
pub(in crate::store) struct RunRow<'a> {
    pub(in crate::store) run: &'a Run,
    pub(in crate::store) doc: String,
}

impl<'a> RunRow<'a> {
    pub(in crate::store) fn of(run: &'a Run) -> Result<Self, StoreError> {
        if run.repository.len() > MAX_REPOSITORY_BYTES {
            return Err(StoreError::Broken(format!(
                "a run cannot be stored: its repository's name has {} bytes, at most {MAX_REPOSITORY_BYTES}",
                run.repository.len()
            )));
        }
        Ok(Self { run, doc: doc("a run", run)? })
    }
}

/// Largest snapshot that is taken.
const MAX_SNAPSHOT_BYTES: usize = 4 * 1024 * 1024;

/// Writes a snapshot, bounded.
pub(in crate::store) fn snapshot(value: &Value) -> Result<String, StoreError> {
    let text = value.to_string();
    if text.len() > MAX_SNAPSHOT_BYTES {
        let why = format!("{} bytes, at most {MAX_SNAPSHOT_BYTES}", text.len());
        return Err(unstorable(&"a snapshot", &why));
    }
    Ok(text)
}

fn unstorable(what: &dyn Display, why: &dyn Display) -> StoreError {
    StoreError::Broken(format!("{what} cannot be stored: {why}"))
}

pub(in crate::store) fn parse_doc<T: DeserializeOwned>(what: impl Display, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(format!("{what} cannot be read: {error}")))
}

/// Reads a row of [`event_columns`], given how to read a column of text and one of numbers.
pub(in crate::store) fn event(
    text: impl Fn(&'static str) -> Result<String, StoreError>,
    number: impl Fn(&'static str) -> Result<i64, StoreError>,
) -> Result<Event, StoreError> {
    Ok(Event {
        seq: count(number("seq")?)?,
        run_id: parse_id(&text("run_id")?)?,
        run_version: count(number("run_version")?)?,
        kind: text("type")?.parse::<EventType>().map_err(StoreError::Broken)?,
        actor: text("actor")?,
        message: text("message")?,
        payload: parse_doc("its payload", &text("payload")?)?,
        created_at: parse_time(&text("created_at")?)?,
        prev: Digest::from_stored(text("prev")?),
        digest: Digest::from_stored(text("digest")?),
    })
}
