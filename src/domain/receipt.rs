//! What a report from outside came to.
use crate::domain::ids::RunId;
use crate::domain::run::{Provider, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to a report: the webhook sends it, `paramedic ingest` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Receipt {
    Taken(Taken),
    Ignored(Ignored),
}

/// The failure has a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taken {
    pub run_id: RunId,
    /// Where the run stands now.
    pub status: Status,
    /// The run was there before: the same failure of the same commit, or the same delivery.
    pub deduplicated: bool,
    /// Who sent it, for counting; not told to the sender.
    #[serde(skip)]
    pub provider: Option<Provider>,
}

/// The report is fine, but says nothing that could be healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ignored {
    /// Always true.
    pub ignored: bool,
    /// Why, for people.
    pub reason: String,
}
