//! The metrics of one process, in a registry of their own (nothing is global).
use crate::clock::Clock;
use crate::domain::run::Provider;
use crate::domain::{AttemptStatus, Status};
use crate::store::{Store, StoreError};
use crate::telemetry::process::ProcessCollector;
use crate::telemetry::tally::Count;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What `GET /metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a scrape waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// From an instant failure to an agent that works for hours.
const ATTEMPT_SECONDS: [f64; 12] =
    [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 2_400.0, 4_800.0, 10_800.0];
const REQUEST_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms = Family<Labels<2>, Histogram, fn() -> Histogram>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// The counters of one process and how to read them. Cheap to share.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    webhooks: Counters<2>,
    attempts: Counters<2>,
    transitions: Counters<2>,
    validations: Counters<1>,
    pr_actions: Counters<1>,
    human_actions: Counters<1>,
    attempt_seconds: Histogram,
    lease_losses: Counter,
    notifications: Counters<2>,
    requests: Counters<3>,
    request_seconds: Histograms,
    queue_depth: FloatGauge,
    oldest_queued: FloatGauge,
    leases: FloatGauge,
    database_up: FloatGauge,
}

/// How a notification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Sent,
    /// Tried again and again, and given up.
    GivenUp,
}

impl Metrics {
    /// Makes the metrics of this process, all zero.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("paramedic_build", "Which program this is", build);
        let started_at = clock.now().as_duration().as_secs_f64();
        registry.register_collector(Box::new(ProcessCollector { started_at }));
        let mut metrics = Self {
            store,
            clock,
            webhooks: register(
                &mut registry,
                "ci_healing_webhooks",
                "Webhooks that reported a failure, taken by this server",
            ),
            attempts: register(
                &mut registry,
                "ci_healing_attempts",
                "Attempts that began (running) and ended (failed, succeeded)",
            ),
            transitions: register(
                &mut registry,
                "ci_healing_run_status_transitions",
                "Changes of state, by the new state",
            ),
            validations: register(
                &mut registry,
                "ci_healing_container_validation",
                "Proofs of patches: the failing command was run again",
            ),
            pr_actions: register(&mut registry, "ci_healing_pr_actions", "What happened to pull requests"),
            human_actions: register(&mut registry, "ci_healing_human_actions", "What people decided"),
            attempt_seconds: Histogram::new(ATTEMPT_SECONDS),
            lease_losses: Counter::default(),
            notifications: register(
                &mut registry,
                "paramedic_notifications",
                "Notifications, by target and how they ended",
            ),
            requests: register(&mut registry, "paramedic_http_requests", "Requests answered by this server"),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            queue_depth: FloatGauge::default(),
            oldest_queued: FloatGauge::default(),
            leases: FloatGauge::default(),
            database_up: FloatGauge::default(),
            registry,
        };
        metrics.register_rest();
        metrics.start_at_zero();
        metrics
    }

    fn register_rest(&mut self) {
        let registry = &mut self.registry;
        registry.register("paramedic_attempt_duration_seconds", "How long attempts took", self.attempt_seconds.clone());
        registry.register(
            "paramedic_lease_losses",
            "Runs taken back from a worker that went silent",
            self.lease_losses.clone(),
        );
        registry.register(
            "paramedic_http_request_duration_seconds",
            "How long requests took until their answer began",
            self.request_seconds.clone(),
        );
        registry.register("paramedic_queue_depth", "Runs that wait for a worker", self.queue_depth.clone());
        registry.register(
            "paramedic_oldest_queued_age_seconds",
            "How long the run waits that came into the queue first; 0 without any",
            self.oldest_queued.clone(),
        );
        registry.register("paramedic_leases_held", "Runs that workers hold", self.leases.clone());
        registry.register(
            "paramedic_database_up",
            "Whether the database answered this scrape",
            self.database_up.clone(),
        );
    }

    /// Makes every series of a known set of labels visible before it first counts, so that a rate sees the first step too.
    fn start_at_zero(&self) {
        for provider in Provider::ALL {
            for is_duplicate in [false, true] {
                let _ = self.webhooks.get_or_create(&webhook_labels(*provider, is_duplicate));
            }
            for status in AttemptStatus::ALL {
                let _ = self.attempts.get_or_create(&by_status(status.as_str(), *provider));
            }
            for status in Status::ALL {
                let _ = self.transitions.get_or_create(&by_status(status.as_str(), *provider));
            }
        }
        for result in ["passed", "failed"] {
            let _ = self.validations.get_or_create(&[("result", result.to_owned())]);
        }
        for action in ["opened", "updated", "ready", "skipped", "refused", "merged", "closed"] {
            let _ = self.pr_actions.get_or_create(&[("action", action.to_owned())]);
        }
        for action in ["approve", "deny", "abort", "human-fix", "retry", "publish"] {
            let _ = self.human_actions.get_or_create(&[("action", action.to_owned())]);
        }
    }

    /// Counts a webhook that reported a failure and was taken.
    pub fn webhook(&self, provider: Provider, is_duplicate: bool) {
        self.webhooks.get_or_create(&webhook_labels(provider, is_duplicate)).inc();
    }

    /// Counts an answered request. `route` is the template (`/runs/{id}`), never the path: whoever asks must not make series.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let method = METHODS.iter().find(|it| **it == method).map_or("OTHER", |it| *it).to_owned();
        let route = route.to_owned();
        let labels = [("method", method.clone()), ("route", route.clone()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        let labels = [("method", method), ("route", route)];
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts how a notification to `target` (a name of the settings) ended.
    pub fn notification(&self, target: &str, delivery: Delivery) {
        let result = match delivery {
            Delivery::Sent => "sent",
            Delivery::GivenUp => "given-up",
        };
        self.notifications.get_or_create(&[("target", target.to_owned()), ("result", result.to_owned())]).inc();
    }

    pub(super) fn count(&self, provider: Provider, count: Count) {
        match count {
            Count::Status(status) => self.transitions.get_or_create(&by_status(status.as_str(), provider)).inc(),
            Count::Attempt(status) => self.attempts.get_or_create(&by_status(status.as_str(), provider)).inc(),
            Count::Took(seconds) => {
                self.attempt_seconds.observe(seconds);
                0
            }
            Count::Validation { passed } => {
                let result = if passed { "passed" } else { "failed" };
                self.validations.get_or_create(&[("result", result.to_owned())]).inc()
            }
            Count::Pr(action) => self.pr_actions.get_or_create(&[("action", action.to_owned())]).inc(),
            Count::Human(action) => self.human_actions.get_or_create(&[("action", action.to_owned())]).inc(),
            Count::LeaseLost => self.lease_losses.inc(),
        };
    }

    /// Returns all metrics as text; asks the database what waits, but not for long. A gauge that nobody knows is `NaN`.
    pub async fn render(&self) -> String {
        self.ask_database().await;
        let mut rendered = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut rendered, &self.registry);
        rendered
    }

    /// Returns why the service cannot work at present, in words; `Ok` when the database answers within `patience` and its schema fits.
    pub async fn ready(&self, patience: Duration) -> Result<(), String> {
        match tokio::time::timeout(patience, self.store.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the database did not answer within {patience:?}")),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 runs")]
    async fn ask_database(&self) {
        let depth = tokio::time::timeout(PATIENCE, self.store.depth(self.clock.now())).await;
        let depth = depth.unwrap_or_else(|_| Err(StoreError::Unavailable(String::new())));
        let (queued, leased, age, up) = match depth {
            Ok(depth) => {
                let age = depth.oldest_age.unwrap_or_default().as_secs_f64();
                (depth.queued as f64, depth.leased as f64, age, 1.0)
            }
            Err(_) => (f64::NAN, f64::NAN, f64::NAN, 0.0),
        };
        self.queue_depth.set(queued);
        self.leases.set(leased);
        self.oldest_queued.set(age);
        self.database_up.set(up);
    }
}

fn register<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Counters<N>
where
    Labels<N>: EncodeLabelSet,
{
    let counters = Counters::<N>::default();
    registry.register(name, help, counters.clone());
    counters
}

fn webhook_labels(provider: Provider, is_duplicate: bool) -> Labels<2> {
    [("provider", provider.to_string()), ("deduplicated", is_duplicate.to_string())]
}

fn by_status(status: &str, provider: Provider) -> Labels<2> {
    [("status", status.to_owned()), ("provider", provider.to_string())]
}
