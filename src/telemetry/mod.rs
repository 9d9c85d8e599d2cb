//! What the service tells about itself: its log, in which no secret is, and its metrics.
pub mod chain;
mod clean;
mod json;
pub mod log;
pub mod metrics;
mod process;
mod tally;

pub use metrics::Metrics;
