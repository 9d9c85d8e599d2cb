//! Positions in a JSON text, so that a member can be added without touching anything else.
use crate::agent::playbook::lines;
use std::ops::Range;

/// One member of an object with the bytes of its key (quotes included) and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_at: Range<usize>,
    pub(super) value_at: Range<usize>,
}

/// Returns the members of the object that begins at byte `open`, in the order of the text. The text must be valid JSON.
pub(super) fn members(text: &str, open: usize) -> Option<Vec<Member>> {
    let mut found = Vec::new();
    let mut at = skip_blank(text, open + 1);
    if !text.get(open..)?.starts_with('{') {
        return None;
    }
    while text.get(at..)?.starts_with('"') {
        let key_at = at..end_of_value(text, at)?;
        let colon = skip_blank(text, key_at.end);
        let value = skip_blank(text, colon + 1);
        let value_at = value..end_of_value(text, value)?;
        let key = serde_json::from_str(text.get(key_at.clone())?).ok()?;
        at = skip_blank(text, value_at.end);
        found.push(Member { key, key_at, value_at });
        if text.get(at..)?.starts_with(',') {
            at = skip_blank(text, at + 1);
        }
    }
    Some(found)
}

fn skip_blank(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// Returns the byte after the value that begins at `at`.
fn end_of_value(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (idx, byte) in bytes.iter().enumerate().skip(at) {
        if is_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' if depth == 0 => return Some(idx + 1),
                b'"' => is_string = false,
                _ => (),
            }
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(idx),
            b'}' | b']' if depth == 1 => return Some(idx + 1),
            b'}' | b']' => depth -= 1,
            _ => (),
        }
    }
    (depth == 0 && !is_string).then_some(bytes.len())
}

/// Adds `key: value` (both written as JSON strings) to the object that begins at `open`: in its place if the keys are sorted, else last.
pub(super) fn insert(text: &str, open: usize, key: &str, value: &str) -> Option<String> {
    let found = members(text, open)?;
    let names: Vec<_> = found.iter().map(|it| it.key.clone()).collect();
    let entry = format!("{}: {}", serde_json::to_string(key).ok()?, value);
    let eol = lines::newline(text);
    let place = lines::place(&names, key, str::to_owned);
    if let Some(before) = place.checked_sub(1).and_then(|it| found.get(it)) {
        let gap = own_line_indent(text, before.key_at.start).map_or(" ".to_owned(), |it| format!("{eol}{it}"));
        return lines::insert_at(text, before.value_at.end, &format!(",{gap}{entry}"));
    }
    if let Some(first) = found.first() {
        let gap = own_line_indent(text, first.key_at.start).map_or(" ".to_owned(), |it| format!("{eol}{it}"));
        return lines::insert_at(text, first.key_at.start, &format!("{entry},{gap}"));
    }
    let end = end_of_value(text, open)?;
    let outer = lines::indent(text.get(lines::line_start(text, open)..)?);
    let unit = unit_of(text);
    let object = format!("{{{eol}{outer}{unit}{entry}{eol}{outer}}}");
    Some(format!("{}{object}{}", text.get(..open)?, text.get(end..)?))
}

/// Returns the indent of a key that begins its line.
fn own_line_indent(text: &str, at: usize) -> Option<&str> {
    let lead = text.get(lines::line_start(text, at)..at)?;
    (lead.trim().is_empty() && text[..at].contains('\n')).then_some(lead)
}

/// Returns one step of indent: that of the first indented line.
pub(super) fn unit_of(text: &str) -> &str {
    text.lines().map(lines::indent).find(|it| !it.is_empty()).unwrap_or("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_in_the_style_of_the_text() {
        for (text, edited) in [
            ("{}", "{\n  \"m\": 1\n}"),
            ("{\"a\":{\"b\":[1,\"}\"]}}", "{\"a\":{\"b\":[1,\"}\"]}, \"m\": 1}"),
            ("{\n\t\"a\": \"1\",\n\t\"z\": true\n}\n", "{\n\t\"a\": \"1\",\n\t\"m\": 1,\n\t\"z\": true\n}\n"),
            ("{\r\n  \"n\": 1,\r\n  \"z\": 2\r\n}", "{\r\n  \"m\": 1,\r\n  \"n\": 1,\r\n  \"z\": 2\r\n}"),
            ("{\n  \"z\": 1,\n  \"a\": \"\\\"}\"\n}", "{\n  \"z\": 1,\n  \"a\": \"\\\"}\",\n  \"m\": 1\n}"),
        ] {
            assert_eq!(insert(text, 0, "m", "1").as_deref(), Some(edited), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_object_is_only_added_to(keys in proptest::collection::btree_map("[a-z\"\\\\{}é]{0,4}", "[a-z\"\\\\{},]{0,5}", 0..6), is_pretty: bool) {
            let object = serde_json::to_value(&keys).unwrap();
            let text = if is_pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            let edited = insert(&text, 0, "NEW", "\"*\"").unwrap();
            let mut read: serde_json::Value = serde_json::from_str(&edited).unwrap();
            proptest::prop_assert_eq!(read.as_object_mut().unwrap().remove("NEW"), Some("*".into()));
            proptest::prop_assert_eq!(read, object);
        }

        #[test]
        fn nonsense_never_panics(text in ".{0,60}", at in 0_usize..70) {
            let _ = members(&text, at);
            let _ = insert(&text, at, "k", "1");
        }
    }
}
