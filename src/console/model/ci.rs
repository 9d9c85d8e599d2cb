//! CI: the workflow runs of the watched repositories as they were last seen, newest first.
use crate::domain::CiState;
use crate::domain::CiView;
use crate::domain::Picture;
use crate::domain::RulesFile;
use crate::domain::RunId;
use crate::domain::SeenPull;
use crate::domain::SeenRun;
use crate::domain::Used;
use jiff::SignedDuration;
use jiff::Timestamp;

/// A repository is never called stale before this.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(20);
/// How often a repository is looked at where nothing is known of it.
const USUAL: SignedDuration = SignedDuration::from_mins(2);
/// Pull requests of ours that are told of one repository.
const MAX_PULLS: usize = 3;

/// What was last read, what is filtered and what is selected (by name, so that a reload never moves the cursor to another run).
#[derive(Debug, Clone, Default)]
pub struct Ci {
    pub view: Option<CiView>,
    /// When it was read, by this console's clock.
    pub read_at: Option<Timestamp>,
    /// When it was last asked for.
    pub asked_at: Option<Timestamp>,
    /// Why it could not be read.
    pub refusal: Option<String>,
    pub filter: String,
    /// Repository and number of the run at the forge.
    pub selected: Option<(String, u64)>,
    /// Rows scrolled.
    pub offset: usize,
}

/// How a remark on a repository is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Plain,
    Careful,
    Bad,
}

/// One row of the list.
#[derive(Debug, Clone)]
pub enum Row<'a> {
    Repository(&'a Picture),
    Remark(Mood, String),
    Pull(&'a SeenPull),
    Run(&'a Picture, &'a SeenRun),
}

impl Ci {
    /// Takes what was read, and keeps the selection on its run.
    pub fn take(&mut self, view: CiView, now: Timestamp) {
        let was_at = self.position();
        (self.view, self.read_at, self.refusal) = (Some(view), Some(now), None);
        if self.position().is_none() {
            self.select(was_at.unwrap_or(0));
        }
    }

    /// Returns the time by the clock of whoever made the view: the clocks of two machines may disagree.
    pub fn now(&self, now: Timestamp) -> Timestamp {
        let Some((view, read_at)) = self.view.as_ref().zip(self.read_at) else { return now };
        view.now.checked_add(now.duration_since(read_at)).unwrap_or(now)
    }

    /// Returns the repositories in their order.
    pub fn pictures(&self) -> &[Picture] {
        self.view.as_ref().map_or(&[], |it| it.pictures.as_slice())
    }

    /// Returns the runs that pass the filter, in the order of the list.
    pub fn visible(&self) -> Vec<(&Picture, &SeenRun)> {
        let runs = self.pictures().iter().flat_map(|picture| picture.runs.iter().map(move |run| (picture, run)));
        runs.filter(|(picture, run)| self.passes(picture, run)).collect()
    }

    fn passes(&self, picture: &Picture, run: &SeenRun) -> bool {
        let (needle, is_inverse) = match self.filter.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (self.filter.as_str(), false),
        };
        let needle = needle.trim().to_lowercase();
        needle.is_empty() || (matches(picture, run, &needle) != is_inverse)
    }

    /// Returns all rows: each repository with what is to be said of it, then its runs. Where a filter leaves nothing of one, it is left out.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for picture in self.pictures() {
            let runs: Vec<&SeenRun> = picture.runs.iter().filter(|it| self.passes(picture, it)).collect();
            if runs.is_empty() && !self.filter.is_empty() {
                continue;
            }
            rows.push(Row::Repository(picture));
            rows.extend(remarks(picture).into_iter().map(|(mood, text)| Row::Remark(mood, text)));
            rows.extend(picture.pulls.iter().filter(|it| it.is_ours).take(MAX_PULLS).map(Row::Pull));
            rows.extend(runs.into_iter().map(|it| Row::Run(picture, it)));
        }
        rows
    }

    /// Returns where the selected run stands among the visible ones.
    pub fn position(&self) -> Option<usize> {
        self.visible().iter().position(|(picture, run)| self.is_selected(picture, run))
    }

    /// Whether the cursor stands on this run.
    pub fn is_selected(&self, picture: &Picture, run: &SeenRun) -> bool {
        self.selected.as_ref().is_some_and(|(name, id)| *name == picture.repository && *id == run.run.id)
    }

    /// Returns the selected run.
    pub fn current(&self) -> Option<(&Picture, &SeenRun)> {
        let (repository, run) = self.selected.as_ref()?;
        self.find(repository, *run)
    }

    /// Returns a run by its repository and its number at the forge.
    pub fn find(&self, repository: &str, run: u64) -> Option<(&Picture, &SeenRun)> {
        let picture = self.pictures().iter().find(|it| it.repository.eq_ignore_ascii_case(repository))?;
        Some((picture, picture.runs.iter().find(|it| it.run.id == run)?))
    }

    /// Returns the run of CI that a run heals.
    pub fn healed_by(&self, id: RunId) -> Option<(&Picture, &SeenRun)> {
        let mut runs = self.pictures().iter().flat_map(|picture| picture.runs.iter().map(move |run| (picture, run)));
        runs.find(|(_, run)| run.heal == Some(id))
    }

    /// Selects the visible run at `idx`, or the last one.
    pub fn select(&mut self, idx: usize) {
        let visible = self.visible();
        let found = visible.get(idx.min(visible.len().saturating_sub(1)));
        self.selected = found.map(|(picture, run)| (picture.repository.clone(), run.run.id));
    }
}

/// Whether nobody looked at a repository for longer than twice its interval.
pub fn is_stale(picture: &Picture, now: Timestamp) -> bool {
    let Some(seen_at) = picture.seen_at else { return false };
    // After a look that failed the next one is as far away as the trouble lasts.
    let next_at = picture.next_at.filter(|_| picture.error.is_none());
    let interval = next_at.map_or(USUAL, |it| it.duration_since(seen_at));
    (interval * 2).max(FRESH_FOR) < now.duration_since(seen_at)
}

/// Whether a run of CI is red and nothing heals it.
pub fn is_needy(run: &SeenRun) -> bool {
    run.run.state == CiState::Waiting || (run.run.state == CiState::Red && run.heal.is_none())
}

/// Returns what is to be said of a repository beside its runs.
fn remarks(picture: &Picture) -> Vec<(Mood, String)> {
    let mut remarks = Vec::new();
    if let Some(error) = &picture.error {
        remarks.push((Mood::Bad, format!("the last look failed: {error}")));
    }
    let rules = &picture.rules;
    if rules.file == RulesFile::Refused {
        let why = rules.refusal.as_deref().unwrap_or("it cannot be read");
        remarks.push((Mood::Bad, format!("paused, its rules are refused: {why}")));
    }
    for remark in &rules.remarks {
        remarks.push((Mood::Plain, format!("its rules: {remark}")));
    }
    let limits = &picture.limits;
    for (used, what) in [(limits.prs_today, "pull requests today"), (limits.open_prs, "open pull requests")] {
        if used.is_up() {
            remarks.push((Mood::Careful, format!("{what}: {}; no more are opened", count(used))));
        }
    }
    for (workflow, used) in limits.heals_today.iter().filter(|(_, used)| used.is_up()) {
        remarks.push((Mood::Careful, format!("{workflow} was healed {} times today; no more are begun", count(*used))));
    }
    if !picture.stale_branches.is_empty() {
        let n = picture.stale_branches.len();
        remarks.push((
            Mood::Plain,
            format!("{n} heal {} without a pull request", if n == 1 { "branch" } else { "branches" }),
        ));
    }
    if picture.runs.is_empty() && picture.seen_at.is_some() {
        remarks.push((Mood::Plain, "no workflow has run yet".to_owned()));
    }
    remarks
}

/// Returns how much of something was used: `3/5`.
pub fn count(used: Used) -> String {
    match used.limit {
        Some(limit) => format!("{}/{limit}", used.used),
        None => used.used.to_string(),
    }
}

fn matches(picture: &Picture, seen: &SeenRun, needle: &str) -> bool {
    let run = &seen.run;
    let number = format!("#{}", run.number);
    let heal = seen.heal.map(|it| it.to_string()).unwrap_or_default();
    let ignored = seen.ignored.as_deref().unwrap_or_default();
    [
        picture.repository.as_str(),
        run.workflow.as_str(),
        run.branch.as_str(),
        run.event.as_str(),
        run.state.as_str(),
        run.title.as_str(),
        run.actor.as_str(),
        run.commit_sha.as_str(),
        number.as_str(),
        heal.as_str(),
        ignored,
    ]
    .iter()
    .any(|it| it.to_lowercase().contains(needle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_not_seen_for_long_is_stale_also_where_the_next_try_is_soon() {
        let picture = json!({
            "repository": "acme/shop", "defaultBranch": "main", "runs": [], "pulls": [], "staleBranches": [],
            "rules": { "file": "absent", "remarks": [] },
            "limits": { "healsToday": {}, "prsToday": { "used": 0 }, "openPrs": { "used": 0 } },
        });
        let picture: Picture = serde_json::from_value(picture).unwrap();
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let seen_at = now - SignedDuration::from_hours(1);
        let next_at = now + SignedDuration::from_mins(1);
        let error = Some("GitHub cannot be reached".to_owned());
        for (seen_at, next_at, error, expected) in [
            (seen_at, next_at, &error, true),
            (seen_at, next_at, &None, false),
            (now - SignedDuration::from_mins(3), next_at, &error, false),
            (seen_at, seen_at + SignedDuration::from_mins(1), &None, true),
        ] {
            let picture =
                Picture { seen_at: Some(seen_at), next_at: Some(next_at), error: error.clone(), ..picture.clone() };
            assert_eq!(is_stale(&picture, now), expected, "{seen_at} {next_at} {error:?}");
        }
    }
}
