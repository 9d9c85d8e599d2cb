//! Settings of the notifications: who is told about which events, and how. Addresses are secrets: who knows one can post there.
use crate::config::secret::Secret;
use crate::config::{ConfigError, Environment};
use crate::domain::EventType;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// More targets than this are a mistake.
const MAX_TARGETS: usize = 32;

/// What is told unless the settings say otherwise: what seed 004 tells.
const TOLD_BY_DEFAULT: &[EventType] = &[
    EventType::RunCreated,
    EventType::AttemptStarted,
    EventType::AttemptFailed,
    EventType::AttemptSucceeded,
    EventType::RunEscalated,
    EventType::RunApproved,
    EventType::RunDenied,
    EventType::RunAborted,
    EventType::RunHumanFixed,
    EventType::PrOpened,
    EventType::PrSkipped,
    EventType::PrMerged,
    EventType::PrClosed,
];

/// The section `[notify]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawNotify {
    /// False: nobody is told anything. Default true.
    pub enabled: Option<bool>,
    /// Event types that are told, like `run.created`; `*` = all. Default: those that seed 004 tells.
    pub events: Option<Vec<String>>,
    /// Whether `paramedic worker` sends too, for teams without `paramedic serve`. Default false.
    pub from_workers: Option<bool>,
    /// Short for a target `slack` of kind `slack`.
    pub slack_webhook_url: Option<String>,
    pub slack_webhook_url_file: Option<String>,
    /// By name.
    pub targets: BTreeMap<String, RawTarget>,
}

/// The section `[notify.targets.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTarget {
    /// `slack`, `webhook` or `command`.
    pub kind: Option<String>,
    pub enabled: Option<bool>,
    /// Where to post (`slack`, `webhook`).
    pub url: Option<String>,
    pub url_file: Option<String>,
    /// What the posts of a `webhook` are signed with.
    pub secret: Option<String>,
    pub secret_file: Option<String>,
    /// Program and arguments (`command`); no shell is involved.
    pub command: Option<Vec<String>>,
    /// Event types that this target is told; default those of `[notify]`.
    pub events: Option<Vec<String>>,
}

impl RawNotify {
    /// Lays another file's section over this one: what it says wins.
    #[must_use]
    pub(super) fn overlaid_by(mut self, over: Self) -> Self {
        self.enabled = over.enabled.or(self.enabled);
        self.events = over.events.or(self.events);
        self.from_workers = over.from_workers.or(self.from_workers);
        if over.slack_webhook_url.is_some() || over.slack_webhook_url_file.is_some() {
            self.slack_webhook_url = over.slack_webhook_url;
            self.slack_webhook_url_file = over.slack_webhook_url_file;
        }
        self.targets.extend(over.targets);
        self
    }
}

/// Who is told what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotifySettings {
    pub from_workers: bool,
    pub targets: Vec<TargetSettings>,
}

/// One that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetSettings {
    /// Also names its place in the chain of events: a target of a new name hears of what happens from then on.
    pub name: String,
    #[serde(flatten)]
    pub channel: ChannelSettings,
    pub events: BTreeSet<EventType>,
}

/// How it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum ChannelSettings {
    Slack { url: Secret },
    Webhook { url: Secret, secret: Option<Secret> },
    Command { command: Vec<String> },
}

impl NotifySettings {
    /// Checks the section; `CI_HEALING_SLACK_WEBHOOK_URL` (or `…_FILE`) of the environment wins over the file's.
    pub(super) fn check(raw: RawNotify, environment: &Environment) -> Result<Self, ConfigError> {
        if raw.enabled == Some(false) {
            return Ok(Self::default());
        }
        let events = events("notify.events", raw.events.as_deref())?;
        let events = events.unwrap_or_else(|| TOLD_BY_DEFAULT.iter().copied().collect());
        let mut targets = Vec::new();
        for (name, target) in raw.targets {
            if target.enabled != Some(false) {
                targets.push(TargetSettings::check(&name, target, &events)?);
            }
        }
        let slack = match Secret::of_environment(environment, "CI_HEALING_SLACK_WEBHOOK_URL")? {
            Some(url) => Some(url),
            None => {
                Secret::of("notify.slack_webhook_url", raw.slack_webhook_url, raw.slack_webhook_url_file.as_deref())?
            }
        };
        if let Some(url) = slack {
            check_url("the address of the Slack webhook", &url)?;
            targets.retain(|it: &TargetSettings| it.name != "slack");
            targets.push(TargetSettings {
                name: "slack".to_owned(),
                channel: ChannelSettings::Slack { url },
                events: events.clone(),
            });
        }
        if targets.len() > MAX_TARGETS {
            return Err(ConfigError(format!("notify: {} targets are too many, at most {MAX_TARGETS}", targets.len())));
        }
        Ok(Self { from_workers: raw.from_workers.unwrap_or(false), targets })
    }

    /// Returns what must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.targets
            .iter()
            .flat_map(|it| match &it.channel {
                ChannelSettings::Slack { url } => [Some(url), None],
                ChannelSettings::Webhook { url, secret } => [Some(url), secret.as_ref()],
                ChannelSettings::Command { .. } => [None, None],
            })
            .flatten()
    }
}

impl TargetSettings {
    fn check(name: &str, raw: RawTarget, default_events: &BTreeSet<EventType>) -> Result<Self, ConfigError> {
        let key = |field: &str| format!("notify.targets.{name}.{field}");
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|it| it.is_ascii_alphanumeric() || "_-".contains(it));
        if !is_name {
            return Err(ConfigError(format!(
                "notify.targets.{name:?}: a name has letters, digits, - and _, at most 64"
            )));
        }
        let url = Secret::of(&key("url"), raw.url, raw.url_file.as_deref())?;
        let secret = Secret::of(&key("secret"), raw.secret, raw.secret_file.as_deref())?;
        let surplus = |field: &str| Err(ConfigError(format!("{}: not for this kind of target", key(field))));
        let required = |url: Option<Secret>| {
            let url = url.ok_or_else(|| ConfigError(format!("{} is missing", key("url"))))?;
            check_url(&key("url"), &url)?;
            Ok::<_, ConfigError>(url)
        };
        let channel = match raw.kind.as_deref() {
            Some("slack" | "webhook") if raw.command.is_some() => return surplus("command"),
            Some("slack" | "command") if secret.is_some() => return surplus("secret"),
            Some("command") if url.is_some() => return surplus("url"),
            Some("slack") => ChannelSettings::Slack { url: required(url)? },
            Some("webhook") => ChannelSettings::Webhook { url: required(url)?, secret },
            Some("command") => match raw.command {
                Some(command) if command.first().is_some_and(|it| !it.trim().is_empty()) => {
                    ChannelSettings::Command { command }
                }
                _ => return Err(ConfigError(format!("{}: name a program and its arguments", key("command")))),
            },
            _ => return Err(ConfigError(format!("{}: slack, webhook or command", key("kind")))),
        };
        let events = events(&key("events"), raw.events.as_deref())?.unwrap_or_else(|| default_events.clone());
        Ok(Self { name: name.to_owned(), channel, events })
    }
}

fn events(key: &str, names: Option<&[String]>) -> Result<Option<BTreeSet<EventType>>, ConfigError> {
    let Some(names) = names else { return Ok(None) };
    if names.iter().any(|it| it == "*") {
        return Ok(Some(EventType::ALL.iter().copied().collect()));
    }
    let parsed = names.iter().map(|it| it.parse().map_err(|why| ConfigError(format!("{key}: {why}"))));
    parsed.collect::<Result<_, _>>().map(Some)
}

/// Checks an address without ever repeating it: it is a secret.
fn check_url(key: &str, url: &Secret) -> Result<(), ConfigError> {
    let rest = url.reveal().strip_prefix("https://").or_else(|| url.reveal().strip_prefix("http://"));
    let is_url = rest.is_some_and(|it| {
        !it.is_empty() && !it.starts_with(['/', ':', '?', '#']) && it.chars().all(|ch| ch.is_ascii_graphic())
    });
    if is_url { Ok(()) } else { Err(ConfigError(format!("{key}: not an http or https address"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(toml: &str, environment: &[(&str, &str)]) -> Result<NotifySettings, String> {
        let environment =
            Environment::from_pairs(environment.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        NotifySettings::check(toml::from_str(toml).unwrap(), &environment).map_err(|it| it.0)
    }

    #[test]
    fn the_seeds_variable_is_enough() {
        let settings = checked("", &[("CI_HEALING_SLACK_WEBHOOK_URL", "https://hooks.example/T0/secret")]).unwrap();
        assert_eq!(settings.targets.len(), 1);
        assert_eq!(settings.targets[0].events.len(), TOLD_BY_DEFAULT.len());
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("hooks.example"), "{shown}");
    }

    #[test]
    fn kinds_of_events_are_chosen_for_all_and_for_each() {
        let toml = "events = [\"run.escalated\"]\n[targets.a]\nkind = \"webhook\"\nurl = \"http://a\"\n\
                    [targets.b]\nkind = \"command\"\ncommand = [\"notify\"]\nevents = [\"*\"]\n[targets.c]\nenabled = false\n";
        let settings = checked(toml, &[]).unwrap();
        assert_eq!(settings.targets[0].events, BTreeSet::from([EventType::RunEscalated]));
        assert_eq!(settings.targets[1].events.len(), EventType::ALL.len());
        assert_eq!(settings.targets.len(), 2);
        assert_eq!(
            checked("enabled = false\nslack_webhook_url = \"http://a\"", &[]).unwrap(),
            NotifySettings::default()
        );
    }

    #[test]
    fn what_cannot_be_told_is_refused_without_repeating_an_address() {
        for toml in [
            "events = [\"run.exploded\"]",
            "slack_webhook_url = \"ftp://s3cret\"",
            "slack_webhook_url = \"https:///s3cret\"",
            "slack_webhook_url = \"https://s3cret\\nX: y\"",
            "slack_webhook_url = \"https://s3cret\"\nslack_webhook_url_file = \"/x\"",
            "slack_webhook_url_file = \"/nowhere\"",
            "[targets.a]\nkind = \"webhook\"",
            "[targets.a]\nkind = \"pigeon\"\nurl = \"http://s3cret\"",
            "[targets.a]\nkind = \"slack\"\nurl = \"http://s3cret\"\nsecret = \"s3cret\"",
            "[targets.a]\nkind = \"command\"\ncommand = []",
            "[targets.\"a b\"]\nkind = \"command\"\ncommand = [\"x\"]",
        ] {
            let why = checked(toml, &[]).unwrap_err();
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn a_secret_may_be_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "  hush-hush \nsecond line\n").unwrap();
        let toml = format!(
            "[targets.a]\nkind = \"webhook\"\nurl = \"http://a\"\nsecret_file = {:?}\n",
            path.to_str().unwrap()
        );
        let settings = checked(&toml, &[]).unwrap();
        assert_eq!(settings.secrets().map(Secret::reveal).collect::<Vec<_>>(), ["http://a", "hush-hush"]);
    }
}
