//! `paramedic store copy`: nothing is lost, nothing is half there, in any direction.
use crate::store_contract::fixtures::ODD;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::fixed;
use crate::store_contract::fixtures::full_attempt;
use crate::store_contract::fixtures::full_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use crate::store_contract::sharing::arrival;
use crate::store_contract::sharing::operator;
use crate::support::World;
use crate::support::postgres;
use jiff::Timestamp;
use paramedic::domain::EventType;
use paramedic::domain::Family;
use paramedic::domain::NewEvent;
use paramedic::domain::Role;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::domain::Status;
use paramedic::domain::Verdict;
use paramedic::store::Store;
use paramedic::store::StoredOutput;
use paramedic::store::postgres::PostgresStore;
use paramedic::store::sqlite::SqliteStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

async fn open(url: &str) -> Arc<dyn Store> {
    match url.strip_prefix("sqlite:") {
        Some(path) => Arc::new(SqliteStore::open(Path::new(path)).await.unwrap()),
        None => Arc::new(PostgresStore::open(url).await.unwrap()),
    }
}

/// Stores something of every kind; more than a page of runs, and outputs larger than a page.
async fn fill(store: &dyn Store) -> RunId {
    let run = paramedic::domain::Run { status: Status::Queued, attempt_count: 0, ..full_run(at(0)) };
    store.create(&creation(&run), None).await.unwrap();
    let fixed = fixed(store, at(1), Verdict::Ok).await;
    let (full, attempt) = (store.run(fixed.id).await.unwrap(), full_attempt(2, at(30)));
    let transition = paramedic::domain::Transition {
        run: paramedic::domain::Run { version: full.version + 1, attempt_count: 2, ..full },
        attempt: Some(attempt),
        events: Vec::new(),
        releases_lease: false,
    };
    store.commit(&transition, None).await.unwrap();
    let batch: Vec<_> = (0..600).map(|it| arrival(&format!("key {it}"), Some(&format!("{ODD} {it}")))).collect();
    store.arrive(&batch).await.unwrap();
    for (idx, name) in [ODD, "two.log", "three.log"].into_iter().enumerate() {
        let bytes = vec![u8::try_from(idx).unwrap(); 3 * 1024 * 1024];
        let output = StoredOutput { name: name.to_owned(), bytes, dropped_bytes: 7, created_at: at(5) };
        store.put_output(fixed.id, &output, None).await.unwrap();
    }
    let fact = NewEvent::new(EventType::OperatorAdded, "human:root", ODD);
    store.add_operator(&operator(ODD, Role::Admin), &fact).await.unwrap();
    let gone = paramedic::domain::Operator { revoked_at: Some(at(7)), ..operator("ann", Role::Viewer) };
    store.add_operator(&gone, &fact).await.unwrap();
    let family =
        Family { due_at: None, last_url: Some(ODD.to_owned()), ..Family::first_seen(&fixed, ODD, None, at(3)) };
    store.put_family(&family, &[], at(3)).await.unwrap();
    let due = Family { count: 3, ..Family::first_seen(&run, "due", None, at(4)) };
    store.put_family(&due, &[], at(4)).await.unwrap();
    store.put_snapshot("seen", &serde_json::json!(1), at(4)).await.unwrap();
    store.hold_cursor("slack", "me", at(0), Duration::from_secs(9)).await.unwrap();
    store
        .put_output(
            run.id,
            &StoredOutput { name: "x".to_owned(), bytes: Vec::new(), dropped_bytes: 0, created_at: at(1) },
            None,
        )
        .await
        .unwrap();
    fixed.id
}

/// Everything that the store tells, in words.
async fn told(store: &dyn Store) -> Vec<String> {
    let (runs, _) = store.runs(&RunQuery::default()).await.unwrap();
    let mut told = vec![format!("{runs:?} {:?}", store.operators().await.unwrap())];
    for run in &runs {
        told.push(format!("{:?}", store.family_of_run(run.id).await.unwrap()));
        told.push(format!("{:?}", store.attempts(run.id).await.unwrap()));
        for (name, _) in store.outputs(run.id).await.unwrap() {
            told.push(format!("{:?}", store.output(run.id, &name).await.unwrap()));
        }
    }
    told.push(format!("{:?}", store.events(None, 0, u32::MAX).await.unwrap()));
    told.push(format!("{:?}", store.find("latest", 1).await.unwrap()));
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_moves_there_and_back() {
    let world = World::new();
    let sqlite = |name: &str| format!("sqlite:{}", world.dir.path().join(name).display());
    let places = [sqlite("a.db"), postgres::database().await, postgres::database().await, sqlite("b.db")];
    let first = open(&places[0]).await;
    Box::pin(fill(&*first)).await;
    let (before, audit) = (told(&*first).await, first.verify().await.unwrap());
    for pair in places.windows(2) {
        let ran = world.run(&["store", "copy", &pair[0], &pair[1], "--json"]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let copied = ran.json();
        let counts =
            ["runs", "attempts", "outputs", "operators", "arrivals", "deliveries", "cursors", "served", "families"]
                .map(|it| copied[it].as_u64().unwrap());
        assert_eq!(counts, [602, 2, 4, 2, 600, 600, 1, 1, 2]);
        assert_eq!(copied["events"], audit.events);
        assert_eq!(copied["head"], audit.head);
        let store = open(&pair[1]).await;
        assert!(told(&*store).await == before, "{} tells something else", pair[1]);
        assert_eq!(store.verify().await.unwrap(), audit);
    }
    // It goes on there: known failures and deliveries are known, places are kept, claims go on.
    let last = open(&places[3]).await;
    let server = open(&places[2]).await;
    for store in [last, server] {
        let again = store.arrive(&[arrival("key 3", None), arrival("new", Some(&format!("{ODD} 5")))]).await.unwrap();
        assert!(again.iter().all(|it| it.is_duplicate));
        assert_eq!(store.hold_cursor("slack", "you", at(0), Duration::from_secs(9)).await.unwrap(), Some(audit.events));
        let run = queued(&*store, at(99)).await;
        taken(&*store, &run, "w", at(100)).await;
        assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_cannot_be_whole_is_refused() {
    let world = World::new();
    let from = format!("sqlite:{}", world.data_dir().join("paramedic.db").display());
    let to = postgres::database().await;
    let (store, target) = (open(&from).await, open(&to).await);
    let run = queued(&*store, at(0)).await;
    let copy = |to: &str| world.run(&["store", "copy", world.data_dir().to_str().unwrap(), to]);

    // Somebody works on it.
    let now: Timestamp = std::time::SystemTime::now().try_into().unwrap();
    let (_, lease) = taken(&*store, &run, "elsewhere:1:1:x", now).await;
    let ran = copy(&to);
    assert!(ran.code == 1 && ran.stderr.contains("stop the workers") && ran.stderr.contains("elsewhere"), "{ran:#?}");

    let new_file = world.dir.path().join("new.db");
    let ran = copy(&format!("sqlite:{}", new_file.display()));
    assert!(ran.code == 1 && ran.stderr.contains("stop the workers"), "{ran:#?}");
    let left: Vec<_> = std::fs::read_dir(world.dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.iter().any(|it| it.to_string_lossy().starts_with("new.db")), "{left:?}");

    // Nobody does any more: what was held goes back into the queue there.
    store.take_back(now, &["elsewhere:1:1:x".to_owned()]).await.unwrap();
    assert!(!store.heartbeat(&lease, now, Duration::from_mins(1)).await.unwrap());
    taken(&*store, &run, "late", at(1)).await;
    assert_eq!((target.last_seq().await.unwrap(), target.runs(&RunQuery::default()).await.unwrap().1), (0, 0));
    let ran = copy(&to);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("verified") && !ran.stdout.contains("paramedic@"), "{ran:#?}");
    assert_eq!(target.take_back(now, &[]).await.unwrap(), [run.id]);

    // Not twice, and not onto itself.
    for to in [&to, &from] {
        let ran = copy(to);
        assert!(ran.code == 1 && ran.stderr.contains("is not empty"), "{ran:#?}");
    }

    // Neither from nothing nor from what does not hold together.
    let ran = world.run(&["store", "copy", &format!("{from}x"), &to]);
    assert!(ran.code == 1 && ran.stderr.contains("there is no database"), "{ran:#?}");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.data_dir().join("paramedic.db"));
    let mut conn = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE events SET message = 'forged' WHERE seq = 1").execute(&mut conn).await.unwrap();
    let new = postgres::database().await;
    let ran = copy(&new);
    assert!(ran.code == 1 && ran.stderr.contains("does not hold together"), "{ran:#?}");
    assert_eq!(open(&new).await.last_seq().await.unwrap(), 0);
}

/// What stands in the way is met in the last page: everything before it is undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_leaves_nothing() {
    let world = World::new();
    let from = format!("sqlite:{}", world.dir.path().join("a.db").display());
    let store = open(&from).await;
    Box::pin(fill(&*store)).await;
    let to = postgres::database().await;
    let target = open(&to).await;
    let mut conn = <sqlx::PgConnection as sqlx::Connection>::connect(&to).await.unwrap();
    let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''the disk is full''; END';
        CREATE TRIGGER trap BEFORE INSERT ON cursors EXECUTE FUNCTION trap()";
    sqlx::raw_sql(trap).execute(&mut conn).await.unwrap();
    let ran = world.run(&["store", "copy", &from, &to]);
    assert!(
        ran.code == 1 && ran.stderr.contains("nothing was copied") && ran.stderr.contains("disk is full"),
        "{ran:#?}"
    );
    assert_eq!((target.last_seq().await.unwrap(), target.runs(&RunQuery::default()).await.unwrap().1), (0, 0));
    sqlx::raw_sql("DROP TRIGGER trap ON cursors").execute(&mut conn).await.unwrap();
    assert_eq!(world.run(&["store", "copy", &from, &to]).code, 0);
}
