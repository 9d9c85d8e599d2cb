//! `paramedic worker`: works on queued runs until stopped; and the signals that stop a foreground command.
use crate::cli::Context;
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::out;
use crate::config::log::LogFormat;
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

pub(super) async fn run(context: &Context, is_draining: bool, log_format: Option<LogFormat>) -> Ended {
    context.local()?;
    if context.config.read_only {
        return Err(CliError {
            code: REFUSED,
            text: "a worker changes things; start it without --read-only".to_owned(),
        });
    }
    context.start_log(log_format)?;
    let app = context.open().await?;
    let worker = app.worker();
    let shutdown = CancellationToken::new();
    let teller = app.notifier(&context.config, None).map_err(CliError::failed)?;
    let telling = CancellationToken::new();
    let told = context.config.notify.from_workers.then(|| {
        let telling = telling.clone();
        tokio::spawn(async move { teller.run(&telling).await })
    });
    out::note("working on the queue; ctrl-c gives the current run back and stops");
    let work = async { if is_draining { worker.drain(&shutdown).await } else { worker.run(&shutdown).await } };
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => ended?,
        _ = stop_signal() => {
            shutdown.cancel();
            work.await?;
        }
    }
    telling.cancel();
    if let Some(told) = told {
        let _ = told.await;
    }
    Ok(OK)
}
