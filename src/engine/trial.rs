//! One run of the test command in a fresh tree: prepare, run, read the output as it comes, keep head and tail.
use crate::domain::output::gap;
use crate::domain::{Failure, Patch};
use crate::engine::EngineError;
use crate::engine::live::LiveTail;
use crate::engine::session::Session;
use crate::evidence::extractor::{ExitHint, Extractor, Options};
use crate::process::{Exit, Job, Kept, Sink};
use crate::workspace::Preparation;
use crate::workspace::Tree;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

/// How a trial ended and what its output says.
#[derive(Debug)]
pub struct Trial {
    pub exit: Exit,
    pub failure: Failure,
    pub duration: Duration,
    /// What was odd on the way, for the timeline.
    pub notes: Vec<String>,
}

impl Trial {
    pub const fn is_green(&self) -> bool {
        self.exit.is_green()
    }

    /// Returns the end in words.
    pub fn ended(&self) -> String {
        let seconds = self.duration.as_secs_f64();
        match self.exit {
            Exit::Code(0) => format!("green in {seconds:.1} s"),
            Exit::Code(code) => format!("red (exit {code}) in {seconds:.1} s"),
            Exit::Signal(signal) => format!("red (killed by signal {signal}) in {seconds:.1} s"),
            Exit::TimedOut => format!("cut by the time limit after {seconds:.0} s"),
            Exit::Cancelled => "stopped".to_owned(),
        }
    }
}

struct Tee<'a> {
    extractor: Extractor,
    live: LiveTail<'a>,
}

impl Sink for Tee<'_> {
    fn chunk(&mut self, bytes: &[u8]) {
        self.extractor.push(bytes);
        self.live.chunk(bytes);
    }
}

impl Session<'_> {
    /// Makes a fresh tree of the failing commit, with `patch` applied.
    pub async fn fresh_tree(&mut self, patch: Option<&Patch>) -> Result<Tree, EngineError> {
        let workspace = &self.engine.workspace;
        let tree = match self.untouched.take() {
            Some(tree) => tree,
            None => workspace.tree_of(self.base().await?).await?,
        };
        if let Some(patch) = patch {
            workspace.apply(&tree, patch).await?;
        }
        Ok(tree)
    }

    /// Runs the test command on the failing commit with `patch` applied, in a tree of its own, and keeps the output under `name`.
    pub async fn trial(&mut self, phase: &str, name: &str, patch: Option<&Patch>) -> Result<Trial, EngineError> {
        let tree = self.fresh_tree(patch).await?;
        let command = self.run.order.test_command.clone().unwrap_or_default();
        let mut notes = Vec::new();
        let prepared = self.prepare(phase, &tree, &command, patch, &mut notes).await?;
        let command = if prepared.is_some() { Preparation::used_by(&command) } else { command };
        let mut trial = self.run_kept(&tree, &command, phase, false, prepared.as_deref(), Some(name)).await?;
        trial.notes = notes;
        Ok(trial)
    }

    /// Fetches what the tests need, if anything. Returns the folder it is in: the tree's own, or one from before that serves as well.
    async fn prepare(
        &mut self,
        phase: &str,
        tree: &Tree,
        command: &str,
        patch: Option<&Patch>,
        notes: &mut Vec<String>,
    ) -> Result<Option<PathBuf>, EngineError> {
        if self.run.order.is_offline || self.cannot_prepare {
            return Ok(None);
        }
        let Some(Preparation { command, reason, key }) = self.preparation(tree, command, patch).await? else {
            return Ok(None);
        };
        if let Some((_, held)) = self.prepared.as_ref().filter(|(it, _)| key.as_ref() == Some(it)) {
            return Ok(Some(held.scratch.clone()));
        }
        // What is shared is made where no test can write to it.
        let shared = match &key {
            Some(_) => Some(self.fresh_tree(patch).await?),
            None => None,
        };
        let place = shared.as_ref().unwrap_or(tree);
        let phase = format!("{phase}: fetching dependencies");
        let done = self.run_kept(place, &command, &phase, true, None, None).await?;
        if !done.exit.is_green() {
            // Without a network each try takes long; one is enough for a step.
            self.cannot_prepare = true;
            let ended = done.ended();
            notes.push(format!("dependencies could not be fetched ({reason}, {ended}); going on with what is there"));
            return Ok(None);
        }
        let scratch = place.scratch.clone();
        self.prepared = key.zip(shared);
        Ok(Some(scratch))
    }

    /// Returns what must be fetched; the answer for the same patch is the same.
    async fn preparation(
        &mut self,
        tree: &Tree,
        command: &str,
        patch: Option<&Patch>,
    ) -> Result<Option<Preparation>, EngineError> {
        if let Some((_, found)) = self.preparation.as_ref().filter(|(it, _)| it.as_ref() == patch) {
            return Ok(found.clone());
        }
        let found = self.engine.workspace.find_preparation(tree, command).await?;
        self.preparation = Some((patch.cloned(), found.clone()));
        Ok(found)
    }

    async fn run_kept(
        &self,
        tree: &Tree,
        command: &str,
        phase: &str,
        network: bool,
        prepared: Option<&Path>,
        name: Option<&str>,
    ) -> Result<Trial, EngineError> {
        let engine = self.engine;
        let live = LiveTail::new(&engine.live, &engine.masker, self.run.id, phase, self.now());
        let roots = vec![tree.root.to_string_lossy().into_owned(), self.repo()?.to_string_lossy().into_owned()];
        let extractor = Extractor::new(Options {
            roots,
            masker: engine.masker.clone(),
            budget_tokens: engine.settings.log_budget_tokens,
            ..Options::default()
        });
        let mut both = Tee { extractor, live };
        let variable = |name: &str, path: &Path| (name.to_owned(), path.to_string_lossy().into_owned());
        let scratch = [variable("PARAMEDIC_SCRATCH", &tree.scratch)];
        let env: Vec<_> = scratch.into_iter().chain(prepared.map(|it| variable("PARAMEDIC_PREPARED", it))).collect();
        let job = Job {
            command,
            cwd: &tree.root,
            scratch: &tree.scratch,
            writable: &[],
            env: &env,
            stdin: None,
            network,
            timeout: Duration::from_millis(self.run.order.timeout_ms),
        };
        let since = mark_start(tree)?;
        let mut outcome = engine.launcher.run(&job, &mut both, &self.cancel).await?;
        both.live.write();
        if outcome.exit == Exit::Cancelled || self.cancel.is_cancelled() {
            return Err(EngineError::Stopped);
        }
        let account = engine.workspace.reports(tree, since).await?;
        outcome.output.tail.extend_from_slice(both.extractor.take_account(account).as_bytes());
        if let Some(name) = name {
            self.keep_output(name, &joined(&outcome.output), outcome.output.dropped).await?;
        }
        let hint = match outcome.exit {
            Exit::Code(0) => ExitHint::Passed,
            Exit::TimedOut => ExitHint::TimedOut,
            _ => ExitHint::Failed,
        };
        let failure = both.extractor.finish(hint);
        Ok(Trial { exit: outcome.exit, failure, duration: outcome.duration, notes: Vec::new() })
    }
}

/// Returns the time of the file system at which a run begins: the clock that the files it writes go by.
fn mark_start(tree: &Tree) -> std::io::Result<SystemTime> {
    let path = tree.scratch.join("started");
    std::fs::write(&path, b"")?;
    path.metadata()?.modified()
}

/// Joins head and tail; between them a line says how much is missing.
pub fn joined(kept: &Kept) -> Vec<u8> {
    let mut bytes = kept.head.clone();
    if kept.dropped > 0 {
        bytes.extend_from_slice(format!("\n{}\n", gap(kept.dropped)).as_bytes());
    }
    bytes.extend_from_slice(&kept.tail);
    bytes
}
