//! Branches with fixes that lead nowhere: listed, and deleted where the settings say so.
use crate::domain::{EventType, NewEvent, PrState, RunId};
use crate::engine::ci::STALE;
use crate::engine::steward::Steward;
use crate::engine::steward::after::is_our_commit;
use crate::engine::steward::gate::MAX_FAMILIES;
use crate::engine::steward::scene::Trouble;
use crate::forge::{ForgeError, PullsQuery, Reads};
use crate::rules::is_heal_branch;
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How often it is looked for them.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Branches of a repository that are looked at in detail, and deleted, in one go.
const MAX_BRANCHES: usize = 20;
const MAX_PULLS: usize = 1_000;
/// First part of the names of branches with fixes, unless a repository's rules say otherwise.
const PREFIX: &str = "heal";

/// When it was looked for stale branches.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    next_at: Option<Timestamp>,
    /// By repository and commit: when we made it, if we did. A commit never changes, so that it is asked for once.
    made_at: BTreeMap<String, BTreeMap<String, Option<Timestamp>>>,
}

impl Sweeps {
    /// Looks for stale branches in all watched repositories, if it is time to.
    pub(super) async fn sweep(&mut self, steward: &Steward) -> Result<(), StoreError> {
        let now = steward.engine.clock.now();
        if self.next_at.is_some_and(|it| now < it) {
            return Ok(());
        }
        self.next_at = Some(now + EVERY);
        for repository in &steward.engine.forge.terms.watch {
            match steward.sweep(repository, self.made_at.entry(repository.clone()).or_default()).await {
                Ok(()) => {}
                Err(Trouble::Store(error)) => return Err(error),
                Err(Trouble::Forge(ForgeError::Later { until, .. })) => {
                    self.next_at = Some(until);
                    return Ok(());
                }
                Err(error) => tracing::warn!(%error, repository, "cannot look for stale branches"),
            }
        }
        Ok(())
    }
}

impl Steward {
    /// Lists the stale branches of a repository, and deletes them where the settings say so.
    async fn sweep(&self, repository: &str, made_at: &mut BTreeMap<String, Option<Timestamp>>) -> Result<(), Trouble> {
        let Some(reads) = self.engine.forge.reads.clone() else { return Ok(()) };
        let now = self.engine.clock.now();
        let mut stale = self.stale(&*reads, repository, made_at, now).await?;
        let terms = &self.engine.forge.terms;
        if let Some(writes) = self.engine.forge.writes.as_ref().filter(|_| terms.delete_stale_branches) {
            let n_deleted = stale.len().min(MAX_BRANCHES);
            for (name, commit) in stale.drain(..n_deleted).collect::<Vec<_>>() {
                // Seconds lie between two writes: what was pushed meanwhile stays.
                if reads.branch(repository, &name).await? != Some(commit) {
                    continue;
                }
                writes.delete_branch(repository, &name).await?;
                let fact = NewEvent::new(
                    EventType::BranchDeleted,
                    "system",
                    format!("stale branch {name} of {repository} deleted"),
                );
                let fact = fact.with(json!({ "repository": repository, "branch": name }));
                self.engine.store.note(RunId::NONE, &[fact], now).await?;
            }
        }
        let names: Vec<String> = stale.into_iter().map(|(name, _)| name).collect();
        self.engine.store.put_snapshot(&format!("{STALE}{repository}"), &json!(names), now).await?;
        Ok(())
    }

    /// Returns the branches that are ours by name and commit, are old, and have neither an open pull request nor a run that works with them; each
    /// with its commit. Those that are still to be looked at in detail have their turn in later sweeps.
    async fn stale(
        &self,
        reads: &dyn Reads,
        repository: &str,
        made_at: &mut BTreeMap<String, Option<Timestamp>>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, Trouble> {
        let families = self.engine.store.families(repository, MAX_FAMILIES).await?;
        // Where the rules call them otherwise, those that are known tell how; reading the rules for this would cost a request.
        let known = families.iter().filter_map(|it| it.pull.as_ref()?.branch.split_once('/')).map(|(prefix, _)| prefix);
        let prefixes: BTreeSet<&str> = known.chain([PREFIX]).collect();
        let mut ours: Vec<(String, String)> = Vec::new();
        for prefix in prefixes {
            let branches = reads.branches(repository, &format!("{prefix}/")).await?;
            ours.extend(branches.into_iter().filter(|(name, _)| is_heal_branch(prefix, name)));
        }
        if ours.is_empty() {
            return Ok(Vec::new());
        }
        let open =
            reads.pulls(repository, &PullsQuery { is_open: true, max: MAX_PULLS, ..PullsQuery::default() }).await?;
        if !open.is_last {
            let why = format!(
                "{repository} has more than {MAX_PULLS} open pull requests: any of them may be of a stale branch"
            );
            return Err(ForgeError::TooLarge(why).into());
        }
        let mut used: BTreeSet<String> = open.items.into_iter().map(|it| it.head_branch).collect();
        let is_live = |state: PrState| matches!(state, PrState::Open | PrState::None);
        for family in families {
            let revert = family.after.as_ref().and_then(|it| it.revert.as_ref()?.branch());
            used.extend(revert.map(str::to_owned));
            used.extend(family.pull.filter(|it| is_live(it.state)).map(|it| it.branch));
        }
        ours.retain(|(name, _)| !used.contains(name));
        let days = SignedDuration::from_hours(24 * i64::from(self.engine.forge.terms.stale_branch_days));
        made_at.retain(|commit, _| ours.iter().any(|(_, it)| it == commit));
        let unknown = ours.iter().map(|(_, commit)| commit).filter(|it| !made_at.contains_key(*it));
        for commit in unknown.take(MAX_BRANCHES).cloned().collect::<BTreeSet<_>>() {
            let facts = reads.commit(repository, &commit).await?;
            made_at.insert(commit, facts.committed_at.filter(|_| is_our_commit(&facts)));
        }
        let is_old = |at: Timestamp| now.duration_since(at) >= days;
        ours.retain(|(_, commit)| made_at.get(commit).copied().flatten().is_some_and(is_old));
        Ok(ours)
    }
}
