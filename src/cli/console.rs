//! `paramedic console`: the console on this data directory, with a worker in the same process, or on a server; without a terminal, the queue as a table.
use crate::backlog::Backlog as _;
use crate::backlog::remote::Remote;
use crate::cli::Context;
use crate::cli::arguments::Color;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::clock::{Clock, SystemClock};
use crate::console::{ColorChoice, Options, ThemeChoice};
use crate::domain::RunId;
use crate::engine::worker::Shutdown;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(context: &Context, run: Option<&str>, recording: Option<PathBuf>) -> Ended {
    let is_dumb = context.environment.text("TERM").is_none_or(|it| it == "dumb");
    if context.is_json || is_dumb || !out::is_terminal() || !std::io::stdin().is_terminal() {
        return crate::cli::runs::run(context, None, None, 0).await;
    }
    if let Some(remote) = context.remote()? {
        return on_server(context, remote, run, recording).await;
    }
    let app = context.open().await?;
    let run = match run {
        Some(text) => Some(app.backlog.resolve(text).await?),
        None => None,
    };
    let options = options(context, None, run, recording)?;
    let shutdown = Shutdown::new();
    // A person looks on: one run after the other.
    let workers = app.workers(1, 0);
    let working = async {
        if context.config.read_only {
            return Ok(());
        }
        workers.run(&shutdown).await
    };
    let ended = CancellationToken::new();
    let attending = async {
        if !context.config.read_only {
            Box::pin(app.attend_forge(ended.clone())).await;
        }
    };
    let showing = async {
        let shown = crate::console::run(app.backlog.clone(), options).await;
        ended.cancel();
        shutdown.at_once();
        shown
    };
    let (work, show, ()) = tokio::join!(working, showing, attending);
    show.map_err(|it| CliError::failed(it.to_string()))?;
    work?;
    Ok(OK)
}

/// Shows the backlog of a server. Whether it answers is seen on the screen; no worker of this machine takes part.
async fn on_server(context: &Context, remote: Remote, run: Option<&str>, recording: Option<PathBuf>) -> Ended {
    let run = match run {
        Some(text) => Some(remote.resolve(text).await?),
        None => None,
    };
    let options = options(context, Some(remote.place()), run, recording)?;
    crate::console::run(Arc::new(remote), options).await.map_err(|it| CliError::failed(it.to_string()))?;
    Ok(OK)
}

fn options(
    context: &Context,
    server: Option<String>,
    run: Option<RunId>,
    recording: Option<PathBuf>,
) -> Result<Options, CliError> {
    let editor = context.config.editor.clone().unwrap_or_else(|| "vi".to_owned());
    let is_utf8 = context.environment.first(&["LC_ALL", "LC_CTYPE", "LANG"]).is_none_or(|it| {
        let it = it.to_ascii_lowercase();
        it.contains("utf-8") || it.contains("utf8")
    });
    Ok(Options {
        operator: if server.is_some() { String::new() } else { context.config.operator.clone() },
        server,
        theme: theme(context).map_err(CliError::usage)?,
        color: match context.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        },
        is_ascii: !is_utf8,
        keymap: keymap(context).map_err(CliError::usage)?,
        read_only: context.config.read_only,
        drafts: crate::wiring::drafts(&context.config),
        recording,
        in_tmux: context.environment.text("TMUX").is_some(),
        run,
        now: Arc::new(|| SystemClock.now()),
        open_editor: Arc::new(move |path, line| crate::wiring::edit(&editor, path, line)),
        stop_process: Arc::new(crate::wiring::stop_this_process),
    })
}

fn theme(context: &Context) -> Result<ThemeChoice, String> {
    match context.config.theme.as_str() {
        "auto" => Ok(ThemeChoice::Auto),
        name if !name.contains(['/', '.']) => Ok(ThemeChoice::Named(name.to_owned())),
        path => fs::read_to_string(path).map(ThemeChoice::Own).map_err(|it| format!("theme {path}: {it}")),
    }
}

fn keymap(context: &Context) -> Result<Option<String>, String> {
    let Some(path) = &context.config.keymap else { return Ok(None) };
    fs::read_to_string(path).map(Some).map_err(|it| format!("keymap {}: {it}", path.display()))
}

/// Says what is wrong with the person's theme or keymap.
pub(super) fn check_assets(context: &Context) -> Result<(), String> {
    let theme = theme(context)?;
    crate::console::theme::Theme::load(&theme, ColorChoice::Auto).map_err(|it| it.to_string())?;
    let keymap = keymap(context)?;
    crate::console::keymap::Keymap::load(keymap.as_deref()).map_err(|it| it.to_string())?;
    Ok(())
}
