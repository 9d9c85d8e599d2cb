//! The gate: whose token is this, may they do that, and what is kept of those who may not.
use crate::access::password::Passwords;
use crate::access::refusals::Refusals;
use crate::access::ticket::Tickets;
use crate::access::{Attempted, Denied, Person, SigningKey, token};
use crate::clock::Clock;
use crate::domain::{EventType, NewEvent, Operator, Role, RunId};
use crate::store::{Store, StoreError};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Longer names are nobody's (`config` allows 64 characters).
const MAX_NAME_BYTES: usize = 256;

/// A short-lived token.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

/// Why nobody was logged in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Name or password; which of them is not said.
    #[error("Incorrect username or password")]
    Wrong,
    #[error("operators cannot be looked up now: {0}")]
    Unavailable(String),
    #[error("{0}")]
    Failed(String),
}

/// Lets operators in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tickets: Tickets,
    passwords: Passwords,
    refusals: Arc<Refusals>,
    is_read_only: bool,
}

impl Gate {
    /// Returns a gate whose short-lived tokens are signed with `key` and last for `lifetime`. A gate that only reads keeps no refusals.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        key: &SigningKey,
        lifetime: Duration,
        is_read_only: bool,
    ) -> Self {
        Self {
            store,
            clock,
            tickets: Tickets::new(key, lifetime),
            passwords: Passwords::default(),
            refusals: Arc::default(),
            is_read_only,
        }
    }

    /// Returns whose token this is: an access token, or a short-lived one of [`Gate::login`].
    pub async fn by_bearer(&self, token: &str) -> Result<Person, Denied> {
        if token.is_empty() {
            return Err(Denied::Missing);
        }
        if let Some(digest) = token::digest_of(token) {
            let owner = self.store.operator_by_token(&digest).await.map_err(|it| unavailable(&it))?;
            return person(owner.ok_or(Denied::Unknown)?);
        }
        let now = self.clock.now();
        let claims = self.tickets.read(token, now).ok_or(Denied::Unknown)?;
        let named = self.store.operator(&claims.sub).await.map_err(|it| unavailable(&it))?.ok_or(Denied::Unknown)?;
        if named.id != claims.oid {
            return Err(Denied::Revoked { name: claims.sub });
        }
        let person = person(named)?;
        if claims.has_expired(now) { Err(Denied::Expired { name: person.name }) } else { Ok(person) }
    }

    /// Lets somebody in who may do what is `needs`, and keeps the refusal of somebody known who may not.
    pub async fn admit(&self, token: Option<&str>, needs: Role, attempted: Attempted<'_>) -> Result<Person, Denied> {
        let found = match self.by_bearer(token.unwrap_or_default()).await {
            Ok(person) if !person.role.includes(needs) => {
                Err(Denied::Role { name: person.name, role: person.role, needs })
            }
            other => other,
        };
        if let Err(denied) = &found {
            match denied {
                Denied::Expired { name } => self.refused(name, attempted, "expired token").await,
                Denied::Revoked { name } => self.refused(name, attempted, "revoked operator").await,
                Denied::Role { name, role, needs } => {
                    self.refused(name, attempted, &format!("their role is {role}, and this needs {needs}")).await;
                }
                Denied::Missing | Denied::Unknown | Denied::Unavailable(_) => {}
            }
        }
        found
    }

    /// Keeps as a fact that an operator was refused; of a loop only the first ones in each minute.
    pub async fn refused(&self, name: &str, attempted: Attempted<'_>, reason: &str) {
        let Attempted { action, run } = attempted;
        tracing::warn!(operator = name, action, reason, run = run.map(tracing::field::display), "refused");
        let now = self.clock.now();
        if self.is_read_only {
            return;
        }
        let Some(left_out) = self.refusals.admit(name, now) else { return };
        let mut payload = json!({ "action": action, "reason": reason });
        if let Some(run) = run {
            payload["run"] = json!(run);
        }
        if left_out > 0 {
            payload["leftOut"] = json!(left_out);
        }
        let message = format!("refused {action}: {reason}");
        let fact = [NewEvent::new(EventType::AccessRefused, format!("human:{name}"), message).with(payload)];
        let about = run.unwrap_or(RunId::NONE);
        let kept = match self.store.note(about, &fact, now).await {
            // No such run: the fact is about the backlog then.
            Err(StoreError::NotFound) => self.store.note(RunId::NONE, &fact, now).await,
            other => other,
        };
        if let Err(error) = kept {
            tracing::error!(operator = name, action, %error, "a refusal could not be kept in the audit chain");
        }
    }

    /// Checks name and password. A name that is not there, is revoked or has no password costs the same work as a wrong password.
    pub async fn login(&self, name: &str, password: &str) -> Result<Issued, LoginError> {
        let is_name = name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
        let looked_up = if is_name { name } else { "" };
        let named = self.store.operator(looked_up).await.map_err(|it| LoginError::Unavailable(it.to_string()))?;
        let named = named.filter(|it| it.revoked_at.is_none());
        let stored = named.as_ref().and_then(|it| it.password_hash.clone());
        let is_right = self.passwords.is_right(password.to_owned(), stored).await.map_err(LoginError::Failed)?;
        let operator = named.filter(|_| is_right).ok_or(LoginError::Wrong)?;
        let (access_token, expires_in) =
            self.tickets.issue(&operator.name, operator.id, self.clock.now()).map_err(LoginError::Failed)?;
        Ok(Issued { access_token, expires_in })
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

fn person(operator: Operator) -> Result<Person, Denied> {
    match operator.revoked_at {
        Some(_) => Err(Denied::Revoked { name: operator.name }),
        None => Ok(Person { id: operator.id, name: operator.name, role: operator.role }),
    }
}

fn unavailable(error: &StoreError) -> Denied {
    Denied::Unavailable(error.to_string())
}
