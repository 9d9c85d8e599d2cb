//! Identities: run ids and content digests.
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;
use uuid::Uuid;

/// A run's id: a random UUID, so that the first eight characters already tell two runs apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// The id of no run: facts about the backlog as a whole carry it.
    pub const NONE: Self = Self(Uuid::nil());

    /// Returns a new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Returns the first eight characters, the form that people read and type.
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(hex::encode(Sha256::digest(bytes.as_ref())))
    }

    /// Takes a stored digest as it is.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first seven characters, as `git` abbreviates.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Whether `rev`, a digest or a prefix of at least seven characters, names this digest.
    pub fn is_named_by(&self, rev: &str) -> bool {
        let rev = rev.strip_prefix("sha256:").unwrap_or(rev).to_ascii_lowercase();
        rev.len() >= 7 && self.0.starts_with(&rev)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
