//! `paramedic watch`, and the progress that every foreground command shows: the timeline as it grows, and what runs right now.
use crate::backlog::{Backlog, BacklogError};
use crate::cli::Context;
use crate::cli::error::{Ended, FAILED, OK, PENDING};
use crate::cli::out;
use crate::clock::instant;
use crate::domain::{Run, RunDetail, RunId, Status};
use crate::evidence::text;
use std::time::{Duration, Instant};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How often a run of this machine is looked at while it prints, and one of a server.
const HERE: Duration = Duration::from_millis(150);
const THERE: Duration = Duration::from_secs(2);
/// How long to wait for a server that is away, and between looks when there is no news of it.
const RETRY: Duration = Duration::from_secs(1);

/// Prints a run's timeline on standard error while it grows.
pub(super) struct Progress<'a> {
    backlog: &'a dyn Backlog,
    id: RunId,
    printed: u64,
    newest: u64,
    status: out::StatusLine,
    started: Instant,
    frame: usize,
    prefix: String,
    patience: Duration,
}

impl<'a> Progress<'a> {
    pub(super) fn new(backlog: &'a dyn Backlog, id: RunId) -> Self {
        let status = out::StatusLine::default();
        let prefix = String::new();
        Self { backlog, id, printed: 0, newest: 0, status, started: instant(), frame: 0, prefix, patience: HERE }
    }

    /// Looks less often, for a backlog that is far away.
    fn from_afar(mut self) -> Self {
        self.patience = THERE;
        self
    }

    /// Puts a word before each line, for commands that show several runs.
    pub(super) fn with_prefix(mut self, prefix: String) -> Self {
        self.prefix = prefix;
        self
    }

    /// Prints what is new, and what runs right now. Returns the run.
    pub(super) async fn step(&mut self) -> Result<Run, BacklogError> {
        let detail = self.backlog.run(self.id).await?;
        for event in detail.events.iter().filter(|it| it.seq > self.printed) {
            self.status.clear();
            let time = event.created_at.strftime("%H:%M:%S");
            let message = text::clean_line(event.message.lines().next().unwrap_or_default());
            out::progress(&format!("{}{time}  {:<20} {message}", self.prefix, event.kind.as_str()));
        }
        self.printed = detail.events.last().map_or(self.printed, |it| it.seq);
        if let Some(live) = self.backlog.live(self.id).await? {
            self.frame = (self.frame + 1) % SPINNER.len();
            let last = live.tail.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or_default();
            let seconds = self.started.elapsed().as_secs();
            let spinner = SPINNER[self.frame];
            let phase = text::clean_line(&live.phase);
            self.status.show(&format!("{}{spinner} {phase}  {seconds}s  {}", self.prefix, text::clean_line(last)));
        }
        Ok(detail.run)
    }

    /// Follows until the run comes to rest. A server that is away is waited for, and that is said.
    pub(super) async fn until_rest(&mut self) -> Result<Run, BacklogError> {
        let mut is_away = false;
        loop {
            match self.step().await {
                Ok(run) => {
                    if is_away {
                        is_away = false;
                        self.status.clear();
                        out::note("the server answers again");
                    }
                    if run.status.is_at_rest() {
                        self.status.clear();
                        return Ok(run);
                    }
                }
                Err(BacklogError::Unreachable(why)) => {
                    if !is_away {
                        is_away = true;
                        self.status.clear();
                        out::note(&format!("{}; waiting for it to come back", text::clean_line(&why)));
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match self.wait().await {
                // Without a stream of news the run is read now and then.
                Err(BacklogError::Unreachable(_)) => tokio::time::sleep(RETRY).await,
                waited => waited?,
            }
        }
    }

    /// Follows for ever; for use beside the work itself.
    pub(super) async fn endlessly(&mut self) -> BacklogError {
        loop {
            let step = async {
                self.step().await?;
                self.wait().await
            };
            if let Err(error) = step.await {
                return error;
            }
        }
    }

    async fn wait(&mut self) -> Result<(), BacklogError> {
        if let Ok(newest) = tokio::time::timeout(self.patience, self.backlog.newest(self.newest)).await {
            self.newest = newest?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.status.clear();
    }
}

/// Follows a run until it comes to rest.
pub(super) async fn watch(context: &Context, run: &str) -> Ended {
    let backlog = context.backlog().await?;
    let id = backlog.resolve(run).await?;
    let progress = Progress::new(backlog.as_ref(), id);
    let mut progress = if context.config.api.is_some() { progress.from_afar() } else { progress };
    loop {
        progress.until_rest().await?;
        match backlog.run(id).await {
            Ok(detail) => return Ok(finish(context, &detail)),
            Err(BacklogError::Unreachable(_)) => tokio::time::sleep(RETRY).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints a run that a command ends with, and returns the exit code that belongs to its state.
pub(super) fn finish(context: &Context, detail: &RunDetail) -> u8 {
    if context.is_json {
        out::json(detail);
    } else {
        out::line(crate::cli::show::verdict(detail).trim_end());
    }
    code_of(&detail.run)
}

/// Returns the exit code of a run's state: 0 fixed or resolved, 1 escalated or aborted, 8 still pending.
pub(super) fn code_of(run: &Run) -> u8 {
    match run.status {
        Status::Fixed | Status::Resolved => OK,
        Status::Escalated | Status::Aborted => FAILED,
        Status::Queued | Status::Running => PENDING,
    }
}
