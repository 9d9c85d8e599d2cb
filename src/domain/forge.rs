//! What may be done at a forge, how often, and when: the terms of the settings.
use crate::domain::names::named;
use serde::Serialize;
use std::time::Duration;

named! {
    /// Who carries out a dispatch order of a repository at a forge.
    CarryOut {
        /// The forge's own workflows, where it may be written to.
        Forge = "forge",
        /// This service, which publishes what comes of it.
        Here = "here",
    }
}

named! {
    /// How a pull request is merged.
    MergeMethod { Squash = "squash", Merge = "merge", Rebase = "rebase" }
}

/// The terms on which repositories of a forge are watched, healed and published to. The defaults are those of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForgeTerms {
    /// Repositories that are watched, as owner/name.
    pub watch: Vec<String>,
    /// How often a repository is looked at while something runs there.
    pub poll_active: Duration,
    /// How often it is looked at while nothing does.
    pub poll_idle: Duration,
    /// How far back a start looks for red runs that were missed.
    pub lookback: Duration,
    pub merge_method: MergeMethod,
    /// Whether an approve waits for the checks of the pull request. Where there are none it never does.
    pub require_green: bool,
    /// Whether a draft becomes ready for review when its checks are green.
    pub ready_when_green: bool,
    /// After how long without any check of a pull request there is none.
    pub checks_grace: Duration,
    /// Pull requests opened in a repository in 24 hours, at most.
    pub prs_per_day: u32,
    /// Pull requests of ours that are open in a repository, at most.
    pub open_prs: u32,
    /// Runs healed of one workflow of a repository in 24 hours, at most; the repository's own rules go before.
    pub runs_per_day: u32,
    /// How long a failure is left alone after somebody denied, aborted or had to take over.
    pub cooldown: Duration,
    /// How long the original workflow is watched after a merge.
    pub watch_after_merge: Duration,
    /// After how many days a heal branch without an open pull request is stale.
    pub stale_branch_days: u32,
    /// Whether stale heal branches are deleted; otherwise they are only told.
    pub delete_stale_branches: bool,
}

impl Default for ForgeTerms {
    fn default() -> Self {
        Self {
            watch: Vec::new(),
            poll_active: Duration::from_secs(5),
            poll_idle: Duration::from_mins(1),
            lookback: Duration::from_hours(24),
            merge_method: MergeMethod::Squash,
            require_green: true,
            ready_when_green: false,
            checks_grace: Duration::from_mins(10),
            prs_per_day: 5,
            open_prs: 3,
            runs_per_day: 3,
            cooldown: Duration::from_hours(24),
            watch_after_merge: Duration::from_hours(2),
            stale_branch_days: 7,
            delete_stale_branches: false,
        }
    }
}

impl ForgeTerms {
    /// Whether a repository is watched; GitHub does not tell upper from lower case.
    pub fn watches(&self, repository: &str) -> bool {
        self.watch.iter().any(|it| it.eq_ignore_ascii_case(repository))
    }
}
