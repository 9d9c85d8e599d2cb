//! Settings of what the service tells about itself: its log and who may read its metrics.
use crate::config::{ConfigError, Environment};
use crate::domain::names::named;
use serde::{Deserialize, Serialize};

named! {
    /// How lines of the log are written.
    LogFormat {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        Text = "text",
        Json = "json",
    }
}

named! {
    /// Who may read `/metrics`.
    MetricsAccess {
        /// Programs on this machine, and whoever has a token. What came through a proxy does not count as from here.
        Loopback = "loopback",
        /// Everybody who reaches the server.
        Public = "public",
        /// Whoever has a token.
        Token = "token",
    }
}

/// The section `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter like `info,paramedic::http=debug`. Default `info`.
    pub level: Option<String>,
    /// `auto`, `text` or `json`. Default `auto`.
    pub format: Option<String>,
    /// Who may read `/metrics`: `loopback`, `public` or `token`. Default `loopback`.
    pub metrics: Option<String>,
}

impl RawLog {
    /// Lays another file's section over this one: what it says wins.
    #[must_use]
    pub(super) fn overlaid_by(self, over: Self) -> Self {
        Self {
            level: over.level.or(self.level),
            format: over.format.or(self.format),
            metrics: over.metrics.or(self.metrics),
        }
    }
}

/// How the service logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// None: nobody asked for anything; a service logs at `info`, a command in the foreground nothing.
    pub level: Option<String>,
    pub format: LogFormat,
    pub metrics: MetricsAccess,
}

impl LogSettings {
    /// Checks the section; `PARAMEDIC_LOG` wins over the file's level, `--log-level` over both.
    pub(super) fn check(raw: RawLog, environment: &Environment, flag: Option<&str>) -> Result<Self, ConfigError> {
        let level = flag.or_else(|| environment.text("PARAMEDIC_LOG")).map(str::to_owned).or(raw.level);
        let wrong = |key: &str, why: String| ConfigError(format!("log.{key}: {why}"));
        let format = raw.format.as_deref().unwrap_or("auto").parse().map_err(|why| wrong("format", why))?;
        let metrics = raw.metrics.as_deref().unwrap_or("loopback").parse().map_err(|why| wrong("metrics", why))?;
        Ok(Self { level, format, metrics })
    }
}
