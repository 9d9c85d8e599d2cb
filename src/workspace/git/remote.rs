//! A repository's name from the address of its `origin`, without ever repeating a credential.

/// Returns `owner/name` (with all groups, where there are more) from an https, ssh or scp-like address; `None` for local paths and the rest.
pub(super) fn name_of(url: &str) -> Option<String> {
    let url = url.trim();
    let path = match url.split_once("://") {
        Some(("http" | "https" | "ssh" | "git" | "git+ssh" | "ssh+git", rest)) => {
            // Everything up to the last `@` may be a credential, also when it is not encoded as it should be.
            let rest = rest.rsplit_once('@').map_or(rest, |(_, it)| it);
            rest.split_once('/')?.1
        }
        Some(_) => return None,
        None => {
            let rest = url.rsplit_once('@').map_or(url, |(_, it)| it);
            let (host, path) = rest.split_once(':')?;
            // `C:/x` and `./a:b` are local paths.
            let is_host = host.len() > 1 && !host.contains('/') && !host.starts_with('.');
            is_host.then_some(path)?
        }
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let is_named = path.contains('/') && path.len() <= 200 && path.split('/').all(is_name);
    is_named.then(|| path.to_owned())
}

fn is_name(part: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-' | '~' | '+');
    !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_and_credentials_do_not() {
        for (url, name) in [
            ("https://github.com/owner/name.git", Some("owner/name")),
            ("https://github.com/owner/name/", Some("owner/name")),
            ("https://user:ghp_secret@github.com/owner/name", Some("owner/name")),
            ("https://user:pa/ss@github.com/owner/name", Some("owner/name")),
            ("https://user:p@ss@github.com/owner/name", Some("owner/name")),
            ("https://host/owner/name.git?private_token=secret", Some("owner/name")),
            ("https://gitlab.com/group/sub/name.git", Some("group/sub/name")),
            ("ssh://git@host:2222/owner/name.git", Some("owner/name")),
            ("git@github.com:owner/name.git", Some("owner/name")),
            ("host:owner/name", Some("owner/name")),
            ("git@host:/owner/name", Some("owner/name")),
            ("https://host/name.git", None),
            ("/srv/git/name.git", None),
            ("../other", None),
            ("./a:b/c", None),
            ("C:/work/name", None),
            ("file:///srv/owner/name", None),
            ("ext::sh -c evil/x", None),
            ("https://host/own\u{1b}[2Jer/name", None),
            ("https://host/../name", None),
            ("", None),
        ] {
            assert_eq!(name_of(url).as_deref(), name, "{url:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_before_an_at_sign_is_repeated(secret in "[a-z0-9]{12,20}", scheme in "(https://|ssh://|)u:", rest in "[a-z:/.?#@]{0,20}") {
            let name = name_of(&format!("{scheme}{secret}@{rest}"));
            proptest::prop_assert!(!name.unwrap_or_default().contains(&secret));
        }
    }
}
