//! The server: the contract, and what is particular to a database that others run.
use crate::store_contract::backend::Backend;
use crate::store_contract::backend::Edit;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use crate::store_contract::held_to_the_contract;
use crate::support::PATIENCE;
use crate::support::postgres;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use paramedic::domain::Digest;
use paramedic::domain::Run;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::store::Store;
use paramedic::store::StoreError;
use paramedic::store::postgres::PostgresStore;
use serde_json::Value;
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::Connection as _;
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// A database of its own on the tests' server.
struct Database {
    url: String,
}

impl Database {
    async fn sql(&self, statements: &str) {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        // As a superuser may: without the checks of foreign keys.
        let statements = format!("SET session_replication_role = replica; {statements}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// Changes the stored document at a place.
    async fn doc(&self, table: &str, condition: &str, changes: &[(&str, Value)]) {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let select = format!("SELECT doc FROM {table} WHERE {condition}");
        let doc = sqlx::query_scalar::<_, String>(AssertSqlSafe(select)).fetch_one(&mut conn).await.unwrap();
        let mut doc: Value = serde_json::from_str(&doc).unwrap();
        for (name, value) in changes {
            doc[*name] = value.clone();
        }
        let update = format!("UPDATE {table} SET doc = $1 WHERE {condition}");
        sqlx::query(AssertSqlSafe(update)).bind(doc.to_string()).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

impl Backend for Database {
    async fn fresh() -> Self {
        Self { url: postgres::database().await }
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.url).await.unwrap())
    }

    async fn pass(&self, time: Duration) {
        let earlier = |column: &str| {
            let text = format!(
                "(nullif({column}, '')::timestamptz - interval '{} seconds') AT TIME ZONE 'UTC'",
                time.as_secs()
            );
            format!(r#"{column} = to_char({text}, 'YYYY-MM-DD"T"HH24:MI:SS.US"000Z"')"#)
        };
        // The server's clock cannot be set; what counts from it can.
        let runs = format!("UPDATE runs SET {}, {}", earlier("not_before"), earlier("arrived_at"));
        let until = earlier("until_at");
        self.sql(&format!("{runs}; UPDATE leases SET {until}; UPDATE cursors SET {until}")).await;
    }

    async fn tamper(&self, edit: Edit) {
        let this = |id: RunId| format!("id = '{}'", id.0.simple());
        let of = |id: RunId, no: u32| format!("run_id = '{}' AND attempt_no = {no}", id.0.simple());
        match edit {
            // Whoever forges a run does so in the columns too.
            Edit::RunStatus { id, status } => {
                self.doc("runs", &this(id), &[("status", json!(status))]).await;
                self.sql(&format!("UPDATE runs SET status = '{status}' WHERE {}", this(id))).await;
            }
            Edit::RunVersion { id, version } => {
                self.doc("runs", &this(id), &[("version", json!(version))]).await;
                self.sql(&format!("UPDATE runs SET version = {version} WHERE {}", this(id))).await;
            }
            Edit::Patch { id, attempt_no, text } => {
                self.doc("attempts", &of(id, attempt_no), &[("proposedFix", json!(text))]).await;
            }
            Edit::PatchWithDigest { id, attempt_no, text } => {
                let changes = [("proposedFix", json!(text)), ("patchDigest", json!(Digest::of(text)))];
                self.doc("attempts", &of(id, attempt_no), &changes).await;
            }
            Edit::SwapEvents { one, other } => {
                let steps = [(one, "-1".to_owned()), (other, one.to_string())].map(|(from, to)| (from.to_string(), to));
                for (from, to) in steps.into_iter().chain([("-1".to_owned(), other.to_string())]) {
                    self.sql(&format!("UPDATE events SET seq = {to} WHERE seq = {from}")).await;
                }
            }
            Edit::InsertAfter { seq } => {
                self.sql(&format!(
                    "UPDATE events SET seq = -seq WHERE seq > {seq}; UPDATE events SET seq = 1 - seq WHERE seq < 0;
                     INSERT INTO events SELECT {seq} + 1, run_id, run_version, type, actor, message, payload, created_at, prev, digest
                     FROM events WHERE seq = {seq}"
                ))
                .await;
            }
            Edit::Message { seq, text } => {
                self.sql(&format!("UPDATE events SET message = '{text}' WHERE seq = {seq}")).await;
            }
            Edit::Payload { seq, json } => {
                self.sql(&format!("UPDATE events SET payload = '{json}' WHERE seq = {seq}")).await;
            }
            Edit::Digest { seq, digest } => {
                self.sql(&format!("UPDATE events SET digest = '{digest}' WHERE seq = {seq}")).await;
            }
            Edit::Head { digest } => self.sql(&format!("UPDATE chain SET head = '{digest}'")).await,
            Edit::DeleteEvent { seq } => self.sql(&format!("DELETE FROM events WHERE seq = {seq}")).await,
            Edit::RunGarbage { id } => self.sql(&format!("UPDATE runs SET doc = '{{}}' WHERE {}", this(id))).await,
            Edit::DeleteRun { id } => self.sql(&format!("DELETE FROM runs WHERE {}", this(id))).await,
            Edit::DeleteAttempt { id, attempt_no } => {
                self.sql(&format!("DELETE FROM attempts WHERE {}", of(id, attempt_no))).await;
            }
            Edit::Lease { id } => self.sql(&format!("DELETE FROM leases WHERE run_id = '{}'", id.0.simple())).await,
        }
    }
}

held_to_the_contract!(Database);

#[tokio::test]
async fn a_newer_database_is_refused_in_words() {
    let database = Database::fresh().await;
    drop(database.open().await);
    database
        .sql("INSERT INTO _sqlx_migrations SELECT 9000, 'later', installed_on, TRUE, checksum, 0 FROM _sqlx_migrations LIMIT 1")
        .await;
    let error = PostgresStore::open(&database.url).await.unwrap_err().to_string();
    assert!(error.contains("newer version of paramedic (schema 9000"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_opening_by_many_makes_one_database() {
    let database = Database::fresh().await;
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move {
                let store = PostgresStore::open(&url).await.unwrap();
                queued(&store, at(0)).await;
            })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    let audit = database.open().await.verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (16, Vec::new()));
}

#[tokio::test]
async fn another_encoding_is_refused_in_words() {
    let database = Database::fresh().await;
    let name = database.url.split('/').nth(3).unwrap().split('?').next().unwrap().to_owned();
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let create = format!("CREATE DATABASE {name}_latin ENCODING 'LATIN1' TEMPLATE template0");
    sqlx::query(AssertSqlSafe(create)).execute(&mut conn).await.unwrap();
    let url = database.url.replace(&name, &format!("{name}_latin"));
    let error = PostgresStore::open(&url).await.unwrap_err().to_string();
    assert!(error.contains("LATIN1") && error.contains("UTF8"), "{error}");
}

/// Neither an error nor a debug print tells the secret in a URL, and what is wrong is said at once.
#[tokio::test]
async fn no_password_is_told() {
    let database = Database::fresh().await;
    let with = |from: &str, to: &str| {
        let url = database.url.replace("paramedic@", "paramedic:hunter2@");
        assert_ne!(url.replace(from, to), url, "{from}");
        url.replace(from, to)
    };
    for url in [
        with("?host=/tmp/", "?host=/nowhere/"),
        with("?host=", "?sslmode=nonsense&host="),
        with("?host=", "nothing?host="),
        with("localhost", "localhost:99999"),
        with("localhost/", "[/"),
        "postgres://paramedic:hunter2@127.0.0.1:1/db".to_owned(),
        "postgres://paramedic@127.0.0.1:1/db?password=hunter2".to_owned(),
    ] {
        let error = PostgresStore::open(&url).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let refused = PostgresStore::open("postgres://a:hunter2@127.0.0.1:1/db").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let store = PostgresStore::open(&with("localhost", "otherhost")).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter2"));
}

/// The columns beside a document are what queries look at: changed alone, they would hide a run or hand it out.
#[tokio::test]
async fn a_column_that_contradicts_its_document_is_found() {
    let database = Database::fresh().await;
    let store = database.open().await;
    let id = queued(&*store, at(0)).await.id;
    for (column, value) in [("status", "'aborted'"), ("repository", "'x'"), ("version", "7"), ("updated_at", "'x'")] {
        let fresh = Database::fresh().await;
        let store = fresh.open().await;
        store.create(&creation(&Run { id, ..new_run(at(0)) }), None).await.unwrap();
        fresh.sql(&format!("UPDATE runs SET {column} = {value}")).await;
        let problems = store.verify().await.unwrap().problems;
        assert_eq!(problems, [format!("run {id}: its {column} in the table is not that of its document")]);
    }
}

/// One machine is ten minutes ahead, another as much behind: what is over and what is due is the server's to say.
#[tokio::test]
async fn whose_clock_is_wrong_decides_nothing() {
    let now = Timestamp::now();
    let (late, early) = (now + Duration::from_mins(10), now - Duration::from_mins(10));
    for (my_time, other_time) in [(late, early), (early, late)] {
        let database = Database::fresh().await;
        let (mine, other) = (database.open().await, database.open().await);
        let run = queued(&*mine, my_time).await;
        let (_, lease) = taken(&*mine, &run, "mine", my_time).await;
        assert!(mine.hold_cursor("place", "mine", my_time, MINUTE).await.unwrap().is_some());
        database.pass(MINUTE / 2).await;
        assert!(mine.heartbeat(&lease, my_time, MINUTE).await.unwrap());
        assert!(mine.hold_cursor("place", "mine", my_time, MINUTE).await.unwrap().is_some());
        database.pass(MINUTE / 2).await;
        // Held for half a minute more, whoever looks.
        for (store, time) in [(&mine, my_time), (&other, other_time)] {
            assert_eq!(store.take_back(time, &[]).await.unwrap(), []);
        }
        assert_eq!(other.hold_cursor("place", "other", other_time, MINUTE).await.unwrap(), None);
        database.pass(MINUTE).await;
        assert!(other.hold_cursor("place", "other", other_time, Duration::ZERO).await.unwrap().is_some());
        assert_eq!(other.take_back(other_time, &[]).await.unwrap(), [run.id]);

        // What waits is due by the server's time, and so is how long it has been waiting.
        assert!(mine.time(my_time).await.unwrap().duration_since(now).unsigned_abs() < MINUTE);
        assert!(other.depth(other_time).await.unwrap().oldest_age.unwrap() < Duration::from_mins(5));
        assert_eq!(taken(&*other, &run, "other", other_time).await.0.id, run.id);
    }
}

/// A write that nobody waits for any more, wherever it was given up, is whole or absent, and blocks no later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_write_is_whole_or_absent() {
    let database = Database::fresh().await;
    let store = database.open().await;
    for patience in 0..60_u64 {
        let write = queued(&*store, at(0));
        let _ = tokio::time::timeout(Duration::from_micros(patience * 100), write).await;
    }
    queued(&*store, at(99)).await;
    let audit = store.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    assert_eq!(audit.events, 2 * store.runs(&RunQuery::default()).await.unwrap().1);
}

/// Waits until the store answers again, and fails after `PATIENCE`.
async fn recovered(store: &dyn Store) {
    let answer = async {
        while store.last_seq().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_unavailable_and_then_works() {
    let server = postgres::Server::start();
    let database = Database { url: server.database().await };
    let store = database.open().await;
    let run = queued(&*store, at(0)).await;
    let (_, lease) = taken(&*store, &run, "w", at(1)).await;
    let waiter = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                match store.changed(2, PATIENCE).await {
                    Ok(seq) => return seq,
                    Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    };

    server.stop();
    let asked = [
        store.run(run.id).await.map(|_| ()),
        store.create(&creation(&new_run(at(1))), None).await.map(|_| ()),
        store.heartbeat(&lease, at(2), Duration::from_mins(1)).await.map(|_| ()),
        store.verify().await.map(|_| ()),
        PostgresStore::open(&database.url).await.map(|_| ()),
    ];
    for asked in asked {
        assert!(matches!(asked, Err(StoreError::Unavailable(_))), "{asked:?}");
    }

    server.start_again();
    recovered(&*store).await;
    assert!(store.heartbeat(&lease, at(2), Duration::from_mins(1)).await.unwrap());
    queued(&*database.open().await, at(2)).await;
    assert!(waiter.await.unwrap() > 2);
    let audit = store.verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (4, Vec::new()));
}

/// As behind a cable that was pulled: no connection ends, and none says anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_falls_silent_is_unavailable_and_then_works() {
    const N_WRITES: usize = 10;
    let database = Database::fresh().await;
    let store = database.open().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM chain FOR UPDATE").execute(&mut *tx).await.unwrap();
    let writes: Vec<_> = (0..N_WRITES)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.create(&creation(&new_run(at(0))), None).await })
        })
        .collect();
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut look = PgConnection::connect(&database.url).await.unwrap();
    let all_wait = async {
        loop {
            let pids = sqlx::query_scalar::<_, i32>(waiting).fetch_all(&mut look).await.unwrap();
            if pids.len() == N_WRITES {
                return pids;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let pids = tokio::time::timeout(PATIENCE, all_wait).await.unwrap();
    let send = |signal| pids.iter().for_each(|pid| kill(Pid::from_raw(*pid), signal).unwrap());
    send(Signal::SIGSTOP);
    tx.rollback().await.unwrap();
    for write in writes {
        let written = tokio::time::timeout(PATIENCE, write).await.unwrap().unwrap();
        assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    }
    // What was given up takes nothing away from what is asked later.
    recovered(&*store).await;
    send(Signal::SIGCONT);
    queued(&*store, at(1)).await;
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_schema_that_changes_meanwhile_is_told() {
    let database = Database::fresh().await;
    let store = database.open().await;
    store.ready().await.unwrap();
    database
        .sql("INSERT INTO _sqlx_migrations SELECT 9000, 'later', installed_on, TRUE, checksum, 0 FROM _sqlx_migrations LIMIT 1")
        .await;
    let told = store.ready().await;
    assert!(matches!(&told, Err(StoreError::Broken(why)) if why.contains("schema 9000")), "{told:?}");
}

/// Cut off in the midst of writing, again and again: each write is whole or absent, and what was promised is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_nothing() {
    let database = Database::fresh().await;
    let stores = [database.open().await, database.open().await];
    let writers: Vec<_> = (0..4)
        .map(|idx| {
            let store = Arc::clone(&stores[idx % 2]);
            tokio::spawn(async move {
                let mut promised = Vec::new();
                for round in 0..40 {
                    let run = new_run(at(round));
                    match store.create(&creation(&run), None).await {
                        Ok(_) => promised.push(run.id),
                        Err(StoreError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                promised
            })
        })
        .collect();
    for _ in 0..20 {
        database
            .sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
    }
    let mut promised = Vec::new();
    for writer in writers {
        promised.extend(writer.await.unwrap());
    }
    let store = database.open().await;
    for id in &promised {
        store.run(*id).await.unwrap();
    }
    let audit = store.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    assert_eq!(audit.events, 2 * store.runs(&RunQuery::default()).await.unwrap().1);
}
