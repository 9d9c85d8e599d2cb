//! Keeps what stands at the forge as it should be: for each family that is due it compares the two and makes one write at a time.
//!
//! It goes by states, not by events: whatever was left half done, by a crash or a lost answer, the next visit finds. Each write is looked for
//! before it is made again: by the database, a hidden marker, or a name and a commit id that follow from the run.
mod after;
pub(in crate::engine) mod branch;
pub(in crate::engine) mod checks;
mod closing;
mod copilot;
mod copilot_pull;
mod dress;
pub(in crate::engine) mod gate;
mod housekeeping;
mod issue;
mod publish;
mod scene;
mod sync;
pub(in crate::engine) mod twin;
mod words;

use crate::domain::{Digest, EventType, PrState, PullState, Run, RunId, Status};
use crate::engine::Engine;
use crate::engine::analysis::Analyst;
use crate::engine::steward::gate::MAX_FAMILIES;
use crate::engine::steward::scene::{Scene, Trouble};
use crate::engine::watch::rules_file::Read;
use crate::forge::{ForgeError, Reads, TokenKind};
use crate::rules::Rules;
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

/// Name of the place in the chain, and of what keeps other processes from doing the same.
const PLACE: &str = "github:steward";
const HOLD: Duration = Duration::from_secs(45);
/// How often the holder of the place says that it is still there.
const SIGN: Duration = Duration::from_secs(15);
/// How long a round waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often another holder of the place is looked after.
const LOOK: Duration = Duration::from_secs(5);
/// How long a database that does not answer is left alone.
const PAUSE: Duration = Duration::from_secs(2);
/// Families that are visited in one round.
const MAX_DUE: u32 = 20;
const PAGE: u32 = 500;
/// By whom GitHub says that is what a job of a workflow writes.
const OF_WORKFLOW: &str = "github-actions[bot]";
/// How often a visit begins again because somebody else changed the family or its run.
const MAX_ROUNDS: usize = 3;
/// When a family is looked at again for which there is nothing to do.
const REST: SignedDuration = SignedDuration::from_hours(1);
/// How long a repository's rules are followed as they were read.
const RULES_FRESH: SignedDuration = SignedDuration::from_secs(30);
/// What happens to a run that may want something of the forge.
const FOLLOWED: &[EventType] = &[
    EventType::RunCreated,
    EventType::RunRequeued,
    EventType::RunEscalated,
    EventType::RunApproved,
    EventType::RunDenied,
    EventType::RunAborted,
    EventType::RunHumanFixed,
    EventType::RunRecurred,
    EventType::AttemptSucceeded,
    EventType::PrMerged,
    EventType::PrWanted,
];

/// What came of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Something was changed, and more may follow at once.
    Again,
    /// There is nothing to do before that time.
    Until(Timestamp),
}

/// The steward of a backlog.
#[derive(Debug)]
pub struct Steward {
    engine: Engine,
    /// By whom a family is held.
    me: String,
    analyst: Option<Analyst>,
    rules: Mutex<BTreeMap<String, Known>>,
    login: OnceCell<Option<String>>,
}

/// What is known of how a repository wants to be healed.
#[derive(Debug, Default)]
struct Known {
    at: Option<Timestamp>,
    default_branch: String,
    read: Read,
}

impl Steward {
    /// Returns a steward; it asks nothing yet.
    pub fn new(engine: Engine) -> Self {
        let analyst = engine.forge.reads.clone().map(|it| Analyst::new(&engine, it));
        let me = format!("{}:{}", std::process::id(), RunId::random());
        Self { engine, me, analyst, rules: Mutex::default(), login: OnceCell::new() }
    }

    /// Visits families as they become due, until stopped; one process of all does.
    pub async fn run(&self, stop: &CancellationToken) {
        if self.engine.forge.reads.is_none() {
            return;
        }
        let mut sweeps = housekeeping::Sweeps::default();
        let mut is_new = true;
        while !stop.is_cancelled() {
            let round = Box::pin(self.round(&mut sweeps, &mut is_new));
            let Some(ended) = stop.run_until_cancelled(round).await else { break };
            let pause = match ended {
                Ok(true) => continue,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "cannot look after what is at the forge");
                    PAUSE
                }
            };
            let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        // For whoever is next. If it fails, the time of the hold is over soon.
        let _ = self.engine.store.hold_cursor(PLACE, &self.me, self.engine.clock.now(), Duration::ZERO).await;
    }

    /// Follows the chain, visits what is due, and waits a while. Returns whether the place is held.
    async fn round(&self, sweeps: &mut housekeeping::Sweeps, is_new: &mut bool) -> Result<bool, StoreError> {
        let now = self.engine.clock.now();
        let Some(place) = self.engine.store.hold_cursor(PLACE, &self.me, now, HOLD).await? else { return Ok(false) };
        if *is_new {
            self.wake_all().await?;
            *is_new = false;
        }
        tokio::select! {
            lost = self.keep_place() => lost.map(|()| false),
            is_held = Box::pin(self.visits(place, sweeps)) => is_held,
        }
    }

    /// Has all that is not over looked at: whoever was here before may have left it alone for long, because nothing might be changed then.
    async fn wake_all(&self) -> Result<(), StoreError> {
        let now = self.engine.clock.now();
        for repository in &self.engine.forge.terms.watch {
            let families = self.engine.store.families(repository, MAX_FAMILIES).await?;
            let asleep = families.iter().filter(|it| it.due_at.is_some_and(|due| due > now));
            self.engine.store.make_due(&asleep.map(|it| it.run_id).collect::<Vec<_>>(), now).await?;
        }
        Ok(())
    }

    /// Keeps the place while visits go on, which may take longer than it is held for; returns when it is lost.
    async fn keep_place(&self) -> Result<(), StoreError> {
        loop {
            tokio::time::sleep(SIGN).await;
            if self.engine.store.hold_cursor(PLACE, &self.me, self.engine.clock.now(), HOLD).await?.is_none() {
                return Ok(());
            }
        }
    }

    async fn visits(&self, place: u64, sweeps: &mut housekeeping::Sweeps) -> Result<bool, StoreError> {
        let store = &self.engine.store;
        let now = self.engine.clock.now();
        let events = store.events(None, place, PAGE).await?;
        let seq = events.last().map_or(place, |it| it.seq);
        let runs: Vec<RunId> = events.iter().filter(|it| FOLLOWED.contains(&it.kind)).map(|it| it.run_id).collect();
        if !runs.is_empty() {
            store.make_due(&runs, now).await?;
        }
        if seq > place && !store.move_cursor(PLACE, &self.me, seq).await? {
            return Ok(false);
        }
        let due = store.due(now, MAX_DUE).await?;
        for family in &due {
            if let Err(error) = self.visit(&family.key).await {
                tracing::warn!(%error, family = family.key.short(), "a visit came to nothing");
                // The next ones have their turn, and this one again later.
                store.make_due(&[family.run_id], self.engine.clock.now() + SignedDuration::from_secs(5)).await?;
            }
            if store.hold_cursor(PLACE, &self.me, self.engine.clock.now(), HOLD).await?.is_none() {
                return Ok(false);
            }
        }
        sweeps.sweep(self).await?;
        if due.is_empty() {
            store.changed(seq, PATIENCE).await?;
        }
        Ok(true)
    }

    /// Brings a family one step closer to how it should stand at the forge.
    pub async fn visit(&self, key: &Digest) -> Result<Visit, StoreError> {
        for _ in 0..MAX_ROUNDS {
            match Box::pin(self.look(key)).await {
                Err(StoreError::Conflict) => {}
                other => return other,
            }
        }
        Ok(Visit::Until(self.engine.clock.now() + SignedDuration::from_secs(1)))
    }

    async fn look(&self, key: &Digest) -> Result<Visit, StoreError> {
        let store = &self.engine.store;
        let now = self.engine.clock.now();
        let Some(family) = store.family(key).await? else { return Ok(Visit::Until(now + REST)) };
        if let Some(hold) = family.held.as_ref().filter(|it| it.until > now) {
            store.make_due(&[family.run_id], hold.until).await?;
            return Ok(Visit::Until(hold.until));
        }
        let run = store.run(family.run_id).await?;
        let seat = &self.engine.forge;
        if !seat.terms.watches(&family.repository) {
            store.make_due(&[run.id], now + REST).await?;
            return Ok(Visit::Until(now + REST));
        }
        let Some(reads) = &seat.reads else { return Ok(Visit::Until(now + REST)) };
        let attempts = store.attempts(run.id).await?;
        let (failed_jobs, unread_jobs, suggested) = self.analysis(&run).await?;
        let mut scene = Scene {
            steward: self,
            reads: reads.clone(),
            writes: seat.writes.clone(),
            family,
            failed_jobs,
            unread_jobs,
            suggested,
            run,
            attempts,
            default_branch: String::new(),
            rules: Arc::default(),
            refusal: None,
            pull: None,
            now,
            step: "look",
            look_at: now + REST,
            is_over: false,
        };
        let visit = match scene.steps().await {
            Ok(visit) => visit,
            Err(trouble) => scene.settle(trouble).await?,
        };
        match visit {
            Visit::Until(_) if scene.is_over => scene.rest().await?,
            Visit::Until(at) => store.make_due(&[scene.family.run_id], at).await?,
            Visit::Again => {}
        }
        Ok(visit)
    }

    /// Returns how many jobs failed, of how many of them no log was read, and what the rules suggest, as the analysis of the run says.
    async fn analysis(&self, run: &Run) -> Result<(String, u64, Vec<String>), StoreError> {
        let output = self.engine.store.output(run.id, "failure_analysis.json").await?;
        let doc: serde_json::Value = output.and_then(|it| serde_json::from_slice(&it.bytes).ok()).unwrap_or_default();
        let count = doc["failed_jobs_count"].as_u64().filter(|it| *it < 10_000).unwrap_or(1);
        let unread = doc["paramedic"]["unread_jobs_count"].as_u64().filter(|it| *it < count).unwrap_or(0);
        let suggested = doc["paramedic"]["suggestions"].as_array().into_iter().flatten();
        Ok((count.to_string(), unread, suggested.filter_map(|it| it.as_str().map(str::to_owned)).collect()))
    }

    /// Returns a repository's default branch and its rules as they stand there, or why they cannot be followed.
    async fn rules_of(
        &self,
        reads: &dyn Reads,
        repository: &str,
        now: Timestamp,
    ) -> Result<(String, Arc<Rules>, Option<String>), ForgeError> {
        let mut all = self.rules.lock().await;
        let Known { at, default_branch, read } = all.entry(repository.to_owned()).or_default();
        let age = at.map(|it| now.duration_since(it));
        if age.is_none_or(|it| it.is_negative() || it >= RULES_FRESH) {
            *default_branch = reads.repository(repository).await?.default_branch;
            read.refresh(reads, repository, default_branch, true, now).await?;
            *at = Some(now);
        }
        Ok((default_branch.clone(), read.rules.clone().unwrap_or_default(), read.refusal().map(str::to_owned)))
    }

    /// Whether something at the forge was written by us. Where it is not known who we are, nothing was.
    async fn is_ours(&self, reads: &dyn Reads, author: &str) -> Result<bool, ForgeError> {
        let login = async {
            let abilities = reads.abilities().await?;
            let of_workflow = (abilities.kind == TokenKind::Actions).then(|| OF_WORKFLOW.to_owned());
            Ok(abilities.login.or(of_workflow))
        };
        let login = self.login.get_or_try_init(|| login).await?;
        Ok(login.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(author)))
    }
}

impl Scene<'_> {
    /// Goes through the steps until one of them changes something.
    async fn steps(&mut self) -> Result<Visit, Trouble> {
        // Without these nothing is known of how things stand, and nothing else may be done.
        if let Some(visit) = self.settle_merge().await? {
            return Ok(visit);
        }
        if let Some(visit) = self.sync().await? {
            return Ok(visit);
        }
        if self.writes.is_none() {
            // Whoever was asked before may answer all the same.
            return match self.follow_copilot().await? {
                Some(visit) => Ok(visit),
                None => self.say_why_not().await,
            };
        }
        let rules = self.steward.rules_of(&*self.reads, &self.family.repository, self.now).await?;
        (self.default_branch, self.rules, self.refusal) = rules;
        macro_rules! step {
            ($($step:ident),+) => {$(
                self.step = stringify!($step);
                match self.$step().await {
                    Ok(None) | Err(Trouble::NotYet(_)) => {}
                    Ok(Some(visit)) => return Ok(visit),
                    Err(trouble) if trouble.is_of_one_step() => _ = self.refused(&trouble.to_string()).await?,
                    Err(trouble) => return Err(trouble),
                }
            )+};
        }
        if self.refusal.is_some() {
            // What the repository wants is not known: what stands there stays as it is.
            step!(close, follow_twin, publish, follow_copilot);
        } else {
            step!(close, follow_twin, publish, label, ask_reviewers, describe, check, ready);
            step!(
                delete_branch,
                run_again,
                follow_up,
                take_back,
                track,
                tell,
                ask_copilot,
                follow_copilot,
                leave_copilot
            );
            step!(close_issue);
        }
        let now = self.now;
        // Tried again, and not refused.
        if self.family.refusals.values().any(|it| it.retry_at <= now) {
            self.record(Vec::new(), |family| family.refusals.retain(|_, it| it.retry_at > now)).await?;
        }
        if let Some(at) = self.family.refusals.values().map(|it| it.retry_at).min() {
            self.look_again(at);
        }
        self.is_over = self.is_nothing_left();
        Ok(Visit::Until(self.look_at))
    }

    /// Whether every step has done what it can, and only what happens to the run gives one more to do.
    fn is_nothing_left(&self) -> bool {
        let is_live = |it: &PullState| matches!(it.state, PrState::Open | PrState::None);
        let is_at_rest = !matches!(self.run.status, Status::Queued | Status::Running);
        is_at_rest
            && self.look_at == self.now + REST
            && self.refusal.is_none()
            && self.is_nothing_to_publish()
            && !self.family.pull.as_ref().is_some_and(is_live)
            && !self.family.other_pull.as_ref().is_some_and(|it| it.is_open)
    }

    /// Says once why what would be published stays here, where nothing at the forge may be changed.
    async fn say_why_not(&mut self) -> Result<Visit, Trouble> {
        let why_not = self.steward.engine.forge.why_not.clone();
        let why = why_not.unwrap_or_else(|| "nothing is changed at the forge".to_owned());
        let is_here = self.wanted().is_some() && self.candidate().is_some() && self.family.open_pull().is_none();
        if is_here && self.family.skipped.as_ref() != Some(&why) {
            self.record(vec![gate::skipped(&why)], |family| family.skipped = Some(why)).await?;
        }
        Ok(Visit::Until(self.look_at))
    }
}
