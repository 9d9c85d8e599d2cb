//! Settings of the server to ask instead of a backlog of this machine.
use crate::config::raw::RawConfig;
use crate::config::secret::Secret;
use crate::config::{ConfigError, Environment};
use serde::Serialize;
use std::path::PathBuf;

const ADDRESS: &str = "PARAMEDIC_API";
const TOKEN: &str = "PARAMEDIC_TOKEN";

/// The server to ask, and what is shown to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiSettings {
    /// Address of the server; never with a password in it.
    pub address: String,
    pub token: Option<Secret>,
    /// Certificates of a private authority.
    pub ca_file: Option<PathBuf>,
    /// Whether the token may go over plain http to another machine.
    pub allow_plain_http: bool,
}

impl ApiSettings {
    /// Returns the server of the flag, the environment or the settings, in this order; an empty flag means none. The token is read only where
    /// there is a server to show it to.
    pub(super) fn check(
        raw: &RawConfig,
        environment: &Environment,
        flag: Option<&str>,
    ) -> Result<Option<Self>, ConfigError> {
        let address = flag.or_else(|| environment.text(ADDRESS)).or(raw.api.as_deref()).map(str::trim);
        let Some(address) = address.filter(|it| !it.is_empty()) else { return Ok(None) };
        let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
        if authority.split(['/', '?', '#', '\\']).next().is_some_and(|it| it.contains('@')) {
            // Checked here because settings are shown.
            let text = "the address of the server has a name or a password in it; the token goes into PARAMEDIC_TOKEN";
            return Err(ConfigError(text.to_owned()));
        }
        let token = match Secret::of_environment(environment, TOKEN)? {
            Some(token) => Some(token),
            None => Secret::of("token_file", None, raw.token_file.as_deref())?,
        };
        Ok(Some(Self {
            address: address.to_owned(),
            token,
            ca_file: raw.ca_file.clone().map(PathBuf::from),
            allow_plain_http: raw.allow_plain_http.unwrap_or(false),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &RawConfig, pairs: &[(&str, &str)], flag: Option<&str>) -> Result<Option<ApiSettings>, ConfigError> {
        let environment = Environment::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        ApiSettings::check(raw, &environment, flag)
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_that_over_the_file() {
        let raw = RawConfig { api: Some("https://file".to_owned()), ..RawConfig::default() };
        let address = |pairs, flag| check(&raw, pairs, flag).unwrap().map(|it| it.address);
        assert_eq!(address(&[], None).as_deref(), Some("https://file"));
        assert_eq!(address(&[(ADDRESS, "https://env")], None).as_deref(), Some("https://env"));
        assert_eq!(address(&[(ADDRESS, "https://env")], Some("https://flag")).as_deref(), Some("https://flag"));
        assert_eq!(address(&[(ADDRESS, "https://env")], Some("")), None);
    }

    #[test]
    fn the_token_is_read_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "in-the-file\n").unwrap();
        let raw = RawConfig { token_file: Some(file.display().to_string()), ..RawConfig::default() };
        let settings = check(&raw, &[], Some("https://ci")).unwrap().unwrap();
        assert_eq!(settings.token.as_ref().map(Secret::reveal), Some("in-the-file"));
        let settings = check(&raw, &[(TOKEN, "in-the-environment")], Some("https://ci")).unwrap().unwrap();
        assert_eq!(settings.token.as_ref().map(Secret::reveal), Some("in-the-environment"));
        let shown = format!("{settings:?}{}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("in-the"), "{shown}");
        let missing = RawConfig { token_file: Some("/nowhere/token".to_owned()), ..RawConfig::default() };
        assert!(check(&missing, &[], Some("https://ci")).is_err());
        assert_eq!(check(&missing, &[], None), Ok(None), "without a server no token is needed");
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        for address in ["https://me:hunter2@ci", "https://hunter2@ci/x", "me:hunter2@ci"] {
            let error = check(&RawConfig::default(), &[], Some(address)).unwrap_err();
            assert!(!error.0.contains("hunter2"), "{error}");
        }
        assert!(check(&RawConfig::default(), &[], Some("https://ci/a@b")).is_ok());
    }
}
