//! What it takes for git to reach a remote: one protocol, one credential for one host, and the machine's own proxies.
use crate::workspace::git::command::Git;
use std::ffi::OsString;

/// Prints the credential from the environment; asked by git itself, for the one host it is configured for.
const CREDENTIAL_HELPER: &str =
    "!f() { echo \"username=$PARAMEDIC_GIT_USERNAME\"; echo \"password=$PARAMEDIC_GIT_TOKEN\"; }; f";

/// A remote repository, as settings name it.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// Checked before: https, ssh, file or an absolute path.
    pub url: String,
    /// owner/name.
    pub name: String,
    pub username: String,
    pub token: Option<String>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The way to remotes from this machine.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Variables that git needs: proxies, the agent of ssh, certificates.
    env: Vec<(&'static str, OsString)>,
}

impl Network {
    /// Makes it with the variables that git needs: proxies, the agent of ssh, certificates.
    pub const fn new(env: Vec<(&'static str, OsString)>) -> Self {
        Self { env }
    }

    /// Adds what it takes to reach one remote and nothing else.
    pub(super) fn reach(&self, git: Git, remote: &Remote) -> Git {
        let protocol = match remote.url.split_once("://") {
            Some((scheme @ ("https" | "ssh"), _)) => scheme,
            Some(_) => "file",
            None if remote.url.starts_with('/') => "file",
            None => "ssh",
        };
        let mut git = git
            .setting(format!("protocol.{protocol}.allow=always"))
            .setting("credential.helper=")
            .setting("core.askPass=")
            .setting("fetch.unpackLimit=1")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20");
        if let Some(token) = &remote.token {
            let host = remote.url.split('/').take(3).collect::<Vec<_>>().join("/");
            git = git
                .setting(format!("credential.{host}.helper={CREDENTIAL_HELPER}"))
                .setting("http.followRedirects=false")
                .env("PARAMEDIC_GIT_USERNAME", &remote.username)
                .env("PARAMEDIC_GIT_TOKEN", token);
        }
        self.env.iter().fold(git, |git, (name, value)| git.env(name, value))
    }
}

/// Whether this can be the full id of a commit.
pub(super) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|it| it.is_ascii_hexdigit())
}
