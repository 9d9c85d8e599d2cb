//! Settings of the webhook: whether it is open, and the secrets its senders sign with.
use crate::config::secret::Secret;
use crate::config::{ConfigError, Environment};
use serde::{Deserialize, Serialize};

/// `[webhook]` in a settings file. The secret itself is never in one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWebhook {
    /// Whether reports are taken in. Default true.
    pub enabled: Option<bool>,
    /// File that holds the secret and nothing else. The environment wins: `CI_HEALING_WEBHOOK_SECRET(_FILE)`.
    pub secret_file: Option<String>,
    /// File of the secret before, while senders are being changed.
    pub previous_secret_file: Option<String>,
}

impl RawWebhook {
    /// Lays another file over this one: what it says wins.
    #[must_use]
    pub fn overlaid_by(self, over: Self) -> Self {
        Self {
            enabled: over.enabled.or(self.enabled),
            secret_file: over.secret_file.or(self.secret_file),
            previous_secret_file: over.previous_secret_file.or(self.previous_secret_file),
        }
    }

    /// Checks the settings and reads the secrets; the environment wins over the files.
    pub(super) fn check(self, environment: &Environment) -> Result<WebhookSettings, ConfigError> {
        let enabled = match environment.text("CI_HEALING_ENABLED") {
            Some(text) => super::values::truth("CI_HEALING_ENABLED", text)?,
            None => self.enabled.unwrap_or(true),
        };
        let secret =
            |variable: &str, key: &str, file: Option<&str>| match Secret::of_environment(environment, variable)? {
                Some(secret) => Ok(Some(secret)),
                None => Secret::of(key, None, file),
            };
        let (file, previous) = (self.secret_file.as_deref(), self.previous_secret_file.as_deref());
        let previous = secret("CI_HEALING_WEBHOOK_SECRET_PREVIOUS", "webhook.previous_secret_file", previous)?;
        let current = secret("CI_HEALING_WEBHOOK_SECRET", "webhook.secret_file", file)?;
        if current.is_none() && previous.is_some() {
            return Err(ConfigError("webhook: there is a previous secret but no current one".to_owned()));
        }
        Ok(WebhookSettings { enabled, secret: current, previous_secret: previous })
    }
}

/// The webhook's settings in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookSettings {
    pub enabled: bool,
    /// What senders sign with; none: every delivery is believed.
    pub secret: Option<Secret>,
    /// Also believed.
    pub previous_secret: Option<Secret>,
}

impl WebhookSettings {
    /// Returns the secrets that are believed, the current one first.
    pub fn secrets(&self) -> Vec<String> {
        [&self.secret, &self.previous_secret].into_iter().flatten().map(|it| it.reveal().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_that_the_unit_hands_over_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush\n").unwrap();
        let named = ("CI_HEALING_WEBHOOK_SECRET_FILE".into(), file.path().into());
        let settings = RawWebhook::default().check(&Environment::from_pairs([named])).unwrap();
        assert_eq!(settings.secrets(), ["hush"]);
        let missing = ("CI_HEALING_WEBHOOK_SECRET_FILE".into(), "/nowhere/secret".into());
        assert!(RawWebhook::default().check(&Environment::from_pairs([missing])).is_err(), "never open by mistake");
    }

    fn checked(raw: RawWebhook, pairs: &[(&str, &str)]) -> Result<WebhookSettings, ConfigError> {
        raw.check(&Environment::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()))))
    }

    #[test]
    fn a_secret_comes_from_the_environment_or_a_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret").display().to_string();
        fs::write(&file, "from-file\n").unwrap();
        let raw = RawWebhook { secret_file: Some(file), ..RawWebhook::default() };
        assert_eq!(checked(raw.clone(), &[]).unwrap().secrets(), ["from-file"]);
        let both = [("CI_HEALING_WEBHOOK_SECRET", "new"), ("CI_HEALING_WEBHOOK_SECRET_PREVIOUS", "old")];
        let settings = checked(raw, &both).unwrap();
        assert_eq!(settings.secrets(), ["new", "old"]);
        let shown = format!("{settings:?}{}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("new") && !shown.contains("old") && shown.contains("***"), "{shown}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret").display().to_string();
        fs::write(&file, " \n").unwrap();
        for raw in [
            RawWebhook { secret_file: Some(file), ..RawWebhook::default() },
            RawWebhook { secret_file: Some(folder.path().join("none").display().to_string()), ..RawWebhook::default() },
        ] {
            assert!(checked(raw, &[]).is_err());
        }
        assert!(checked(RawWebhook::default(), &[("CI_HEALING_ENABLED", "perhaps")]).is_err());
        assert!(checked(RawWebhook::default(), &[("CI_HEALING_WEBHOOK_SECRET_PREVIOUS", "old")]).is_err());
        assert!(!checked(RawWebhook::default(), &[("CI_HEALING_ENABLED", "false")]).unwrap().enabled);
        assert!(checked(RawWebhook::default(), &[]).unwrap().enabled);
    }
}
