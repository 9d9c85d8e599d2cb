//! Settings: `raw` is what files say (unknown keys refused), `checked` is what the program may rely on. The only reader of the environment.
pub mod access;
pub mod api;
pub mod checked;
pub mod database;
pub mod environment;
pub mod forge;
pub mod log;
pub mod notify;
pub mod raw;
pub mod repositories;
pub mod secret;
pub mod server;
pub mod values;
pub mod webhook;
pub mod workers;

pub use checked::{AgentSettings, Config, SandboxSetting};
pub use environment::Environment;

/// Why the settings cannot be used; the text names the file and the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
