//! Request bodies: bounded in size, in time and in number, and JSON documents read field by field.
use crate::http::{Problem, Settings};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Bodies are counted in pieces of this many bytes.
const PIECE: usize = 4_096;
/// Bodies up to this size share the memory that the program holds anyway.
const SMALL: usize = 1 << 20;
/// What is set aside for a larger one. It takes only what is written to it; and above 32 MiB glibc maps memory of its own, which goes back to the
/// system with the body. Smaller blocks would stay behind, and many large bodies would cost twice their room.
const MAPPED: usize = (32 << 20) + 1;

/// Room for the bodies that are being read or worked on, so that many large ones at once cannot use up the memory.
#[derive(Debug, Clone)]
pub struct Room {
    pieces: Arc<Semaphore>,
}

impl Room {
    /// Returns room for `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        Self { pieces: Arc::new(Semaphore::new((bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS))) }
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        self.pieces.clone().try_acquire_many_owned(pieces).map_err(|_| full())
    }
}

fn full() -> Problem {
    Problem::unavailable("the server has too many large requests at once; try again in a moment").and_close()
}

/// A whole body. Its room is given back when it is dropped.
#[derive(Debug)]
pub struct Whole {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Refuses a body that is larger than `max` bytes by what its head says. Returns what it says.
pub fn announced(headers: &HeaderMap, max: usize) -> Result<Option<usize>, Problem> {
    let Some(length) = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok()) else {
        return Ok(None);
    };
    usize::try_from(length).ok().filter(|it| *it <= max).map(Some).ok_or_else(|| Problem::too_large(max))
}

/// Reads the body of a request, at most `max` bytes: larger is 413, at once where the head says so, and too slow is 408.
pub async fn read(request: Request, max: usize, room: &Room, settings: &Settings) -> Result<Whole, Problem> {
    let announced = announced(request.headers(), max)?;
    collect(request.into_body(), announced, max, room, settings).await
}

async fn collect(
    mut body: Body,
    announced: Option<usize>,
    max: usize,
    room: &Room,
    settings: &Settings,
) -> Result<Whole, Problem> {
    let deadline = Instant::now() + settings.body_timeout;
    let mut bytes = Vec::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    loop {
        let frame = timeout_at(deadline, timeout(settings.stall_timeout, body.frame())).await;
        let Ok(Ok(frame)) = frame else {
            let message = "the body took too long to arrive";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).and_close());
        };
        let Some(frame) = frame else { break };
        let Ok(frame) = frame else {
            return Err(Problem::invalid("the body broke off or is not framed as HTTP says").and_close());
        };
        let Ok(data) = frame.into_data() else { continue };
        let total = bytes.len() + data.len();
        if total > max {
            return Err(Problem::too_large(max));
        }
        let (capacity, counted) = place(total, announced);
        let n_held = held.as_ref().map_or(0, |it| it.num_permits() * PIECE);
        if counted > n_held {
            let more = room.take(counted - n_held)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
        }
        let more = capacity.max(total) - bytes.len();
        bytes.try_reserve_exact(more).map_err(|_| full())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes: bytes.into(), _room: held })
}

/// Returns how many bytes to set aside for a body of which `total` have come, and how many of them count: what is announced counts as it comes,
/// so that nobody takes up room with a promise; a small one of unknown length counts as it is set aside.
fn place(total: usize, announced: Option<usize>) -> (usize, usize) {
    let expected = announced.unwrap_or_else(|| total.next_power_of_two());
    match announced {
        _ if expected > SMALL => (MAPPED, total),
        Some(announced) => (announced, total),
        None => (expected, expected),
    }
}

/// Whether the content type is this one, whatever its parameters.
pub fn is_content_type(headers: &HeaderMap, wanted: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// The fields of a JSON object, each taken once; what nobody took is an error.
#[derive(Debug, Clone, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a request's body of at most `max` bytes as one JSON object; nothing at all counts as an empty one.
    pub async fn read(request: Request, max: usize, room: &Room, settings: &Settings) -> Result<Self, Problem> {
        let is_json = is_content_type(request.headers(), "application/json");
        let whole = read(request, max, room, settings).await?;
        if whole.bytes.is_empty() {
            return Ok(Self::default());
        }
        if !is_json {
            let message = "the body must be JSON, and say so: `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        Self::parse(&whole.bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes)
            .map_err(|it| Problem::invalid(format!("the body is not UTF-8 text, from byte {} on", it.valid_up_to())))?;
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) => Err(Problem::invalid("the body must be one JSON object")),
            Err(error) => Err(Problem::invalid(format!("the body is not JSON: {error}"))),
        }
    }

    /// Takes a text of at most `max` characters; null counts as none.
    pub fn text(&mut self, name: &str, max: usize) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.chars().count() > max => {
                Err(Problem::field(name, format!("this may have at most {max} characters")))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, "this is a text")),
        }
    }

    /// Takes a whole number from 0 up; null counts as none.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) if number.is_u64() => Ok(number.as_u64()),
            // To JSON, 7.0 is a whole number too.
            Some(Value::Number(number)) => number.as_f64().and_then(whole).map(Some).ok_or_else(|| not_whole(name)),
            Some(_) => Err(not_whole(name)),
        }
    }

    /// Takes a list of at most `max` whole numbers from 0 up; null counts as an empty one.
    pub fn numbers(&mut self, name: &str, max: usize) -> Result<Vec<u64>, Problem> {
        let wrong = || Problem::field(name, format!("this is a list of at most {max} whole numbers"));
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) if values.len() <= max => {
                let number = |it: &Value| it.as_u64().or_else(|| it.as_f64().and_then(whole));
                values.iter().map(|it| number(it).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            Some((name, _)) => {
                let name: String = name.chars().filter(|it| !it.is_control()).take(80).collect();
                Err(Problem::field(&name, "there is no field of this name here"))
            }
            None => Ok(()),
        }
    }
}

fn not_whole(name: &str) -> Problem {
    Problem::field(name, "this is a whole number")
}

/// Returns a number that is whole and not too large to be told exactly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
fn whole(number: f64) -> Option<u64> {
    let is_whole = (0.0..=9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
    is_whole.then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (&br#"{"note": 1}"#[..], Some("note")),
            (br#"{"note": "abc"}"#, Some("note")),
            (br#"{"version": -1}"#, Some("version")),
            (br#"{"version": 1.5}"#, Some("version")),
            (br#"{"other": null}"#, Some("other")),
            (br"[]", None),
            (br#"{"note": "\xff"}"#, None),
            (b"{\"note\": \"\xff\"}", None),
            (b"\xff", None),
        ] {
            let read = || -> Result<(), Problem> {
                let mut fields = Fields::parse(body)?;
                fields.text("note", 2)?;
                fields.number("version")?;
                fields.finish()
            };
            let problem = read().unwrap_err();
            assert_eq!(problem.status, StatusCode::BAD_REQUEST);
            assert_eq!(problem.detail.field.as_deref(), field, "{body:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(Fields::parse(&deep).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn room_runs_out_and_comes_back() {
        let room = Room::new(3 * PIECE);
        let held = room.take(2 * PIECE + 1).unwrap();
        assert_eq!(room.take(1).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        assert!(room.take(1).is_ok());
    }
}
