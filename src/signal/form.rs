//! The form that GitHub sends when a webhook's content type is `application/x-www-form-urlencoded`: one field, `payload`.
use crate::signal::SignalError;

/// Returns the decoded field `payload`.
pub(super) fn payload(body: &[u8]) -> Result<Vec<u8>, SignalError> {
    let field = body.split(|it| *it == b'&').find_map(|it| it.strip_prefix(b"payload="));
    let field = field.ok_or_else(|| SignalError::field("payload", "the form has no field `payload`"))?;
    decoded(field).ok_or_else(|| SignalError::field("payload", "`payload` is not percent-encoded as a form is"))
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_decoded() {
        assert_eq!(payload(b"a=b&payload=%7B%22a%22%3A+%22%C3%BC%22%7D&c"), Ok("{\"a\": \"ü\"}".as_bytes().to_vec()));
        for odd in [&b"payloads=1"[..], b"", b"payload=%7", b"payload=%zz"] {
            assert_eq!(payload(odd).unwrap_err().field.as_deref(), Some("payload"), "{odd:?}");
        }
    }
}
