//! The port to a forge: what may be asked of the place where the team's repositories live. Only a configured forge is ever asked.
pub mod github;

use async_trait::async_trait;
use serde_json::Value;
use std::fmt::Debug;

/// Why the forge did not do it, in words; never with a token in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ForgeError(pub String);

/// A forge.
#[async_trait]
pub trait Forge: Debug + Send + Sync {
    /// Starts the workflows of `repository` that listen to `event_type`. Success only when the forge says that it took the event.
    async fn repository_dispatch(
        &self,
        repository: &str,
        event_type: &str,
        client_payload: &Value,
    ) -> Result<(), ForgeError>;

    /// Returns the page on which a repository's workflows are seen.
    fn workflows_url(&self, repository: &str) -> String;
}
