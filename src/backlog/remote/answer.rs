//! What a server's answer means: a value, or an error of the same kind and text as the embedded backlog has.
use crate::backlog::BacklogError;
use crate::domain::Status;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How much of a foreign text goes into an error.
const MAX_WORDS: usize = 2_000;

/// The errors of the API.
#[derive(Debug, Deserialize)]
struct Wrong {
    error: Words,
}

/// The errors of the route for orders: a sentence, or everything that is wrong with the body.
#[derive(Debug, Deserialize)]
struct Detail {
    detail: Value,
}

#[derive(Debug, Deserialize)]
struct Words {
    #[serde(default)]
    code: String,
    message: String,
    field: Option<String>,
    state: Option<Status>,
    named: Option<Value>,
    now: Option<Value>,
}

/// Reads a value; what cannot be read is the fault of another version, or of something else at that address.
pub(super) fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BacklogError> {
    serde_json::from_slice(bytes).map_err(|error| {
        BacklogError::Failed(format!(
            "the server's answer is not understood ({error}); is it another version of paramedic, or another service?"
        ))
    })
}

/// Returns what went wrong, from the status and what the server says about it.
pub(super) fn error(status: StatusCode, body: &[u8]) -> BacklogError {
    let said = serde_json::from_slice::<Wrong>(body).ok().map(|it| it.error).or_else(|| detail(body));
    let is_ours = said.is_some();
    let code = said.as_ref().map(|it| it.code.clone()).unwrap_or_default();
    let (mut message, state, moved) = match said {
        Some(words) => (named(words.field, words.message), words.state, words.named.zip(words.now)),
        None => (format!("the server answers {status} and no word of explanation"), None, None),
    };
    if let Some((at, _)) = message.char_indices().nth(MAX_WORDS) {
        message.truncate(at);
        message.push('…');
    }
    match status {
        StatusCode::UNAUTHORIZED if code == "unsigned" => BacklogError::NotAuthenticated(format!(
            "{message}; set CI_HEALING_WEBHOOK_SECRET to the secret that the server checks"
        )),
        StatusCode::SERVICE_UNAVAILABLE if code == "disabled" => BacklogError::Refused(message),
        StatusCode::BAD_GATEWAY if code == "forge" => BacklogError::Forge(message),
        StatusCode::UNAUTHORIZED => {
            // Where the server itself says what to do, that is enough.
            let is_told = message.contains(';');
            let from = if is_told { "" } else { " (`paramedic operator token NAME` there prints one)" };
            BacklogError::NotAuthenticated(format!("{message}; set PARAMEDIC_TOKEN to a token of this server{from}"))
        }
        StatusCode::FORBIDDEN => BacklogError::Refused(message),
        StatusCode::NOT_FOUND if is_ours => BacklogError::NotFound(message),
        StatusCode::NOT_FOUND => {
            BacklogError::Failed("there is no paramedic at this address: it answers 404".to_owned())
        }
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => match (moved, state) {
            (Some((named, now)), _) => BacklogError::Moved { message, named: text(named), now: text(now) },
            (None, Some(state)) => BacklogError::Illegal { message, state },
            (None, None) => BacklogError::Precondition(message),
        },
        StatusCode::TOO_MANY_REQUESTS => BacklogError::Unreachable(format!("too many requests: {message}")),
        StatusCode::INTERNAL_SERVER_ERROR if is_ours => BacklogError::Failed(message),
        status if status.is_client_error() => BacklogError::Invalid(message),
        status if status.is_redirection() => {
            BacklogError::Failed(format!("the server answers {status}: it is elsewhere; give the address it moved to"))
        }
        _ => BacklogError::Unreachable(message),
    }
}

/// Says which field a message is about, unless it does so itself.
fn named(field: Option<String>, message: String) -> String {
    match field {
        Some(field) if !message.contains(&field) => format!("{field}: {message}"),
        _ => message,
    }
}

/// Reads what the route for orders says: a text, or a list of faults with their places.
fn detail(body: &[u8]) -> Option<Words> {
    let message = match serde_json::from_slice::<Detail>(body).ok()?.detail {
        Value::String(text) => text,
        Value::Array(faults) => {
            let fault = |it: &Value| {
                let place: Vec<&str> = it["loc"].as_array()?.iter().skip(1).filter_map(Value::as_str).collect();
                Some(format!("{}: {}", place.join("."), it["msg"].as_str()?))
            };
            faults.iter().filter_map(fault).collect::<Vec<_>>().join("; ")
        }
        _ => return None,
    };
    Some(Words { code: String::new(), message, field: None, state: None, named: None, now: None })
}

/// A version comes as a number, a digest as text.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> BacklogError {
        error(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn every_kind_is_told_apart() {
        let words = r#"{"error":{"code":"c","message":"m"}}"#;
        assert_eq!(of(400, words), BacklogError::Invalid("m".to_owned()));
        assert_eq!(of(413, words), BacklogError::Invalid("m".to_owned()));
        assert_eq!(of(403, words), BacklogError::Refused("m".to_owned()));
        assert_eq!(of(404, words), BacklogError::NotFound("m".to_owned()));
        assert_eq!(of(409, words), BacklogError::Precondition("m".to_owned()));
        assert_eq!(of(500, words), BacklogError::Failed("m".to_owned()));
        assert_eq!(of(503, words), BacklogError::Unreachable("m".to_owned()));
        let forge = r#"{"error":{"code":"forge","message":"m"}}"#;
        assert_eq!(of(502, forge), BacklogError::Forge("m".to_owned()));
        assert!(matches!(of(401, words), BacklogError::NotAuthenticated(it) if it.contains("PARAMEDIC_TOKEN")));
        let illegal = r#"{"error":{"code":"c","message":"m","state":"resolved"}}"#;
        assert_eq!(of(409, illegal), BacklogError::Illegal { message: "m".to_owned(), state: Status::Resolved });
        let moved = r#"{"error":{"code":"c","message":"m","named":3,"now":"7"}}"#;
        let expected = BacklogError::Moved { message: "m".to_owned(), named: "3".to_owned(), now: "7".to_owned() };
        assert_eq!((of(412, moved), of(409, moved)), (expected.clone(), expected));
    }

    #[test]
    fn a_report_and_an_order_are_told_what_to_do() {
        let unsigned = of(401, r#"{"error":{"code":"unsigned","message":"m"}}"#).to_string();
        assert!(unsigned.contains("CI_HEALING_WEBHOOK_SECRET") && !unsigned.contains("TOKEN"), "{unsigned}");
        let bare = of(401, r#"{"error":{"code":"c","message":"m"}}"#).to_string();
        assert!(bare.contains("operator token NAME"), "{bare}");
        let told = of(401, r#"{"error":{"code":"c","message":"m is no longer an operator; ask"}}"#).to_string();
        assert!(told.contains("PARAMEDIC_TOKEN") && !told.contains("prints one"), "{told}");
        let off = of(503, r#"{"error":{"code":"disabled","message":"m"}}"#);
        assert_eq!(off, BacklogError::Refused("m".to_owned()));
        assert_eq!(of(409, r#"{"detail":"m"}"#), BacklogError::Precondition("m".to_owned()));
        assert_eq!(of(500, r#"{"detail":"m"}"#), BacklogError::Failed("m".to_owned()));
        let faults = r#"{"detail":[{"loc":["body","instruction"],"msg":"too long"},{"loc":["body","x"],"msg":"n"}]}"#;
        assert_eq!(of(422, faults), BacklogError::Invalid("instruction: too long; x: n".to_owned()));
    }

    #[test]
    fn what_is_not_ours_is_said_and_bounded() {
        for body in ["", "<html>", "{}", r#"{"error":"x"}"#, "\u{0}"] {
            assert!(matches!(of(404, body), BacklogError::Failed(_)), "{body}");
            assert!(matches!(of(502, body), BacklogError::Unreachable(_)), "{body}");
            assert!(matches!(of(302, body), BacklogError::Failed(_)), "{body}");
        }
        let long = format!(r#"{{"error":{{"code":"c","message":"{}"}}}}"#, "é".repeat(10_000));
        assert!(of(400, &long).to_string().chars().count() <= MAX_WORDS + 1);
        assert!(value::<Vec<u64>>(b"{").is_err());
    }
}
