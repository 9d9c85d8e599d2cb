//! The `[server]` section: where `paramedic serve` listens, and its bounds.
use crate::config::ConfigError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const LISTEN: &str = "127.0.0.1:7171";
const MAX_CONNECTIONS: u32 = 1_024;
const PER_ADDRESS: u32 = 256;
const MAX_STREAMS: u32 = 256;

/// What a settings file may say of the server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawServer {
    /// `HOST:PORT`. Default `127.0.0.1:7171`.
    pub listen: Option<String>,
    /// Certificate chain, PEM. Goes with `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Whether everybody may read. Default false; deciding always needs an operator.
    pub public_reads: Option<bool>,
    /// Connections at once, 1 to 100,000; further ones wait. Default 1024.
    pub max_connections: Option<u32>,
    /// Connections of one address at once, 0 (any number) to `max_connections`; further ones are closed. Loopback and trusted proxies are not
    /// counted. Default 256, or `max_connections` where that is less.
    pub max_connections_per_address: Option<u32>,
    /// Streams of events at once, 0 to `max_connections`. Default 256, or half of `max_connections` where that is less.
    pub max_streams: Option<u32>,
    /// Workers in the server's process, 0 to 64. Default 1.
    pub workers: Option<u16>,
    /// Addresses and networks of proxies, like `10.0.0.0/8`, whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Option<Vec<String>>,
}

impl RawServer {
    /// Lays another file over this one: what it says wins.
    #[must_use]
    pub fn overlaid_by(self, over: Self) -> Self {
        Self {
            listen: over.listen.or(self.listen),
            tls_cert: over.tls_cert.or(self.tls_cert),
            tls_key: over.tls_key.or(self.tls_key),
            public_reads: over.public_reads.or(self.public_reads),
            max_connections: over.max_connections.or(self.max_connections),
            max_connections_per_address: over.max_connections_per_address.or(self.max_connections_per_address),
            max_streams: over.max_streams.or(self.max_streams),
            workers: over.workers.or(self.workers),
            trusted_proxies: over.trusted_proxies.or(self.trusted_proxies),
        }
    }
}

/// How the server behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub listen: String,
    /// Certificate chain and private key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub public_reads: bool,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_streams: usize,
    pub workers: u16,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

impl Server {
    /// Checks what the files say, and fills in what they do not.
    pub fn checked(raw: RawServer) -> Result<Self, ConfigError> {
        let tls = match (raw.tls_cert, raw.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(ConfigError("server: `tls_cert` and `tls_key` go together".to_owned())),
        };
        let max_connections = raw.max_connections.unwrap_or(MAX_CONNECTIONS);
        if !(1..=100_000).contains(&max_connections) {
            return Err(ConfigError("server.max_connections: choose 1 to 100000".to_owned()));
        }
        let max_connections_per_address = raw.max_connections_per_address.unwrap_or(PER_ADDRESS.min(max_connections));
        if max_connections_per_address > max_connections {
            let text = "server.max_connections_per_address: this is more than `max_connections`";
            return Err(ConfigError(text.to_owned()));
        }
        let max_streams = raw.max_streams.unwrap_or(MAX_STREAMS.min(max_connections / 2));
        if max_streams > max_connections {
            return Err(ConfigError("server.max_streams: this is more than `max_connections`".to_owned()));
        }
        let workers = raw.workers.unwrap_or(1);
        if workers > 64 {
            return Err(ConfigError("server.workers: choose 0 to 64".to_owned()));
        }
        Ok(Self {
            listen: raw.listen.unwrap_or_else(|| LISTEN.to_owned()),
            tls,
            public_reads: raw.public_reads.unwrap_or(false),
            max_connections: max_connections as usize,
            max_connections_per_address: max_connections_per_address as usize,
            max_streams: max_streams as usize,
            workers,
            trusted_proxies: raw.trusted_proxies.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let checked = |text: &str| Server::checked(toml::from_str::<RawServer>(text).unwrap());
        assert_eq!(checked("").unwrap().listen, LISTEN);
        let small = checked("max_connections = 10").unwrap();
        assert_eq!((small.max_streams, small.max_connections_per_address), (5, 10));
        for wrong in [
            "tls_cert = \"c\"",
            "max_connections = 0",
            "max_connections = 9\nmax_streams = 10",
            "max_connections = 9\nmax_connections_per_address = 10",
            "workers = 65",
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
        assert!(toml::from_str::<RawServer>("cors = true").is_err());
    }
}
