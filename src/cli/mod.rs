//! The command line: one file per subcommand; the only module that prints.
mod arguments;
mod audit;
mod config;
mod console;
mod decide;
mod demo;
mod diff;
mod dispatch;
mod doctor;
mod error;
mod follow;
mod guard;
mod heal;
mod ingest;
mod init;
mod log;
mod operator;
mod out;
mod runs;
mod serve;
mod show;
mod signals;
mod store;
mod worker;

use crate::backlog::Backlog;
use crate::backlog::remote::Remote;
use crate::cli::arguments::{Arguments, Color, Command, ConfigCommand};
use crate::cli::error::{CliError, Ended, OK, USAGE, exit};
use crate::cli::signals::Signals;
use crate::config::checked::Flags;
use crate::config::log::LogFormat;
use crate::config::{Config, Environment};
use crate::wiring;
use crate::wiring::App;
use clap::{CommandFactory, Parser};
use std::process::ExitCode;
use std::sync::Arc;

/// What a subcommand works with.
struct Context {
    config: Config,
    environment: Environment,
    is_json: bool,
    color: Color,
}

impl Context {
    /// Opens the backlog that is asked and decided on: of this machine, or of a server.
    async fn backlog(&self) -> Result<Arc<dyn Backlog>, CliError> {
        match self.remote()? {
            Some(remote) => Ok(Arc::new(remote)),
            None => Ok(self.open().await?.backlog),
        }
    }

    /// Returns the server of the settings; asks nothing yet.
    fn remote(&self) -> Result<Option<Remote>, CliError> {
        let Some(api) = &self.config.api else { return Ok(None) };
        crate::wiring::remote(api, self.config.read_only).map(Some).map_err(CliError::usage)
    }

    /// Refuses what only the machine with the database can do.
    fn local(&self) -> Result<(), CliError> {
        match &self.config.api {
            Some(api) => Err(CliError::usage(format!(
                "this command works on the machine of the backlog, not through a server ({}); run it there, or leave out --api and \
                 PARAMEDIC_API (--api '' overrides a settings file)",
                api.address
            ))),
            None => Ok(()),
        }
    }

    /// Opens the backlog of this machine with its engine.
    async fn open(&self) -> Result<App, CliError> {
        self.local()?;
        App::open(&self.config, &self.environment).await.map_err(CliError::failed)
    }

    /// Starts the log on standard error; `format` wins over the settings.
    fn start_log(&self, format: Option<LogFormat>) -> Result<(), CliError> {
        wiring::start_log(&self.config, &self.environment, format).map_err(CliError::usage)
    }
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    if let Err(error) = color_eyre::install() {
        out::note(&format!("cannot install the error reports: {error}"));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { OK };
            let _ = error.print();
            return exit(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(arguments));
            // A blocked read of the terminal must not keep the program alive.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(CliError::failed(format!("cannot start the runtime: {error}"))),
    };
    match ended {
        Ok(code) => exit(code),
        Err(error) => {
            out::note(&format!("paramedic: {}", crate::evidence::text::clean(&error.text)));
            exit(error.code)
        }
    }
}

async fn run(arguments: Arguments) -> Ended {
    // First of all: a service that is stopped while it starts ends in good order.
    let is_service = matches!(arguments.command, Some(Command::Worker(_) | Command::Serve(_)));
    let since_start = is_service.then(Signals::listen).transpose()?;
    let signals = || since_start.map_or_else(Signals::listen, Ok);
    let global = arguments.global;
    let environment = Environment::of_this_process();
    let flags = Flags {
        data_dir: global.data_dir,
        config: global.config,
        operator: global.operator,
        theme: global.theme,
        is_read_only: global.read_only,
        database: global.database,
        api: global.api,
        log_level: global.log_level,
    };
    // A service logs by itself; another command in the foreground only when it is told to; the console never, it owns the screen.
    let is_log_asked = flags.log_level.is_some()
        && !matches!(arguments.command, None | Some(Command::Console { .. } | Command::Demo { .. }));
    match &arguments.command {
        Some(Command::Completions { shell }) => {
            clap_complete::generate(*shell, &mut Arguments::command(), "paramedic", &mut std::io::stdout());
            return Ok(OK);
        }
        Some(Command::Man) => {
            let page = clap_mangen::Man::new(Arguments::command());
            let mut bytes = Vec::new();
            page.render(&mut bytes).map_err(|it| CliError::failed(it.to_string()))?;
            out::bytes(&bytes);
            return Ok(OK);
        }
        Some(Command::Config { command: ConfigCommand::Path }) => {
            return Ok(config::path(&environment, &flags, global.json));
        }
        _ => {}
    }
    let config = Config::load(&environment, &flags)?;
    let context = Context { config, environment, is_json: global.json, color: global.color };
    if is_log_asked && !is_service {
        context.start_log(None)?;
    }
    match arguments.command {
        None => Box::pin(console::run(&context, None, None)).await,
        Some(Command::Console { run, record }) => Box::pin(console::run(&context, run.as_deref(), record)).await,
        Some(Command::Demo { headless, dir }) => demo::run(&context, headless, dir.as_deref()).await,
        Some(Command::Heal(heal)) => heal::run(&context, &heal).await,
        Some(Command::Dispatch(dispatch)) => dispatch::run(&context, &dispatch).await,
        Some(Command::Runs { status, repository, limit }) => {
            runs::run(&context, status.as_deref(), repository, limit).await
        }
        Some(Command::Show { run }) => show::run(&context, &run).await,
        Some(Command::Log { run, attempt, errors, output, raw }) => {
            log::run(&context, &log::Which { run, attempt, errors, output, raw }).await
        }
        Some(Command::Diff { run, attempt, raw }) => diff::run(&context, &run, attempt, raw).await,
        Some(Command::Watch { run }) => follow::watch(&context, &run).await,
        Some(Command::Approve(decide)) => decide::approve(&context, decide).await,
        Some(Command::Deny(decide)) => decide::deny(&context, decide).await,
        Some(Command::Abort(decide)) => decide::abort(&context, decide).await,
        Some(Command::Publish(decide)) => decide::publish(&context, decide).await,
        Some(Command::Retry(decide)) => decide::retry(&context, decide).await,
        Some(Command::HumanFix { decide, fix }) => decide::human_fix(&context, decide, fix).await,
        Some(Command::Worker(asked)) => worker::run(&context, &asked, signals()?).await,
        Some(Command::Ingest(ingest)) => ingest::run(&context, &ingest).await,
        Some(Command::Serve(serve)) => serve::run(&context, serve, signals()?).await,
        Some(Command::Init(init)) => init::run(&context, &init).await,
        Some(Command::Guard(guard)) => guard::run(&context, &guard).await,
        Some(Command::Operator { command }) => operator::run(&context, command).await,
        Some(Command::Audit { command }) => audit::run(&context, &command).await,
        Some(Command::Store { command }) => store::run(&context, &command).await,
        Some(Command::Config { command }) => config::run(&context, &command),
        Some(Command::Doctor { offline }) => Box::pin(doctor::run(&context, offline)).await,
        Some(Command::Completions { .. } | Command::Man) => Ok(OK),
    }
}
