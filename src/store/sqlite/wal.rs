//! Makes what was committed durable, for many transactions with one write to the disk.
//!
//! A disk takes milliseconds for that, in which `SQLite` lets nobody write. Reports come in numbers, so they are committed without waiting
//! (`synchronous = NORMAL`) and become durable here, while the next ones are being written; each is answered only then. Until then others on this
//! machine may see them. What follows from them is stored later in the same log, and so never without them.
use crate::store::StoreError;
use crate::store::sqlite::fault::fault;
use sqlx::SqlitePool;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use tokio::sync::Mutex;

/// The write-ahead log of a database file. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Wal {
    path: Arc<Path>,
    /// Number of the last sync that began.
    begun: Arc<AtomicU64>,
    /// Held by whoever is syncing.
    ended: Arc<Mutex<Ended>>,
}

#[derive(Debug, Default)]
struct Ended {
    /// Number of the last sync that ended well.
    last: u64,
    /// A sync did not end well. The system may take what it could not write for written, so that no later sync proves anything.
    is_in_doubt: bool,
}

impl Wal {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into(), begun: Arc::default(), ended: Arc::default() }
    }

    /// Waits until everything that was committed to `database` before this call is durable.
    pub(super) async fn sync(&self, database: &SqlitePool) -> Result<(), StoreError> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock().await;
        if ended.last > before {
            return Ok(());
        }
        let this = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        // Also where this call is given up in the middle.
        let was_in_doubt = std::mem::replace(&mut ended.is_in_doubt, true);
        let path = self.path.clone();
        let synced = tokio::task::spawn_blocking(move || sync(&path)).await.map_err(io::Error::other).flatten();
        if let Err(error) = &synced {
            tracing::warn!(%error, "the log of the database cannot be written to the disk");
        }
        if was_in_doubt || synced.is_err() {
            move_into_file(database).await?;
        }
        *ended = Ended { last: this, is_in_doubt: false };
        Ok(())
    }
}

/// Moves the whole log into the database file, durably, and begins it anew: what of it did not reach the disk is needed no more.
async fn move_into_file(database: &SqlitePool) -> Result<(), StoreError> {
    let moved = sqlx::query_scalar::<_, bool>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(database).await;
    match moved.map_err(fault) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Unavailable("its log cannot be written to the disk, and is being read".to_owned())),
        Err(error) => Err(StoreError::Unavailable(format!("its log cannot be written to the disk: {error}"))),
    }
}

fn sync(path: &Path) -> io::Result<()> {
    match File::open(path) {
        // By its name each time: were the log made anew in the meantime, an open file would be the old one.
        Ok(log) => log.sync_data(),
        // Whoever closed the database last moved the log into it, durably.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store as _;
    use crate::store::sqlite::SqliteStore;
    use std::task::Context;
    use std::task::Waker;

    /// A database that can be reached, or none.
    fn database(path: &str) -> SqlitePool {
        SqlitePool::connect_lazy(&format!("sqlite:{path}")).unwrap()
    }

    #[tokio::test]
    async fn one_sync_serves_all_who_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-wal");
        std::fs::write(&path, "frames").unwrap();
        let wal = Wal::at(&path);
        let none = database("/none/at/all");
        let busy = wal.ended.lock().await;
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let mut sync = Box::pin({
                    let (wal, none) = (wal.clone(), none.clone());
                    async move { wal.sync(&none).await }
                });
                // Each has asked by now.
                assert!(sync.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                sync
            })
            .collect();
        drop(busy);
        for sync in waiting {
            sync.await.unwrap();
        }
        assert_eq!(wal.begun.load(Ordering::SeqCst), 1);
        wal.sync(&none).await.unwrap();
        assert_eq!(wal.begun.load(Ordering::SeqCst), 2, "what is committed later is synced later");
    }

    #[tokio::test]
    async fn a_log_that_is_gone_was_moved_into_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let none = database("/none/at/all");
        assert!(Wal::at(&folder.path().join("none-wal")).sync(&none).await.is_ok());
        assert!(Wal::at(&folder.path().join("none-wal/below/a-file")).sync(&none).await.is_ok());
    }

    #[tokio::test]
    async fn after_a_sync_that_failed_only_the_database_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let wal = Wal::at(&blocked.join("below"));
        let (none, file) = (database("/none/at/all"), database(":memory:"));
        assert!(matches!(wal.sync(&none).await, Err(StoreError::Unavailable(_))));
        // The next one could be written.
        std::fs::remove_file(&blocked).unwrap();
        assert!(matches!(wal.sync(&none).await, Err(StoreError::Unavailable(_))), "what was lost is still lost");
        wal.sync(&file).await.unwrap();
        wal.sync(&none).await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_synced_is_moved_into_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&folder.path().join("db")).await.unwrap();
        let n_bytes = |log: &Path| std::fs::metadata(log).unwrap().len();
        let log = std::mem::replace(&mut store.wal, Wal::at(&folder.path().join("db/below"))).path;
        assert_ne!(n_bytes(&log), 0);
        store.arrive(&[]).await.unwrap();
        assert_eq!(n_bytes(&log), 0);
    }

    #[tokio::test]
    async fn a_linked_database_has_its_log_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        std::fs::write(folder.path().join("disk/db"), "").unwrap();
        std::os::unix::fs::symlink("disk/db", folder.path().join("linked")).unwrap();
        let store = SqliteStore::open(&folder.path().join("linked")).await.unwrap();
        assert_eq!(*store.wal.path, *folder.path().canonicalize().unwrap().join("disk/db-wal"));
        assert!(store.wal.path.exists());
    }
}
