//! Who asks, and whether they may: every route takes one of the extractors here before it does anything.
use crate::backlog::ActionKind;
use crate::domain::{Digest, Role, RunId};
use crate::engine::{Engine, StoreError};
use crate::http::{Problem, Service};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

/// Tokens are shorter than this; whatever is longer is none.
const MAX_TOKEN: usize = 4_096;

/// Somebody who showed that they are an operator in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub role: Role,
}

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// A word for it: `read`, `approve`, `audit`.
    pub action: &'static str,
    pub run: Option<RunId>,
}

/// Knows the operators' tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    engine: Engine,
}

impl Guard {
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Returns whose token this is, if they may do what needs `role`.
    pub async fn admit(&self, token: Option<&str>, role: Role, attempted: &Attempted) -> Result<Person, Problem> {
        let Some(token) = token.filter(|it| !it.is_empty()) else {
            return Err(Problem::unauthenticated("this needs an operator's token: `Authorization: Bearer …`"));
        };
        let found = self.engine.store.operator_by_token(&Digest::of(token)).await;
        let operator = match found {
            Ok(found) => found.filter(|it| it.revoked_at.is_none()),
            Err(StoreError::Unavailable(why)) => {
                tracing::warn!(error = why, "operators cannot be looked up");
                return Err(Problem::unavailable("operators cannot be looked up now; try again in a moment"));
            }
            Err(error) => return Err(Problem::internal(&error.to_string())),
        };
        let Some(operator) = operator else {
            return Err(Problem::unauthenticated("this token is not accepted here"));
        };
        if !operator.role.includes(role) {
            tracing::warn!(operator = operator.name, action = attempted.action, "refused");
            return Err(Problem::forbidden(format!("{} is {} here; this needs {role}", operator.name, operator.role)));
        }
        Ok(Person { name: operator.name, role: operator.role })
    }
}

/// The bearer token of a request, `None` without one.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN).then_some(token)
}

/// Somebody who may read; nobody in particular where reads are public.
#[derive(Debug, Clone)]
pub struct Reader {
    pub person: Option<Person>,
    /// What they showed, to be looked at again while a stream lasts.
    pub token: Option<String>,
}

impl Reader {
    /// Whether they may still read.
    pub async fn is_still_in(&self, service: &Service) -> bool {
        self.person.is_none() || service.guard.admit(self.token.as_deref(), Role::Viewer, &READ).await.is_ok()
    }
}

/// Somebody who may decide.
#[derive(Debug, Clone)]
pub struct Decider(pub Person);

/// Somebody who may look into the audit.
#[derive(Debug, Clone)]
pub struct Auditor(pub Person);

/// Any operator at all, also where reads are public.
#[derive(Debug, Clone)]
pub struct Known(pub Person);

const READ: Attempted = Attempted { action: "read", run: None };

impl FromRequestParts<Service> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        if service.settings.public_reads && !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self { person: None, token: None });
        }
        let person = require(parts, service, Role::Viewer, "read").await?;
        Ok(Self { person: Some(person), token: bearer(parts).map(str::to_owned) })
    }
}

impl FromRequestParts<Service> for Decider {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        require(parts, service, Role::Operator, "decide").await.map(Self)
    }
}

impl FromRequestParts<Service> for Auditor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        require(parts, service, Role::Admin, "audit").await.map(Self)
    }
}

impl FromRequestParts<Service> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        require(parts, service, Role::Viewer, "read").await.map(Self)
    }
}

/// Lets a request in that shows an operator who may do what needs `role`. The path says what they were about to do, for the audit.
pub async fn require(
    parts: &mut Parts,
    service: &Service,
    role: Role,
    action: &'static str,
) -> Result<Person, Problem> {
    let mut attempted = Attempted { action, run: None };
    if let Ok(names) = RawPathParams::from_request_parts(parts, service).await {
        for (name, value) in &names {
            match name {
                "id" => attempted.run = value.parse().ok(),
                "action" => attempted.action = value.parse::<ActionKind>().map_or(action, ActionKind::as_str),
                _ => {}
            }
        }
    }
    service.guard.admit(bearer(parts), role, &attempted).await
}
