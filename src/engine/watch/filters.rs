//! Which red runs are healed, and why the others are not, in words. Pure.
use crate::domain::CiRun;
use crate::rules::{Build, Rules, Treatment};
use crate::workspace::OUR_EMAIL;
use std::collections::BTreeSet;

/// What their messages hold.
const OWN_TRAILER: &str = "Paramedic-Run: ";
/// What the rows of history say when a repository is watched for the first time.
pub(super) const HISTORY: &str = "it was red before it was watched, and is not the latest of its workflow and branch";
/// What a start says of what it comes too late for.
pub(super) const OLD: &str = "it is older than what a start looks back to";

/// What a run is judged by.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) repository: &'a str,
    pub(super) default_branch: &'a str,
    pub(super) rules: &'a Rules,
    /// Commits that a merge of ours became: what is red there says that the fix did not hold.
    pub(super) merged: &'a BTreeSet<String>,
}

impl Judge<'_> {
    /// Returns why a red run is not healed, `None` where it is.
    pub(super) fn ignored(&self, run: &CiRun) -> Option<String> {
        if let Treatment::Leave(why) = self.treatment(run) {
            return Some(why);
        }
        let is_own = run.author_email.eq_ignore_ascii_case(OUR_EMAIL)
            || trailers(&run.commit_message).any(|it| it.starts_with(OWN_TRAILER));
        let why = if is_own && !self.merged.contains(&run.commit_sha) {
            "the commit is one of ours"
        } else if run.event == "dynamic" || run.workflow_path.starts_with("dynamic/") {
            "GitHub runs it by itself: no file of the repository is behind it"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    /// Whether the commit comes from another repository.
    pub(super) fn is_fork(&self, run: &CiRun) -> bool {
        match &run.head_repository {
            Some(from) => !from.eq_ignore_ascii_case(self.repository),
            // The fork may be gone; what was pushed here is of here.
            None => run.event.starts_with("pull_request"),
        }
    }

    /// Whether a fix for the run's branch may be published.
    pub(super) fn is_trusted(&self, run: &CiRun) -> bool {
        !self.is_fork(run) && self.rules.is_trusted(&run.branch, self.default_branch)
    }

    fn treatment(&self, run: &CiRun) -> Treatment {
        self.rules.treatment(&Build {
            workflow: &run.workflow,
            workflow_path: &run.workflow_path,
            branch: &run.branch,
            default_branch: self.default_branch,
            is_fork: self.is_fork(run),
        })
    }
}

/// Returns the lines of a message's last paragraph, the last one first: in those before, a person may quote a message of ours.
fn trailers(message: &str) -> impl Iterator<Item = &str> {
    message.trim_end().lines().rev().take_while(|it| !it.trim().is_empty())
}

/// Returns the ids of the runs that are the latest of their workflow and branch; the newest come first. A fork's branch of the same name is another.
pub(super) fn latest<'a>(runs: impl IntoIterator<Item = &'a CiRun>) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    runs.into_iter()
        .filter(|it| seen.insert((it.workflow_id, &it.branch, &it.head_repository)))
        .map(|it| it.id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::testing::red;

    fn ignored(change: impl FnOnce(&mut CiRun)) -> Option<String> {
        let rules = Rules::read(b"excluded_workflows: [nightly]\nbranch_naming: {prefix: fix}").unwrap().0;
        let merged = BTreeSet::from(["merged".to_owned()]);
        let judge = Judge { repository: "acme/shop", default_branch: "main", rules: &rules, merged: &merged };
        let mut run = red(1);
        change(&mut run);
        judge.ignored(&run)
    }

    #[test]
    fn what_is_ours_never_starts_a_heal() {
        assert_eq!(ignored(|_| {}), None);
        for (what, why) in [
            (ignored(|it| it.branch = "heal/1a2b-3c4d".to_owned()), "branch is one of ours"),
            (ignored(|it| it.branch = "fix/1a2b3c4d-deadbeef".to_owned()), "branch is one of ours"),
            (ignored(|it| it.branch = "copilot/fix-7".to_owned()), "branch is one of Copilot's"),
            (
                ignored(|it| it.workflow_path = ".github/workflows/paramedic-heal.yml".to_owned()),
                "workflow is one of ours",
            ),
            (ignored(|it| it.author_email = "Paramedic@localhost".to_owned()), "commit is one of ours"),
            (ignored(|it| it.commit_message = "Heal x\n\nParamedic-Run: 1".to_owned()), "commit is one of ours"),
            (ignored(|it| it.workflow = "Nightly".to_owned()), "excluded_workflows"),
            (ignored(|it| it.event = "dynamic".to_owned()), "by itself"),
        ] {
            assert!(what.as_ref().is_some_and(|it| it.contains(why)), "{why}: {what:?}");
        }
        assert_eq!(ignored(|it| it.branch = "fix/login".to_owned()), None, "a person's");
        let quoted =
            |it: &mut CiRun| it.commit_message = "Mend x (#7)\n\n* Heal x\n\nParamedic-Run: 1\n\n* Tidy".to_owned();
        assert_eq!(ignored(quoted), None, "a person's, with ours in it");
        let merge = |it: &mut CiRun| {
            it.author_email = OUR_EMAIL.to_owned();
            it.commit_sha = "merged".to_owned();
        };
        assert_eq!(ignored(merge), None, "what is red after a merge is looked at");
    }

    #[test]
    fn a_commit_from_elsewhere_is_a_fork() {
        let rules = Rules::read(b"").unwrap().0;
        let merged = BTreeSet::new();
        let judge = Judge { repository: "acme/shop", default_branch: "trunk", rules: &rules, merged: &merged };
        for (from, event, branch, is_fork, is_trusted) in [
            (Some("Acme/Shop"), "push", "trunk", false, true),
            (Some("acme/shop"), "pull_request", "topic", false, false),
            (Some("eve/shop"), "pull_request", "main", true, false),
            (None, "pull_request", "main", true, false),
            (None, "push", "main", false, true),
        ] {
            let run = CiRun {
                head_repository: from.map(str::to_owned),
                event: event.to_owned(),
                branch: branch.to_owned(),
                ..red(1)
            };
            assert_eq!((judge.is_fork(&run), judge.is_trusted(&run)), (is_fork, is_trusted), "{from:?} {event}");
        }
    }

    #[test]
    fn history_is_not_healed() {
        let on = |id, branch: &str| CiRun { branch: branch.to_owned(), ..red(id) };
        let other = CiRun { workflow_id: 9, ..on(1, "main") };
        let forks = CiRun { head_repository: Some("eve/shop".to_owned()), ..on(5, "main") };
        let runs = [forks, on(4, "main"), on(3, "topic"), on(2, "main"), other];
        assert_eq!(latest(&runs), BTreeSet::from([5, 4, 3, 1]));
    }
}
