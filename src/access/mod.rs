//! Who may come in: operators' tokens and passwords, short-lived tokens, and the audit of those who were refused.
mod gate;
pub mod key;
mod password;
mod refusals;
mod registry;
mod ticket;
mod token;

pub use gate::{Gate, Issued, LoginError};
pub use key::{KeyError, SigningKey};
pub use password::check_password;
pub use registry::{Registry, RegistryError};
pub use token::Token;

use crate::domain::{Role, RunId};
use uuid::Uuid;

/// Somebody who showed that they are an operator in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing was shown at all.
    #[error("this needs an operator's token: `Authorization: Bearer …`")]
    Missing,
    /// What was shown is no token of this backlog.
    #[error("this token is not known here; `paramedic operator token NAME` makes a new one")]
    Unknown,
    #[error("this token of {name} has expired; log in again")]
    Expired { name: String },
    #[error("{name} is no longer an operator here; ask whoever keeps the operators")]
    Revoked { name: String },
    /// They are known, but may not do this.
    #[error("{name} has the role {role} here, and this needs {needs}")]
    Role { name: String, role: Role, needs: Role },
    /// The database does not answer; nothing is known about them.
    #[error("operators cannot be looked up now: {0}")]
    Unavailable(String),
}

/// What somebody wanted to do; kept with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted<'a> {
    /// A word for it: `read`, `approve`, `dispatch`.
    pub action: &'a str,
    pub run: Option<RunId>,
}
