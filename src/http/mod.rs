//! The backlog as a service: routes over the backlog trait, a stream of events, and the connections they come by.
pub mod actions;
pub mod address;
pub mod auth;
pub mod body;
pub mod bounds;
pub mod ci;
pub mod detail;
pub mod dispatch;
pub mod docs;
pub mod error;
pub mod events;
pub mod feed;
pub mod headers;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod metrics_of_runs;
pub mod observe;
pub mod outputs;
mod places;
pub mod query;
pub mod router;
pub mod runs;
pub mod server;
pub mod stalling;
pub mod stream;
pub mod tls;
pub mod token;
pub mod webhook;

pub use auth::Guard;
pub use error::Problem;
pub use server::Server;
pub use webhook::Webhook;

use crate::backlog::Backlog;
use crate::clock::Clock;
use crate::engine::dispatch::Desk;
use crate::http::body::Room;
use crate::http::feed::Feed;
use crate::telemetry::Metrics;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `HOST:PORT`; port 0 picks a free one.
    pub listen: String,
    /// Certificate chain and private key, both PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether everybody may read.
    pub public_reads: bool,
    /// Who may read the metrics of the process.
    pub metrics: metrics::Audience,
    /// Connections at once; further ones wait.
    pub max_connections: usize,
    /// Connections of one address at once; further ones are closed. 0 = any number. Loopback and trusted proxies are not counted.
    pub max_connections_per_address: usize,
    /// Streams of events at once.
    pub max_streams: usize,
    /// Bytes of one body that a route takes, where it says nothing else.
    pub max_body: usize,
    /// Bytes of all bodies that are being read or worked on, together.
    pub max_bodies: usize,
    /// How long the head of a request may take; also how long a connection may be idle.
    pub head_timeout: Duration,
    /// How long nothing may come of a body, or nothing be taken of an answer.
    pub stall_timeout: Duration,
    /// How long a body may take altogether.
    pub body_timeout: Duration,
    /// How long a route may think.
    pub request_timeout: Duration,
    /// How often a quiet stream says that it is alive.
    pub heartbeat: Duration,
    /// How long requests may go on once the service is to stop.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7171".to_owned(),
            tls: None,
            public_reads: false,
            metrics: metrics::Audience::Loopback,
            max_connections: 1_024,
            max_connections_per_address: 256,
            max_streams: 256,
            max_body: 1024 * 1024,
            max_bodies: 256 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_secs(90),
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(10),
        }
    }
}

/// What the routes work with: axum's state, which it clones several times for each request.
#[derive(Debug, Clone)]
pub struct Service(Arc<ServiceSetup>);

impl From<ServiceSetup> for Service {
    fn from(setup: ServiceSetup) -> Self {
        Self(Arc::new(setup))
    }
}

impl Deref for Service {
    type Target = ServiceSetup;

    fn deref(&self) -> &ServiceSetup {
        &self.0
    }
}

/// What a service is made of.
#[derive(Debug)]
pub struct ServiceSetup {
    pub backlog: Arc<dyn Backlog>,
    /// Says who asks and whether they may.
    pub guard: Guard,
    pub clock: Arc<dyn Clock>,
    /// Counts what this process does.
    pub metrics: Arc<Metrics>,
    /// Takes dispatch orders; none: they are not taken here.
    pub desk: Option<Desk>,
    /// The newest events, for all streams.
    pub feed: Feed,
    /// Room for request bodies.
    pub room: Room,
    pub settings: Arc<Settings>,
    /// Fires when the service is to stop: streams end, idle connections close.
    pub shutdown: CancellationToken,
    /// Decisions under way; they are carried out even when the one who asked is gone.
    pub tasks: TaskTracker,
    /// Where reported failures go; `None`: they are not taken here.
    pub webhook: Option<Webhook>,
}

impl ServiceSetup {
    /// Returns what the service of a backlog is made of, without a desk and without a webhook. It begins to follow its events when it is served.
    pub fn new(
        backlog: Arc<dyn Backlog>,
        guard: Guard,
        clock: Arc<dyn Clock>,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            backlog,
            guard,
            clock,
            metrics,
            desk: None,
            feed: Feed::new(settings.max_streams),
            room: Room::new(settings.max_bodies),
            settings: Arc::new(settings),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            webhook: None,
        }
    }
}
