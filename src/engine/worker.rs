//! Claims runs and works on them under a lease; takes back what a dead worker held; leaves a mark so that others know somebody works here.
use crate::domain::{AttemptStatus, Reason, Run, RunId, Status};
use crate::engine::baseline::Baseline;
use crate::engine::session::Session;
use crate::engine::{Engine, EngineError};
use crate::store::{Claim, Lease, StoreError};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How often an idle worker looks for a run.
const IDLE: Duration = Duration::from_secs(1);

/// One worker: its name tells host, process and start time, so that another process can see that it is dead.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Engine,
    name: String,
}

/// The mark of a process whose workers take any run. Gone when dropped.
#[derive(Debug)]
pub struct Presence {
    path: PathBuf,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Worker {
    pub fn new(engine: Engine) -> Self {
        let tag = RunId::random().short();
        let pid = std::process::id();
        let name = format!("{}:{pid}:{}:{tag}", host(), started_at(pid).unwrap_or_default());
        Self { engine, name }
    }

    /// Leaves the mark that this process takes any run.
    pub fn announce(&self) -> std::io::Result<Presence> {
        let folder = self.engine.settings.data_dir.join("workers");
        fs::create_dir_all(&folder)?;
        let path = folder.join(&self.name);
        fs::write(&path, b"")?;
        Ok(Presence { path })
    }

    /// Works until `shutdown` fires: runs in the queue, one after the other, and what dead workers left.
    pub async fn run(&self, shutdown: &CancellationToken) -> Result<(), EngineError> {
        let _presence = self.announce()?;
        while !shutdown.is_cancelled() {
            if self.work_once(None, shutdown).await?.is_none() {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
        }
        Ok(())
    }

    /// Works until nothing is left that can be taken.
    pub async fn drain(&self, shutdown: &CancellationToken) -> Result<(), EngineError> {
        let _presence = self.announce()?;
        while !shutdown.is_cancelled() && self.work_once(None, shutdown).await?.is_some() {}
        Ok(())
    }

    /// Claims one run (or `only` that one) and takes it one step of the loop further. `None`: there was nothing to take.
    pub async fn work_once(
        &self,
        only: Option<RunId>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Run>, EngineError> {
        self.engine.take_back_dead().await?;
        let now = self.engine.clock.now();
        let claimed =
            self.engine.store.claim(&Claim::of(&self.name, only, now, now + self.engine.settings.lease)).await?;
        match claimed {
            Some((run, lease)) => {
                let span = tracing::info_span!("run", run_id = %run.id);
                self.work_on(run, lease, shutdown).instrument(span).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Works on a run until it comes to rest, or somebody else has it. Returns it as it is then.
    pub async fn follow(&self, id: RunId, shutdown: &CancellationToken) -> Result<Run, EngineError> {
        loop {
            let run = self.engine.store.run(id).await?;
            if run.status.is_at_rest() || shutdown.is_cancelled() {
                return Ok(run);
            }
            if self.work_once(Some(id), shutdown).await?.is_none() {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
        }
    }

    /// Takes one step with a run this worker holds: reproduce, or one attempt.
    async fn work_on(&self, run: Run, lease: Lease, shutdown: &CancellationToken) -> Result<Run, EngineError> {
        let id = run.id;
        tracing::info!(repository = run.repository, attempts = run.attempt_count, worker = self.name, "claimed");
        let cancel = shutdown.child_token();
        let pulse = tokio::spawn(keep_alive(self.engine.clone(), lease.clone(), cancel.clone()));
        let (cannot_prepare, prepared) = (false, None);
        let mut session =
            Session { engine: &self.engine, run, lease, cancel: cancel.clone(), cannot_prepare, prepared };
        let result = Box::pin(session.step()).await;
        let result = session.settle(result, shutdown).await;
        pulse.abort();
        self.engine.live.clear(id);
        if let Err(error) = &result {
            tracing::warn!(%error, "the work on the run broke off");
        }
        result?;
        let run = self.engine.store.run(id).await?;
        tracing::info!(status = run.status.as_str(), attempts = run.attempt_count, "let go");
        Ok(run)
    }
}

impl Session<'_> {
    async fn step(&mut self) -> Result<(), EngineError> {
        if !self.ensure_test_command().await? {
            let note = "no test command was found; name one with --test, \"no tests\" is never a pass";
            return self.commit(self.run.escalated(Reason::NoTests, note, self.now())).await;
        }
        if self.run.failure.is_none()
            && let Baseline::Declined(reason, note) = self.reproduce().await?
        {
            let note = self.engine.safe_text(&note, 1_000);
            return self.commit(self.run.escalated(reason, &note, self.now())).await;
        }
        if let Err(why) = self.policy().await? {
            let why = self.engine.safe_text(&why, 1_000);
            return self.commit(self.run.escalated(Reason::PolicyViolation, &why, self.now())).await;
        }
        self.attempt().await
    }

    /// Turns an error into what becomes of the run: dropped, given back, or escalated.
    async fn settle(
        &mut self,
        result: Result<(), EngineError>,
        shutdown: &CancellationToken,
    ) -> Result<(), EngineError> {
        let error = match result {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let lost = matches!(error, EngineError::Store(StoreError::Conflict | StoreError::NotFound));
        if shutdown.is_cancelled() {
            let released = self.run.released("its worker was stopped", self.now())?;
            return ignore_conflict(self.engine.store.commit(&released, Some(&self.lease)).await);
        }
        if lost || matches!(error, EngineError::Stopped) {
            return Ok(());
        }
        if let EngineError::Store(StoreError::Broken(_)) = error {
            return Err(error);
        }
        let note = self.engine.safe_text(&error.to_string(), 1_000);
        let mut escalated = self.run.escalated(Reason::Infrastructure, &note, self.now())?;
        let attempts = self.engine.store.attempts(self.run.id).await?;
        escalated.attempt = attempts.into_iter().next_back().filter(|it| it.status == AttemptStatus::Running);
        if let Some(attempt) = &mut escalated.attempt {
            attempt.status = AttemptStatus::Failed;
            attempt.failure_reason = Some(note);
        }
        ignore_conflict(self.engine.store.commit(&escalated, Some(&self.lease)).await)
    }
}

fn ignore_conflict(result: Result<(), StoreError>) -> Result<(), EngineError> {
    match result {
        Ok(()) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Extends the lease, and stops the work as soon as the run is no longer this worker's.
async fn keep_alive(engine: Engine, lease: Lease, cancel: CancellationToken) {
    let mut extended = crate::clock::instant();
    let mut held_until = extended + engine.settings.lease;
    loop {
        tokio::time::sleep(engine.settings.pulse).await;
        let now = crate::clock::instant();
        let is_still_running = match engine.store.run(lease.run_id).await {
            Ok(run) => run.status == Status::Running,
            Err(StoreError::Broken(_)) => now < held_until,
            Err(_) => false,
        };
        let is_held = is_still_running
            && (extended.elapsed() < engine.settings.lease / 4
                || match engine.store.heartbeat(&lease, engine.clock.now() + engine.settings.lease).await {
                    Ok(is_held) => {
                        extended = now;
                        held_until = now + engine.settings.lease;
                        is_held
                    }
                    Err(_) => now < held_until,
                });
        if !is_held {
            cancel.cancel();
            return;
        }
    }
}

impl Engine {
    /// Puts runs back into the queue whose worker is dead or whose lease ended.
    pub async fn take_back_dead(&self) -> Result<Vec<RunId>, EngineError> {
        let leases = self.store.leases().await?;
        let dead: Vec<String> = leases.into_iter().map(|(_, worker)| worker).filter(|it| is_dead(it)).collect();
        let taken = self.store.take_back(self.clock.now(), &dead).await?;
        for id in &taken {
            tracing::warn!(run_id = %id, "taken back from a worker that is gone or silent");
            self.live.clear(*id);
        }
        Ok(taken)
    }

    /// Whether a living process on this machine takes any run from the queue.
    pub fn has_workers(&self) -> bool {
        let Ok(folder) = fs::read_dir(self.settings.data_dir.join("workers")) else { return false };
        let mut has_living = false;
        for entry in folder.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_dead(&name) {
                let _ = fs::remove_file(entry.path());
            } else {
                has_living = true;
            }
        }
        has_living
    }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().replace([':', '/'], "-")
}

/// Returns when a process started, in clock ticks after boot (proc(5), field 22 of stat).
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Whether a worker's name belongs to a process of this machine that no longer runs.
pub fn is_dead(worker: &str) -> bool {
    let mut parts = worker.split(':');
    let (Some(name), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else { return false };
    name == host() && pid.parse().is_ok_and(|pid| started_at(pid).is_none_or(|it| it != start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_dead_when_its_process_is_gone_or_another_one() {
        let pid = std::process::id();
        let start = started_at(pid).unwrap();
        assert!(!is_dead(&format!("{}:{pid}:{start}:x", host())));
        assert!(is_dead(&format!("{}:{pid}:1:x", host())));
        assert!(is_dead(&format!("{}:4194305:1:x", host())));
        assert!(!is_dead("elsewhere:1:1:x"));
        assert!(!is_dead("nonsense"));
    }
}
