//! Opening: a bounded pool, sane limits, and a schema that fits the program, also when several processes open at once.
use crate::store::StoreError;
use crate::store::codec;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::news::News;
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::PgConnection;
use sqlx::migrate::MigrateError;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

/// Connections of one process at most, the listener's aside.
const CONNECTIONS: u32 = 10;
/// How long one waits for a connection before the database counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_mins(10);
/// Limits of the server's side: no statement and no forgotten transaction holds others up for ever.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "30s"), ("lock_timeout", "20s"), ("idle_in_transaction_session_timeout", "60s")];
/// Names the lock that openers take one by one; any number will do as long as it stays.
const GATE: i64 = 0x7061_7261_6d65_6469;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

pub(super) async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    let options = url.parse::<PgConnectOptions>();
    let options = options.map_err(|error| StoreError::Broken(format!("the URL of the database: {error}")))?;
    let options = options
        .application_name("paramedic")
        .options(LIMITS)
        .options([("default_transaction_isolation", "read committed")])
        .disable_statement_logging();
    let failed = |error: StoreError| {
        let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |it| it.display().to_string());
        let place = format!("{host}:{}/{}", options.get_port(), options.get_database().unwrap_or_default());
        match error {
            StoreError::Unavailable(why) => StoreError::Unavailable(format!("{place}: {why}")),
            error => StoreError::Broken(format!("{place}: {}", codec::why(error))),
        }
    };
    // Not through the pool, which would keep trying and then say only that its time is over.
    let connect = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
    let connected = match connect.await {
        Ok(connected) => connected.map_err(Fault::from),
        Err(_) => Err(StoreError::Unavailable("it did not answer in time".to_owned()).into()),
    };
    let mut conn = connected.map_err(|it| failed(it.into()))?;
    prepare(&mut conn).await.map_err(|it| failed(it.into()))?;
    // It has done its work; how it ends is nobody's concern.
    let _ = conn.close().await;
    let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(IDLE);
    // The pool waits for ever for what a question that was given up left behind, and has one connection less until then.
    let pool = pool.after_release(|conn, _| {
        Box::pin(async {
            let answered = tokio::time::timeout(PATIENCE, conn.ping()).await;
            answered.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
        })
    });
    let intake = pool.clone().max_connections(1).connect_lazy_with(options.clone());
    let pool = pool.max_connections(CONNECTIONS).connect_lazy_with(options);
    Ok(PostgresStore { pool, intake, news: News::default() })
}

/// Brings the schema up to date, if it is older than this program.
async fn prepare(conn: &mut PgConnection) -> Result<(), Fault> {
    let encoding = sqlx::query_scalar::<_, String>("SHOW server_encoding").fetch_one(&mut *conn).await?;
    if encoding != "UTF8" {
        let why = format!("its encoding is {encoding}; make the database anew with ENCODING 'UTF8'");
        return Err(StoreError::Broken(why).into());
    }
    if is_current(conn).await? {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    for limit in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"] {
        sqlx::query(limit).execute(&mut *tx).await?;
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(GATE).execute(&mut *tx).await?;
    if !is_current(&mut tx).await? {
        // Not `run`: its bound on lifetimes would make the future of opening unfit for `tokio::spawn`.
        MIGRATIONS.run_direct(None, &mut *tx, false).await.map_err(migration)?;
    }
    Ok(tx.commit().await?)
}

/// Refuses a schema that this program does not know, also one that a newer program made while this one runs.
pub(super) async fn check_schema(conn: &mut PgConnection) -> Result<(), Fault> {
    if is_current(conn).await? {
        return Ok(());
    }
    Err(StoreError::Broken("the schema of the database is not the one this program knows; restart it".to_owned())
        .into())
}

/// Whether the schema is the one this program knows; an error when it is newer.
async fn is_current(conn: &mut PgConnection) -> Result<bool, Fault> {
    let known = MIGRATIONS.iter().map(|it| it.version).max().unwrap_or(0);
    let found = schema_version(conn).await?;
    if found > known {
        return Err(StoreError::Broken(format!(
            "this database was written by a newer version of paramedic (schema {found}; this program knows {known}); update paramedic"
        ))
        .into());
    }
    Ok(found == known)
}

async fn schema_version(conn: &mut PgConnection) -> Result<i64, Fault> {
    let table = sqlx::query_scalar::<_, bool>("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    if !table.fetch_one(&mut *conn).await? {
        return Ok(0);
    }
    let version = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM _sqlx_migrations");
    Ok(version.fetch_one(conn).await?.unwrap_or(0))
}

fn migration(error: MigrateError) -> Fault {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Fault::Database(error),
        error => StoreError::Broken(error.to_string()).into(),
    }
}
