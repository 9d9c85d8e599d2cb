//! How values stand in the tables: ids, times, numbers and documents, both ways.
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::EventType;
use crate::domain::RunId;
use crate::store::StoreError;
use crate::store::sqlite::MAX_STORED_BYTES;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::fmt::Display;

/// The columns of an event, as [`event`] reads them.
macro_rules! event_columns {
    () => {
        "seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest"
    };
}
pub(super) use event_columns;

pub(super) fn broken(error: impl Display) -> StoreError {
    StoreError::Broken(error.to_string())
}

/// Returns what went wrong without the words that every such error opens with.
pub(super) fn why(error: StoreError) -> String {
    match error {
        StoreError::Broken(why) | StoreError::Unavailable(why) => why,
        StoreError::Conflict | StoreError::NotFound => error.to_string(),
    }
}

pub(super) fn id(id: RunId) -> String {
    id.0.simple().to_string()
}

pub(super) fn parse_id(text: &str) -> Result<RunId, StoreError> {
    text.parse().map_err(|error| StoreError::Broken(format!("a stored run id cannot be read: {error}")))
}

/// Returns a form that sorts as text and loses nothing: events are hashed with their time to the nanosecond.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|error| StoreError::Broken(format!("a stored time cannot be read: {error}")))
}

/// Returns a count as `SQLite`'s only integer. What is larger than any count fits no row.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn count(n: i64) -> Result<u64, StoreError> {
    u64::try_from(n).map_err(|_| StoreError::Broken(format!("a stored count is negative: {n}")))
}

/// Writes a document, bounded and certain to be readable again.
pub(super) fn doc<T: Serialize + DeserializeOwned>(what: impl Display, value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| unstorable(&what, &error))?;
    if text.len() > MAX_STORED_BYTES {
        return Err(unstorable(&what, &format!("{} bytes, at most {MAX_STORED_BYTES}", text.len())));
    }
    serde_json::from_str::<T>(&text).map_err(|error| unstorable(&what, &error))?;
    Ok(text)
}

fn unstorable(what: &dyn Display, why: &dyn Display) -> StoreError {
    StoreError::Broken(format!("{what} cannot be stored: {why}"))
}

pub(super) fn parse_doc<T: DeserializeOwned>(what: impl Display, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(format!("{what} cannot be read: {error}")))
}

/// Reads a row of [`event_columns`].
pub(super) fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    let text = |column| row.try_get::<String, _>(column).map_err(broken);
    let number = |column| row.try_get::<i64, _>(column).map_err(broken).and_then(count);
    Ok(Event {
        seq: number("seq")?,
        run_id: parse_id(&text("run_id")?)?,
        run_version: number("run_version")?,
        kind: text("type")?.parse::<EventType>().map_err(StoreError::Broken)?,
        actor: text("actor")?,
        message: text("message")?,
        payload: parse_doc("its payload", &text("payload")?)?,
        created_at: parse_time(&text("created_at")?)?,
        prev: Digest::from_stored(text("prev")?),
        digest: Digest::from_stored(text("digest")?),
    })
}
