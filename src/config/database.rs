//! Where the backlog is kept, and its address without the password.
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Where the backlog is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file; none = the one in the data directory.
    Embedded(Option<PathBuf>),
    /// A `PostgreSQL` URL, with a password in it perhaps.
    Postgres(String),
}

impl Database {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:PATH`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|it| it.strip_prefix("//").unwrap_or(it)) {
            Some(path) if !path.is_empty() => Ok(Self::Embedded(Some(PathBuf::from(path)))),
            _ => Err("a database is postgres://USER@HOST/NAME or sqlite:PATH".to_owned()),
        }
    }
}

/// Shows no password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(None) => f.write_str("embedded"),
            Self::Embedded(Some(path)) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let after = url.split_once("://").map_or("", |(_, rest)| rest);
                let place = after.rsplit_once('@').map_or(after, |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Database {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns the password of `scheme://user:password@host`.
pub(super) fn password_in(url: &str) -> Option<String> {
    let (user, _) = url.split_once("://")?.1.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}
