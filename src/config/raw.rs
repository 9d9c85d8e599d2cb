//! What a settings file may say. Every key is optional; a key that is not here is an error with its line.
use crate::config::access::RawAccess;
use crate::config::forge::{RawDispatch, RawGithub};
use crate::config::log::RawLog;
use crate::config::notify::RawNotify;
use crate::config::repositories::RawRepository;
use crate::config::server::RawServer;
use crate::config::webhook::RawWebhook;
use crate::config::workers::RawWorkers;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One settings file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// Nothing is pushed, opened, commented or merged while this is true. Default true.
    pub safe_mode: Option<bool>,
    /// `postgres://…` or `sqlite:PATH`. Default: the embedded database in the data directory.
    pub database: Option<String>,
    /// A server to ask instead of a database of this machine, like `https://paramedic.example.com`.
    pub api: Option<String>,
    /// A file with the token for that server in its first line; `PARAMEDIC_TOKEN` wins.
    pub token_file: Option<String>,
    /// Certificates (PEM) of a private authority that signs that server's.
    pub ca_file: Option<String>,
    /// Whether the token may go over plain http to another machine. Default false.
    pub allow_plain_http: Option<bool>,
    /// Attempts of a run, 1 to 5. Default 3.
    pub max_attempts: Option<u32>,
    /// Time limit of each command a run starts, like `90s` or `10m`. Default `10m`.
    pub timeout: Option<String>,
    /// The operator's name. Default: the login name.
    pub operator: Option<String>,
    /// `auto`, `dark`, `light`, `ansi16`, `mono`, or the path of a theme file.
    pub theme: Option<String>,
    /// Path of a keymap file laid over the default one.
    pub keymap: Option<String>,
    /// `auto`, `bubblewrap`, `landlock` or `off`.
    pub sandbox: Option<String>,
    /// Agents tried by default, in order.
    pub agents_by_default: Option<Vec<String>>,
    /// Whether and from whom reported failures are taken.
    pub webhook: RawWebhook,
    /// How `paramedic serve` listens.
    pub server: RawServer,
    /// Agents of kind `command`, by name.
    pub agents: BTreeMap<String, RawAgent>,
    pub workers: RawWorkers,
    /// Repositories of runs that came from elsewhere, by name.
    pub repositories: BTreeMap<String, RawRepository>,
    pub github: RawGithub,
    pub dispatch: RawDispatch,
    /// Who comes in, and how often.
    pub access: RawAccess,
    /// Who is told about which events.
    pub notify: RawNotify,
    /// What the service tells about itself.
    pub log: RawLog,
}

/// One agent program.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAgent {
    /// Run by `sh -c` in the scratch tree.
    pub command: Option<String>,
    /// Whether the program may reach the network. Default false.
    pub network: Option<bool>,
    /// Names of environment variables the program gets.
    pub env: Option<Vec<String>>,
}

impl RawConfig {
    /// Parses one file; the error names line and key.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|it| without_values(it.to_string().trim_end()))
    }

    /// Lays another file over this one: what it says wins.
    #[must_use]
    pub fn overlaid_by(mut self, over: Self) -> Self {
        fn lay<T>(under: &mut Option<T>, over: Option<T>) {
            if over.is_some() {
                *under = over;
            }
        }
        lay(&mut self.safe_mode, over.safe_mode);
        lay(&mut self.database, over.database);
        lay(&mut self.api, over.api);
        lay(&mut self.token_file, over.token_file);
        lay(&mut self.ca_file, over.ca_file);
        lay(&mut self.allow_plain_http, over.allow_plain_http);
        lay(&mut self.max_attempts, over.max_attempts);
        lay(&mut self.timeout, over.timeout);
        lay(&mut self.operator, over.operator);
        lay(&mut self.theme, over.theme);
        lay(&mut self.keymap, over.keymap);
        lay(&mut self.sandbox, over.sandbox);
        lay(&mut self.agents_by_default, over.agents_by_default);
        self.webhook = self.webhook.overlaid_by(over.webhook);
        self.server = self.server.overlaid_by(over.server);
        self.agents.extend(over.agents);
        self.workers.overlay(over.workers);
        self.repositories.extend(over.repositories);
        self.github.overlay(over.github);
        self.dispatch.overlay(over.dispatch);
        self.access = self.access.overlaid_by(over.access);
        self.notify = self.notify.overlaid_by(over.notify);
        self.log = self.log.overlaid_by(over.log);
        self
    }
}

/// Takes the values of keys that may hold secrets out of an error, which repeats the line it is about.
fn without_values(error: &str) -> String {
    let is_secret =
        |key: &str| ["url", "secret", "token", "password", "key", "database"].iter().any(|it| key.contains(it));
    let lines = error.lines().map(|line| match line.split_once('=') {
        Some((head, _)) if head.contains(" | ") && is_secret(&head.to_ascii_lowercase()) => format!("{head}= ***"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_line_and_keeps_the_secret() {
        let error = RawConfig::parse("[notify]\nslack_webhook_url = \"https://hooks/s3cret\" oops\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("slack_webhook_url") && !error.contains("s3cret"),
            "{error}"
        );
    }
}
