//! `paramedic serve`: the backlog over HTTP, with workers in the same process.
use crate::cli::Context;
use crate::cli::arguments::Serve;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::engine::worker::Worker;
use crate::http::Server;
use crate::http::server::{ServeError, check_address};
use crate::http::tls::Tls;
use crate::wiring::{App, http_settings};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a worker rests after an error, like a database that is away.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &Context, serve: Serve) -> Ended {
    let mut section = context.config.server.clone();
    section.listen = serve.listen.unwrap_or(section.listen);
    section.tls = serve.tls_cert.zip(serve.tls_key).or(section.tls);
    let n_workers = if context.config.read_only { 0 } else { serve.workers.unwrap_or(section.workers) };
    let settings = http_settings(&section, context.config.log.metrics);
    check_address(&settings.listen)?;
    context.start_log(serve.log_format)?;
    let app = context.open().await?;
    let server = Server::bind(&settings).await?;
    let metrics = app.metrics();
    let notifier = app.notifier(&context.config, Some(metrics.clone())).map_err(CliError::usage)?;
    let mut service = app.service(&context.config, settings, metrics.clone()).map_err(CliError::usage)?;
    service.webhook = app.webhook(&context.config).map_err(CliError::usage)?;
    // From here on a signal is not missed.
    let mut signals = Signals::listen()?;
    tell(context, &app, &server).await?;

    let stop = CancellationToken::new();
    let beside = TaskTracker::new();
    beside.spawn(app.follow_events(metrics, stop.clone()));
    if !context.config.read_only {
        let stop = stop.clone();
        beside.spawn(async move { notifier.run(&stop).await });
    }
    beside.close();
    let workers = TaskTracker::new();
    for _ in 0..n_workers {
        workers.spawn(work(app.worker(), stop.clone()));
    }
    workers.close();
    let shutdown = service.shutdown.clone();
    let tls = server.tls();
    let serving = tokio::spawn(server.run(service));
    signals.stop(tls.as_ref()).await;
    out::note("stopping: requests under way may finish, runs are given back");
    stop.cancel();
    shutdown.cancel();
    serving.await.map_err(|it| CliError::failed(it.to_string()))?;
    workers.wait().await;
    beside.wait().await;
    Ok(OK)
}

/// Says where the server is, and what keeps people from using it well.
async fn tell(context: &Context, app: &App, server: &Server) -> Result<(), CliError> {
    let operators = app.engine.store.operators().await.map_err(|it| CliError::failed(it.to_string()))?;
    if operators.iter().all(|it| it.revoked_at.is_some()) {
        out::note(
            "there is no operator yet, so that nobody can decide; `paramedic operator add NAME --role admin` prints a token",
        );
    }
    if server.tls().is_none() && !server.address().ip().is_loopback() {
        out::note("tokens travel in the clear here: give --tls-cert and --tls-key, or let a proxy speak TLS");
    }
    let webhook = &context.config.webhook;
    if webhook.enabled && webhook.secret.is_none() && !server.address().ip().is_loopback() {
        out::note(
            "WARNING: the webhook believes everybody who reaches this address; set CI_HEALING_WEBHOOK_SECRET and give it to the senders",
        );
    }
    out::note(&format!("listening on {}", server.url()));
    Ok(())
}

/// Works until told to stop; an error, like a database that is away, is waited out.
async fn work(worker: Worker, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = worker.run(&stop).await {
            out::note(&format!("a worker rests: {}", crate::evidence::text::clean(&error.to_string())));
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }
}

/// The signals a server minds.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(|it| CliError::failed(format!("cannot wait for signals: {it}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits until one asks to stop. Where there is a certificate, SIGHUP reads it again.
    async fn stop(&mut self, tls: Option<&Tls>) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => match tls.map(Tls::reload) {
                    None => return,
                    Some(Ok(())) => out::note("the certificate was read again"),
                    Some(Err(error)) => out::note(&format!("the certificate stays as it was: {error}")),
                },
            }
        }
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Address(_) => Self::usage(error.to_string()),
            ServeError::Listen { .. } | ServeError::Tls(_) => Self::failed(error.to_string()),
        }
    }
}
