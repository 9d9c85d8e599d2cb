//! The signals that ask a command to stop. From the moment of listening none is missed, and none ends the process by itself.
use crate::cli::error::CliError;
use crate::engine::worker::Shutdown;
use std::convert::Infallible;
use tokio::signal::unix::SignalKind;

/// Why a command should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// A person pressed ctrl-c.
    Interrupt,
    /// The machine or the service manager.
    Terminate,
    /// A lost terminal; a server with a certificate reads it again.
    Hangup,
}

/// The signals of this process, each told once.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen; must be called within a runtime.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            tokio::signal::unix::signal(kind).map_err(|it| CliError::failed(format!("cannot wait for signals: {it}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }

    /// Hands them on: the first lets what runs come to its end, the second stops it.
    pub(super) async fn hand_on(&mut self, shutdown: &Shutdown) -> Infallible {
        loop {
            self.next().await;
            shutdown.ask_more();
        }
    }

    /// Does what a service needs before it can serve, unless it is asked to stop before that: then `None`.
    pub(super) async fn unless_asked_to_stop<T>(&mut self, starting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.next() => None,
            started = starting => Some(started),
        }
    }
}
