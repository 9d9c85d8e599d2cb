//! The embedded database: the contract, and what is particular to a file.
use crate::store_contract::backend::Backend;
use crate::store_contract::backend::Edit;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use crate::store_contract::held_to_the_contract;
use paramedic::domain::Author;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::store::Claim;
use paramedic::store::Store;
use paramedic::store::StoreError;
use paramedic::store::sqlite::SqliteStore;
use sqlx::AssertSqlSafe;
use sqlx::Connection as _;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// A database file in a folder of its own.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("paramedic.db")
    }

    async fn sql(&self, statements: &str) {
        let options = SqliteConnectOptions::new().filename(self.path()).foreign_keys(false);
        let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

impl Backend for File {
    async fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path()).await.unwrap())
    }

    async fn tamper(&self, edit: Edit) {
        self.sql(&statements(edit)).await;
    }
}

fn statements(edit: Edit) -> String {
    let hex = |id: RunId| id.0.simple().to_string();
    let doc = |table: &str, condition: String, path: &str, value: String| {
        format!("UPDATE {table} SET doc = json_set(doc, '$.{path}', {value}) WHERE {condition}")
    };
    match edit {
        Edit::Message { seq, text } => format!("UPDATE events SET message = '{text}' WHERE seq = {seq}"),
        Edit::Payload { seq, json } => format!("UPDATE events SET payload = '{json}' WHERE seq = {seq}"),
        Edit::Digest { seq, digest } => format!("UPDATE events SET digest = '{digest}' WHERE seq = {seq}"),
        Edit::Head { digest } => format!("UPDATE chain SET head = '{digest}'"),
        Edit::DeleteEvent { seq } => format!("DELETE FROM events WHERE seq = {seq}"),
        Edit::SwapEvents { one, other } => format!(
            "UPDATE events SET seq = -1 WHERE seq = {one}; UPDATE events SET seq = {one} WHERE seq = {other};
             UPDATE events SET seq = {other} WHERE seq = -1"
        ),
        Edit::InsertAfter { seq } => format!(
            "UPDATE events SET seq = -seq WHERE seq > {seq}; UPDATE events SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO events SELECT {seq} + 1, run_id, run_version, type, actor, message, payload, created_at, prev, digest
             FROM events WHERE seq = {seq}"
        ),
        Edit::RunStatus { id, status } => doc("runs", format!("id = '{}'", hex(id)), "status", format!("'{status}'")),
        Edit::RunVersion { id, version } => doc("runs", format!("id = '{}'", hex(id)), "version", version.to_string()),
        Edit::RunGarbage { id } => format!("UPDATE runs SET doc = '{{}}' WHERE id = '{}'", hex(id)),
        Edit::DeleteRun { id } => format!("DELETE FROM runs WHERE id = '{}'", hex(id)),
        Edit::Patch { id, attempt_no, text } => {
            let which = format!("run_id = '{}' AND attempt_no = {attempt_no}", hex(id));
            doc("attempts", which, "proposedFix", format!("'{text}'"))
        }
        Edit::PatchWithDigest { id, attempt_no, text } => {
            let which = format!("run_id = '{}' AND attempt_no = {attempt_no}", hex(id));
            let digest = paramedic::domain::Digest::of(text);
            doc("attempts", which, "proposedFix", format!("'{text}', '$.patchDigest', '{digest}'"))
        }
        Edit::DeleteAttempt { id, attempt_no } => {
            format!("DELETE FROM attempts WHERE run_id = '{}' AND attempt_no = {attempt_no}", hex(id))
        }
        Edit::Lease { id } => format!("DELETE FROM leases WHERE run_id = '{}'", hex(id)),
    }
}

held_to_the_contract!(File);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_private() {
    let file = File::fresh().await;
    let store = file.open().await;
    queued(&*store, at(0)).await;
    let folder = file.path().parent().unwrap().to_owned();
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in &files {
        assert_eq!(mode(path), 0o600, "{}", path.display());
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    file.open().await;
    assert_eq!(mode(&file.path()), 0o600);
}

#[tokio::test]
async fn a_newer_database_is_refused_in_words() {
    let file = File::fresh().await;
    drop(file.open().await);
    file.sql(
        "INSERT INTO _sqlx_migrations SELECT 9000, 'later', installed_on, TRUE, checksum, 0 FROM _sqlx_migrations LIMIT 1",
    )
    .await;
    let error = SqliteStore::open(&file.path()).await.unwrap_err().to_string();
    assert!(error.contains("newer version of paramedic (schema 9000"), "{error}");
    assert!(error.contains("paramedic.db"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let file = File::fresh().await;
    fs::create_dir(file.path().parent().unwrap()).unwrap();
    let text = "dear diary, ".repeat(1000);
    fs::write(file.path(), &text).unwrap();
    assert!(matches!(SqliteStore::open(&file.path()).await, Err(StoreError::Broken(_))));
    assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_opening_by_many_makes_one_database() {
    let file = File::fresh().await;
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let path = file.path();
            tokio::spawn(async move {
                let store = SqliteStore::open(&path).await.unwrap();
                queued(&store, at(0)).await;
            })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    let audit = file.open().await.verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (16, Vec::new()));
}

/// A write that nobody waits for any more, wherever it was given up, is whole or absent, and blocks no later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_write_is_whole_or_absent() {
    let file = File::fresh().await;
    let store = file.open().await;
    for patience in 0..60 {
        let mut write = Box::pin(queued(&*store, at(patience)));
        for _ in 0..patience {
            let waker = std::task::Waker::noop();
            if write.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    queued(&*store, at(99)).await;
    let audit = store.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    assert_eq!(audit.events, 2 * store.runs(&RunQuery::default()).await.unwrap().1);
}

/// Names the database that [`another_process`] works on, and how many rounds it goes.
const DATABASE: &str = "PARAMEDIC_TEST_DATABASE";
const ROUNDS: &str = "PARAMEDIC_TEST_ROUNDS";

/// Starts [`another_process`] in a real process.
#[expect(clippy::disallowed_methods, reason = "the process is this very test program")]
fn start_process(path: &Path, rounds: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_contract::sqlite::another_process"])
        .env(DATABASE, path)
        .env(ROUNDS, rounds.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the other process is told which file")]
async fn another_process() {
    let (Some(path), Ok(rounds)) = (std::env::var_os(DATABASE), std::env::var(ROUNDS)) else { return };
    let store = SqliteStore::open(Path::new(&path)).await.unwrap();
    let me = format!("process {}", std::process::id());
    for round in 0..rounds.parse().unwrap() {
        queued(&store, at(round)).await;
        // Whichever run is the oldest: the processes compete for it.
        let (run, lease) =
            store.claim(&Claim::of(&me, None, at(100), Duration::from_secs(100))).await.unwrap().unwrap();
        let told = run.attempt_started(Author::Agent("a".to_owned()), None, at(101)).unwrap();
        store.commit(&told, Some(&lease)).await.unwrap();
    }
}

#[tokio::test]
async fn many_processes_share_one_file() {
    let file = File::fresh().await;
    let children: Vec<_> = (0..4).map(|_| start_process(&file.path(), 10)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let audit = file.open().await.verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (4 * 10 * 3, Vec::new()));
}

#[tokio::test]
async fn a_killed_process_leaves_whole_changes() {
    let file = File::fresh().await;
    let store = file.open().await;
    for round in 1..=3 {
        let mut child = start_process(&file.path(), u32::MAX);
        let has_written = async {
            while store.last_seq().await.unwrap() < round * 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_mins(1), has_written).await;
        child.kill().unwrap();
        child.wait().unwrap();
        in_time.unwrap();
        assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
        // Whatever it held goes back into the queue, and the next process goes on with it.
        let held = store.leases().await.unwrap();
        let mut back = store.take_back(at(999), &[]).await.unwrap();
        back.sort();
        let mut due: Vec<_> = held.into_iter().map(|(id, _)| id).collect();
        due.sort();
        assert_eq!(back, due);
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_process_ends() {
    let file = File::fresh().await;
    let store = file.open().await;
    let run = queued(&*store, at(0)).await;
    let (run, lease) = taken(&*store, &run, "w", at(1)).await;
    drop(store);
    let store = file.open().await;
    assert_eq!(store.run(run.id).await.unwrap(), run);
    assert!(store.heartbeat(&lease, at(39), Duration::from_mins(1)).await.unwrap());
}
