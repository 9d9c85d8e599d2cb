//! Values that are used and never shown: not by `config show`, not in an error, not in a log.
use crate::config::{ConfigError, Environment};
use serde::Serialize;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// The longest secret that is read from a file.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret value. Shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the secret of a settings file: written there, or the first line of the file named there. Both at once is an error.
    pub fn of(key: &str, value: Option<String>, file: Option<&str>) -> Result<Option<Self>, ConfigError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(ConfigError(format!("{key}: give the value or the file, not both"))),
            (Some(value), None) => Self::not_empty(key, &value).map(Some),
            (None, Some(path)) => Self::in_file(key, Path::new(path)).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Returns the secret that the environment holds as `NAME`, or in the file it names as `NAME_FILE`.
    pub fn of_environment(environment: &Environment, name: &str) -> Result<Option<Self>, ConfigError> {
        let file = environment.text(&format!("{name}_FILE"));
        Self::of(name, environment.text(name).map(str::to_owned), file)
    }

    fn in_file(key: &str, path: &Path) -> Result<Self, ConfigError> {
        let cannot = |why: String| ConfigError(format!("{key}: cannot read {}: {why}", path.display()));
        let file = fs::File::open(path).map_err(|it| cannot(it.to_string()))?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(|it| cannot(it.to_string()))?;
        Self::not_empty(key, text.lines().next().unwrap_or_default())
    }

    fn not_empty(key: &str, value: &str) -> Result<Self, ConfigError> {
        match value.trim() {
            "" => Err(ConfigError(format!("{key}: the secret is empty"))),
            value => Ok(Self(value.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}
