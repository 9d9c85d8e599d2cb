//! Takes a failure in: a local repository becomes a queued run.
use crate::domain::run::PrState;
use crate::domain::{EventType, NewEvent, Order, Provider, Run, RunId, Source, Status, Transition};
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
        self.agents.for_order(&local.order).map_err(EngineError::Invalid)?;
        let facts = self.workspace.facts(local.repo).await?;
        let now = self.clock.now();
        let mut order = local.order.clone();
        order.repo_path = facts.root.to_string_lossy().into_owned();
        let run = Run {
            id: RunId::random(),
            repository: facts.name,
            branch: facts.branch,
            commit_sha: facts.head,
            provider: Provider::Local,
            source: Source::Local,
            pipeline_url: None,
            error_hash: String::new(),
            error_type: None,
            error_summary: String::new(),
            status: Status::Queued,
            attempt_count: 0,
            max_attempts: local.max_attempts,
            escalation_reason: None,
            escalation_note: None,
            resolved_by: None,
            approved_by: Vec::new(),
            pr_number: None,
            pr_url: None,
            pr_state: PrState::None,
            heal_branch: None,
            heal_commit: None,
            version: 1,
            created_at: now,
            updated_at: now,
            order,
            budget: local.max_attempts,
            pending: None,
            failure: None,
            not_before: None,
        };
        let short = run.commit_sha.get(..8).unwrap_or_default();
        let mut notices = Vec::new();
        let created = format!("taken in: {} {} at {short}", run.repository, run.branch);
        let mut events = vec![NewEvent::new(EventType::RunCreated, "system", created)];
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
