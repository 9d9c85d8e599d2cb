//! What goes wrong inside: told apart into what passes by itself, what a repeat settles, and what is broken.
use crate::store::StoreError;
use sqlx::error::DatabaseError;

/// An error of the database or of the store's own rules, on its way out.
#[derive(Debug)]
pub(super) enum Fault {
    Database(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Database(error) if passes(&error) => Self::Unavailable(error.to_string()),
            Fault::Database(error) => Self::Broken(error.to_string()),
        }
    }
}

impl Fault {
    /// Whether the database gave this transaction up in favour of another: nothing was written, and a repeat may go well.
    pub(super) fn is_lost_race(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        is_lost_race(&**error)
    }

    /// Whether a value is there that must not be there twice.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

fn is_lost_race(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
}

/// Whether the database may well answer the same question later.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // Connection exceptions, the server stopping or starting, no more room, memory or connections, waits that were cut short, and a
            // standby that is asked before it takes over.
            code.starts_with("08")
                || code.starts_with("57P")
                || code.starts_with("53")
                || matches!(&*code, "57014" | "55P03" | "25P03" | "25006")
                || is_lost_race(&**error)
        }
        _ => false,
    }
}
