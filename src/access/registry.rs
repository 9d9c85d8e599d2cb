//! Keeps the operators: adds and revokes them, gives them tokens and passwords. Every change is a fact with who made it.
use crate::access::password::{Passwords, check_password};
use crate::access::token::Token;
use crate::clock::Clock;
use crate::domain::operator::is_same_person;
use crate::domain::{EventType, NewEvent, Operator, Role};
use crate::store::{Store, StoreError};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Why the operators stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(
        "there is an operator {0} already; `paramedic operator token` gives them a new token, or revoke them first"
    )]
    Taken(String),
    #[error("there is no operator {0}; `paramedic operator list` shows who there is")]
    Unknown(String),
    #[error("{0} was revoked; `paramedic operator add` makes a new operator of that name")]
    Revoked(String),
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The operators of one backlog.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
}

impl Registry {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, passwords: Passwords::default() }
    }

    /// Adds an operator and returns their token, which nothing shows again. `by` is who does it.
    pub async fn add(
        &self,
        name: &str,
        role: Role,
        password: Option<String>,
        by: &str,
    ) -> Result<(Operator, Token), RegistryError> {
        Operator::check_name(name).map_err(RegistryError::Invalid)?;
        let is_taken = |it: &Operator| it.revoked_at.is_none() && is_same_person(&it.name, name);
        if let Some(taken) = self.store.operators().await?.into_iter().find(is_taken) {
            return Err(RegistryError::Taken(taken.name));
        }
        let token = Token::random().map_err(RegistryError::Invalid)?;
        let has_password = password.is_some();
        let operator = Operator {
            id: Uuid::new_v4(),
            name: name.to_owned(),
            role,
            token_digest: Some(token.digest()),
            password_hash: match password {
                Some(password) => Some(self.hash(password).await?),
                None => None,
            },
            created_at: self.clock.now(),
            revoked_at: None,
        };
        let fact = fact(EventType::OperatorAdded, by, &operator, format!("added {name} as {role}"), has_password);
        match self.store.add_operator(&operator, &fact).await {
            Ok(()) => Ok((operator, token)),
            Err(StoreError::Conflict) => Err(RegistryError::Taken(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns all operators by name, revoked ones too.
    pub async fn list(&self) -> Result<Vec<Operator>, RegistryError> {
        Ok(self.store.operators().await?)
    }

    /// Makes everything of theirs worthless at once. `false`: they were revoked before, and nothing changed.
    pub async fn revoke(&self, name: &str, by: &str) -> Result<bool, RegistryError> {
        let found = self.store.operator(name).await?.ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        if found.revoked_at.is_some() {
            return Ok(false);
        }
        // The digest of the token stays, so that whoever still shows it is recognised.
        let operator = Operator { password_hash: None, revoked_at: Some(self.clock.now()), ..found };
        self.update(EventType::OperatorRevoked, by, &operator, format!("revoked {name}"), false).await?;
        Ok(true)
    }

    /// Gives an operator a new token; the one before is dead at once.
    pub async fn renew_token(&self, name: &str, by: &str) -> Result<(Operator, Token), RegistryError> {
        let found = self.in_force(name).await?;
        let token = Token::random().map_err(RegistryError::Invalid)?;
        let operator = Operator { token_digest: Some(token.digest()), ..found };
        self.update(EventType::OperatorTokenIssued, by, &operator, format!("new token for {name}"), false).await?;
        Ok((operator, token))
    }

    /// Sets an operator's password. Who is logged in with the one before stays so until their short-lived token ends.
    pub async fn set_password(&self, name: &str, password: String, by: &str) -> Result<Operator, RegistryError> {
        let found = self.in_force(name).await?;
        let operator = Operator { password_hash: Some(self.hash(password).await?), ..found };
        self.update(EventType::OperatorTokenIssued, by, &operator, format!("new password for {name}"), true).await?;
        Ok(operator)
    }

    async fn in_force(&self, name: &str) -> Result<Operator, RegistryError> {
        let found = self.store.operator(name).await?.ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        if found.revoked_at.is_some() { Err(RegistryError::Revoked(found.name)) } else { Ok(found) }
    }

    async fn hash(&self, password: String) -> Result<String, RegistryError> {
        check_password(&password).map_err(RegistryError::Invalid)?;
        self.passwords.hash(password).await.map_err(RegistryError::Invalid)
    }

    async fn update(
        &self,
        kind: EventType,
        by: &str,
        operator: &Operator,
        message: String,
        has_password: bool,
    ) -> Result<(), RegistryError> {
        let fact = fact(kind, by, operator, message, has_password);
        Ok(self.store.update_operator(operator, &fact, self.clock.now()).await?)
    }
}

fn fact(kind: EventType, by: &str, operator: &Operator, message: String, has_password: bool) -> NewEvent {
    NewEvent::new(kind, format!("human:{by}"), message).with(json!({
        "operator": operator.name, "operatorId": operator.id, "role": operator.role, "password": has_password,
    }))
}
