//! Opening: private files, the right modes, and a schema that fits the program, also when several processes open at once.
use crate::store::StoreError;
use crate::store::codec;
use crate::store::codec::broken;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::news::News;
use crate::store::sqlite::wal::Wal;
use sqlx::Connection as _;
use sqlx::Executor as _;
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::sqlite::SqliteSynchronous;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
// Under another name: the fence around the crate `nix` takes a path through `unix` for one of its.
use std::os::unix as os;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use os::fs::DirBuilderExt as _;
use os::fs::OpenOptionsExt as _;
use os::fs::PermissionsExt as _;

/// How long a writer waits for its turn before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
/// Pages of the log that are moved into the file at once (16 MiB): many reports change the same pages, and writers wait meanwhile.
const CHECKPOINT_PAGES: &str = "4096";
const WAIT_FOR_DISK: &str = "PRAGMA synchronous = FULL";

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

pub(super) async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    let failed = |why: String| StoreError::Broken(format!("{}: {why}", path.display()));
    // `SQLite` keeps the log beside the file that a link leads to.
    let path = &real(path).map_err(|error| failed(error.to_string()))?;
    let gate = make_private(path).map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(PATIENCE, pass(&gate)).await {
        Ok(passed) => passed.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed("another process is opening it and does not finish".to_owned())),
    }
    let options = options(path);
    // Connections are kept: the last one to close would move the log into the file, with everybody else waiting.
    let pool = SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).acquire_timeout(PATIENCE * 2);
    // A full disk ends a transaction without the driver's knowing: such a connection could never begin another, and is made anew.
    // Who does not wait for the disk says so anew each time.
    let pool = pool.before_acquire(|conn, _| {
        Box::pin(async move { Ok(!conn.is_in_transaction() && conn.execute(WAIT_FOR_DISK).await.is_ok()) })
    });
    let writer = pool.clone().max_connections(1).connect_lazy_with(options.clone());
    let readers = pool.max_connections(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    let mut conn = writer.acquire().await.map_err(|error| failed(error.to_string()))?;
    prepare(&mut conn).await.map_err(|error| failed(codec::why(error)))?;
    drop(conn);
    Ok(SqliteStore { writer, readers, wal: Wal::at(&beside(path, "wal")), news: News::default() })
}

/// Lets the commits of this connection return before they are durable, until it is back in its pool. They need [`Wal::sync`].
pub(super) async fn do_not_wait_for_disk(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    conn.execute("PRAGMA synchronous = NORMAL").await.map(drop).map_err(fault)
}

fn options(path: &Path) -> SqliteConnectOptions {
    use sqlx::ConnectOptions as _;
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .disable_statement_logging()
}

/// Returns where the file is or will be, without links. Its folder is made where it is missing.
fn real(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(folder.unwrap_or(Path::new(".")))?.join(name))
        }
        found => found,
    }
}

/// Makes the file, readable by the user alone, and returns the gate that openers pass one by one.
///
/// The database file itself is never opened here once it exists: closing it would drop the locks `SQLite` holds on it in this process.
fn make_private(path: &Path) -> io::Result<File> {
    let gate = OpenOptions::new().create(true).append(true).mode(0o600).open(beside(path, "lock"))?;
    match OpenOptions::new().create_new(true).append(true).mode(0o600).open(path) {
        Ok(_) => (),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(path)?,
        Err(error) => return Err(error),
    }
    Ok(gate)
}

fn close_to_others(path: &Path) -> io::Result<()> {
    for path in [path.to_owned(), beside(path, "wal"), beside(path, "shm")] {
        match fs::metadata(&path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            }
            Ok(_) => (),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes a database with all that lies beside it.
pub fn remove(path: &Path) -> io::Result<()> {
    for path in [path.to_owned(), beside(path, "wal"), beside(path, "shm"), beside(path, "lock")] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(ending);
    PathBuf::from(name)
}

/// Waits until this opener is the only one. The lock ends with the file handle, however the process ends.
async fn pass(gate: &File) -> io::Result<()> {
    loop {
        match gate.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Brings the file into WAL mode and its schema up to date. Both need the file to themselves, hence the gate.
async fn prepare(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *conn).await.map_err(fault)?;
    let known = MIGRATIONS.iter().map(|it| it.version).max().unwrap_or(0);
    let found = schema_version(&mut *conn).await?;
    if found > known {
        return Err(StoreError::Broken(format!(
            "this database was written by a newer version of paramedic (schema {found}; this program knows {known}); update paramedic"
        )));
    }
    if found < known {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        // Not `run`: its bound on lifetimes would make the future of opening unfit for `tokio::spawn`.
        MIGRATIONS.run_direct(None, &mut *tx, false).await.map_err(broken)?;
        tx.commit().await.map_err(fault)?;
    }
    Ok(())
}

/// Refuses a schema that this program does not know, also one that a newer program made while this one runs.
pub(super) async fn check_schema(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|it| it.version).max().unwrap_or(0);
    let found = schema_version(conn).await?;
    if found == known {
        return Ok(());
    }
    Err(StoreError::Broken(format!(
        "the database has schema {found}, this program knows {known}; restart or update paramedic"
    )))
}

async fn schema_version(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let table = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'");
    if table.fetch_optional(&mut *conn).await.map_err(fault)?.is_none() {
        return Ok(0);
    }
    let version = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM _sqlx_migrations");
    Ok(version.fetch_one(conn).await.map_err(fault)?.unwrap_or(0))
}
