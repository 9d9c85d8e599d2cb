//! What goes wrong at the command line: a text that says what to do, and an exit code (DESIGN §4.1).
use crate::backlog::BacklogError;
use crate::config::ConfigError;
use crate::engine::EngineError;
use std::process::ExitCode;

pub(super) const OK: u8 = 0;
pub(super) const FAILED: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const PRECONDITION: u8 = 3;
pub(super) const UNAUTHENTICATED: u8 = 4;
pub(super) const REFUSED: u8 = 5;
pub(super) const PENDING: u8 = 8;

/// An error with its exit code.
#[derive(Debug)]
pub(super) struct CliError {
    pub(super) code: u8,
    pub(super) text: String,
}

impl CliError {
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { code: USAGE, text: text.into() }
    }

    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { code: FAILED, text: text.into() }
    }
}

impl From<BacklogError> for CliError {
    fn from(error: BacklogError) -> Self {
        let code = match error {
            BacklogError::NotFound(_)
            | BacklogError::Unreachable(_)
            | BacklogError::Forge(_)
            | BacklogError::Failed(_) => FAILED,
            BacklogError::Invalid(_) => USAGE,
            BacklogError::Illegal { .. } | BacklogError::Moved { .. } | BacklogError::Precondition(_) => PRECONDITION,
            BacklogError::NotAuthenticated(_) => UNAUTHENTICATED,
            BacklogError::Refused(_) => REFUSED,
        };
        Self { code, text: error.to_string() }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Illegal(_) | EngineError::Precondition(_) => PRECONDITION,
            EngineError::Invalid(_) | EngineError::Workspace(_) => USAGE,
            _ => FAILED,
        };
        Self { code, text: error.to_string() }
    }
}

/// What a command ends with.
pub(super) type Ended = Result<u8, CliError>;

pub(super) fn exit(code: u8) -> ExitCode {
    ExitCode::from(code)
}
