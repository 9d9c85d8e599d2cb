//! One watched repository: a look at it, and what has changed since the one before.
use crate::domain::{CiRun, CiState, ForgeTerms, LimitsPicture, Picture, RunId, SeenPull, SeenRun};
use crate::engine::watch::filters::{HISTORY, Judge, OLD, latest};
use crate::engine::watch::interval::{interval, is_active};
use crate::engine::watch::rules_file::{self, is_due};
use crate::evidence::text::clean_line;
use crate::forge::{ForgeError, PullRequest, PullsQuery, Reads, RunsQuery};
use crate::rules::{Rules, is_heal_branch};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Rows that are shown, and asked for each time.
const PAGE: usize = 100;
/// Rows that are asked for where more has happened than a page holds.
const MORE: &[usize] = &[300, 1_000];
/// Rows that are asked for where those of a page are too long: a commit's message is as long as whoever pushes it likes. So few are read however
/// long they are together.
const FEW: usize = 10;
/// How often the repository itself is asked for.
const FACTS_FRESH: SignedDuration = SignedDuration::from_hours(1);
/// How often open pull requests are asked for, and where one of ours is open.
const PULLS_FRESH: SignedDuration = SignedDuration::from_mins(15);
const OWN_PULLS_FRESH: SignedDuration = SignedDuration::from_mins(1);
/// How what a row says of a run begins that is tried again, and of one that is not.
const NOT_YET: &str = "not taken in yet: ";
const GIVEN_UP: &str = "not taken in, and not tried any more: ";
/// Runs that were under way and are on no page any more, which are asked for one by one: so many at a look.
const MAX_STRAYS: usize = 10;
/// Rows that are kept beyond a page because it is not known yet what becomes of them.
const MAX_UNSETTLED: usize = 50;

/// What is known of a watched repository from one look to the next.
#[derive(Debug)]
pub struct Watched {
    picture: Picture,
    rules: rules_file::Read,
    facts_at: Option<Timestamp>,
    pulls_at: Option<Timestamp>,
    /// Nobody has ever looked: what is red is history, but for the latest of each workflow and branch.
    is_first: bool,
    /// This process has looked before: what turns red from then on is seen in time, whatever the clocks say.
    has_looked: bool,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Look {
    /// Whether anything is not as it was.
    pub changed: bool,
    /// Red runs that are to be healed, newest first, whether or not they were taken in before.
    pub red: Vec<CiRun>,
    /// Runs that are green now, at a later attempt.
    pub recovered: Vec<CiRun>,
    /// Whether open pull requests were read.
    pub has_read_pulls: bool,
}

impl Watched {
    /// Goes on from the picture that was stored last, if there is one.
    pub fn new(repository: &str, stored: Option<Picture>) -> Self {
        let is_first = stored.as_ref().is_none_or(|it| it.seen_at.is_none());
        let picture = stored.unwrap_or_else(|| crate::engine::ci::unseen(repository));
        Self {
            picture: Picture { repository: repository.to_owned(), ..picture },
            rules: rules_file::Read::default(),
            facts_at: None,
            pulls_at: None,
            is_first,
            has_looked: false,
        }
    }

    /// Looks at the repository. `merged` are the commits that merges of ours became. Only what has changed costs a request of the budget.
    pub async fn look(
        &mut self,
        reads: &dyn Reads,
        terms: &ForgeTerms,
        merged: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Look, ForgeError> {
        let before = self.picture.clone();
        self.read_rules(reads, false, now).await?;
        let runs = self.read_runs(reads, terms, now).await?;
        let is_known = |it: &CiRun| {
            let same = before.runs.iter().find(|was| was.run.id == it.id && was.run.attempt == it.attempt);
            same.is_some_and(|was| was.run.state == it.state)
        };
        if runs.iter().any(|it| it.state == CiState::Red && !is_known(it)) {
            self.read_rules(reads, true, now).await?;
        }
        let pulls_fresh = if self.picture.pulls.iter().any(|it| it.is_ours) { OWN_PULLS_FRESH } else { PULLS_FRESH };
        let has_read_pulls = is_due(self.pulls_at, pulls_fresh, now);
        if has_read_pulls {
            match self.read_pulls(reads).await {
                // A token that may not see them is no reason not to heal.
                Ok(()) | Err(ForgeError::NotFound(_) | ForgeError::Unauthorised(_)) => self.pulls_at = Some(now),
                Err(error) => return Err(error),
            }
        }
        let since = now - lookback(terms);
        let look = self.judged(runs, &before, merged, since);
        (self.is_first, self.has_looked) = (false, true);
        self.picture.rules = self.rules.picture();
        self.picture.seen_at = Some(now);
        self.picture.error = None;
        let is_same = Picture { seen_at: before.seen_at, next_at: before.next_at, ..self.picture.clone() } == before;
        Ok(Look { changed: !is_same, has_read_pulls, ..look })
    }

    /// Returns how long the repository is left alone now.
    pub fn wait(
        &self,
        terms: &ForgeTerms,
        n_watched: usize,
        reads: &dyn Reads,
        chance: f64,
        now: Timestamp,
    ) -> Duration {
        let runs: Vec<&CiRun> = self.picture.runs.iter().map(|it| &it.run).collect();
        interval(terms, n_watched, is_active(&runs, now), &reads.budget(), chance)
    }

    /// Returns the repository as it was last seen.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Returns the rules, `None` where they are not known or cannot be followed.
    pub(super) fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.rules.clone()
    }

    pub(super) fn failed(&mut self, why: &str) {
        self.picture.error = Some(clean_line(why));
    }

    pub(super) fn next_at(&mut self, at: Timestamp) {
        self.picture.next_at = Some(at);
    }

    pub(super) fn limits(&mut self, limits: LimitsPicture) {
        self.picture.limits = limits;
    }

    /// Notes which run stands for a red one.
    pub(super) fn taken_in(&mut self, id: u64, attempt: u32, heal: RunId) {
        if let Some(row) = self.row(id, attempt) {
            (row.heal, row.ignored) = (Some(heal), None);
        }
    }

    /// Notes why a red run is not taken in yet.
    pub(super) fn put_off(&mut self, id: u64, attempt: u32, why: &str) {
        if let Some(row) = self.row(id, attempt) {
            row.ignored = Some(format!("{NOT_YET}{why}"));
        }
    }

    /// Notes why a red run is never taken in.
    pub(super) fn give_up(&mut self, id: u64, attempt: u32, why: &str) {
        if let Some(row) = self.row(id, attempt) {
            row.ignored = Some(format!("{GIVEN_UP}{why}"));
        }
    }

    /// Whether a run that waited to be taken in is still red and to be healed; of one that is on no page any more it is not known otherwise.
    pub(super) fn is_wanted(&self, id: u64, attempt: u32) -> bool {
        let row = self.picture.runs.iter().find(|it| it.run.id == id);
        row.is_none_or(|it| it.run.attempt == attempt && is_undecided(it))
    }

    /// Returns a run of which a later attempt than this is green.
    pub(super) fn green_after(&self, id: u64, attempt: u32) -> Option<&CiRun> {
        let is_it = |it: &&CiRun| it.id == id && it.attempt > attempt && it.state == CiState::Green;
        self.picture.runs.iter().map(|it| &it.run).find(is_it)
    }

    fn row(&mut self, id: u64, attempt: u32) -> Option<&mut SeenRun> {
        self.picture.runs.iter_mut().find(|it| (it.run.id, it.run.attempt) == (id, attempt))
    }

    /// Reads which branch is the default one, and the rules that stand there: when they are old, or now if `at_once`.
    async fn read_rules(&mut self, reads: &dyn Reads, at_once: bool, now: Timestamp) -> Result<(), ForgeError> {
        let Picture { repository, default_branch, .. } = &mut self.picture;
        if at_once || is_due(self.facts_at, FACTS_FRESH, now) {
            let facts = reads.repository(repository).await?;
            // Its runs name the new one, so that each would seem to be a fork's.
            if let Some(name) = facts.new_name(repository) {
                return Err(ForgeError::NotFound(format!("{repository} is called {name} now")));
            }
            *default_branch = facts.default_branch;
            self.facts_at = Some(now);
        }
        self.rules.refresh(reads, repository, default_branch, at_once, now).await
    }

    async fn read_pulls(&mut self, reads: &dyn Reads) -> Result<(), ForgeError> {
        let query = PullsQuery { is_open: true, max: PAGE, ..PullsQuery::default() };
        let prefix = self.rules.rules.as_ref().map_or("heal", |it| &it.branch_naming.prefix);
        let repository = &self.picture.repository;
        let pulls = reads.pulls(repository, &query).await?.items;
        self.picture.pulls = pulls.into_iter().map(|it| seen_pull(it, repository, prefix)).collect();
        Ok(())
    }

    /// Returns the newest runs: all that are newer than those known before, as far as a start looks back.
    async fn read_runs(&self, reads: &dyn Reads, terms: &ForgeTerms, now: Timestamp) -> Result<Vec<CiRun>, ForgeError> {
        let repository = &self.picture.repository;
        let query = |max| RunsQuery { max, ..RunsQuery::default() };
        let mut page = match reads.runs(repository, &query(PAGE)).await {
            Err(ForgeError::TooLarge(_)) => reads.runs(repository, &query(FEW)).await?,
            read => read?,
        };
        let newest = self.picture.runs.iter().map(|it| it.run.id).max().unwrap_or(0);
        let since = now - lookback(terms);
        // History is looked at less far: only the latest of each workflow and branch counts.
        let more = if self.is_first { &MORE[..1] } else { MORE };
        for max in more {
            let is_enough = page.items.last().is_none_or(|it| it.id <= newest || it.created_at < since);
            if page.is_last || is_enough {
                break;
            }
            page = match reads.runs(repository, &query(*max)).await {
                Err(ForgeError::TooLarge(_)) => break,
                read => read?,
            };
        }
        let mut runs = page.items;
        let listed: BTreeSet<u64> = runs.iter().map(|it| it.id).collect();
        let off_page = |it: &&SeenRun| !listed.contains(&it.run.id) && is_unsettled(it, since);
        let mut strays: Vec<&CiRun> = self.picture.runs.iter().filter(off_page).map(|it| &it.run).collect();
        // Who has its turn changes from look to look.
        let turn = usize::try_from(now.as_second()).unwrap_or(0).checked_rem(strays.len()).unwrap_or(0);
        strays.rotate_left(turn);
        let mut n_asked = 0;
        for stray in strays {
            if !is_under_way(stray) || n_asked == MAX_STRAYS {
                runs.push(stray.clone());
                continue;
            }
            n_asked += 1;
            match reads.run(repository, stray.id).await {
                Ok(run) => runs.push(run),
                Err(ForgeError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(runs)
    }

    /// Sorts out what is to be healed, and draws the picture.
    fn judged(&mut self, runs: Vec<CiRun>, before: &Picture, merged: &BTreeSet<String>, since: Timestamp) -> Look {
        let latest = latest(&runs);
        let mut look = Look::default();
        let mut rows = Vec::with_capacity(runs.len());
        for run in runs {
            let was = before.runs.iter().find(|it| it.run.id == run.id);
            let same = was.filter(|it| it.run.attempt == run.attempt);
            let mut row = SeenRun { heal: same.and_then(|it| it.heal), ignored: None, run };
            if row.run.state == CiState::Red {
                if row.heal.is_none() {
                    let past = self.passed_over(&row.run, same, &latest, since);
                    row.ignored = past.or_else(|| self.why_ignored(&row.run, merged));
                }
                if row.ignored.is_none() && row.heal.is_none() {
                    look.red.push(row.run.clone());
                    let said = same.and_then(|it| it.ignored.clone());
                    row.ignored = said.filter(|it| it.starts_with(NOT_YET));
                }
            }
            let is_told = was.is_some_and(|it| it.run.state == CiState::Green && it.run.attempt == row.run.attempt);
            // Whoever told it before may have stopped in the middle.
            if row.run.state == CiState::Green && row.run.attempt > 1 && !(is_told && self.has_looked) {
                look.recovered.push(row.run.clone());
            }
            rows.push(row);
        }
        rows.sort_by_key(|it| std::cmp::Reverse(it.run.id));
        let mut n_rows = 0;
        rows.retain(|it| {
            n_rows += 1;
            n_rows <= PAGE || is_unsettled(it, since)
        });
        rows.truncate(PAGE + MAX_UNSETTLED);
        self.picture.runs = rows;
        look
    }

    /// Returns why a red run is left to the past, where it is.
    fn passed_over(
        &self,
        run: &CiRun,
        same: Option<&SeenRun>,
        latest: &BTreeSet<u64>,
        since: Timestamp,
    ) -> Option<String> {
        let was_left = same.is_some_and(|it| it.run.state == CiState::Red && !is_undecided(it));
        let is_seen_in_time = self.has_looked && !was_left;
        let past = match same.and_then(|it| it.ignored.as_deref()) {
            Some(said) if said == HISTORY || said.starts_with(GIVEN_UP) => Some(said),
            _ if !is_seen_in_time && run.updated_at < since => Some(OLD),
            _ => (self.is_first && !latest.contains(&run.id)).then_some(HISTORY),
        };
        past.map(str::to_owned)
    }

    fn why_ignored(&self, run: &CiRun, merged: &BTreeSet<String>) -> Option<String> {
        if let Some(why) = self.rules.refusal() {
            return Some(format!("the repository's rules cannot be followed: {why}"));
        }
        let Some(rules) = &self.rules.rules else { return Some("the repository's rules are not known yet".to_owned()) };
        let (repository, default_branch) = (&self.picture.repository, &self.picture.default_branch);
        Judge { repository, default_branch, rules, merged }.ignored(run)
    }
}

fn is_under_way(run: &CiRun) -> bool {
    matches!(run.state, CiState::Queued | CiState::Waiting | CiState::Running)
}

/// Whether something may yet come of a run: it has not ended, as far as a start looks back, or it is red and nobody has said what becomes of it.
fn is_unsettled(row: &SeenRun, since: Timestamp) -> bool {
    is_undecided(row) || (is_under_way(&row.run) && row.run.created_at > since)
}

/// Whether a run is red and nobody has said what becomes of it.
fn is_undecided(row: &SeenRun) -> bool {
    let is_open = row.heal.is_none() && row.ignored.as_ref().is_none_or(|it| it.starts_with(NOT_YET));
    row.run.state == CiState::Red && is_open
}

fn lookback(terms: &ForgeTerms) -> SignedDuration {
    SignedDuration::try_from(terms.lookback).unwrap_or(SignedDuration::from_hours(24))
}

fn seen_pull(pull: PullRequest, repository: &str, prefix: &str) -> SeenPull {
    // A fork's branch may have any name.
    let is_from_here = pull.head_repository.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(repository));
    SeenPull {
        number: pull.number,
        is_ours: is_from_here && is_heal_branch(prefix, &pull.head_branch),
        title: clean_line(&pull.title),
        branch: clean_line(&pull.head_branch),
        head: pull.head_commit,
        is_draft: pull.is_draft,
        checks: None,
        url: pull.url,
    }
}
