//! Short-lived tokens of `POST /token`: JSON Web Tokens (RFC 7519), signed with HS256 and nothing else.
use crate::access::SigningKey;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

const MAX_CHARS: usize = 2_048;
/// How far the clocks of two servers may be apart, in seconds.
const LEEWAY: i64 = 5;

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The operator's name.
    pub(super) sub: String,
    /// The operator's id: another one of the same name is somebody else.
    pub(super) oid: Uuid,
    /// Seconds since 1970.
    iat: i64,
    exp: i64,
}

impl Claims {
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        now.as_second() >= self.exp
    }
}

/// Issues tickets and reads them back.
#[derive(Clone)]
pub(super) struct Tickets {
    encoding: EncodingKey,
    decoding: DecodingKey,
    lifetime: Duration,
}

impl Tickets {
    pub(super) fn new(key: &SigningKey, lifetime: Duration) -> Self {
        Self {
            encoding: EncodingKey::from_secret(key.bytes()),
            decoding: DecodingKey::from_secret(key.bytes()),
            lifetime,
        }
    }

    /// Returns a ticket and how many seconds it lasts.
    pub(super) fn issue(&self, name: &str, id: Uuid, now: Timestamp) -> Result<(String, u64), String> {
        let seconds = self.lifetime.as_secs();
        let iat = now.as_second();
        let exp = iat.saturating_add_unsigned(seconds);
        let claims = Claims { sub: name.to_owned(), oid: id, iat, exp };
        let ticket = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        Ok((ticket.map_err(|it| it.to_string())?, seconds))
    }

    /// Returns what a ticket signed by us says, also when its time is over; `None` for any other.
    pub(super) fn read(&self, ticket: &str, now: Timestamp) -> Option<Claims> {
        if ticket.len() > MAX_CHARS {
            return None;
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        // The time is judged by our clock, not by the library's.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(ticket, &self.decoding, &rules).ok()?.claims;
        (claims.iat <= now.as_second().saturating_add(LEEWAY)).then_some(claims)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_740_000_000 + seconds).unwrap()
    }

    fn tickets(secret: &str) -> Tickets {
        Tickets::new(&SigningKey::shared(&secret.repeat(32)).unwrap(), Duration::from_mins(30))
    }

    #[test]
    fn a_ticket_says_who_and_until_when() {
        let (ours, id) = (tickets("a"), Uuid::new_v4());
        let (ticket, seconds) = ours.issue("ann", id, at(0)).unwrap();
        assert_eq!(seconds, 1_800);
        let claims = ours.read(&ticket, at(1_799)).unwrap();
        assert_eq!((claims.sub.as_str(), claims.oid), ("ann", id));
        assert!(!claims.has_expired(at(1_799)) && claims.has_expired(at(1_800)));
        assert_eq!(ours.read(&ticket, at(-6)), None, "from the future");
        assert!(!format!("{ours:?}").contains("aaaa"));
    }

    #[test]
    fn nothing_else_is_a_ticket() {
        let (ours, id) = (tickets("a"), Uuid::new_v4());
        let ticket = ours.issue("ann", id, at(0)).unwrap().0;
        let parts: Vec<&str> = ticket.split('.').collect();
        let claims = Claims { sub: "ann".to_owned(), oid: id, iat: at(0).as_second(), exp: at(1_800).as_second() };
        let signed = |header: &Header, key: &str| {
            jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(key.repeat(32).as_bytes())).unwrap()
        };
        let encoded = |value: &serde_json::Value| {
            // A header or claims of any content, in the encoding of tickets.
            let key = EncodingKey::from_secret(b"k");
            let any = jsonwebtoken::encode(&Header::default(), value, &key).unwrap();
            any.split('.').nth(1).unwrap().to_owned()
        };
        let none = encoded(&json!({ "alg": "none", "typ": "JWT" }));
        let rsa = encoded(&json!({ "alg": "RS256", "typ": "JWT" }));
        let root = encoded(&json!({ "sub": "root", "oid": id, "iat": claims.iat, "exp": claims.exp }));
        for forged in [
            signed(&Header::new(Algorithm::HS256), "b"),
            signed(&Header::new(Algorithm::HS512), "a"),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{rsa}.{}.{}", parts[1], parts[2]),
            format!("{}.{root}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{ticket}.x"),
            format!("{ticket}A"),
            String::new(),
            "..".to_owned(),
            "x".repeat(MAX_CHARS + 1),
        ] {
            assert_eq!(ours.read(&forged, at(1)), None, "{forged}");
        }
        assert_eq!(ours.read(&signed(&Header::new(Algorithm::HS256), "a"), at(1)), Some(claims.clone()));
        // Without `exp` it would never end, without `oid` it would outlive its operator.
        for missing in ["exp", "oid", "sub", "iat"] {
            let mut value = serde_json::to_value(&claims).unwrap();
            value.as_object_mut().unwrap().remove(missing);
            let forged = jsonwebtoken::encode(&Header::default(), &value, &ours.encoding).unwrap();
            assert_eq!(ours.read(&forged, at(1)), None, "{missing}");
        }
    }
}
