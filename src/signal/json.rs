//! Reads hostile JSON: bounded in depth and in the number of values, no key twice.
use crate::signal::SignalError;
use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

/// Values of one document that are kept; a real delivery of the events that are read has a few thousand.
const MAX_VALUES: usize = 200_000;

/// Returns the object that a body is.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, SignalError> {
    let text = utf8(body)?;
    let mut room = MAX_VALUES;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Bounded { room: &mut room }.deserialize(&mut reader);
    match value.and_then(|it| reader.end().map(|()| it)) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(no_object()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Checks that a body is a JSON object without keeping any of it.
pub(super) fn check_object(body: &[u8]) -> Result<(), SignalError> {
    let text = utf8(body)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|it| unreadable(&it))?;
    if text.trim_start().starts_with('{') { Ok(()) } else { Err(no_object()) }
}

fn utf8(body: &[u8]) -> Result<&str, SignalError> {
    std::str::from_utf8(body)
        .map_err(|it| SignalError::whole(format!("the body is not UTF-8 (from byte {} on)", it.valid_up_to())))
}

fn no_object() -> SignalError {
    SignalError::whole("the body is not a JSON object")
}

fn unreadable(error: &serde_json::Error) -> SignalError {
    // The text of a duplicate holds a key of the sender's: short, and cleaned where it is shown.
    let message: String = error.to_string().chars().take(300).collect();
    SignalError::whole(format!("the body is not JSON that can be read: {message}"))
}

struct Bounded<'a> {
    room: &'a mut usize,
}

impl Bounded<'_> {
    fn take<E: Error>(&mut self) -> Result<(), E> {
        *self.room = self.room.checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Value, D::Error> {
        self.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Bounded { room: &mut *self.room })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Bounded { room: &mut *self.room })?;
            if values.contains_key(&key) {
                let key: String = key.chars().take(100).collect();
                return Err(A::Error::custom(format_args!("the key {key:?} stands there twice")));
            }
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(body: &[u8]) -> String {
        object(body).unwrap_err().message
    }

    #[test]
    fn hostile_bodies_are_refused_in_words() {
        assert!(refusal(b"{\"a\": \"\xff\"}").contains("UTF-8 (from byte 7 on)"));
        assert!(refusal(br#"{"a":1,"b":{"c":1,"c":2}}"#).contains("\"c\" stands there twice"));
        assert!(refusal("[".repeat(100_000).as_bytes()).contains("recursion limit"));
        assert!(refusal(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)).as_bytes()).contains("recursion"));
        assert!(refusal(format!("[{}0]", "0,".repeat(MAX_VALUES)).as_bytes()).contains("too many values"));
        for odd in ["", "1", "[]", "null", "{} {}", "{\"a\":NaN}", "\u{feff}{}"] {
            assert!(object(odd.as_bytes()).is_err() && check_object(odd.as_bytes()).is_err(), "{odd:?}");
        }
        assert!(
            refusal(br#"{"a":"\ud800"}"#).contains("surrogate") || refusal(br#"{"a":"\ud800"}"#).contains("hex escape")
        );
        assert!(check_object(b" {\"a\": [1]} ").is_ok());
    }

    proptest! {
        #[test]
        fn every_value_reads_as_serde_reads_it(text in r#"[{}\[\]",:a0-9 .\\truefalsn-]{0,40}"#) {
            let text = format!("{{\"x\":{text}}}");
            if let Ok(ours) = object(text.as_bytes()) {
                prop_assert_eq!(Value::Object(ours), serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
