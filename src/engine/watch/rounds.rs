//! The rounds of the one that watches: who is looked at when, what is taken in meanwhile, and what is told of it.
use crate::domain::{
    CiRun, Digest, EventType, LimitsPicture, NewEvent, Picture, PrState, PullState, RunId, RunQuery, SeenRun, Used,
    limits,
};
use crate::engine::ci::{BUDGET, PICTURE};
use crate::engine::watch::intake::{IntakeError, Red, heals_a_day};
use crate::engine::watch::{Shared, interval, repository::Watched};
use crate::engine::{Engine, analysis};
use crate::forge::ForgeError;
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::{self, Discriminant};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// Red runs that are read at once.
const MAX_READING: usize = 2;
/// A repository is not looked at again sooner than this, however often somebody says that something happened.
const LEAST: Duration = Duration::from_secs(3);
/// How often what is shown is stored where nothing but the time has changed.
const TELL: Duration = Duration::from_secs(10);
/// How often what old outputs leave behind is removed.
const PRUNE: Duration = Duration::from_hours(24);
/// How often pull requests and merges of a repository are read anew, and how often its runs where none was taken in.
const FRESH: Duration = Duration::from_secs(30);
const RUNS_FRESH: Duration = Duration::from_mins(10);
/// After which pause a red run is tried again; then once an hour.
const TRIES: &[Duration] = &[Duration::from_secs(15), Duration::from_mins(1), Duration::from_mins(5)];
const RARELY: Duration = Duration::from_hours(1);
/// How long a red run is tried at all.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long a red run waits where there is too little left of the budget.
const SPARED: Duration = Duration::from_mins(1);
/// Characters of a foreign text that is shown. A picture of the longest texts is still taken by the store.
const MAX_CHARS: usize = 300;
/// Pull requests of a run that are told.
const MAX_PULLS: usize = 20;
/// Families and runs of a repository that limits are counted from.
const MAX_COUNTED: u32 = 500;

/// A run of a repository, by its place among the watched ones, its id and its attempt.
type Name = (usize, u64, u32);

/// Everything between the first look and the last.
#[derive(Debug)]
pub(super) struct Rounds {
    shared: Arc<Shared>,
    seats: Vec<Seat>,
    waiting: BTreeMap<Name, Waiting>,
    reading: JoinSet<(Name, Result<RunId, IntakeError>)>,
    told_budget: Option<(Instant, Digest)>,
}

/// A repository and when it is looked at.
#[derive(Debug)]
struct Seat {
    watched: Watched,
    due: Instant,
    looked_at: Option<Instant>,
    n_errors: u32,
    told_at: Option<Instant>,
    counted_at: Option<Instant>,
    runs_at: Option<Instant>,
    heals: BTreeMap<String, Used>,
    pruned_at: Option<Instant>,
    merged: BTreeSet<String>,
    /// Pull requests of ours that are closed, with the runs that stand for their families.
    closed: Vec<(RunId, PullState)>,
    /// The newest run that was looked through for what happened to those.
    newest: u64,
    /// The refusal of the rules that was told.
    refusal: Option<String>,
    /// Which kind of error the look before came to.
    trouble: Option<Discriminant<ForgeError>>,
}

/// A red run that is to be taken in.
#[derive(Debug)]
struct Waiting {
    run: CiRun,
    since: Timestamp,
    due: Instant,
    n_tried: usize,
    /// Who reads it now.
    reader: Option<Id>,
}

impl Rounds {
    /// Goes on from what was seen last, by whichever process.
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let stored = shared.engine.store.snapshots(PICTURE).await?;
        let stored: Vec<Picture> =
            stored.into_iter().filter_map(|(_, doc, _)| serde_json::from_value(doc).ok()).collect();
        let now = Instant::now();
        let seat = |repository: &String| {
            let picture = stored.iter().find(|it| it.repository.eq_ignore_ascii_case(repository)).cloned();
            Seat {
                refusal: picture.as_ref().and_then(|it| it.rules.refusal.clone()),
                newest: picture.as_ref().map_or(0, newest),
                watched: Watched::new(repository, picture),
                due: now,
                looked_at: None,
                n_errors: 0,
                told_at: None,
                counted_at: None,
                runs_at: None,
                heals: BTreeMap::new(),
                pruned_at: None,
                merged: BTreeSet::new(),
                closed: Vec::new(),
                trouble: None,
            }
        };
        let seats = shared.engine.forge.terms.watch.iter().map(seat).collect();
        Ok(Self { shared, seats, waiting: BTreeMap::new(), reading: JoinSet::new(), told_budget: None })
    }

    /// Looks, takes in, waits; ends with an error of the store only.
    pub(super) async fn go_on(&mut self) -> Result<(), StoreError> {
        loop {
            self.take_pokes();
            for idx in 0..self.seats.len() {
                if self.seats[idx].due <= Instant::now() {
                    self.look(idx).await?;
                }
            }
            self.forget_unwanted();
            self.begin_reading();
            self.tell_budget().await?;
            let next = self.next();
            tokio::select! {
                Some(read) = self.reading.join_next() => {
                    match read {
                        Ok((name, taken)) => self.settle(name, taken).await?,
                        Err(error) => self.broke_off(&error).await?,
                    }
                }
                () = self.shared.pokes().came() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Returns when something is to be done next.
    fn next(&self) -> Instant {
        let looks = self.seats.iter().map(|it| it.due);
        let can_read = self.reading.len() < self.most_reading();
        let reads = self.waiting.values().filter(|it| can_read && it.reader.is_none()).map(|it| it.due);
        looks.chain(reads).min().unwrap_or_else(|| Instant::now() + TELL)
    }

    fn take_pokes(&mut self) {
        let poked = self.shared.pokes().take();
        for seat in &mut self.seats {
            if poked.contains(&seat.watched.picture().repository.to_lowercase()) {
                let soonest = seat.looked_at.map_or_else(Instant::now, |it| it + LEAST);
                seat.due = seat.due.min(soonest.max(Instant::now()));
            }
        }
    }

    async fn look(&mut self, idx: usize) -> Result<(), StoreError> {
        self.count(idx).await?;
        let shared = self.shared.clone();
        let (terms, reads) = (&shared.engine.forge.terms, shared.reads.as_ref());
        let (now, n_watched) = (shared.engine.clock.now(), self.seats.len());
        let seat = &mut self.seats[idx];
        let looked = seat.watched.look(reads, terms, &seat.merged, now).await;
        seat.looked_at = Some(Instant::now());
        let idle = terms.poll_idle;
        let (wait, is_told) = match &looked {
            Ok(look) => {
                seat.n_errors = 0;
                if seat.trouble.take().is_some() {
                    tracing::info!(repository = seat.watched.picture().repository, "looked at again");
                }
                (seat.watched.wait(terms, n_watched, reads, chance(), now), look.changed)
            }
            Err(error) => {
                seat.n_errors = seat.n_errors.saturating_add(1);
                let kind = Some(mem::discriminant(error));
                let is_new = seat.trouble != kind;
                seat.trouble = kind;
                let why = shared.engine.safe_text(&with_advice(error), 500);
                if is_new {
                    tracing::warn!(repository = seat.watched.picture().repository, why, "not looked at for now");
                }
                seat.watched.failed(&why);
                (until(error, now).unwrap_or_else(|| interval::pause(idle, seat.n_errors)), is_new)
            }
        };
        seat.due = Instant::now() + wait;
        seat.watched.next_at(now + SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO));
        if let Ok(look) = looked {
            for run in look.red {
                self.want(idx, run).await?;
            }
            for run in look.recovered {
                self.recovered(&run).await?;
            }
            self.hear_of_closed(idx, look.has_read_pulls).await?;
            self.tell_refusal(idx).await?;
            self.prune(idx).await?;
        }
        self.tell(idx, is_told).await
    }

    /// Reads anew what was merged and what was used up.
    async fn count(&mut self, idx: usize) -> Result<(), StoreError> {
        let (engine, seat) = (&self.shared.engine, &mut self.seats[idx]);
        if seat.counted_at.is_some_and(|it| it.elapsed() < FRESH) {
            return Ok(());
        }
        seat.counted_at = Some(Instant::now());
        let (repository, now) = (seat.watched.picture().repository.clone(), engine.clock.now());
        let families = engine.store.families(&repository, MAX_COUNTED).await?;
        seat.merged = families.iter().filter_map(|it| Some(it.after.as_ref()?.merged_sha.clone())).collect();
        let is_closed = |it: &PullState| it.state == PrState::Closed;
        let closed = families.iter().filter_map(|it| Some((it.run_id, it.pull.clone().filter(is_closed)?)));
        seat.closed = closed.collect();
        let Some(rules) = seat.watched.rules() else { return Ok(()) };
        let (terms, heals) = (&engine.forge.terms, heals_a_day(&rules, &engine.forge.terms));
        if seat.runs_at.is_none_or(|it| it.elapsed() >= RUNS_FRESH) {
            seat.runs_at = Some(Instant::now());
            let query = RunQuery { repository: Some(repository), limit: MAX_COUNTED.into(), ..RunQuery::default() };
            seat.heals = limits(&[], &engine.store.runs(&query).await?.0, terms, heals, now).heals_today;
        }
        let pulls = limits(&families, &[], terms, heals, now);
        seat.watched.limits(LimitsPicture { heals_today: seat.heals.clone(), ..pulls });
        Ok(())
    }

    /// Notes that a red run is to be taken in, unless it was.
    async fn want(&mut self, idx: usize, run: CiRun) -> Result<(), StoreError> {
        let name = (idx, run.id, run.attempt);
        if self.waiting.contains_key(&name) {
            return Ok(());
        }
        if let Some(heal) = self.shared.engine.store.delivery(&Red::delivery(&run)).await? {
            self.seats[idx].watched.taken_in(run.id, run.attempt, heal);
            return Ok(());
        }
        let since = self.shared.engine.clock.now();
        self.waiting.insert(name, Waiting { run, since, due: Instant::now(), n_tried: 0, reader: None });
        Ok(())
    }

    /// Lets go of what waits and is not to be taken in any more: it was started again, or the rules leave it out now.
    fn forget_unwanted(&mut self) {
        let seats = &self.seats;
        self.waiting
            .retain(|(idx, id, attempt), it| it.reader.is_some() || seats[*idx].watched.is_wanted(*id, *attempt));
    }

    /// Begins to read those that have waited longest, those of our own branches before those of forks. What is red is read whole, and there
    /// may be much of it: with little left of the budget one is read at a time and no fork's, and with next to nothing left none is.
    fn begin_reading(&mut self) {
        let now = Instant::now();
        let is_of_fork = |(idx, ..): &Name, run: &CiRun| {
            let repository = &self.seats[*idx].watched.picture().repository;
            !run.head_repository.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(repository))
        };
        let ready = self.waiting.iter().filter(|(_, it)| it.reader.is_none() && it.due <= now);
        let mut ready: Vec<(bool, Name)> = ready.map(|(name, it)| (is_of_fork(name, &it.run), *name)).collect();
        ready.sort_by_key(|(is_of_fork, (_, id, attempt))| (*is_of_fork, *id, *attempt));
        let budget = self.shared.reads.budget();
        let (is_scarce, is_spent) = (interval::is_scarce(&budget), interval::is_spent(&budget));
        for (is_of_fork, name) in ready {
            if is_spent || (is_scarce && is_of_fork) {
                self.spare(name);
                continue;
            }
            if self.reading.len() >= self.most_reading() {
                break;
            }
            let Some(waiting) = self.waiting.get_mut(&name) else { continue };
            let watched = &self.seats[name.0].watched;
            // Where the rules were refused meanwhile nothing is taken in; a later look finds it again.
            let Some(rules) = watched.rules() else {
                self.waiting.remove(&name);
                continue;
            };
            let red = Red {
                repository: watched.picture().repository.clone(),
                default_branch: watched.picture().default_branch.clone(),
                rules,
                run: waiting.run.clone(),
                is_last_try: waiting.n_tried >= TRIES.len(),
            };
            let shared = self.shared.clone();
            waiting.reader = Some(self.reading.spawn(async move { (name, shared.take_in(&red).await) }).id());
        }
    }

    /// Returns how many red runs are read at once.
    fn most_reading(&self) -> usize {
        if interval::is_scarce(&self.shared.reads.budget()) { 1 } else { MAX_READING }
    }

    /// Lets a red run wait until there is more of the budget again.
    fn spare(&mut self, name: Name) {
        let (idx, id, attempt) = name;
        if let Some(waiting) = self.waiting.get_mut(&name) {
            waiting.due = Instant::now() + SPARED;
            self.seats[idx].watched.put_off(id, attempt, "this hour's requests of GitHub are nearly used up");
        }
    }

    /// Notes that whoever read a red run broke off: it is tried again like one that could not be read.
    async fn broke_off(&mut self, error: &JoinError) -> Result<(), StoreError> {
        tracing::error!(%error, "the reading of a red run broke off");
        let read_by = |it: &Waiting| it.reader == Some(error.id());
        let name = self.waiting.iter().find(|(_, it)| read_by(it)).map(|(name, _)| *name);
        match name {
            Some(name) => self.settle(name, Err(IntakeError::BrokeOff)).await,
            None => Ok(()),
        }
    }

    /// Notes what became of a red run, or when it is tried again.
    async fn settle(&mut self, name: Name, taken: Result<RunId, IntakeError>) -> Result<(), StoreError> {
        let (idx, id, attempt) = name;
        let now = self.shared.engine.clock.now();
        let error = match taken {
            Ok(heal) => {
                self.waiting.remove(&name);
                self.seats[idx].watched.taken_in(id, attempt, heal);
                (self.seats[idx].counted_at, self.seats[idx].runs_at) = (None, None);
                // It may have turned green while it was read, when there was nobody yet to tell it to.
                if let Some(run) = self.seats[idx].watched.green_after(id, attempt).cloned() {
                    self.tell_green(heal, &run).await?;
                }
                return self.tell(idx, true).await;
            }
            Err(IntakeError::Store(error)) => return Err(error),
            Err(error) => error,
        };
        let Some(waiting) = self.waiting.get_mut(&name) else { return Ok(()) };
        waiting.reader = None;
        let later = match &error {
            IntakeError::Forge(error) => until(error, now),
            _ => None,
        };
        if later.is_none() {
            waiting.n_tried += 1;
        }
        let pause = TRIES.get(waiting.n_tried.saturating_sub(1)).copied().unwrap_or(RARELY);
        waiting.due = Instant::now() + later.unwrap_or(pause);
        let why = self.shared.engine.safe_text(&error.to_string(), 500);
        let repository = &self.seats[idx].watched.picture().repository;
        if now.duration_since(waiting.since) < TRIED_FOR {
            tracing::info!(repository, ci_run = id, why, "not taken in yet");
            self.seats[idx].watched.put_off(id, attempt, &why);
        } else {
            tracing::warn!(repository, ci_run = id, why, "not taken in");
            self.waiting.remove(&name);
            self.seats[idx].watched.give_up(id, attempt, &why);
        }
        self.tell(idx, true).await
    }

    /// Has the steward look at a closed pull request of ours that is among the open ones, or that a new run of CI speaks of. It costs nothing
    /// until then.
    async fn hear_of_closed(&mut self, idx: usize, has_read_pulls: bool) -> Result<(), StoreError> {
        let seat = &mut self.seats[idx];
        let picture = seat.watched.picture();
        let is_listed = |it: &PullState| picture.pulls.iter().any(|open| Some(open.number) == it.number);
        let is_new = |it: &&SeenRun| it.run.id > seat.newest;
        let is_spoken_of = |it: &PullState| picture.runs.iter().filter(is_new).any(|seen| it.is_seen_in(&seen.run));
        let heard = seat.closed.iter().filter(|(_, it)| (has_read_pulls && is_listed(it)) || is_spoken_of(it));
        let heard: Vec<RunId> = heard.map(|(run, _)| *run).collect();
        seat.newest = seat.newest.max(newest(picture));
        if heard.is_empty() {
            return Ok(());
        }
        self.shared.engine.store.make_due(&heard, self.shared.engine.clock.now()).await
    }

    /// Tells whom it may concern that a run of CI was red and is green.
    async fn recovered(&self, run: &CiRun) -> Result<(), StoreError> {
        let before = CiRun { attempt: run.attempt - 1, ..run.clone() };
        match self.shared.engine.store.delivery(&Red::delivery(&before)).await? {
            Some(heal) => self.tell_green(heal, run).await,
            None => Ok(()),
        }
    }

    /// Says once with the run that stands for a red one that CI was green when it ran again at the same commit.
    async fn tell_green(&self, heal: RunId, run: &CiRun) -> Result<(), StoreError> {
        let engine = &self.shared.engine;
        let said = format!("CI was green when it ran again: run {}, attempt {}", run.id, run.attempt);
        let payload = json!({ "green": run.attempt, "ciRun": run.id });
        let known = engine.store.events(Some(heal), 0, MAX_COUNTED).await?;
        if known.iter().any(|it| it.payload == payload) {
            return Ok(());
        }
        let (fact, now) = ([NewEvent::new(EventType::RunRecurred, "system", said).with(payload)], engine.clock.now());
        engine.store.note(heal, &fact, now).await
    }

    /// Says once that the rules of a repository cannot be followed.
    async fn tell_refusal(&mut self, idx: usize) -> Result<(), StoreError> {
        let (engine, seat) = (&self.shared.engine, &mut self.seats[idx]);
        let refusal = seat.watched.picture().rules.refusal.clone();
        if refusal == seat.refusal {
            return Ok(());
        }
        seat.refusal.clone_from(&refusal);
        let Some(why) = refusal else { return Ok(()) };
        let repository = &seat.watched.picture().repository;
        let said =
            format!("{repository}: {} cannot be followed, so nothing there is healed: {why}", crate::rules::PATH);
        let fact = NewEvent::new(EventType::CiRefused, "system", engine.safe_text(&said, 1_000));
        engine.store.note(RunId::NONE, &[fact.with(json!({ "repository": repository }))], engine.clock.now()).await
    }

    /// Removes what the repository's rules say is old.
    async fn prune(&mut self, idx: usize) -> Result<(), StoreError> {
        let (engine, seat) = (&self.shared.engine, &mut self.seats[idx]);
        let Some(rules) = seat.watched.rules() else { return Ok(()) };
        if seat.pruned_at.is_some_and(|it| it.elapsed() < PRUNE) {
            return Ok(());
        }
        seat.pruned_at = Some(Instant::now());
        let kept = SignedDuration::from_hours(24 * i64::from(rules.logging.retention_days));
        let names: Vec<&str> = analysis::NAMES.iter().copied().chain([crate::domain::output::REPORTED]).collect();
        let before = engine.clock.now() - kept;
        let n = engine.store.prune_outputs(&seat.watched.picture().repository, &names, before).await?;
        if n > 0 {
            tracing::info!(repository = seat.watched.picture().repository, n, "old outputs were removed");
        }
        Ok(())
    }

    async fn tell(&mut self, idx: usize, at_once: bool) -> Result<(), StoreError> {
        let (engine, seat) = (&self.shared.engine, &mut self.seats[idx]);
        if !at_once && seat.told_at.is_some_and(|it| it.elapsed() < TELL) {
            return Ok(());
        }
        seat.told_at = Some(Instant::now());
        let picture = safe(seat.watched.picture(), engine);
        let name = format!("{PICTURE}{}", picture.repository.to_lowercase());
        engine.store.put_snapshot(&name, &document(&picture)?, engine.clock.now()).await
    }

    async fn tell_budget(&mut self) -> Result<(), StoreError> {
        if self.told_budget.as_ref().is_some_and(|(at, _)| at.elapsed() < TELL) {
            return Ok(());
        }
        let budget = document(&self.shared.reads.budget())?;
        let digest = Digest::of(budget.to_string());
        let is_same = self.told_budget.as_ref().is_some_and(|(_, told)| *told == digest);
        self.told_budget = Some((Instant::now(), digest));
        if is_same {
            return Ok(());
        }
        self.shared.engine.store.put_snapshot(BUDGET, &budget, self.shared.engine.clock.now()).await
    }
}

/// Returns the id of the newest run of a picture.
fn newest(picture: &Picture) -> u64 {
    picture.runs.iter().map(|it| it.run.id).max().unwrap_or(0)
}

/// Returns a picture that may be stored: what others wrote is cleaned and masked.
fn safe(picture: &Picture, engine: &Engine) -> Picture {
    let mut picture = picture.clone();
    for seen in &mut picture.runs {
        seen.run.pull_numbers.truncate(MAX_PULLS);
    }
    let runs = picture.runs.iter_mut().map(|it| &mut it.run);
    let runs = runs.flat_map(|it| {
        let optional = it.conclusion.iter_mut().chain(&mut it.head_repository);
        [&mut it.workflow, &mut it.workflow_path, &mut it.title, &mut it.event, &mut it.branch, &mut it.commit_sha]
            .into_iter()
            .chain([&mut it.actor, &mut it.author_email, &mut it.commit_message, &mut it.url])
            .chain(optional)
    });
    let pulls = picture.pulls.iter_mut();
    let pulls = pulls.flat_map(|it| [&mut it.title, &mut it.branch, &mut it.head, &mut it.url]);
    for text in runs.chain(pulls).chain([&mut picture.default_branch]) {
        *text = engine.safe_text(text, MAX_CHARS);
    }
    picture
}

fn document<T: Serialize>(it: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(it).map_err(|it| StoreError::Broken(it.to_string()))
}

/// Returns why a look came to nothing, and what a person can do about it.
fn with_advice(error: &ForgeError) -> String {
    let advice = match error {
        ForgeError::Unauthorised(_) => "set a valid token that may read it (GITHUB_TOKEN, GH_TOKEN or `gh auth login`)",
        ForgeError::NotFound(_) => "mend its name in `watch` of [github], or let the token see it",
        ForgeError::Unanswered(_) => "see to the network, the proxy and `api_url` of [github]",
        _ => return error.to_string(),
    };
    format!("{error}; {advice}; `paramedic doctor` tells more")
}

/// Returns how long the forge asks us to wait, if it does.
fn until(error: &ForgeError, now: Timestamp) -> Option<Duration> {
    let ForgeError::Later { until, .. } = error else { return None };
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(LEAST).max(LEAST))
}

/// Returns a number between 0 and 1.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |it| f64::from(it) / f64::from(u32::MAX))
}
