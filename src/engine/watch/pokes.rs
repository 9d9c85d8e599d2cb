//! Who says that something happened in a repository, and the one who looks there.
use crate::domain::RunId;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the snapshot is called by which one process pokes another: this and the repository.
const POKE: &str = "github:poke:";

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

    /// Hands what was poked here on to the process that watches.
    pub(super) async fn hand_on(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        for repository in self.take() {
            store.put_snapshot(&format!("{POKE}{repository}"), &json!(RunId::random()), now).await?;
        }
        Ok(())
    }

    /// Waits until somebody pokes.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What other processes were poked about, as far as it is known here.
#[derive(Debug)]
pub(super) struct HandedOn {
    known: Vec<(String, Value, Timestamp)>,
}

impl HandedOn {
    /// Begins with what is there: whoever begins to watch looks everywhere.
    pub(super) async fn begin(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self { known: store.snapshots(POKE).await? })
    }

    /// Pokes about what is new.
    pub(super) async fn pass(&mut self, store: &dyn Store, pokes: &Pokes) -> Result<(), StoreError> {
        let told = store.snapshots(POKE).await?;
        for (name, ..) in told.iter().filter(|it| !self.known.contains(it)) {
            pokes.poke(name.trim_start_matches(POKE));
        }
        self.known = told;
        Ok(())
    }
}
