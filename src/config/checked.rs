//! Settings that the program may rely on: every value valid, every default filled in.
use crate::config::access::AccessSettings;
use crate::config::api::ApiSettings;
use crate::config::database::{Database, password_in};
use crate::config::forge::{DispatchSettings, GithubSettings};
use crate::config::log::LogSettings;
use crate::config::notify::NotifySettings;
use crate::config::raw::{RawAgent, RawConfig};
use crate::config::repositories::RepositoriesSettings;
use crate::config::secret::Secret;
use crate::config::server::Server;
use crate::config::values::{as_seconds, check_attempts, parse_duration, truth};
use crate::config::webhook::WebhookSettings;
use crate::config::workers::WorkersSettings;
use crate::config::{ConfigError, Environment};
use crate::domain::Operator;
use crate::domain::names::named;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

named! {
    /// Which sandbox the programs of a run get.
    SandboxSetting { Auto = "auto", Bubblewrap = "bubblewrap", Landlock = "landlock", Off = "off" }
}

/// An agent of kind `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSettings {
    pub command: String,
    pub network: bool,
    /// Names of environment variables it gets.
    pub env: Vec<String>,
    /// Whether no settings file says so.
    #[serde(skip)]
    pub is_preset: bool,
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

impl Config {
    /// Reads `/etc`, the user's file and `--config` in this order, then the environment, then the flags.
    pub fn load(environment: &Environment, flags: &Flags) -> Result<Self, ConfigError> {
        let mut raw = builtin_agents();
        let (mut files, mut own_agents) = (Vec::new(), BTreeSet::new());
        for (path, must_exist) in places(environment, flags) {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let over =
                        RawConfig::parse(&text).map_err(|it| ConfigError(format!("{}: {it}", path.display())))?;
                    own_agents.extend(over.agents.keys().cloned());
                    raw = raw.overlaid_by(over);
                    files.push(path);
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
                Err(error) => return Err(ConfigError(format!("cannot read {}: {error}", path.display()))),
            }
        }
        Self::check(raw, files, &own_agents, environment, flags)
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
        own_agents: &BTreeSet<String>,
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
            agents: checked_agents(raw.agents, own_agents)?,
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

/// Checks the agents; those named in `own` are of settings files.
fn checked_agents(
    raw: BTreeMap<String, RawAgent>,
    own: &BTreeSet<String>,
) -> Result<BTreeMap<String, AgentSettings>, ConfigError> {
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
            let (env, is_preset) = (agent.env.unwrap_or_default(), !own.contains(&name));
            Ok((name, AgentSettings { command, network, env, is_preset }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
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
