//! `paramedic serve`: the backlog over HTTP, with workers in the same process.
use crate::cli::Context;
use crate::cli::arguments::Serve;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::cli::signals::{Signal, Signals};
use crate::engine::worker::Shutdown;
use crate::http::server::{ServeError, check_address};
use crate::http::tls::Tls;
use crate::http::{Server, Service};
use crate::wiring::{App, desk, http_settings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) async fn run(context: &Context, serve: Serve, mut signals: Signals) -> Ended {
    let mut section = context.config.server.clone();
    section.listen = serve.listen.unwrap_or(section.listen);
    section.tls = serve.tls_cert.zip(serve.tls_key).or(section.tls);
    let n_workers = if context.config.read_only { 0 } else { serve.workers.unwrap_or(section.workers) };
    let settings = http_settings(&section, context.config.log.metrics);
    check_address(&settings.listen)?;
    context.start_log(serve.log_format)?;
    let Some(app) = signals.unless_asked_to_stop(context.open()).await else { return Ok(OK) };
    let app = app?;
    let server = Server::bind(&settings).await?;
    let metrics = app.metrics();
    let notifier = app.notifier(&context.config, Some(metrics.clone())).map_err(CliError::usage)?;
    let mut service = app.service(&context.config, settings, metrics.clone()).map_err(CliError::usage)?;
    service.webhook = app.webhook(&context.config).map_err(CliError::usage)?;
    tell(context, &app, &server).await?;
    let desk = desk(&app.engine, &context.config);
    service.desk = Some(desk);
    let service = Service::from(service);

    let stop = Shutdown::new();
    let ended = CancellationToken::new();
    let beside = TaskTracker::new();
    beside.spawn(app.follow_events(metrics, ended.clone()));
    if !context.config.read_only {
        beside.spawn(app.attend_forge(ended.clone()));
        let ended = ended.clone();
        beside.spawn(async move { notifier.run(&ended).await });
    }
    beside.close();
    let workers = app.workers(n_workers.into(), context.config.workers.per_repository);
    let working = async { if n_workers > 0 { workers.run(&stop).await } else { Ok(()) } };
    let shutdown = service.shutdown.clone();
    let tls = server.tls();
    let serving = tokio::spawn(server.run(service));
    let stopping = async {
        asked_to_stop(&mut signals, tls.as_ref()).await;
        out::note("stopping: requests and runs under way may finish; stop again to give the runs back at once");
        stop.finish();
        shutdown.cancel();
        signals.hand_on(&stop).await
    };
    let ending = async {
        let (worked, ()) = tokio::join!(working, stop.asked());
        worked.map_err(CliError::from)?;
        serving.await.map_err(|it| CliError::failed(it.to_string()))?;
        ended.cancel();
        beside.wait().await;
        Ok::<(), CliError>(())
    };
    tokio::select! {
        ended = ending => ended?,
        never = stopping => match never {},
    }
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

/// Waits until a signal asks to stop. Where there is a certificate, SIGHUP reads it again.
async fn asked_to_stop(signals: &mut Signals, tls: Option<&Tls>) {
    loop {
        let signal = signals.next().await;
        let Some(tls) = tls.filter(|_| signal == Signal::Hangup) else { return };
        match tls.reload() {
            Ok(()) => out::note("the certificate was read again"),
            Err(error) => out::note(&format!("the certificate stays as it was: {error}")),
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
