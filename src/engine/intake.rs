//! Takes a failure in: a local repository becomes a queued run.
use crate::domain::{EventType, NewEvent, Order, Run, Transition};
use crate::engine::worker::this_machine;
use crate::engine::{Engine, EngineError};
use std::path::Path;

/// What a person asks `heal` to do.
#[derive(Debug, Clone)]
pub struct LocalOrder<'a> {
    pub repo: &'a Path,
    pub order: Order,
    pub max_attempts: u32,
}

impl Engine {
    /// Makes a run of the repository's current commit and puts it into the queue. Returns it with what was noticed about the repository.
    pub async fn take_in(&self, local: &LocalOrder<'_>) -> Result<(Run, Vec<String>), EngineError> {
        self.agents.for_order(&local.order, self).map_err(EngineError::Invalid)?;
        let facts = self.workspace.facts(local.repo).await?;
        let now = self.clock.now();
        let mut order = local.order.clone();
        order.repo_path = facts.root.to_string_lossy().into_owned();
        order.machine = Some(this_machine());
        let run = Run::queued(&facts.name, &facts.branch, &facts.head, order, local.max_attempts, now);
        let (run, ordered) = self.as_order(run);
        let short = run.commit_sha.get(..8).unwrap_or_default();
        let mut notices = Vec::new();
        let created = format!("taken in: {} {} at {short}", run.repository, run.branch);
        let mut events = vec![ordered.unwrap_or_else(|| NewEvent::new(EventType::RunCreated, "system", created))];
        if !facts.dirty.is_empty() {
            let notice = format!(
                "the checkout has changes that are not committed ({}); they are left alone, {short} is healed",
                facts.dirty.join(", ")
            );
            events.push(NewEvent::new(EventType::AttemptThinking, "system", notice.clone()));
            notices.push(notice);
        }
        events.push(NewEvent::new(EventType::RunQueued, "system", "waiting for a worker"));
        let transition = Transition { run: run.clone(), attempt: None, events, releases_lease: false };
        self.store.create(&transition, None).await?;
        Ok((run, notices))
    }
}
