//! What a shared backlog adds: reports from outside, fairness, news, places in the chain, and operators.
use crate::store_contract::backend::Backend;
use crate::store_contract::fixtures::ODD;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use paramedic::domain::Depth;
use paramedic::domain::Digest;
use paramedic::domain::EventType;
use paramedic::domain::NewEvent;
use paramedic::domain::Operator;
use paramedic::domain::Role;
use paramedic::domain::Run;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::domain::Status;
use paramedic::store::Arrival;
use paramedic::store::Claim;
use paramedic::store::Store;
use paramedic::store::StoreError;
use paramedic::store::StoredOutput;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// News come within this time, also on a slow machine; without them one would wait for `LONG`.
const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_mins(2);

/// Returns a report of the failure `key` by the delivery `delivery`.
pub(crate) fn arrival(key: &str, delivery: Option<&str>) -> Arrival {
    Arrival {
        creation: creation(&new_run(at(0))),
        key: Digest::of(key),
        delivery: delivery.map(str::to_owned),
        outputs: Vec::new(),
        family: None,
    }
}

fn log(text: &str) -> StoredOutput {
    StoredOutput { name: "reported.log".to_owned(), bytes: text.into(), dropped_bytes: 0, created_at: at(0) }
}

async fn n_runs(store: &dyn Store) -> u64 {
    store.runs(&RunQuery::default()).await.unwrap().1
}

pub(crate) async fn a_report_becomes_a_run_with_its_log(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.arrive(&[]).await.unwrap(), []);
    let reports = [
        Arrival { outputs: vec![log("boom")], ..arrival("a", Some(ODD)) },
        Arrival { outputs: vec![log("other")], ..arrival("a", Some("2")) },
        arrival("b", None),
    ];
    let arrived = store.arrive(&reports).await.unwrap();
    let (first, last) = (reports[0].creation.run.id, reports[2].creation.run.id);
    let told: Vec<_> = arrived.iter().map(|it| (it.run_id, it.status, it.is_duplicate)).collect();
    assert_eq!(told, [(first, Status::Queued, false), (first, Status::Queued, true), (last, Status::Queued, false)]);
    assert_eq!(store.run(first).await.unwrap(), reports[0].creation.run);
    assert_eq!(store.output(first, "reported.log").await.unwrap(), Some(log("boom")));
    let events = store.events(None, 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|it| it.run_id).collect::<Vec<_>>(), [first, first, last, last]);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(crate) async fn a_duplicate_tells_of_the_run_as_it_is_now(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let run = store.arrive(&[arrival("a", None)]).await.unwrap()[0].run_id;
    let abort = change(store.run(run).await.unwrap().abort(&[], &decision("ann", at(1))).unwrap());
    store.commit(&abort, None).await.unwrap();
    let again = other.arrive(&[arrival("a", Some("late"))]).await.unwrap();
    assert_eq!((again[0].run_id, again[0].status, again[0].is_duplicate), (run, Status::Aborted, true));
    assert_eq!(n_runs(&*store).await, 1);
}

/// Whatever is in it: a sender's name for a delivery has one effect.
pub(crate) async fn a_replayed_delivery_changes_nothing(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let name = format!("{ODD}{}", "d".repeat(9_000));
    let first = store.arrive(&[arrival("a", Some(&name))]).await.unwrap()[0];
    let before = store.last_seq().await.unwrap();
    let replays = [
        arrival("a", Some(&name)),
        arrival("b", Some(&name)),
        Arrival { outputs: vec![log("x")], ..arrival("c", Some(&name)) },
    ];
    for told in other.arrive(&replays).await.unwrap() {
        assert_eq!((told.run_id, told.is_duplicate), (first.run_id, true));
    }
    // Also within one batch.
    let twice = other.arrive(&[arrival("d", Some("x")), arrival("e", Some("x"))]).await.unwrap();
    assert_eq!((twice[0].run_id, twice[1].is_duplicate), (twice[1].run_id, true));
    assert_eq!((n_runs(&*store).await, store.last_seq().await.unwrap()), (2, before + 2));
    assert_eq!(store.outputs(first.run_id).await.unwrap(), []);
}

pub(crate) async fn a_batch_is_stored_whole_or_not_at_all(backend: &impl Backend) {
    let store = backend.open().await;
    let mut bad = arrival("b", Some("2"));
    bad.creation.run.version = 2;
    assert!(store.arrive(&[arrival("a", Some("1")), bad]).await.is_err());
    let mut huge = arrival("b", Some("2"));
    huge.outputs = vec![StoredOutput { bytes: vec![0; paramedic::store::MAX_STORED_BYTES + 1], ..log("") }];
    assert!(store.arrive(&[arrival("a", Some("1")), huge]).await.is_err());
    assert_eq!((n_runs(&*store).await, store.last_seq().await.unwrap()), (0, 0));
    assert!(!store.arrive(&[arrival("a", Some("1"))]).await.unwrap()[0].is_duplicate);
}

pub(crate) async fn the_same_failure_at_the_same_instant_is_one_run(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await, backend.open().await];
    let senders: Vec<_> = (0..12)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 3]);
            tokio::spawn(async move {
                let mut told = Vec::new();
                for round in 0..5 {
                    // Each in another order, so that waiting for each other in a circle would show.
                    let mut keys: Vec<_> = (0..6).map(|it| format!("{round} {it}")).collect();
                    keys.rotate_left(idx % 6);
                    let deliveries = keys.iter().map(|it| format!("{idx} {it}")).collect::<Vec<_>>();
                    let batch: Vec<_> =
                        keys.iter().zip(&deliveries).map(|(key, it)| arrival(key, Some(it.as_str()))).collect();
                    let arrived = store.arrive(&batch).await.unwrap();
                    told.extend(keys.into_iter().zip(arrived));
                }
                told
            })
        })
        .collect();
    let (mut runs, mut n_new) = (BTreeMap::new(), 0);
    for sender in senders {
        for (key, arrived) in sender.await.unwrap() {
            n_new += usize::from(!arrived.is_duplicate);
            assert_eq!(*runs.entry(key).or_insert(arrived.run_id), arrived.run_id);
        }
    }
    assert_eq!((runs.len(), n_new, n_runs(&*handles[0]).await), (30, 30, 30));
    let audit = handles[1].verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (60, Vec::new()));
}

/// All kinds of writes at once, as in a busy team: nobody waits for ever, nothing is lost, one chain.
pub(crate) async fn every_kind_of_write_goes_on_at_once(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let writers: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                let me = format!("w{idx}");
                for round in 0..8 {
                    store.arrive(&[arrival(&format!("{idx} {round}"), Some(&format!("{idx} {round}")))]).await.unwrap();
                    let claim = Claim { per_repository: 5, ..Claim::of(&me, None, at(round), Duration::from_hours(2)) };
                    let Some((run, lease)) = store.claim(&claim).await.unwrap() else { continue };
                    store.note(run.id, &[NewEvent::new(EventType::AccessRefused, "x", "no")], at(round)).await.unwrap();
                    store.put_output(run.id, &log("x"), Some(&lease)).await.unwrap();
                    assert!(store.heartbeat(&lease, at(round), Duration::from_hours(3)).await.unwrap());
                    let abort = change(run.abort(&[], &decision("ann", at(round))).unwrap());
                    store.commit(&abort, Some(&lease)).await.unwrap();
                    store.take_back(at(round), &[]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(n_runs(&*handles[0]).await, 64);
    assert_eq!(handles[0].leases().await.unwrap(), []);
    assert_eq!(handles[1].verify().await.unwrap().problems, Vec::<String>::new());
}

pub(crate) async fn a_note_changes_no_state(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let fact = NewEvent::new(EventType::AccessRefused, ODD, ODD).with(json!({ "role": ODD }));
    store.note(run.id, std::slice::from_ref(&fact), at(1)).await.unwrap();
    store.note(RunId::NONE, &[fact.clone(), fact.clone()], at(2)).await.unwrap();
    let unknown = store.note(new_run(at(0)).id, std::slice::from_ref(&fact), at(3)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    assert_eq!(store.run(run.id).await.unwrap(), run);
    let told = store.events(None, 2, 9).await.unwrap();
    let about: Vec<_> = told.iter().map(|it| (it.run_id, it.run_version, it.created_at)).collect();
    assert_eq!(about, [(run.id, 1, at(1)), (RunId::NONE, 0, at(2)), (RunId::NONE, 0, at(2))]);
    assert_eq!((&told[2].actor, &told[2].message, &told[2].payload), (&fact.actor, &fact.message, &fact.payload));
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(crate) async fn news_wake_who_waits(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    // Nothing new: it waits as long as it was told to, and no longer.
    let began = Instant::now();
    assert_eq!(store.changed(0, Duration::from_millis(300)).await.unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(store.changed(0, Duration::ZERO).await.unwrap(), 0);

    for writer in [&store, &other] {
        let before = store.last_seq().await.unwrap();
        let waiters = [&store, &other, &store].map(|it| {
            let it = Arc::clone(it);
            tokio::spawn(async move { it.changed(before, LONG).await.unwrap() })
        });
        tokio::task::yield_now().await;
        let began = Instant::now();
        queued(&**writer, at(0)).await;
        for waiter in waiters {
            assert!(tokio::time::timeout(SOON, waiter).await.unwrap().unwrap() > before);
        }
        assert!(began.elapsed() < SOON);
    }
    // What happened before the question is answered at once.
    assert_eq!(store.changed(1, LONG).await.unwrap(), 4);
}

pub(crate) async fn repositories_are_counted(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.repositories(5).await.unwrap(), []);
    assert_eq!(store.depth(at(0)).await.unwrap(), Depth::default());
    for (repository, n) in [("b", 1), (ODD, 3), ("a", 1)] {
        for _ in 0..n {
            let run = Run { repository: repository.to_owned(), ..new_run(at(5)) };
            store.create(&creation(&run), None).await.unwrap();
        }
    }
    let all = store.repositories(9).await.unwrap();
    let told: Vec<_> = all.iter().map(|it| (it.repository.as_str(), it.summary.total)).collect();
    assert_eq!(told, [(ODD, 3), ("a", 1), ("b", 1)]);
    let told: Vec<_> = store.repositories(2).await.unwrap().into_iter().map(|it| it.repository).collect();
    assert_eq!(told, [ODD, "a"]);
}

pub(crate) async fn the_depth_tells_what_waits_and_since_when(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.depth(at(0)).await.unwrap(), Depth::default());
    let early = queued(&*store, at(0)).await;
    backend.pass(Duration::from_hours(2)).await;
    queued(&*store, at(7200)).await;
    backend.pass(Duration::from_hours(1)).await;
    let depth = async || {
        let Depth { queued, leased, oldest_age } = store.depth(at(10_800)).await.unwrap();
        // The tests' own time is within the hour.
        (queued, leased, oldest_age.unwrap().as_secs() / 3600)
    };
    assert_eq!(depth().await, (2, 0, 3));
    taken(&*store, &early, "w", at(10_800)).await;
    assert_eq!(depth().await, (1, 1, 1));
}

async fn queued_of(store: &dyn Store, repository: &str, second: i64) -> Run {
    let run = Run { repository: repository.to_owned(), ..new_run(at(second)) };
    store.create(&creation(&run), None).await.unwrap();
    run
}

/// A repository with many failures does not keep the others waiting.
pub(crate) async fn claims_are_fair_between_repositories(backend: &impl Backend) {
    let store = backend.open().await;
    for second in 0..4 {
        queued_of(&*store, "busy", second).await;
    }
    queued_of(&*store, "calm", 10).await;
    queued_of(&*store, "calm", 11).await;
    queued_of(&*store, "new", 12).await;
    let mut order = Vec::new();
    while let Some((run, lease)) = store.claim(&Claim::of("w", None, at(100), Duration::from_secs(100))).await.unwrap()
    {
        order.push((run.repository.clone(), run.created_at));
        // `calm` is done at once, the others are held.
        if run.repository == "calm" {
            let abort = change(run.abort(&[], &decision("ann", at(101))).unwrap());
            store.commit(&abort, Some(&lease)).await.unwrap();
        }
    }
    let expected = [
        ("busy", 0),  // all are new; the oldest run
        ("calm", 10), // none held; older than `new`
        ("new", 12),  // none held; never served
        ("calm", 11), // none held
        ("busy", 1),
        ("busy", 2),
        ("busy", 3),
    ];
    assert_eq!(order, expected.map(|(name, second)| (name.to_owned(), at(second))));
}

/// With as many held each, the one that was served longest ago comes first.
pub(crate) async fn the_longest_unserved_comes_first(backend: &impl Backend) {
    let store = backend.open().await;
    for (repository, second) in [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4)] {
        queued_of(&*store, repository, second).await;
    }
    let mut order = String::new();
    while let Some((run, lease)) = store.claim(&Claim::of("w", None, at(100), Duration::from_secs(100))).await.unwrap()
    {
        order += &run.repository;
        let abort = change(run.abort(&[], &decision("ann", at(101))).unwrap());
        store.commit(&abort, Some(&lease)).await.unwrap();
    }
    assert_eq!(order, "ababa");
}

pub(crate) async fn a_repository_has_its_limit(backend: &impl Backend) {
    let store = backend.open().await;
    let runs = [queued_of(&*store, "a", 0).await, queued_of(&*store, "a", 1).await, queued_of(&*store, "b", 2).await];
    let claim = Claim { per_repository: 1, ..Claim::of("w", None, at(9), Duration::from_secs(90)) };
    assert_eq!(store.claim(&claim).await.unwrap().unwrap().0.id, runs[0].id);
    assert_eq!(store.claim(&claim).await.unwrap().unwrap().0.id, runs[2].id);
    assert_eq!(store.claim(&claim).await.unwrap(), None);
    // A run that is asked for by name is given all the same.
    let named = Claim { only: Some(runs[1].id), ..claim };
    assert_eq!(store.claim(&named).await.unwrap().unwrap().0.id, runs[1].id);
}

/// However many ask at once, none gets one more; and none goes away empty while there is something.
pub(crate) async fn the_limit_is_exact_with_many_workers(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await, backend.open().await];
    for idx in 0..10 {
        queued_of(&*handles[0], "a", idx).await;
        queued_of(&*handles[0], "b", idx).await;
    }
    for round in 1..=3 {
        let workers: Vec<_> = (0..12)
            .map(|idx| {
                let store = Arc::clone(&handles[idx % 3]);
                tokio::spawn(async move {
                    let me = format!("w{idx}");
                    let claim = Claim { per_repository: 3, ..Claim::of(&me, None, at(100), Duration::from_secs(100)) };
                    store.claim(&claim).await.unwrap()
                })
            })
            .collect();
        let (mut held, mut ids) = (BTreeMap::<String, u32>::new(), BTreeSet::new());
        let mut claimed = Vec::new();
        for worker in workers {
            if let Some((run, lease)) = worker.await.unwrap() {
                *held.entry(run.repository.clone()).or_default() += 1;
                assert!(ids.insert(run.id));
                claimed.push((run, lease));
            }
        }
        assert_eq!(held, [("a".to_owned(), 3), ("b".to_owned(), 3)].into(), "round {round}");
        for (run, lease) in claimed {
            let abort = change(run.abort(&[], &decision("ann", at(101))).unwrap());
            handles[0].commit(&abort, Some(&lease)).await.unwrap();
        }
    }
}

pub(crate) async fn a_place_in_the_chain_is_held_by_one(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    queued(&*store, at(0)).await;
    assert_eq!(store.hold_cursor("slack", "me", at(0), Duration::from_secs(10)).await.unwrap(), Some(2));
    queued(&*store, at(1)).await;
    assert_eq!(other.hold_cursor("slack", "you", at(5), Duration::from_secs(10)).await.unwrap(), None);
    assert_eq!(other.hold_cursor("mail", ODD, at(5), Duration::from_secs(10)).await.unwrap(), Some(4));
    assert!(store.move_cursor("slack", "me", 3).await.unwrap());
    assert!(!other.move_cursor("slack", "you", 4).await.unwrap());
    assert!(!other.move_cursor("nothing", "you", 4).await.unwrap());
    assert_eq!(store.hold_cursor("slack", "me", at(6), Duration::from_mins(2)).await.unwrap(), Some(3));
    backend.pass(Duration::from_mins(1)).await;
    assert_eq!(other.hold_cursor("slack", "you", at(66), Duration::from_mins(1)).await.unwrap(), None);
    backend.pass(Duration::from_mins(2)).await;
    assert_eq!(other.hold_cursor("slack", "you", at(186), Duration::from_mins(1)).await.unwrap(), Some(3));
    // Lost, and never set back.
    assert!(!store.move_cursor("slack", "me", 9).await.unwrap());
    assert!(other.move_cursor("slack", "you", 1).await.unwrap());
    assert_eq!(other.hold_cursor("slack", "you", at(187), Duration::from_mins(1)).await.unwrap(), Some(3));
    // Left to others at once.
    assert_eq!(other.hold_cursor("slack", "you", at(188), Duration::ZERO).await.unwrap(), Some(3));
    assert_eq!(store.hold_cursor("slack", "me", at(189), Duration::from_mins(1)).await.unwrap(), Some(3));
}

pub(crate) async fn a_place_is_taken_by_one_of_many(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let holders: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                store.hold_cursor("slack", &format!("h{idx}"), at(0), Duration::from_secs(10)).await.unwrap().is_some()
            })
        })
        .collect();
    let mut n_holders = 0;
    for holder in holders {
        n_holders += u32::from(holder.await.unwrap());
    }
    assert_eq!(n_holders, 1);
}

pub(crate) fn operator(name: &str, role: Role) -> Operator {
    let id = RunId::random().0;
    Operator {
        id,
        name: name.to_owned(),
        role,
        token_digest: Some(Digest::of(id.as_bytes())),
        password_hash: Some("$argon2id$x".to_owned()),
        created_at: at(1),
        revoked_at: None,
    }
}

pub(crate) async fn operators_are_kept_with_their_facts(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let fact = |kind| NewEvent::new(kind, "human:root", "");
    let added = fact(EventType::OperatorAdded);
    let mut ann = operator("ann", Role::Operator);
    let bob = Operator { token_digest: None, password_hash: None, ..operator(ODD, Role::Viewer) };
    store.add_operator(&ann, &added).await.unwrap();
    store.add_operator(&bob, &added).await.unwrap();
    assert_eq!(other.operators().await.unwrap(), [bob.clone(), ann.clone()]);
    assert_eq!(other.operator(ODD).await.unwrap(), Some(bob.clone()));
    assert_eq!(other.operator("nobody").await.unwrap(), None);
    let token = ann.token_digest.clone().unwrap();
    assert_eq!(other.operator_by_token(&token).await.unwrap(), Some(ann.clone()));
    assert_eq!(other.operator_by_token(&Digest::of("x")).await.unwrap(), None);

    // A second of the name is refused, with its fact.
    let before = store.last_seq().await.unwrap();
    let again = other.add_operator(&operator("ann", Role::Admin), &added).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(store.last_seq().await.unwrap(), before);

    ann.revoked_at = Some(at(5));
    store.update_operator(&ann, &fact(EventType::OperatorRevoked), at(5)).await.unwrap();
    assert_eq!(other.operator("ann").await.unwrap(), Some(ann.clone()));
    assert_eq!(other.operator_by_token(&token).await.unwrap(), Some(ann.clone()));
    // Who read her before that takes nothing back.
    let stale = Operator { revoked_at: None, ..ann.clone() };
    other.update_operator(&stale, &fact(EventType::OperatorTokenIssued), at(6)).await.unwrap();
    assert_eq!(store.operator("ann").await.unwrap(), Some(ann));
    let new = operator("ann", Role::Admin);
    other.add_operator(&new, &added).await.unwrap();
    assert_eq!(store.operator("ann").await.unwrap(), Some(new));
    let told: Vec<_> = store.events(None, 0, 9).await.unwrap().iter().map(|it| (it.run_id, it.kind)).collect();
    let expected = [
        EventType::OperatorAdded,
        EventType::OperatorAdded,
        EventType::OperatorRevoked,
        EventType::OperatorTokenIssued,
        EventType::OperatorAdded,
    ];
    assert_eq!(told, expected.map(|it| (RunId::NONE, it)));
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(crate) async fn an_operator_of_a_name_is_added_once(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let adders: Vec<_> = (0..6)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                let fact = NewEvent::new(EventType::OperatorAdded, "x", "");
                store.add_operator(&operator("ann", Role::Viewer), &fact).await.is_ok()
            })
        })
        .collect();
    let mut n_added = 0;
    for adder in adders {
        n_added += u64::from(adder.await.unwrap());
    }
    assert_eq!((n_added, handles[0].last_seq().await.unwrap()), (1, 1));
}

pub(crate) async fn who_works_is_known_until_they_are_silent(backend: &impl Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let minute = Duration::from_mins(1);
    assert_eq!(one.present(at(0)).await.unwrap(), []);
    one.appear(ODD, "here", at(0), minute).await.unwrap();
    one.appear("b", "here", at(0), minute).await.unwrap();
    other.appear("b", "there", at(1), minute).await.unwrap();
    let both = [(ODD.to_owned(), "here".to_owned()), ("b".to_owned(), "there".to_owned())];
    assert_eq!(other.present(at(2)).await.unwrap(), both, "the last word counts");
    // Without another word it is over, by the database's clock where it has one.
    one.appear("c", "here", at(2), Duration::from_millis(1)).await.unwrap();
    let limit = Instant::now() + SOON;
    while other.present(at(3)).await.unwrap() != both {
        assert!(Instant::now() < limit, "c is still there");
    }
    other.disappear(ODD).await.unwrap();
    other.disappear("nobody").await.unwrap();
    assert_eq!(one.present(at(3)).await.unwrap(), both[1..]);
}
