//! Takes dispatch orders (seed 000): sent on to the forge where that is to carry them out, else a run of our own.
use crate::domain::{
    Digest, EventType, Instruction, NewEvent, Order, Provider, Run, RunId, Source, Status, Transition,
};
use crate::engine::intake::LocalOrder;
use crate::engine::{Engine, EngineError};
use crate::evidence::text::is_blank;
use crate::forge::Writes;
use crate::store::{Arrival, Arrived, FamilySighting, StoreError};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The event that the forge's workflows listen to.
const EVENT_TYPE: &str = "jarvis_order";
/// How much of an order is kept.
const MAX_TEXT_CHARS: usize = 20_000;
const MAX_SUMMARY_CHARS: usize = 200;

/// Where orders are handed in.
#[derive(Debug, Clone)]
pub struct Desk {
    engine: Engine,
    /// owner/name, or the path of a local repository.
    repository: Option<String>,
    /// Where orders start from and go to; none: the default branch.
    base_branch: Option<String>,
    /// Who carries orders out instead of us.
    forge: Option<Arc<dyn Writes>>,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub message: String,
    /// Where to look what comes of it: a page of the forge, or our own route.
    pub workflow_url: String,
    /// Our own run, where no forge took the order.
    pub run_id: Option<RunId>,
}

/// Said where no repository takes orders.
const NOBODY: &str = "no repository takes orders: set `repository` of [dispatch]";

impl Desk {
    /// Returns why no order can be taken at all, in words; `None` where they can.
    pub fn closed(&self) -> Option<&'static str> {
        self.repository.is_none().then_some(NOBODY)
    }

    /// Returns a desk for orders of one repository. With `forge` they are sent on to its workflows, as far as it is not a local path.
    pub fn new(
        engine: Engine,
        repository: Option<String>,
        base_branch: Option<String>,
        forge: Option<Arc<dyn Writes>>,
    ) -> Self {
        Self { engine, repository, base_branch, forge }
    }

    /// Takes an order that `by` gives; the error says what is missing or went wrong.
    pub async fn take(&self, order: Instruction, by: &str) -> Result<Taken, String> {
        let Some(repository) = self.repository.as_deref() else { return Err(NOBODY.to_owned()) };
        if let Some(forge) = &self.forge {
            return self.send_on(forge.as_ref(), repository, &order, by).await;
        }
        let arrived = self.take_in(repository, order, by).await;
        let Arrived { run_id, status, is_duplicate } =
            arrived.map_err(|it| self.engine.safe_text(&it.to_string(), 500))?;
        tracing::info!(run = %run_id, by, is_duplicate, "an order was taken in");
        let message = match (is_duplicate, status) {
            (false, _) => format!("Order taken in as run {run_id}"),
            (true, Status::Fixed) => {
                format!("The same order was carried out by run {run_id}, which waits for a decision")
            }
            (true, _) => format!("The same order is under way already, as run {run_id}"),
        };
        let workflow_url = format!("/api/v1/ci-healing/runs/{run_id}");
        Ok(Taken { message, workflow_url, run_id: Some(run_id) })
    }

    async fn send_on(
        &self,
        forge: &dyn Writes,
        repository: &str,
        order: &Instruction,
        by: &str,
    ) -> Result<Taken, String> {
        if repository.starts_with('/') {
            return Err("orders for a forge need `repository = \"owner/name\"` in [dispatch]".to_owned());
        }
        let payload = json!({
            "intent": order.intent, "instruction": order.text,
            "context": order.context.as_deref().unwrap_or_default(), "triggered_by": by,
        });
        forge.repository_dispatch(repository, EVENT_TYPE, &payload).await.map_err(|it| it.to_string())?;
        tracing::info!(repository, by, "an order was sent to the forge");
        Ok(Taken {
            message: format!("Repository dispatch event '{EVENT_TYPE}' triggered successfully"),
            workflow_url: forge.workflows_url(repository),
            run_id: None,
        })
    }

    async fn take_in(&self, repository: &str, order: Instruction, by: &str) -> Result<Arrived, EngineError> {
        let terms = self.engine.repositories.terms(repository);
        let order = Order {
            test_reason: terms.test_command.as_ref().map(|_| "settings".to_owned()),
            test_command: terms.test_command,
            agents: terms.agents,
            timeout_ms: terms.timeout_ms,
            instruction: Some(order),
            requested_by: Some(by.to_owned()),
            ..Order::default()
        };
        if repository.starts_with('/') {
            let local = LocalOrder { repo: Path::new(repository), order, max_attempts: terms.max_attempts };
            let (run, _) = self.engine.take_in(&local).await?;
            return Ok(Arrived { run_id: run.id, status: run.status, is_duplicate: false });
        }
        let arrival = self.arrival(repository, order, terms.max_attempts).await?;
        let arrived = self.engine.store.arrive(&[arrival]).await?;
        let nothing = || StoreError::Broken("an arrival got no answer".to_owned());
        Ok(arrived.into_iter().next().ok_or_else(nothing)?)
    }

    /// Returns an order of a repository at a forge as it is stored. Where that is watched it is of a family, by which what comes of it is
    /// published; the same words while it is under way are the same order.
    async fn arrival(&self, repository: &str, order: Order, max_attempts: u32) -> Result<Arrival, EngineError> {
        let engine = &self.engine;
        let branch = self.base_branch.as_deref();
        let head = engine.repositories.head(repository, branch).await.map_err(|it| match branch {
            Some(_) => EngineError::Invalid(format!("{it} (`base_branch` of [dispatch], or GITHUB_BASE_BRANCH)")),
            None => EngineError::Invalid(it.0),
        })?;
        let now = engine.clock.now();
        let run = Run::queued(repository, &head.branch, &head.commit, order, max_attempts, now);
        let (run, created) = engine.as_order(Run { provider: Provider::Generic, ..run });
        let note = self.why_unpublished(repository).map(|why| {
            let why = format!("what comes of this order stays here, without a pull request: {why}");
            NewEvent::new(EventType::AttemptThinking, "system", why)
        });
        let queued = NewEvent::new(EventType::RunQueued, "system", "waiting for a worker");
        let family = engine.forge.terms.watches(repository).then(|| FamilySighting {
            error_hash: run.error_hash.clone(),
            url: None,
            began_at: now,
            live_for: Duration::ZERO,
        });
        let key = Digest::of(json!(["order", run.id]).to_string());
        let events = created.into_iter().chain(note).chain([queued]).collect();
        let creation = Transition { run, attempt: None, events, releases_lease: false };
        Ok(Arrival { creation, key, delivery: None, outputs: Vec::new(), family })
    }

    /// Returns why nobody will publish what comes of an order, where that is known from the start.
    fn why_unpublished(&self, repository: &str) -> Option<String> {
        let seat = &self.engine.forge;
        if !seat.terms.watches(repository) {
            return Some(format!("{repository} is not watched (`watch` of [github])"));
        }
        // Who reads there says the rest.
        seat.why_not.clone().filter(|_| seat.reads.is_none())
    }
}

impl Engine {
    /// Makes a new run of an order what it is: its words cleaned and masked, named after them. Returns the fact that tells it; none = no order.
    pub(super) fn as_order(&self, mut run: Run) -> (Run, Option<NewEvent>) {
        let Some(order) = &mut run.order.instruction else { return (run, None) };
        // Blanks around the words make no other order.
        let clean = |text: &str| self.safe_text(text, MAX_TEXT_CHARS).trim().to_owned();
        order.text = clean(&order.text);
        order.context = order.context.take().filter(|it| !is_blank(it)).map(|it| clean(&it));
        let whole = json!([order.intent, order.text, order.context]).to_string();
        let summary: String = format!("{}: {}", order.intent, order.text).chars().take(MAX_SUMMARY_CHARS).collect();
        let summary = crate::evidence::text::clean_line(&summary);
        let by = run.order.requested_by.as_deref().unwrap_or("operator");
        let fact = NewEvent::new(EventType::RunCreated, format!("human:{by}"), format!("ordered: {summary}"));
        run.source = Source::Dispatch;
        run.error_hash = format!("order:{}", Digest::of(whole));
        run.error_type = Some("Order".to_owned());
        run.error_summary = summary;
        (run, Some(fact))
    }
}
