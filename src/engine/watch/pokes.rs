//! Who says that something happened in a repository, and the one who looks there.
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The repositories where something happened since they were last asked for.
#[derive(Debug, Default)]
pub struct Pokes {
    repositories: Mutex<BTreeSet<String>>,
    came: Notify,
}

impl Pokes {
    /// Says that something happened in a watched repository.
    pub fn poke(&self, repository: &str) {
        self.lock().insert(repository.to_lowercase());
        self.came.notify_one();
    }

    /// Returns the repositories, in lower case; from then on they are not poked.
    pub(super) fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until somebody pokes.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
