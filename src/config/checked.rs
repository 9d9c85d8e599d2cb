//! Settings that the program may rely on: every value valid, every default filled in.
use crate::config::access::AccessSettings;
use crate::config::api::ApiSettings;
use crate::config::forge::{DispatchSettings, GithubSettings};
use crate::config::log::LogSettings;
use crate::config::notify::NotifySettings;
use crate::config::raw::{RawAgent, RawConfig};
use crate::config::repositories::RepositoriesSettings;
use crate::config::secret::Secret;
use crate::config::server::Server;
use crate::config::webhook::WebhookSettings;
use crate::config::workers::WorkersSettings;
use crate::config::{ConfigError, Environment};
use crate::domain::Operator;
use crate::domain::names::named;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attempts of a run at most, however high the settings go (DESIGN §1).
pub const MAX_ATTEMPTS: u32 = 5;

named! {
    /// Which sandbox the programs of a run get.
    SandboxSetting { Auto = "auto", Bubblewrap = "bubblewrap", Landlock = "landlock", Off = "off" }
}

/// Where the backlog is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file; none = the one in the data directory.
    Embedded(Option<PathBuf>),
    /// A `PostgreSQL` URL, with a password in it perhaps.
    Postgres(String),
}

impl Database {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:PATH`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|it| it.strip_prefix("//").unwrap_or(it)) {
            Some(path) if !path.is_empty() => Ok(Self::Embedded(Some(PathBuf::from(path)))),
            _ => Err("a database is postgres://USER@HOST/NAME or sqlite:PATH".to_owned()),
        }
    }
}

/// Shows no password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(None) => f.write_str("embedded"),
            Self::Embedded(Some(path)) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let after = url.split_once("://").map_or("", |(_, rest)| rest);
                let place = after.rsplit_once('@').map_or(after, |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Database {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An agent of kind `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSettings {
    pub command: String,
    pub network: bool,
    /// Names of environment variables it gets.
    pub env: Vec<String>,
}

/// What the command line says about the settings.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub data_dir: Option<PathBuf>,
    pub config: Option<PathBuf>,
    pub operator: Option<String>,
    pub theme: Option<String>,
    pub is_read_only: bool,
    pub database: Option<String>,
    pub api: Option<String>,
    pub log_level: Option<String>,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    pub data_dir: PathBuf,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    pub database: Database,
    pub safe_mode: bool,
    pub max_attempts: u32,
    #[serde(serialize_with = "as_seconds")]
    pub timeout: Duration,
    pub operator: String,
    pub theme: String,
    pub keymap: Option<PathBuf>,
    pub sandbox: SandboxSetting,
    pub agents_by_default: Vec<String>,
    pub webhook: WebhookSettings,
    pub agents: BTreeMap<String, AgentSettings>,
    pub workers: WorkersSettings,
    pub repositories: RepositoriesSettings,
    pub github: GithubSettings,
    pub dispatch: DispatchSettings,
    pub server: Server,
    pub read_only: bool,
    pub editor: Option<String>,
    pub access: AccessSettings,
    /// The server to ask instead of the database.
    pub api: Option<ApiSettings>,
    pub notify: NotifySettings,
    pub log: LogSettings,
}

pub(super) fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

impl Config {
    /// Reads `/etc`, the user's file and `--config` in this order, then the environment, then the flags.
    pub fn load(environment: &Environment, flags: &Flags) -> Result<Self, ConfigError> {
        let mut raw = builtin_agents();
        let mut files = Vec::new();
        for (path, must_exist) in places(environment, flags) {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let over =
                        RawConfig::parse(&text).map_err(|it| ConfigError(format!("{}: {it}", path.display())))?;
                    raw = raw.overlaid_by(over);
                    files.push(path);
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
                Err(error) => return Err(ConfigError(format!("cannot read {}: {error}", path.display()))),
            }
        }
        Self::check(raw, files, environment, flags)
    }

    /// Returns the values of the settings that must never be shown.
    pub fn secrets(&self) -> Vec<String> {
        let password = match &self.database {
            Database::Postgres(url) => password_in(url),
            Database::Embedded(_) => None,
        };
        let own = self.access.token_secret.iter().chain(self.api.iter().filter_map(|it| it.token.as_ref()));
        let own = own.chain(self.notify.secrets()).map(|it| it.reveal().to_owned());
        own.chain(self.webhook.secrets()).chain(password).collect()
    }

    fn check(
        raw: RawConfig,
        files: Vec<PathBuf>,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let api = ApiSettings::check(&raw, environment, flags.api.as_deref())?;
        if flags.database.is_some() && flags.api.as_deref().is_some_and(|it| !it.is_empty()) {
            return Err(ConfigError("--api asks a server, --database a database: give one of them".to_owned()));
        }
        let safe_mode = match environment.text("CI_HEALING_SAFE_MODE") {
            Some(text) => truth("CI_HEALING_SAFE_MODE", text)?,
            None => raw.safe_mode.unwrap_or(true),
        };
        let max_attempts = match environment.text("CI_HEALING_MAX_ATTEMPTS") {
            Some(text) => text
                .parse()
                .map_err(|_| ConfigError(format!("CI_HEALING_MAX_ATTEMPTS: `{text}` is not a number from 1 to 5")))?,
            None => raw.max_attempts.unwrap_or(3),
        };
        check_attempts(max_attempts).map_err(ConfigError)?;
        let timeout = parse_duration(raw.timeout.as_deref().unwrap_or("10m")).map_err(ConfigError)?;
        let operator = flags
            .operator
            .clone()
            .or_else(|| environment.text("PARAMEDIC_OPERATOR").map(str::to_owned))
            .or(raw.operator)
            .or_else(|| environment.first(&["USER", "LOGNAME"]).map(str::to_owned))
            .unwrap_or_else(|| "operator".to_owned());
        Operator::check_name(&operator).map_err(ConfigError)?;
        let in_environment = Secret::of_environment(environment, "PARAMEDIC_DATABASE")?;
        let database =
            flags.database.clone().or_else(|| in_environment.map(|it| it.reveal().to_owned())).or(raw.database);
        let database =
            database.as_deref().map_or(Ok(Database::Embedded(None)), Database::parse).map_err(ConfigError)?;
        let sandbox = raw.sandbox.as_deref().unwrap_or("auto");
        let sandbox = sandbox.parse().map_err(|it| ConfigError(format!("sandbox: {it}")))?;
        let no_color = environment.text("NO_COLOR").is_some().then(|| "mono".to_owned());
        let theme = flags
            .theme
            .clone()
            .or_else(|| environment.text("PARAMEDIC_THEME").map(str::to_owned))
            .or(no_color)
            .or(raw.theme)
            .unwrap_or_else(|| "auto".to_owned());
        Ok(Self {
            data_dir: data_dir(environment, flags)?,
            files,
            database,
            safe_mode,
            max_attempts,
            timeout,
            operator,
            theme,
            keymap: raw.keymap.map(PathBuf::from),
            sandbox,
            agents_by_default: raw.agents_by_default.unwrap_or_else(|| vec!["playbook".to_owned()]),
            webhook: raw.webhook.check(environment)?,
            agents: checked_agents(raw.agents)?,
            workers: WorkersSettings::check(raw.workers).map_err(ConfigError)?,
            repositories: RepositoriesSettings::check(raw.repositories).map_err(ConfigError)?,
            github: GithubSettings::check(raw.github, environment)?,
            dispatch: DispatchSettings::check(raw.dispatch, environment)?,
            server: Server::checked(raw.server)?,
            read_only: flags.is_read_only,
            editor: environment.first(&["VISUAL", "EDITOR"]).map(str::to_owned),
            access: AccessSettings::check(raw.access, environment)?,
            api,
            notify: NotifySettings::check(raw.notify, environment)?,
            log: LogSettings::check(raw.log, environment, flags.log_level.as_deref())?,
        })
    }
}

/// Returns where settings may be, and whether they must be there.
pub fn places(environment: &Environment, flags: &Flags) -> Vec<(PathBuf, bool)> {
    let mut places = vec![(PathBuf::from("/etc/paramedic/config.toml"), false)];
    let home = environment.path("XDG_CONFIG_HOME").or_else(|| environment.path("HOME").map(|it| it.join(".config")));
    places.extend(home.map(|it| (it.join("paramedic/config.toml"), false)));
    places.extend(flags.config.clone().map(|it| (it, true)));
    places
}

/// Returns the password of `scheme://user:password@host`.
fn password_in(url: &str) -> Option<String> {
    let (user, _) = url.split_once("://")?.1.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}

fn data_dir(environment: &Environment, flags: &Flags) -> Result<PathBuf, ConfigError> {
    let state = || {
        let home = environment.path("HOME").map(|it| it.join(".local/state"));
        environment.path("XDG_STATE_HOME").or(home).map(|it| it.join("paramedic"))
    };
    let chosen = flags.data_dir.clone().or_else(|| environment.path("PARAMEDIC_DATA_DIR")).or_else(state);
    let chosen = chosen.ok_or_else(|| {
        ConfigError("no place for the data: set HOME or XDG_STATE_HOME, or give --data-dir".to_owned())
    })?;
    std::path::absolute(&chosen).map_err(|it| ConfigError(format!("{}: {it}", chosen.display())))
}

/// Reads a switch of the environment.
pub fn truth(name: &str, text: &str) -> Result<bool, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ConfigError(format!("{name}: `{text}` is neither true nor false"))),
    }
}

/// Checks a number of attempts, 1 to 5.
pub fn check_attempts(n: u32) -> Result<u32, String> {
    if (1..=MAX_ATTEMPTS).contains(&n) {
        Ok(n)
    } else {
        Err(format!("{n} attempts are not possible, choose 1 to {MAX_ATTEMPTS}"))
    }
}

/// Parses a duration like `90s`, `10m`, `1h30m` or plain seconds; from one second to a day.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write it like 90s, 10m or 1h30m");
    let mut seconds = 0.0_f64;
    let mut number = String::new();
    for ch in text.trim().chars() {
        if ch.is_ascii_digit() || ch == '.' {
            number.push(ch);
            continue;
        }
        let n: f64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        seconds += n * match ch {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => return Err(wrong()),
        };
    }
    if !number.is_empty() {
        seconds += number.parse::<f64>().map_err(|_| wrong())?;
    }
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("`{text}` is too short or too long: from 0.1s to 24h"))
    }
}

fn checked_agents(raw: BTreeMap<String, RawAgent>) -> Result<BTreeMap<String, AgentSettings>, ConfigError> {
    raw.into_iter()
        .map(|(name, agent)| {
            let is_name = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || "_-".contains(it));
            if !is_name || ["playbook", "scripted", "command", "human"].contains(&name.as_str()) {
                return Err(ConfigError(format!("agents.{name}: this name cannot be used")));
            }
            let Some(command) = agent.command.filter(|it| !it.trim().is_empty()) else {
                return Err(ConfigError(format!("agents.{name}: `command` is missing")));
            };
            let network = agent.network.unwrap_or(false);
            Ok((name, AgentSettings { command, network, env: agent.env.unwrap_or_default() }))
        })
        .collect()
}

/// Settings for the agent programs that many people have. Each reads the prompt on standard input and edits files in place.
fn builtin_agents() -> RawConfig {
    let presets = [
        ("claude", "claude -p --permission-mode acceptEdits", "ANTHROPIC_API_KEY"),
        ("codex", "codex exec --sandbox workspace-write -", "OPENAI_API_KEY"),
        ("aider", "aider --yes-always --no-git --message-file \"$PARAMEDIC_PROMPT\"", "OPENAI_API_KEY"),
        ("gemini", "gemini --approval-mode auto_edit", "GEMINI_API_KEY"),
        ("copilot", "copilot --allow-tool write -p \"$(cat \"$PARAMEDIC_PROMPT\")\"", "COPILOT_GITHUB_TOKEN"),
    ];
    let agents = presets.into_iter().map(|(name, command, key)| {
        let agent =
            RawAgent { command: Some(command.to_owned()), network: Some(true), env: Some(vec![key.to_owned()]) };
        (name.to_owned(), agent)
    });
    RawConfig { agents: agents.collect(), ..RawConfig::default() }
}

/// Returns a path as it is shown to people.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("45", 45)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "-1", "5x", "m", "99h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = RawConfig::parse("safe_mode = true\nsafe_mod = false\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("safe_mod"), "{error}");
    }

    #[test]
    fn the_environment_wins_over_files_and_flags_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        fs::write(&file, "max_attempts = 2\noperator = \"file\"\n").unwrap();
        let environment = environment(&[("HOME", "/nowhere"), ("CI_HEALING_MAX_ATTEMPTS", "4"), ("USER", "u")]);
        let flags = Flags { config: Some(file), operator: Some("flag".to_owned()), ..Flags::default() };
        let config = Config::load(&environment, &flags).unwrap();
        assert_eq!((config.max_attempts, config.operator.as_str()), (4, "flag"));
        assert!(config.safe_mode);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (name, value) in [("CI_HEALING_MAX_ATTEMPTS", "9"), ("CI_HEALING_SAFE_MODE", "maybe")] {
            let environment = environment(&[("HOME", "/nowhere"), (name, value)]);
            assert!(Config::load(&environment, &Flags::default()).is_err(), "{name}");
        }
        for odd in ["a:b", "\u{1b}[31m", "system"] {
            let flags = Flags { operator: Some(odd.to_owned()), ..Flags::default() };
            assert!(Config::load(&environment(&[("HOME", "/nowhere")]), &flags).is_err(), "{odd}");
        }
    }
}
