//! Where a server is: an address that was checked once, and never holds a password.
use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// What every route of the backlog begins with.
const PREFIX: [&str; 3] = ["api", "v1", "ci-healing"];

/// The address of a server. A path in it stays in front of every route, for servers behind a proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address(Url);

impl Address {
    /// Reads `http://HOST[:PORT][/PATH]` or `https://…`. The error does not repeat what may be a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the address of the server {why}; write it like https://paramedic.example.com");
        let mut url = Url::parse(text.trim()).map_err(|it| wrong(&format!("cannot be read ({it})")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("is neither http:// nor https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a name or a password in it: the token goes into PARAMEDIC_TOKEN"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a `?` or `#` in it"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        // Who copied the address of a route means the server.
        let path = path.strip_suffix("/api/v1/ci-healing").unwrap_or(&path).to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Returns the address of a route of the backlog; each segment is encoded, so that no name can leave its place.
    pub(super) fn route(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(PREFIX).extend(segments);
        }
        url
    }

    /// Returns the address of a route beside the backlog, such as `healthz`.
    pub(super) fn beside(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Returns a page that the server names, as a whole address.
    pub(super) fn page(&self, named: &str) -> String {
        if named.starts_with('/') { format!("{self}{named}") } else { named.to_owned() }
    }

    /// Whether what is sent there can be read on the way: plain http to another machine.
    pub(super) fn is_open_to_listeners(&self) -> bool {
        self.0.scheme() == "http" && !self.is_this_machine()
    }

    /// Whether it is a loopback address.
    pub(super) fn is_this_machine(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
    }

    /// Returns host and port, as they are shown beside a name.
    pub(super) fn place(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_follow_the_path_of_the_server() {
        for (text, shown, route) in [
            ("http://127.0.0.1:7171", "http://127.0.0.1:7171", "http://127.0.0.1:7171/api/v1/ci-healing/runs"),
            ("https://ci.example/p/", "https://ci.example/p", "https://ci.example/p/api/v1/ci-healing/runs"),
            (
                "https://ci.example/api/v1/ci-healing/",
                "https://ci.example",
                "https://ci.example/api/v1/ci-healing/runs",
            ),
            (" http://[::1]:80/ ", "http://[::1]", "http://[::1]/api/v1/ci-healing/runs"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.route(&["runs"]).as_str(), route);
        }
    }

    #[test]
    fn a_page_is_a_whole_address() {
        let address = Address::parse("https://ci.example/p/").unwrap();
        assert_eq!(address.page("/api/v1/x"), "https://ci.example/p/api/v1/x");
        assert_eq!(address.page("https://forge.example/a"), "https://forge.example/a");
        assert_eq!(address.beside(&["v1", "jarvis"]).as_str(), "https://ci.example/p/v1/jarvis");
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let address = Address::parse("http://h").unwrap();
        let url = address.route(&["runs", "x", "outputs", "../../me?a#b"]);
        assert_eq!(url.as_str(), "http://h/api/v1/ci-healing/runs/x/outputs/..%2F..%2Fme%3Fa%23b");
    }

    #[test]
    fn what_is_no_server_is_refused_without_repeating_secrets() {
        for text in ["", "127.0.0.1:7171", "ftp://h", "unix:/x", "http://", "http://h?x=1", "http://h#x", "file:///x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        let error = Address::parse("https://me:hunter2@h").unwrap_err();
        assert!(error.contains("PARAMEDIC_TOKEN") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn only_loopback_may_be_plain() {
        for (text, is_open) in [
            ("http://127.0.0.1:1", false),
            ("http://localhost", false),
            ("http://[::1]:9", false),
            ("https://ci.example", false),
            ("http://ci.example", true),
            ("http://127.0.0.1.evil.example", true),
            ("http://10.0.0.1", true),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_open_to_listeners(), is_open, "{text}");
        }
    }
}
