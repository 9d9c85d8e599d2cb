//! `paramedic worker`: works on queued runs until stopped; and the signals that stop a foreground command.
use crate::cli::Context;
use crate::cli::arguments::Worker;
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::out;
use crate::config::workers::check_concurrency;
use crate::engine::worker::Shutdown;
use std::convert::Infallible;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why a foreground command should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// A person pressed ctrl-c.
    Interrupt,
    /// The machine, the service manager or a lost connection.
    Terminate,
}

/// Waits for a signal that asks the process to stop.
pub(super) async fn stop_signal() -> Signal {
    let listen = |kind| signal(kind).ok();
    let mut interrupt = listen(SignalKind::interrupt());
    let mut terminate = listen(SignalKind::terminate());
    let mut hangup = listen(SignalKind::hangup());
    tokio::select! {
        () = received(interrupt.as_mut()) => Signal::Interrupt,
        () = received(terminate.as_mut()) => Signal::Terminate,
        () = received(hangup.as_mut()) => Signal::Terminate,
    }
}

async fn received(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Hands signals on: the first lets what runs come to its end, the second stops it.
pub(super) async fn stop_on_signals(shutdown: &Shutdown) -> Infallible {
    loop {
        stop_signal().await;
        shutdown.ask_more();
    }
}

pub(super) async fn run(context: &Context, asked: &Worker) -> Ended {
    context.local()?;
    if context.config.read_only {
        return Err(CliError {
            code: REFUSED,
            text: "a worker changes things; start it without --read-only".to_owned(),
        });
    }
    let settings = &context.config.workers;
    let concurrency = check_concurrency(asked.concurrency.unwrap_or(settings.concurrency)).map_err(CliError::usage)?;
    context.start_log(asked.log_format)?;
    let app = context.open().await?;
    let teller = app.notifier(&context.config, None).map_err(CliError::failed)?;
    let telling = CancellationToken::new();
    let told = context.config.notify.from_workers.then(|| {
        let telling = telling.clone();
        tokio::spawn(async move { teller.run(&telling).await })
    });
    let workers = app.workers(concurrency, asked.per_repository.unwrap_or(settings.per_repository));
    let shutdown = Shutdown::new();
    let grace = settings.grace.as_secs();
    out::note(&format!(
        "working on the queue; ctrl-c lets runs go on for {grace} s and stops, twice gives them back at once"
    ));
    let work = async { if asked.drain { workers.drain(&shutdown).await } else { workers.run(&shutdown).await } };
    tokio::select! {
        ended = work => ended?,
        never = stop_on_signals(&shutdown) => match never {},
    }
    telling.cancel();
    if let Some(told) = told {
        let _ = told.await;
    }
    Ok(OK)
}
