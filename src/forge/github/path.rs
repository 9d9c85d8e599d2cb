//! Addresses of GitHub's API: every foreign part percent-encoded, as GitHub's own clients do, slashes too.
use crate::forge::ForgeError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const MAX_BYTES: usize = 1_024;

/// Returns `/repos/OWNER/NAME` and what follows it.
pub(super) fn of_repository(repository: &str, parts: &[&str]) -> Result<String, ForgeError> {
    let odd = || ForgeError::Odd(format!("`{}` is not owner/name", repository.escape_debug()));
    let (owner, name) = repository.split_once('/').ok_or_else(odd)?;
    if name.contains('/') {
        return Err(odd());
    }
    let mut path = format!("/repos/{}/{}", part(owner)?, part(name)?);
    for it in parts {
        path.push('/');
        path.push_str(&part(it)?);
    }
    Ok(path)
}

/// Returns one part of a path. Nothing, `.` and `..` would be another path.
fn part(text: &str) -> Result<String, ForgeError> {
    if matches!(text, "" | "." | "..") || text.len() > MAX_BYTES {
        return Err(ForgeError::Odd(format!("there is nothing at GitHub that is called `{}`", text.escape_debug())));
    }
    Ok(utf8_percent_encode(text, PLAIN).to_string())
}

/// Returns a path with a query.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_parts_stay_one_part() {
        for (part, expected) in [
            ("heal/1a2b", "/repos/acme/shop/branches/heal%2F1a2b"),
            ("a?b#c d%2e", "/repos/acme/shop/branches/a%3Fb%23c%20d%252e"),
            ("../../user", "/repos/acme/shop/branches/..%2F..%2Fuser"),
            ("naïve\r\n", "/repos/acme/shop/branches/na%C3%AFve%0D%0A"),
        ] {
            assert_eq!(of_repository("acme/shop", &["branches", part]).unwrap(), expected);
        }
        for repository in ["acme", "acme/", "/shop", "acme/..", "../x", "a/b/c", ""] {
            assert!(of_repository(repository, &[]).is_err(), "{repository}");
        }
        assert!(of_repository("acme/shop", &["branches", ".."]).is_err());
        assert_eq!(with_query("/x", &[("created", ">=2026"), ("per_page", "3")]), "/x?created=%3E%3D2026&per_page=3");
    }
}
