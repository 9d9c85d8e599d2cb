//! Takes dispatch orders (seed 000): sent on to the forge where one is configured, else a run of our own.
use crate::domain::{Digest, EventType, Instruction, NewEvent, Order, Provider, Run, RunId, Source, Transition};
use crate::engine::intake::LocalOrder;
use crate::engine::{Engine, EngineError};
use crate::forge::Writes;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

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

    pub fn new(engine: Engine, repository: Option<String>, forge: Option<Arc<dyn Writes>>) -> Self {
        Self { engine, repository, forge }
    }

    /// Takes an order that `by` gives; the error says what is missing or went wrong.
    pub async fn take(&self, order: Instruction, by: &str) -> Result<Taken, String> {
        let Some(repository) = self.repository.as_deref() else { return Err(NOBODY.to_owned()) };
        if let Some(forge) = &self.forge {
            return self.send_on(forge.as_ref(), repository, &order, by).await;
        }
        let run =
            self.make_run(repository, order, by).await.map_err(|it| self.engine.safe_text(&it.to_string(), 500))?;
        tracing::info!(run = %run.id, by, "an order was taken in");
        Ok(Taken {
            message: format!("Order taken in as run {}", run.id),
            workflow_url: format!("/api/v1/ci-healing/runs/{}", run.id),
            run_id: Some(run.id),
        })
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

    async fn make_run(&self, repository: &str, order: Instruction, by: &str) -> Result<Run, EngineError> {
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
            return Ok(self.engine.take_in(&local).await?.0);
        }
        let head = self.engine.repositories.head(repository).await.map_err(|it| EngineError::Invalid(it.0))?;
        let now = self.engine.clock.now();
        let run = Run::queued(repository, &head.branch, &head.commit, order, terms.max_attempts, now);
        let (run, created) = self.engine.as_order(Run { provider: Provider::Generic, ..run });
        let queued = NewEvent::new(EventType::RunQueued, "system", "waiting for a worker");
        let events = created.into_iter().chain([queued]).collect();
        let transition = Transition { run: run.clone(), attempt: None, events, releases_lease: false };
        self.engine.store.create(&transition, None).await?;
        Ok(run)
    }
}

impl Engine {
    /// Makes a new run of an order what it is: its words cleaned and masked, named after them. Returns the fact that tells it; none = no order.
    pub(super) fn as_order(&self, mut run: Run) -> (Run, Option<NewEvent>) {
        let Some(order) = &mut run.order.instruction else { return (run, None) };
        order.text = self.safe_text(&order.text, MAX_TEXT_CHARS);
        order.context = order.context.take().map(|it| self.safe_text(&it, MAX_TEXT_CHARS));
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
