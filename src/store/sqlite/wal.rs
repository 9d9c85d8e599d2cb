//! Makes what was committed durable, for many transactions with one write to the disk.
//!
//! A disk takes milliseconds for that, in which `SQLite` lets nobody write. Reports come in numbers, so they are committed without waiting
//! (`synchronous = NORMAL`) and become durable here, while the next ones are being written; each is answered only then. Until then others on this
//! machine may see them. What follows from them is stored later in the same log, and so never without them.
use crate::store::StoreError;
use crate::store::codec::broken;
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
    /// Number of the last sync that ended well; held by whoever is syncing.
    ended: Arc<Mutex<u64>>,
}

impl Wal {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into(), begun: Arc::default(), ended: Arc::default() }
    }

    /// Waits until everything that was committed before this call is durable.
    pub(super) async fn sync(&self) -> Result<(), StoreError> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock().await;
        if *ended > before {
            return Ok(());
        }
        let this = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let path = self.path.clone();
        let synced = tokio::task::spawn_blocking(move || sync(&path)).await;
        synced.map_err(broken)?.map_err(|error| broken(format!("its log cannot be written to the disk: {error}")))?;
        *ended = this;
        Ok(())
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
    use crate::store::sqlite::SqliteStore;
    use std::task::Context;
    use std::task::Waker;

    #[tokio::test]
    async fn one_sync_serves_all_who_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-wal");
        std::fs::write(&path, "frames").unwrap();
        let wal = Wal::at(&path);
        let busy = wal.ended.lock().await;
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let mut sync = Box::pin({
                    let wal = wal.clone();
                    async move { wal.sync().await }
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
        wal.sync().await.unwrap();
        assert_eq!(wal.begun.load(Ordering::SeqCst), 2, "what is committed later is synced later");
    }

    #[tokio::test]
    async fn a_log_that_is_gone_was_moved_into_the_database() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Wal::at(&folder.path().join("none-wal")).sync().await.is_ok());
        assert!(Wal::at(&folder.path().join("none-wal/below/a-file")).sync().await.is_ok());
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(Wal::at(&folder.path().join("file/below")).sync().await.is_err());
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
