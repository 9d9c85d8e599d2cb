//! A family: one failure across commits, and what stands for it at the forge. One live run, one issue, one pull request each.
use crate::domain::attempt::Attempt;
use crate::domain::ci::CiRun;
use crate::domain::copilot::CopilotAsk;
use crate::domain::ids::{Digest, RunId};
use crate::domain::names::named;
use crate::domain::reason::Reason;
use crate::domain::run::{PrState, Run, Status};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

named! {
    /// What CI says of a pull request's head.
    ChecksState {
        /// Nothing was asked yet.
        None = "none",
        Pending = "pending",
        Green = "green",
        Red = "red",
        /// No check appeared in the set time.
        Absent = "absent",
    }
}

named! {
    /// How a merged fix fared afterwards.
    AfterOutcome {
        /// CI was green with it.
        Held = "held",
        /// The same failure came back.
        Regressed = "regressed",
        /// CI did not run in the set time.
        Unseen = "unseen",
    }
}

/// What is known of one failure across commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Family {
    /// [`family_key`] of repository and error hash.
    pub key: Digest,
    pub repository: String,
    pub error_hash: String,
    /// The run that stands for it: the live one, else the latest.
    pub run_id: RunId,
    pub version: u64,
    /// How often the failure was seen.
    pub count: u64,
    pub last_seen_at: Timestamp,
    /// Where it was seen last.
    pub last_url: Option<String>,
    pub issue: Option<Tracking>,
    pub pull: Option<PullState>,
    /// What follows the merge of its last fix.
    pub after: Option<Aftermath>,
    /// Until when a person's no stands: nothing is published for it.
    pub cooled_until: Option<Timestamp>,
    /// When it is looked at next. The store keeps it beside the document.
    #[serde(skip)]
    pub due_at: Option<Timestamp>,
    /// What the forge refused, by the step that asked for it.
    #[serde(default)]
    pub refusals: BTreeMap<String, Refusal>,
    /// Why there is no pull request, in words.
    pub skipped: Option<String>,
    /// The pull request because of which there is none of its own.
    #[serde(default)]
    pub other_pull: Option<OtherPull>,
    /// Who asked for a pull request that would not be opened otherwise.
    pub wanted_by: Option<String>,
    /// Digest of the patch that was asked for. None: stored before that was kept.
    #[serde(default)]
    pub wanted_patch: Option<Digest>,
    /// Who makes a write at the forge right now: nobody else may make the same.
    pub held: Option<Hold>,
    /// What the steward keeps for itself.
    #[serde(default)]
    pub chores: Chores,
    /// What GitHub's coding agent is asked, or was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copilot: Option<CopilotAsk>,
}

/// What was done at the forge and is not to be seen there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Chores {
    /// Labels that the pull request was given; those that somebody took off are not given again.
    pub labels: Vec<String>,
    /// Whether reviewers were asked.
    pub has_reviewers: bool,
    /// Whether the branch of the merged pull request is deleted.
    pub is_branch_gone: bool,
    /// The pull request under which it is said why it is closed.
    pub closing_told: Option<u64>,
    /// The pull request that somebody opened again after a no: it stays open until the next one.
    pub reopened: Option<u64>,
    /// The pull request that is in conflict with the branch it goes to.
    pub in_conflict: Option<u64>,
    /// The pull request of which the issue was told that it holds.
    pub held_told: Option<u64>,
    /// The merged pull request with which the issue was closed, and the run that stood for the family then: only a later one opens it again.
    pub issue_closed: Option<(u64, RunId)>,
    /// When the issue was last changed.
    pub told_at: Option<Timestamp>,
}

/// What the forge refused to do for one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// In words.
    pub why: String,
    /// How often it was refused in a row.
    pub tries: u32,
    /// Before that time it is not tried again.
    pub retry_at: Timestamp,
}

/// A pull request that is not the family's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherPull {
    pub number: u64,
    /// Its commit that is the very fix of the family's run; none: it holds something else.
    pub head: Option<String>,
    pub is_open: bool,
}

/// A hold on a family for the time of one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub by: String,
    pub until: Timestamp,
}

/// The tracking issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracking {
    pub number: u64,
    pub url: String,
    pub is_open: bool,
    /// Occurrences already told.
    pub told_count: u64,
    /// The day's comment: its id, and the day.
    pub comment: Option<(u64, String)>,
    pub told_status: Option<String>,
}

/// The pull request, and the branch behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullState {
    /// None: the branch is pushed, the pull request not yet opened.
    pub number: Option<u64>,
    pub url: Option<String>,
    pub branch: String,
    pub base_branch: String,
    pub base_sha: String,
    /// The last commit of ours on the branch.
    pub head: String,
    pub attempt_no: u32,
    /// Digest of the patch that the head holds.
    pub patch: Digest,
    /// The run that the patch is of: where another one has taken the pull request over, not the one that stands for the family.
    #[serde(default)]
    pub patch_run: Option<RunId>,
    pub is_draft: bool,
    pub state: PrState,
    /// Somebody else pushed to the branch: in words; it is not touched again.
    pub hands_off: Option<String>,
    pub opened_at: Option<Timestamp>,
    pub checks: ChecksState,
    pub checks_since: Option<Timestamp>,
    /// Digest of title and body as they stand there.
    pub body_digest: Digest,
    /// A merge that somebody's approval began.
    pub merging: Option<Merging>,
}

/// The intent to merge, stored before the forge is asked: whoever finds the merge done afterwards knows by whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merging {
    /// Who gave the last key.
    pub by: String,
    /// All who approved, `by` among them.
    pub approvals: Vec<String>,
    pub note: Option<String>,
    /// The commit that was approved.
    pub head: String,
    pub at: Timestamp,
}

/// What follows a merge: does it hold?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aftermath {
    /// The run whose fix was merged.
    pub run_id: RunId,
    /// The pull request that was merged.
    pub number: u64,
    pub merged_sha: String,
    /// Digest of the patch that was merged.
    pub patch: Digest,
    /// The run that the patch is of, where it is known to be another one.
    #[serde(default)]
    pub patch_run: Option<RunId>,
    pub merged_at: Timestamp,
    /// Where it was merged to.
    pub branch: String,
    pub workflow_id: u64,
    /// Until when it is watched.
    pub until: Timestamp,
    /// When the failed jobs of the original run are to be run again.
    pub rerun_at: Option<Timestamp>,
    pub reran: bool,
    pub outcome: Option<AfterOutcome>,
    /// What became of taking the merge back.
    pub revert: Option<Revert>,
}

/// A merge that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, Option<u64>)", into = "(String, Option<u64>)")]
pub enum Revert {
    /// The branch is pushed, the pull request not yet opened.
    Pushed {
        branch: String,
    },
    Proposed {
        branch: String,
        number: u64,
    },
    /// Others have built on it.
    Impossible,
}

impl Revert {
    /// Returns the branch that takes the merge back.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Pushed { branch } | Self::Proposed { branch, .. } => Some(branch),
            Self::Impossible => None,
        }
    }
}

/// As it is stored: the branch, and the number of its pull request, which is 0 where none can be.
impl From<(String, Option<u64>)> for Revert {
    fn from(stored: (String, Option<u64>)) -> Self {
        match stored {
            (branch, None) => Self::Pushed { branch },
            (_, Some(0)) => Self::Impossible,
            (branch, Some(number)) => Self::Proposed { branch, number },
        }
    }
}

impl From<Revert> for (String, Option<u64>) {
    fn from(revert: Revert) -> Self {
        match revert {
            Revert::Pushed { branch } => (branch, None),
            Revert::Proposed { branch, number } => (branch, Some(number)),
            Revert::Impossible => (String::new(), Some(0)),
        }
    }
}

/// Returns the key of a failure across commits. Forges do not tell capitals apart in a repository's name.
pub fn family_key(repository: &str, error_hash: &str) -> Digest {
    Digest::of(json!([repository.to_lowercase(), error_hash]).to_string())
}

impl Family {
    /// Returns a family that was just seen for the first time, with `run` standing for it. Due at once.
    pub fn first_seen(run: &Run, error_hash: &str, url: Option<String>, now: Timestamp) -> Self {
        Self {
            key: family_key(&run.repository, error_hash),
            repository: run.repository.clone(),
            error_hash: error_hash.to_owned(),
            run_id: run.id,
            version: 1,
            count: 1,
            last_seen_at: now,
            last_url: url,
            issue: None,
            pull: None,
            after: None,
            cooled_until: None,
            due_at: Some(now),
            refusals: BTreeMap::new(),
            skipped: None,
            other_pull: None,
            wanted_by: None,
            wanted_patch: None,
            held: None,
            chores: Chores::default(),
            copilot: None,
        }
    }

    /// Returns the next version, to be stored with `put_family`.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// Whether `run`, which stands for the family, takes in a failure for which `seen` would be made. A run that came to rest does so for a
    /// while; what came back after a merge is new, and so is what a trusted branch has while one stands for it that is of none. As long as a
    /// merge is watched, what CI began before it, or where it did not reach, is old. An order is somebody's word: given again after the one
    /// before came to rest, it is new, whatever was said to that one.
    pub fn takes_in(&self, run: &Run, live_for: Duration, seen: &Run, began_at: Timestamp) -> bool {
        let now = seen.created_at;
        let live_for = SignedDuration::try_from(live_for).unwrap_or(SignedDuration::MAX);
        match run.status {
            _ if seen.order.is_trusted() && !run.order.is_trusted() => false,
            // It says that a merge does not hold, which must be heard.
            _ if seen.escalation_reason == Some(Reason::Regressed) => run.escalation_reason == seen.escalation_reason,
            Status::Queued | Status::Running | Status::Fixed => true,
            Status::Resolved if run.pr_state == PrState::Merged => {
                let after = self.after.as_ref().filter(|it| it.run_id == run.id && it.is_open(now));
                after.is_some_and(|it| !it.is_later(&seen.branch, &seen.commit_sha, began_at))
            }
            _ if seen.order.instruction.is_some() => false,
            Status::Resolved | Status::Escalated | Status::Aborted => {
                now.duration_since(run.updated_at) < live_for || self.cooled_until.is_some_and(|it| now < it)
            }
        }
    }

    /// Notes that the failure was seen again. Returns whether that is to be told: once a minute is enough, the count is exact.
    pub fn seen(&mut self, url: Option<String>, now: Timestamp) -> bool {
        let minute = |it: Timestamp| it.as_second().div_euclid(60);
        let is_told = minute(self.last_seen_at) != minute(now);
        self.count += 1;
        self.last_seen_at = self.last_seen_at.max(now);
        self.last_url = url.or(self.last_url.take());
        self.due_at = Some(now);
        is_told
    }

    /// Lets a new run stand for the family. The issue and what follows a merge stay; of a pull request only one that is still open does.
    pub fn passes_to(&mut self, run: RunId) {
        self.run_id = run;
        self.pull = self.pull.take().filter(|it| it.state == PrState::Open);
        (self.cooled_until, self.skipped, self.other_pull, self.wanted_by) = (None, None, None, None);
        self.wanted_patch = None;
        self.refusals.clear();
    }

    /// Notes that its pull request was merged as `commit`; what follows is watched for so long.
    pub fn was_merged(&mut self, run: &Run, commit: &str, at: Timestamp, watched_for: Duration) {
        let Some(pull) = &mut self.pull else { return };
        (pull.state, pull.is_draft, pull.merging) = (PrState::Merged, false, None);
        let until = at.checked_add(watched_for).unwrap_or(at);
        let known = self.after.take().filter(|it| Some(it.number) == pull.number && it.merged_sha == commit);
        self.after = known.or_else(|| Aftermath::of(run, pull, commit, at, until));
        self.due_at = Some(at);
    }

    /// Returns who asked for a pull request with this patch: a word for one patch is none for another.
    pub fn asked_by(&self, patch: Option<&Digest>) -> Option<&str> {
        let is_it = self.wanted_patch.is_none() || self.wanted_patch.as_ref() == patch;
        self.wanted_by.as_deref().filter(|_| is_it)
    }

    /// Returns what the forge refused last, in words.
    pub fn trouble(&self) -> Option<&str> {
        self.refusals.values().max_by_key(|it| it.retry_at).map(|it| it.why.as_str())
    }

    /// Whether somebody opened its pull request again after a no, and nobody has said another one since.
    pub fn is_reopened(&self) -> bool {
        self.chores.reopened.is_some() && self.chores.reopened == self.open_pull().map(|it| it.0)
    }

    /// Returns its pull request, if it is open and in conflict with the branch that it goes to.
    pub fn conflicting_pull(&self) -> Option<(u64, &PullState)> {
        self.open_pull().filter(|(number, _)| self.chores.in_conflict == Some(*number))
    }

    /// Returns the number of its pull request, if it is open.
    pub fn open_pull(&self) -> Option<(u64, &PullState)> {
        let pull = self.pull.as_ref().filter(|it| it.state == PrState::Open)?;
        Some((pull.number?, pull))
    }
}

impl PullState {
    /// Whether a run of CI shows that something happened to the pull request: it is of its branch, or of what it became.
    pub fn is_seen_in(&self, run: &CiRun) -> bool {
        let Some(number) = self.number else { return false };
        let name = format!("#{number}");
        let subject = run.commit_message.lines().next().unwrap_or_default();
        let mut after = subject.match_indices(&name).map(|(at, _)| subject[at + name.len()..].chars().next());
        run.branch == self.branch
            || run.pull_numbers.contains(&number)
            || after.any(|it| !it.is_some_and(|it| it.is_ascii_digit()))
    }

    /// Returns the state after the patch of an attempt was pushed as the first commit of a branch; none where there is no patch.
    pub fn pushed(run: &Run, attempt: &Attempt, branch: String, head: String, now: Timestamp) -> Option<Self> {
        Some(Self {
            number: None,
            url: None,
            branch,
            base_branch: run.branch.clone(),
            base_sha: run.working_commit().to_owned(),
            head,
            attempt_no: attempt.attempt_no,
            patch: attempt.patch_digest.clone()?,
            patch_run: Some(run.id),
            is_draft: true,
            state: PrState::None,
            hands_off: None,
            opened_at: None,
            checks: ChecksState::None,
            checks_since: Some(now),
            body_digest: Digest::of(""),
            merging: None,
        })
    }
}

impl Aftermath {
    /// Whether it is still looked for what comes of the merge.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.outcome.is_none() && now < self.until
    }

    /// Whether what CI began then has the merge in it: on the branch that it was merged to, and not before.
    pub fn is_later(&self, branch: &str, commit: &str, began_at: Timestamp) -> bool {
        branch == self.branch && (commit == self.merged_sha || began_at > self.merged_at)
    }

    /// Returns the watch over a merge, from then until a set time, of a run that CI reported; none where no workflow is known.
    pub fn of(run: &Run, pull: &PullState, merged_sha: &str, merged_at: Timestamp, until: Timestamp) -> Option<Self> {
        Some(Self {
            run_id: run.id,
            number: pull.number?,
            merged_sha: merged_sha.to_owned(),
            patch: pull.patch.clone(),
            patch_run: pull.patch_run,
            merged_at,
            branch: pull.base_branch.clone(),
            workflow_id: run.order.ci.as_ref()?.workflow_id,
            until,
            rerun_at: None,
            reran: false,
            outcome: None,
            revert: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Author;
    use crate::domain::order::{CiRef, Instruction, Intent, Order};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_740_000_000 + seconds).unwrap()
    }

    fn run(status: Status, pr_state: PrState) -> Run {
        Run { status, pr_state, ..Run::queued("Acme/Shop", "main", "c0ffee", Order::default(), 3, at(0)) }
    }

    fn seen(second: i64) -> Run {
        Run { created_at: at(second), ..run(Status::Queued, PrState::None) }
    }

    #[test]
    fn capitals_of_a_repository_make_no_other_family() {
        assert_eq!(family_key("Acme/Shop", "v1:a"), family_key("acme/shop", "v1:a"));
        assert_ne!(family_key("acme/shop", "v1:a"), family_key("acme/shop", "v1:A"));
        assert_ne!(family_key("acme", "shop"), family_key("acme/", "shop"));
    }

    #[test]
    fn a_run_takes_in_what_is_the_same_until_it_has_long_come_to_rest() {
        let live_for = Duration::from_secs(100);
        for (status, pr_state, soon, late) in [
            (Status::Queued, PrState::None, true, true),
            (Status::Running, PrState::None, true, true),
            (Status::Fixed, PrState::Open, true, true),
            (Status::Escalated, PrState::Closed, true, false),
            (Status::Aborted, PrState::None, true, false),
            (Status::Resolved, PrState::None, true, false),
            (Status::Resolved, PrState::Merged, false, false),
        ] {
            let run = run(status, pr_state);
            let family = Family::first_seen(&run, "v1:a", None, at(0));
            assert_eq!(family.takes_in(&run, live_for, &seen(99), at(0)), soon, "{status} {pr_state}");
            assert_eq!(family.takes_in(&run, live_for, &seen(100), at(0)), late, "{status} {pr_state}");
        }
        let denied = run(Status::Escalated, PrState::Closed);
        let family = Family { cooled_until: Some(at(500)), ..Family::first_seen(&denied, "v1:a", None, at(0)) };
        let takes_in = |second| family.takes_in(&denied, live_for, &seen(second), at(0));
        assert!(takes_in(499) && !takes_in(500));
    }

    #[test]
    fn while_a_merge_is_watched_what_is_older_is_no_news() {
        let merged = run(Status::Resolved, PrState::Merged);
        let mut family = Family::first_seen(&merged, "v1:a", None, at(0));
        family.after = Some(Aftermath {
            run_id: merged.id,
            number: 12,
            merged_sha: "beef".to_owned(),
            patch: Digest::of("a patch"),
            patch_run: None,
            merged_at: at(50),
            branch: "main".to_owned(),
            workflow_id: 3,
            until: at(200),
            rerun_at: None,
            reran: false,
            outcome: None,
            revert: None,
        });
        let of =
            |branch: &str, commit: &str| Run { branch: branch.to_owned(), commit_sha: commit.to_owned(), ..seen(99) };
        for (seen, began, is_taken_in) in [
            (of("main", "c0ffee"), 49, true),
            (of("main", "c0ffee"), 51, false),
            (of("main", "beef"), 49, false),
            (of("topic", "feed"), 90, true),
            (Run { created_at: at(200), ..of("topic", "feed") }, 90, false),
        ] {
            let found = family.takes_in(&merged, Duration::from_secs(1_000), &seen, at(began));
            assert_eq!(found, is_taken_in, "{} {began}", seen.commit_sha);
        }
        // That it does not hold is heard, whoever stands for it, and once.
        let back = Run { escalation_reason: Some(Reason::Regressed), ..of("main", "beef") };
        let said = Run { escalation_reason: Some(Reason::Regressed), ..run(Status::Escalated, PrState::None) };
        for (stands, is_taken_in) in
            [(merged.clone(), false), (run(Status::Queued, PrState::None), false), (said, true)]
        {
            assert_eq!(family.takes_in(&stands, Duration::from_secs(1_000), &back, at(90)), is_taken_in);
        }
        family.after.as_mut().unwrap().outcome = Some(AfterOutcome::Held);
        assert!(!family.takes_in(&merged, Duration::from_secs(1_000), &of("topic", "feed"), at(90)), "it is over");
    }

    #[test]
    fn an_order_given_again_is_new_once_the_one_before_came_to_rest() {
        let order = Instruction { intent: Intent::Fix, text: "it".to_owned(), context: None };
        let ordered = |run: Run| Run { order: Order { instruction: Some(order.clone()), ..Order::default() }, ..run };
        for (status, expected) in [
            (Status::Queued, true),
            (Status::Running, true),
            (Status::Fixed, true),
            (Status::Escalated, false),
            (Status::Aborted, false),
            (Status::Resolved, false),
        ] {
            let run = ordered(run(status, PrState::None));
            let family = Family { cooled_until: Some(at(500)), ..Family::first_seen(&run, "order:a", None, at(0)) };
            assert_eq!(family.takes_in(&run, Duration::from_secs(100), &ordered(seen(1)), at(0)), expected, "{status}");
        }
    }

    #[test]
    fn what_a_trusted_branch_has_waits_for_no_fork() {
        let ci = |is_fork| CiRef {
            run_id: 1,
            attempt: 1,
            workflow_id: 1,
            workflow: "CI".to_owned(),
            workflow_path: String::new(),
            event: "push".to_owned(),
            url: String::new(),
            is_fork,
            is_trusted: !is_fork,
            default_branch: "main".to_owned(),
        };
        let of = |run: Run, is_fork| Run { order: Order { ci: Some(ci(is_fork)), ..Order::default() }, ..run };
        for status in [Status::Queued, Status::Running, Status::Fixed, Status::Escalated] {
            for (stands, sees, is_taken_in) in [(true, false, false), (true, true, true), (false, true, true)] {
                let stands = of(run(status, PrState::None), stands);
                let family = Family::first_seen(&stands, "v1:a", None, at(0));
                let found = family.takes_in(&stands, Duration::from_secs(100), &of(seen(1), sees), at(1));
                assert_eq!(found, is_taken_in, "{status} {sees}");
            }
        }
    }

    #[test]
    fn each_sighting_counts_and_one_a_minute_is_told() {
        let run = run(Status::Fixed, PrState::None);
        let mut family = Family::first_seen(&run, "v1:a", None, at(0));
        let told = (1..=50).filter(|it| family.seen(Some(format!("u{it}")), at(it * 10))).count();
        assert_eq!((family.count, family.last_url.as_deref(), family.due_at), (51, Some("u50"), Some(at(500))));
        assert!((8..=9).contains(&told), "{told}");
    }

    #[test]
    fn a_pull_request_is_seen_in_what_ci_ran_for_it() {
        let attempt = Attempt {
            patch_digest: Some(Digest::of("a patch")),
            ..Attempt::started(1, Author::Agent("a".to_owned()), None, at(0))
        };
        let pushed = PullState::pushed(
            &run(Status::Fixed, PrState::None),
            &attempt,
            "heal/1".to_owned(),
            "beef".to_owned(),
            at(0),
        );
        let pull = PullState { number: Some(12), ..pushed.unwrap() };
        let ci = |edit: fn(&mut CiRun)| {
            let text = "it";
            let mut run: CiRun = serde_json::from_value(json!({
                "id": 1, "attempt": 1, "number": 1, "workflow": text, "workflowId": 1, "workflowPath": text, "title": text, "event": text,
                "branch": "main", "commitSha": text, "state": "green", "conclusion": text, "actor": text, "headRepository": text,
                "authorEmail": text, "commitMessage": "Go on", "pullNumbers": [], "url": text, "createdAt": at(0), "updatedAt": at(0),
            }))
            .unwrap();
            edit(&mut run);
            pull.is_seen_in(&run)
        };
        assert!(ci(|it| it.branch = "heal/1".to_owned()) && ci(|it| it.pull_numbers.push(12)));
        assert!(ci(|it| it.commit_message = "Heal it (#12)".to_owned()));
        assert!(ci(|it| it.commit_message = "Merge pull request #12 from acme/heal/1".to_owned()));
        assert!(!ci(|_| {}) && !ci(|it| it.commit_message = "Heal it (#123)\n\nAs #12".to_owned()));
    }

    #[test]
    fn what_became_of_a_revert_is_stored_as_a_branch_and_a_number() {
        let branch = "heal/revert-1".to_owned();
        for (stored, revert) in [
            (json!(["heal/revert-1", null]), Revert::Pushed { branch: branch.clone() }),
            (json!(["heal/revert-1", 7]), Revert::Proposed { branch, number: 7 }),
            (json!(["", 0]), Revert::Impossible),
        ] {
            assert_eq!(serde_json::to_value(&revert).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Revert>(stored).unwrap(), revert);
        }
        assert_eq!(serde_json::from_value::<Revert>(json!(["heal/revert-1", 0])).unwrap(), Revert::Impossible);
    }

    #[test]
    fn a_document_reads_back_and_leaves_out_when_it_is_due() {
        let family = Family::first_seen(&run(Status::Queued, PrState::None), "v1:a", None, at(0));
        let text = serde_json::to_string(&family).unwrap();
        let back: Family = serde_json::from_str(&text).unwrap();
        assert_eq!(back, Family { due_at: None, ..family });
    }
}
