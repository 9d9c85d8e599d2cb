//! Settings of who comes in and how often: the secret of short-lived tokens, their lifetime, and rate limits.
use crate::config::secret::Secret;
use crate::config::values::parse_duration;
use crate::config::{ConfigError, Environment};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SECRET: &str = "PARAMEDIC_TOKEN_SECRET";

/// The section `[access]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAccess {
    /// Signs the short-lived tokens of several servers alike; at least 32 bytes. Default: a key of this server's own, `token.key` in the
    /// data directory.
    pub token_secret: Option<String>,
    /// A file with that secret in its first line.
    pub token_secret_file: Option<String>,
    /// How long a token of `POST /token` lasts. Default `30m`.
    pub token_lifetime: Option<String>,
    /// Logins of one name in a minute, right or wrong; 0 = any number. Default 10.
    pub logins_per_minute: Option<u32>,
    /// Logins from one address in a minute; 0 = any number. Default 30.
    pub logins_per_minute_and_address: Option<u32>,
    /// Requests with a wrong token from one address in a minute; 0 = any number. Default 60.
    pub failures_per_minute_and_address: Option<u32>,
    /// Webhooks with a wrong signature, or none, from one address in a minute; 0 = any number. Default 600.
    pub unsigned_per_minute_and_address: Option<u32>,
    /// Requests of one operator in a second, in the long run; 0 = any number. Default 50.
    pub requests_per_second: Option<u32>,
    /// Requests of one operator at once. Default 200.
    pub request_burst: Option<u32>,
}

impl RawAccess {
    /// Lays another file's section over this one: what it says wins.
    #[must_use]
    pub(super) fn overlaid_by(self, over: Self) -> Self {
        // A secret of the file above replaces that of the file below, whichever way each gives it.
        let has_secret = over.token_secret.is_some() || over.token_secret_file.is_some();
        let (token_secret, token_secret_file) = if has_secret {
            (over.token_secret, over.token_secret_file)
        } else {
            (self.token_secret, self.token_secret_file)
        };
        Self {
            token_secret,
            token_secret_file,
            token_lifetime: over.token_lifetime.or(self.token_lifetime),
            logins_per_minute: over.logins_per_minute.or(self.logins_per_minute),
            logins_per_minute_and_address: over.logins_per_minute_and_address.or(self.logins_per_minute_and_address),
            failures_per_minute_and_address: over
                .failures_per_minute_and_address
                .or(self.failures_per_minute_and_address),
            unsigned_per_minute_and_address: over
                .unsigned_per_minute_and_address
                .or(self.unsigned_per_minute_and_address),
            requests_per_second: over.requests_per_second.or(self.requests_per_second),
            request_burst: over.request_burst.or(self.request_burst),
        }
    }
}

/// Who comes in and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessSettings {
    /// Signs short-lived tokens. None: a key of this server's own.
    pub token_secret: Option<Secret>,
    #[serde(serialize_with = "crate::config::values::as_seconds")]
    pub token_lifetime: Duration,
    /// Rates; 0 = any number.
    pub logins_per_minute: u32,
    pub logins_per_minute_and_address: u32,
    pub failures_per_minute_and_address: u32,
    pub unsigned_per_minute_and_address: u32,
    pub requests_per_second: u32,
    pub request_burst: u32,
}

impl AccessSettings {
    pub(super) fn check(raw: RawAccess, environment: &Environment) -> Result<Self, ConfigError> {
        let token_secret = match Secret::of_environment(environment, SECRET)? {
            Some(secret) => Some(secret),
            None => Secret::of("access.token_secret", raw.token_secret, raw.token_secret_file.as_deref())?,
        };
        let lifetime = parse_duration(raw.token_lifetime.as_deref().unwrap_or("30m"));
        let token_lifetime = lifetime.map_err(|it| ConfigError(format!("access.token_lifetime: {it}")))?;
        if token_lifetime < Duration::from_secs(1) {
            return Err(ConfigError("access.token_lifetime: a second is the least".to_owned()));
        }
        Ok(Self {
            token_secret,
            token_lifetime,
            logins_per_minute: raw.logins_per_minute.unwrap_or(10),
            logins_per_minute_and_address: raw.logins_per_minute_and_address.unwrap_or(30),
            failures_per_minute_and_address: raw.failures_per_minute_and_address.unwrap_or(60),
            unsigned_per_minute_and_address: raw.unsigned_per_minute_and_address.unwrap_or(600),
            requests_per_second: raw.requests_per_second.unwrap_or(50),
            request_burst: raw.request_burst.unwrap_or(200),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_taken_and_never_shown() {
        let environment = Environment::from_pairs([(SECRET.into(), "from-outside".into())]);
        let raw = RawAccess { token_secret: Some("from-the-file".to_owned()), ..RawAccess::default() };
        let settings = AccessSettings::check(raw.clone(), &environment).unwrap();
        assert_eq!(settings.token_secret.as_ref().map(Secret::reveal), Some("from-outside"));
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("outside"), "{shown}");
        let settings = AccessSettings::check(raw, &Environment::default()).unwrap();
        assert_eq!(settings.token_secret.as_ref().map(Secret::reveal), Some("from-the-file"));
        assert_eq!(AccessSettings::check(RawAccess::default(), &Environment::default()).unwrap().token_secret, None);
    }

    #[test]
    fn a_lifetime_is_a_duration() {
        for bad in ["0.5s", "soon", "99h"] {
            let raw = RawAccess { token_lifetime: Some(bad.to_owned()), ..RawAccess::default() };
            assert!(AccessSettings::check(raw, &Environment::default()).is_err(), "{bad}");
        }
    }
}
