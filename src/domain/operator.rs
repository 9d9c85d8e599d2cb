//! Operators: the people who may look and decide, and what each of them may do.
use crate::domain::ids::Digest;
use crate::domain::names::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

named! {
    /// What an operator may do. Each may do what the ones before may.
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Reads and decides.
        Operator = "operator",
        /// Also verifies and exports the audit.
        Admin = "admin",
    }
}

impl Role {
    /// Whether this role includes `other`.
    pub fn includes(self, other: Self) -> bool {
        self >= other
    }
}

/// One person (or script) with a name. Secrets are kept as digests only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// Tells two operators of the same name apart, one of whom was revoked.
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// SHA-256 of the access token. A token is 256 random bits, so that no slow digest is needed.
    pub token_digest: Option<Digest>,
    /// The password as an Argon2id PHC string, where there is one.
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
    /// Since when nothing of theirs is accepted any more.
    pub revoked_at: Option<Timestamp>,
}
