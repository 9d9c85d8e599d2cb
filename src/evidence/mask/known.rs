//! Finds secrets whose values are known, also as base64 and percent-encoded.
use crate::evidence::pattern::pattern;
use regex::Regex;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Values shorter than this are ordinary words.
pub(super) const MIN_CHARS: usize = 6;
/// A longer value is looked for in pieces of this size, so that no pattern grows without bound.
const PIECE_CHARS: usize = 512;
const PIECES_PER_PATTERN: usize = 64;

/// Compiles patterns that find every form of `values`, the longest form first.
pub(super) fn patterns(values: impl IntoIterator<Item = String>) -> (Vec<Regex>, usize) {
    let mut forms = BTreeSet::new();
    for value in values {
        add_forms(&mut forms, value.trim());
        if value.trim().contains('\n') {
            value.lines().for_each(|line| add_forms(&mut forms, line.trim()));
        }
    }
    let mut pieces: Vec<String> = forms.iter().flat_map(|form| pieces(form)).collect();
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let longest = pieces.first().map_or(0, String::len);
    let compile =
        |pieces: &[String]| pattern(&pieces.iter().map(|piece| regex::escape(piece)).collect::<Vec<_>>().join("|"));
    (pieces.chunks(PIECES_PER_PATTERN).map(compile).collect(), longest)
}

fn pieces(form: &str) -> Vec<String> {
    let chars: Vec<char> = form.chars().collect();
    let long_enough = |piece: &&[char]| piece.len() >= MIN_CHARS;
    chars.chunks(PIECE_CHARS).filter(long_enough).map(|piece| piece.iter().collect()).collect()
}

fn add_forms(forms: &mut BTreeSet<String>, value: &str) {
    if value.chars().count() < MIN_CHARS || value.contains('\n') {
        return;
    }
    forms.insert(value.to_owned());
    forms.insert(percent_encoded(value, false));
    forms.insert(percent_encoded(value, true));
    forms.insert(value.replace('\\', "\\\\").replace('"', "\\\""));
    for shift in 0..3 {
        forms.extend(base64_inside(value.as_bytes(), shift));
    }
}

fn percent_encoded(value: &str, lower: bool) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if lower {
            let _ = write!(encoded, "%{byte:02x}");
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the base64 characters that depend on `value` alone when it stands `shift` bytes into what was encoded, in both alphabets.
fn base64_inside(value: &[u8], shift: usize) -> Vec<String> {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(value);
    let encoded = base64(&padded);
    let from = [0, 2, 3][shift];
    let until = padded.len() * 4 / 3;
    let inside = encoded.get(from..until).unwrap_or_default().to_owned();
    if inside.len() < MIN_CHARS {
        return Vec::new();
    }
    let url_safe = inside.replace('+', "-").replace('/', "_");
    vec![inside, url_safe]
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for idx in 0..=group.len() {
            let at = (bits >> (18 - 6 * idx)) & 63;
            encoded.push(char::from(ALPHABET[at as usize]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
        assert_eq!(base64(b"a"), "YQ");
        assert_eq!(base64(b"ab"), "YWI");
    }
}
