//! Who asks, and whether they may: every route takes one of the extractors here before it does anything.
use crate::access::{Attempted, Denied, Gate, Person};
use crate::backlog::ActionKind;
use crate::domain::Role;
use crate::http::address::TrustedProxies;
use crate::http::limits::Limits;
use crate::http::observe::Asker;
use crate::http::{Problem, Service};
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Tokens are shorter than this; whatever is longer is none.
const MAX_TOKEN: usize = 4_096;

/// Knows the operators, and how often somebody may ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    gate: Gate,
    limits: Limits,
    proxies: Arc<TrustedProxies>,
}

impl Guard {
    pub fn new(gate: Gate, limits: Limits, proxies: TrustedProxies) -> Self {
        Self { gate, limits, proxies: Arc::new(proxies) }
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Returns the proxies that the settings trust.
    pub fn proxies(&self) -> Arc<TrustedProxies> {
        self.proxies.clone()
    }

    /// Returns the address a request comes from; proxies are believed where the settings trust them.
    pub fn address(&self, parts: &Parts) -> IpAddr {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|it| it.0.ip());
        self.proxies.client(peer.unwrap_or(Ipv4Addr::LOCALHOST.into()), &parts.headers)
    }

    /// Counts a login before the password is looked at; too many are refused.
    pub fn count_login(&self, name: &str, address: IpAddr) -> Result<(), Problem> {
        Ok(self.limits.login(name, address)?)
    }

    /// Counts a wrong token; too many are refused with that.
    pub fn count_failure(&self, address: IpAddr) -> Result<(), Problem> {
        Ok(self.limits.failure(address)?)
    }

    /// Counts a webhook with a wrong signature; too many are refused with that.
    pub fn count_unsigned(&self, address: IpAddr) -> Result<(), Problem> {
        Ok(self.limits.unsigned(address)?)
    }

    /// Returns whose token a request has, if they may do what needs `role`.
    pub async fn admit(&self, parts: &Parts, role: Role, attempted: Attempted<'_>) -> Result<Person, Problem> {
        let denied = match self.gate.admit(bearer(parts), role, attempted).await {
            Ok(person) => {
                self.limits.request(&person.name)?;
                return Ok(person);
            }
            Err(denied) => denied,
        };
        let text = denied.to_string();
        match denied {
            Denied::Missing => {}
            Denied::Unknown | Denied::Expired { .. } | Denied::Revoked { .. } => {
                self.count_failure(self.address(parts))?;
            }
            Denied::Role { name, .. } => {
                self.limits.request(&name)?;
                return Err(Problem::forbidden(text));
            }
            Denied::Unavailable(why) => {
                tracing::warn!(error = why, "operators cannot be looked up");
                return Err(Problem::unavailable("operators cannot be looked up now; try again in a moment"));
            }
        }
        Err(Problem::unauthenticated(text))
    }
}

/// The address a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<Service> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Infallible> {
        Ok(Self(service.guard.address(parts)))
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
    /// Whether they may still read, as far as is known: a database that does not answer sends nobody away.
    pub async fn is_still_in(&self, service: &Service) -> bool {
        let (Some(_), Some(token)) = (&self.person, &self.token) else { return true };
        matches!(service.guard.gate().by_bearer(token).await, Ok(_) | Err(Denied::Unavailable(_)))
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
    // The last word of the path names a decision, also where the route has no parameter for it.
    let last = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let action = last.parse::<ActionKind>().map_or(action, ActionKind::as_str);
    let mut attempted = Attempted { action, run: None };
    if let Ok(names) = RawPathParams::from_request_parts(parts, service).await {
        for (name, value) in &names {
            if name == "id" {
                attempted.run = value.parse().ok();
            }
        }
    }
    let asker = parts.extensions.get::<Asker>().cloned();
    let person = service.guard.admit(parts, role, attempted).await?;
    if let Some(asker) = asker {
        asker.is(&person.name);
    }
    Ok(person)
}
