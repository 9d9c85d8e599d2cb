//! Signals: what a CI system says of a failure, mapped from each sender's own words. Pure: bytes in, a [`Signal`] or a reason out.

use crate::domain::Provider;

/// A failure as its sender reports it. Everything in it is foreign text, bounded but not yet cleaned or masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub provider: Provider,
    /// owner/name.
    pub repository: String,
    pub branch: String,
    pub commit_sha: String,
    pub pipeline_url: Option<String>,
    /// Name of the workflow, pipeline or job that failed.
    pub workflow: Option<String>,
    pub error_type: Option<String>,
    /// The log or the words that came with it.
    pub error_log: String,
}

/// What a delivery comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Failure(Box<Signal>),
    /// Nothing for us, and why.
    Ignored(String),
}

/// Why a payload cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SignalError {
    /// The field at fault, in the sender's own notation, where one is.
    pub field: Option<String>,
    pub message: String,
}
