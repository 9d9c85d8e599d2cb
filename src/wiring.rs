//! The only place that names concrete adapters and puts them together.
pub mod forge;
mod repositories;

use crate::access::{Gate, Registry, SigningKey};
use crate::agent::Agent;
use crate::agent::command::{CommandAgent, CommandSettings};
use crate::agent::playbook::Playbook;
use crate::agent::scripted::Scripted;
use crate::backlog::Backlog;
use crate::backlog::embedded::Embedded;
use crate::backlog::remote::{Access, Remote};
use crate::clock::{Clock, SystemClock};
use crate::config::api::ApiSettings;
use crate::config::database::Database;
use crate::config::forge::{APP_KEY_NAME, DispatchSettings, TOKEN_NAMES};
use crate::config::log::{LogFormat, MetricsAccess};
use crate::config::notify::{ChannelSettings, TargetSettings};
use crate::config::{AgentSettings, Config, Environment, SandboxSetting};
use crate::domain::{CarryOut, Order};
use crate::engine::dispatch::Desk;
use crate::engine::forge::ForgeSeat;
use crate::engine::inbox::{HealBy, Inbox};
use crate::engine::live::LiveFolder;
use crate::engine::steward::Steward;
use crate::engine::watch::Watcher;
use crate::engine::worker::{Worker, Workers, is_gone};
use crate::engine::{Agents, Engine, Settings};
use crate::evidence::mask::Masker;
use crate::http;
use crate::http::address::TrustedProxies;
use crate::http::limits::{Limits, Rates};
use crate::notify::command::CommandHook;
use crate::notify::slack::Slack;
use crate::notify::webhook::Webhook;
use crate::notify::{Channel, Notifier, Pace, Target};
use crate::process::Tool;
use crate::process::{Launcher, LauncherOptions, SandboxChoice};
use crate::signal::signature::Secrets;
use crate::store::Store;
use crate::store::archive::{self, Archive};
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::{self, Metrics};
use crate::wiring::repositories::ConfiguredRepositories;
use crate::workspace::GitWorkspace;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::IsTerminal as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use crate::engine::inbox::InboxError;
pub use crate::engine::intake::LocalOrder;
pub use crate::engine::{StoreError, WorkspaceError};
pub use crate::process::interactive::{edit, stop_this_process};
pub use crate::store::archive::Copied;
pub use crate::workspace::Workspace;

/// Name of the embedded database in a data directory.
pub const DATABASE_FILE: &str = "paramedic.db";

/// The program put together for one data directory.
#[derive(Debug, Clone)]
pub struct App {
    pub engine: Engine,
    pub backlog: Arc<dyn Backlog>,
    /// Who watches the forge, where something is watched.
    pub watcher: Option<Watcher>,
}

impl App {
    /// Opens the data directory, making it if it is not there.
    pub async fn open(config: &Config, environment: &Environment) -> Result<Self, String> {
        let data_dir = &config.data_dir;
        for folder in [data_dir.clone(), data_dir.join("live"), data_dir.join("trees"), data_dir.join("drafts")] {
            private_folder(&folder)?;
        }
        let store = store(config).await?;
        let launcher = launcher(config, environment)?;
        let workspace = GitWorkspace::new(launcher.clone(), data_dir.join("trees"));
        let workspace = Arc::new(workspace.on(repositories::network(environment)));
        if !config.read_only {
            // What a crashed process left behind; it must not keep this one from starting.
            let _ = workspace.sweep().await;
        }
        let agents = ConfiguredAgents {
            launcher: launcher.clone(),
            agents: config.agents.clone(),
            environment: environment.clone(),
        };
        let repositories = ConfiguredRepositories::new(config, environment, &launcher, workspace.clone());
        let mut engine = Engine {
            store,
            workspace,
            agents: Arc::new(agents),
            masker: masker(config, environment, &launcher),
            repositories: Arc::new(repositories.clone()),
            launcher,
            clock: Arc::new(SystemClock),
            live: LiveFolder::new(data_dir.join("live")),
            settings: Settings {
                retry_delay: config.workers.retry_delay,
                grace: config.workers.grace,
                ..Settings::new(data_dir.clone())
            },
            forge: ForgeSeat::default(),
        };
        engine.forge = forge::seat(&engine, config, environment).await;
        engine.repositories = Arc::new(repositories.at(engine.forge.reads.clone()));
        let backlog = Arc::new(Embedded::new(engine.clone(), config.read_only));
        let watcher = Watcher::new(&engine);
        Ok(Self { engine, backlog, watcher })
    }

    /// Watches the forge, and keeps what stands there as it should be, until stopped. Of all processes that share the database one does each.
    pub fn attend_forge(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let (watcher, steward) = (self.watcher.clone(), Steward::new(self.engine.clone()));
        async move {
            let watching = async {
                if let Some(watcher) = watcher {
                    watcher.run(&stop).await;
                }
            };
            tokio::join!(watching, steward.run(&stop));
        }
    }

    /// Opens the inbox for reported failures, which are healed as the settings say.
    pub fn inbox(&self, config: &Config) -> Result<Inbox, String> {
        let heal_by = HealBy {
            agents: config.agents_by_default.clone(),
            timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
            max_attempts: config.max_attempts,
        };
        Inbox::open(self.engine.clone(), heal_by)
    }

    /// Returns the metrics of this process; one for all of it.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::new(Metrics::new(self.engine.store.clone(), self.engine.clock.clone()))
    }

    /// Counts what happens, in this process and elsewhere, until stopped.
    pub fn follow_events(&self, metrics: Arc<Metrics>, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        telemetry::chain::follow(self.engine.store.clone(), metrics, stop)
    }

    /// Returns who tells the targets of the settings what happens.
    pub fn notifier(&self, config: &Config, metrics: Option<Arc<Metrics>>) -> Result<Notifier, String> {
        let targets = config.notify.targets.iter().map(|it| self.target(it)).collect::<Result<_, _>>()?;
        Ok(Notifier {
            store: self.engine.store.clone(),
            clock: self.engine.clock.clone(),
            masker: self.engine.masker.clone(),
            metrics,
            pace: Pace::default(),
            targets,
        })
    }

    fn target(&self, settings: &TargetSettings) -> Result<Target, String> {
        let wrong = |why: String| format!("notify target {}: {why}", settings.name);
        let channel: Arc<dyn Channel> = match &settings.channel {
            ChannelSettings::Slack { url } => Arc::new(Slack::new(url.reveal()).map_err(wrong)?),
            ChannelSettings::Webhook { url, secret } => {
                let secret = secret.as_ref().map(|it| it.reveal().to_owned());
                Arc::new(Webhook::new(url.reveal(), secret).map_err(wrong)?)
            }
            ChannelSettings::Command { command } => {
                Arc::new(CommandHook::new(self.engine.launcher.clone(), command.clone()))
            }
        };
        Ok(Target { name: settings.name.clone(), events: settings.events.clone(), channel })
    }

    /// Returns what the service of this backlog is made of, for [`crate::http::Server`]. It takes no reports unless it is given a webhook.
    pub fn service(
        &self,
        config: &Config,
        settings: http::Settings,
        metrics: Arc<Metrics>,
    ) -> Result<http::ServiceSetup, String> {
        let guard = guard(&self.engine, config)?;
        Ok(http::ServiceSetup::new(self.backlog.clone(), guard, self.engine.clock.clone(), settings, metrics))
    }

    /// Returns where the service takes reports, `None` where the settings say that it does not.
    pub fn webhook(&self, config: &Config) -> Result<Option<http::Webhook>, String> {
        if !config.webhook.enabled || config.read_only {
            return Ok(None);
        }
        let secrets = Secrets::new(config.webhook.secrets());
        let inbox = self.inbox(config)?.with_watcher(self.watcher.clone());
        Ok(Some(http::Webhook { inbox, secrets }))
    }

    /// Returns a new worker on this data directory.
    pub fn worker(&self) -> Worker {
        Worker::new(self.engine.clone())
    }

    /// Returns workers for `concurrency` runs at once, of one repository at most `per_repository`.
    pub fn workers(&self, concurrency: u32, per_repository: u32) -> Workers {
        Workers::new(self.engine.clone(), concurrency, per_repository)
    }
}

/// Returns the desk that takes dispatch orders: it sends them to the forge where that may be written to and is to carry them out, else makes runs
/// of them.
pub fn desk(engine: &Engine, config: &Config) -> Desk {
    let DispatchSettings { repository, carry_out, base_branch } = config.dispatch.clone();
    let forge = engine.forge.writes.clone().filter(|_| carry_out == CarryOut::Forge);
    Desk::new(engine.clone(), repository, base_branch, forge)
}

/// Returns the backlog of a server; nothing is asked yet.
pub fn remote(api: &ApiSettings, is_read_only: bool) -> Result<Remote, String> {
    let authority = |path: &PathBuf| fs::read(path).map_err(|it| format!("ca_file: {}: {it}", path.display()));
    let access = Access {
        address: api.address.clone(),
        token: api.token.as_ref().map(|it| it.reveal().to_owned()),
        authority: api.ca_file.as_ref().map(authority).transpose()?,
        allow_plain_http: api.allow_plain_http,
    };
    Remote::new(&access, is_read_only)
}

/// Returns the operators of the settings' database.
pub async fn registry(config: &Config) -> Result<Registry, String> {
    private_folder(&config.data_dir)?;
    Ok(Registry::new(store(config).await?, Arc::new(SystemClock)))
}

/// Returns what lets operators in at a server. Short-lived tokens are signed with the secret of the settings, else with a key of its own.
pub fn guard(engine: &Engine, config: &Config) -> Result<http::Guard, String> {
    let access = &config.access;
    let key = match &access.token_secret {
        Some(secret) => SigningKey::shared(secret.reveal()),
        None => SigningKey::kept_in(&config.data_dir),
    };
    let key = key.map_err(|it| it.to_string())?;
    let (store, clock) = (engine.store.clone(), engine.clock.clone());
    let gate = Gate::new(store, clock, &key, access.token_lifetime, config.read_only);
    let limits = Limits::new(Rates {
        logins_per_minute: access.logins_per_minute,
        logins_per_minute_and_address: access.logins_per_minute_and_address,
        failures_per_minute_and_address: access.failures_per_minute_and_address,
        unsigned_per_minute_and_address: access.unsigned_per_minute_and_address,
        requests_per_second: access.requests_per_second,
        request_burst: access.request_burst,
    });
    let proxies =
        TrustedProxies::parse(&config.server.trusted_proxies).map_err(|it| format!("server.trusted_proxies: {it}"))?;
    Ok(http::Guard::new(gate, limits, proxies))
}

/// Returns what knows the secrets of this process: those of its environment and those of its settings.
pub fn masker(config: &Config, environment: &Environment, launcher: &Launcher) -> Masker {
    let tokens = config.repositories.token_names().into_iter().chain(TOKEN_NAMES.iter().copied()).chain([APP_KEY_NAME]);
    let tokens = tokens.filter_map(|it| environment.text(it).map(str::to_owned));
    Masker::new(launcher.secrets().into_iter().chain(config.secrets()).chain(tokens))
}

/// Starts the log of a service; `format` wins over the settings.
pub fn start_log(config: &Config, environment: &Environment, format: Option<LogFormat>) -> Result<(), String> {
    let level = config.log.level.as_deref().unwrap_or(telemetry::log::DEFAULT);
    let is_json = match format.unwrap_or(config.log.format) {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    telemetry::log::start(level, is_json, masker(config, environment, &launcher(config, environment)?))
}

/// Copies the embedded database, also while others write, to a file that is not there yet.
pub async fn backup(config: &Config, to: &Path) -> Result<u64, String> {
    match &config.database {
        Database::Embedded(path) => {
            let path = path.clone().unwrap_or_else(|| config.data_dir.join("paramedic.db"));
            crate::store::sqlite::backup(&path, to).await.map_err(|it| it.to_string())
        }
        Database::Postgres(_) => Err("PostgreSQL is backed up with pg_dump, see docs/RUNBOOK.md".to_owned()),
    }
}

/// Opens the database of the settings.
pub async fn store(config: &Config) -> Result<Arc<dyn Store>, String> {
    match &config.database {
        Database::Embedded(path) => {
            let path = path.clone().unwrap_or_else(|| config.data_dir.join(DATABASE_FILE));
            let store = SqliteStore::open(&path).await.map_err(|it| it.to_string())?;
            Ok(Arc::new(store))
        }
        Database::Postgres(url) => {
            let store = PostgresStore::open(url).await.map_err(|it| it.to_string())?;
            Ok(Arc::new(store))
        }
    }
}

/// Returns how the service is to behave.
pub fn http_settings(server: &crate::config::server::Server, metrics: MetricsAccess) -> http::Settings {
    http::Settings {
        listen: server.listen.clone(),
        tls: server.tls.clone(),
        public_reads: server.public_reads,
        max_connections: server.max_connections,
        max_connections_per_address: server.max_connections_per_address,
        max_streams: server.max_streams,
        metrics: match metrics {
            MetricsAccess::Loopback => http::metrics::Audience::Loopback,
            MetricsAccess::Public => http::metrics::Audience::Public,
            MetricsAccess::Token => http::metrics::Audience::Token,
        },
        ..http::Settings::default()
    }
}

/// Copies a backlog from one database to another, all of it or nothing. `from` must be there; `to` is made if it is a file.
pub async fn copy_store(from: &Database, to: &Database, data_dir: &Path) -> Result<Copied, String> {
    let file = |path: &Option<PathBuf>| path.clone().unwrap_or_else(|| data_dir.join(DATABASE_FILE));
    if let Database::Embedded(path) = from
        && !file(path).is_file()
    {
        return Err(format!("there is no database at {}", file(path).display()));
    }
    let open = async |database: &Database| -> Result<Box<dyn Archive>, String> {
        let opened: Result<Box<dyn Archive>, StoreError> = match database {
            Database::Embedded(path) => SqliteStore::open(&file(path)).await.map(|it| Box::new(it) as _),
            Database::Postgres(url) => PostgresStore::open(url).await.map(|it| Box::new(it) as _),
        };
        opened.map_err(|it| it.to_string())
    };
    let from = open(from).await?;
    let new_file = match to {
        Database::Embedded(path) => Some(file(path)).filter(|it| !it.exists()),
        Database::Postgres(_) => None,
    };
    let to = open(to).await?;
    let copied = archive::copy(&*from, &*to, SystemClock.now(), &is_gone).await;
    drop(to);
    if let (Err(_), Some(path)) = (&copied, new_file) {
        // What is left is empty, and in the way of nothing but a look at it. Why nothing was copied is the answer.
        let _ = crate::store::sqlite::remove(&path);
    }
    copied.map_err(|it| it.to_string())
}

/// Returns the launcher of programs, with the sandbox the settings ask for.
pub fn launcher(config: &Config, environment: &Environment) -> Result<Launcher, String> {
    let supervisor = Environment::own_program().map_err(|it| format!("cannot find this program's own file: {it}"))?;
    Ok(Launcher::new(LauncherOptions {
        supervisor,
        environment: environment.pairs(),
        sandbox: match config.sandbox {
            SandboxSetting::Auto => SandboxChoice::Auto,
            SandboxSetting::Bubblewrap => SandboxChoice::Bubblewrap,
            SandboxSetting::Landlock => SandboxChoice::Landlock,
            SandboxSetting::Off => SandboxChoice::Off,
        },
        private: ["paramedic.db", "paramedic.db-wal", "paramedic.db-shm", "drafts", "live", "recordings", "token.key"]
            .map(|it| config.data_dir.join(it))
            .to_vec(),
    }))
}

fn private_folder(folder: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|it| format!("cannot make {}: {it}", folder.display()))
}

/// The agents of the settings, and the three that are built in.
#[derive(Debug)]
struct ConfiguredAgents {
    launcher: Launcher,
    agents: BTreeMap<String, AgentSettings>,
    environment: Environment,
}

impl ConfiguredAgents {
    fn program(&self, name: &str, settings: &AgentSettings) -> Arc<dyn Agent> {
        let variables = settings.env.iter().filter_map(|it| Some((it.clone(), self.environment.text(it)?.to_owned())));
        let settings_of_it = CommandSettings { network: settings.network, env: variables.collect() };
        Arc::new(CommandAgent::new(name, &settings.command, self.launcher.clone(), settings_of_it))
    }
}

impl Agents for ConfiguredAgents {
    fn for_order(&self, order: &Order) -> Result<Vec<Arc<dyn Agent>>, String> {
        let named = |name: &String| -> Result<Arc<dyn Agent>, String> {
            match name.as_str() {
                "playbook" => Ok(Arc::new(Playbook::new(self.launcher.clone()))),
                "command" => {
                    let command = order.agent_command.clone().filter(|it| !it.trim().is_empty());
                    let command = command.ok_or("the agent `command` needs --agent-command")?;
                    let settings = AgentSettings { command, network: false, env: Vec::new() };
                    Ok(self.program(name, &settings))
                }
                "scripted" => {
                    let script = order.script.as_deref().ok_or("the agent `scripted` needs a script")?;
                    Ok(Arc::new(Scripted::new(script).map_err(|it| it.to_string())?))
                }
                other => {
                    let settings = self.agents.get(other).ok_or_else(|| {
                        let known: Vec<&str> = self.agents.keys().map(String::as_str).collect();
                        format!("no agent is called `{other}`; there are playbook, command, {}", known.join(", "))
                    })?;
                    Ok(self.program(name, settings))
                }
            }
        };
        order.agents.iter().map(named).collect()
    }
}

/// Returns the folder for drafts of human fixes.
pub fn drafts(config: &Config) -> PathBuf {
    config.data_dir.join("drafts")
}

/// Returns the workspace alone, for commands that need no database.
pub fn workspace(config: &Config, environment: &Environment) -> Result<GitWorkspace, String> {
    let trees = config.data_dir.join("trees");
    private_folder(&trees)?;
    Ok(GitWorkspace::new(launcher(config, environment)?, trees))
}

/// Returns the first line of what `program --version` says, `None` if it does not run.
pub async fn version_of(launcher: &Launcher, program: &str) -> Option<String> {
    let flag = if program == "go" { "version" } else { "--version" };
    let tool = Tool {
        program,
        args: &[OsStr::new(flag)],
        cwd: Path::new("/"),
        env: &[],
        stdin: None,
        timeout: Duration::from_secs(10),
        max_output: 4_096,
    };
    let output = launcher.tool(&tool).await.ok().filter(|it| it.code == Some(0))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(crate::evidence::text::clean_line(text.lines().next().unwrap_or_default()))
}
