//! `paramedic worker`: works on queued runs until stopped.
use crate::cli::Context;
use crate::cli::arguments::Worker;
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::out;
use crate::cli::signals::Signals;
use crate::config::workers::check_concurrency;
use crate::engine::worker::Shutdown;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) async fn run(context: &Context, asked: &Worker, mut signals: Signals) -> Ended {
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
    let Some(app) = signals.unless_asked_to_stop(context.open()).await else { return Ok(OK) };
    let app = app?;
    let teller = app.notifier(&context.config, None).map_err(CliError::failed)?;
    let ended = CancellationToken::new();
    let beside = TaskTracker::new();
    if context.config.notify.from_workers {
        let ended = ended.clone();
        beside.spawn(async move { teller.run(&ended).await });
    }
    if !asked.drain {
        beside.spawn(app.attend_forge(ended.clone()));
    }
    beside.close();
    let workers = app.workers(concurrency, asked.per_repository.unwrap_or(settings.per_repository));
    let shutdown = Shutdown::new();
    let grace = settings.grace.as_secs();
    out::note(&format!(
        "working on the queue; ctrl-c lets runs go on for {grace} s and stops, twice gives them back at once"
    ));
    let work = async { if asked.drain { workers.drain(&shutdown).await } else { workers.run(&shutdown).await } };
    tokio::select! {
        ended = work => ended?,
        never = signals.hand_on(&shutdown) => match never {},
    }
    ended.cancel();
    beside.wait().await;
    Ok(OK)
}
