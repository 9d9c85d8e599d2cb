//! The queue: who gets which run, who may still write, and what is taken back.
use crate::store_contract::backend::Backend;
use crate::store_contract::backend::Edit;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::full_run;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use paramedic::domain::Author;
use paramedic::domain::EventType;
use paramedic::domain::Order;
use paramedic::domain::Run;
use paramedic::domain::Status;
use paramedic::domain::transition::Decision;
use paramedic::store::Claim;
use paramedic::store::Lease;
use paramedic::store::StoreError;
use paramedic::store::StoredOutput;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

fn output(name: &str) -> StoredOutput {
    StoredOutput { name: name.to_owned(), bytes: b"x".to_vec(), dropped_bytes: 0, created_at: at(0) }
}

pub(crate) async fn the_oldest_is_claimed_first(backend: &impl Backend) {
    let store = backend.open().await;
    let second = queued(&*store, at(2)).await;
    let first = queued(&*store, at(1)).await;
    let third = queued(&*store, at(2)).await;
    let mut order = Vec::new();
    while let Some((run, lease)) = store.claim(&Claim::of("w", None, at(5), Duration::from_secs(55))).await.unwrap() {
        assert_eq!((run.status, run.version, run.updated_at), (Status::Running, 2, at(5)));
        assert_eq!(store.run(run.id).await.unwrap(), run);
        assert_eq!((lease.run_id, lease.worker.as_str()), (run.id, "w"));
        order.push(run.id);
    }
    assert_eq!(order, [first.id, second.id, third.id]);
    let held: BTreeSet<_> = store.leases().await.unwrap().into_iter().collect();
    assert_eq!(held, order.iter().map(|id| (*id, "w".to_owned())).collect());
}

pub(crate) async fn a_run_waits_for_its_time(backend: &impl Backend) {
    let store = backend.open().await;
    let due = store.time(at(0)).await.unwrap() + 2 * MINUTE;
    let run = Run { not_before: Some(due), ..new_run(at(0)) };
    store.create(&creation(&run), None).await.unwrap();
    backend.pass(MINUTE).await;
    for only in [None, Some(run.id)] {
        assert_eq!(store.claim(&Claim::of("w", only, at(60), MINUTE)).await.unwrap(), None);
    }
    backend.pass(MINUTE).await;
    let (run, _) = store.claim(&Claim::of("w", None, at(120), MINUTE)).await.unwrap().unwrap();
    assert_eq!(run.not_before, None);
}

pub(crate) async fn a_claim_may_name_its_run(backend: &impl Backend) {
    let store = backend.open().await;
    let (older, younger) = (queued(&*store, at(0)).await, queued(&*store, at(1)).await);
    let (run, _) =
        store.claim(&Claim::of("w", Some(younger.id), at(2), Duration::from_secs(58))).await.unwrap().unwrap();
    assert_eq!(run.id, younger.id);
    assert_eq!(store.claim(&Claim::of("v", Some(younger.id), at(3), Duration::from_secs(57))).await.unwrap(), None);
    assert_eq!(store.run(older.id).await.unwrap(), older);
}

pub(crate) async fn what_is_tied_to_a_machine_is_left_to_it(backend: &impl Backend) {
    let store = backend.open().await;
    let tied = |machine: &str, second| {
        let order = Order { machine: Some(machine.to_owned()), ..full_run(at(0)).order };
        Run { order, ..new_run(at(second)) }
    };
    let (there, here) = (tied("there", 0), tied("here", 1));
    for run in [&there, &here] {
        store.create(&creation(run), None).await.unwrap();
    }
    let free = queued(&*store, at(2)).await;
    let claim = Claim { machine: Some("here"), ..Claim::of("w", None, at(5), Duration::from_secs(55)) };
    for id in [here.id, free.id] {
        assert_eq!(store.claim(&claim).await.unwrap().unwrap().0.id, id);
    }
    assert_eq!(store.claim(&claim).await.unwrap(), None);
    // Whoever asks for it by its name means it.
    let named = Claim { only: Some(there.id), ..claim };
    assert_eq!(store.claim(&named).await.unwrap().unwrap().0.id, there.id);
    // Tied and freed by what people decide, on either side.
    let escalated = Run { status: Status::Escalated, order: Order::default(), ..new_run(at(3)) };
    store.create(&creation(&escalated), None).await.unwrap();
    for (machine, is_free) in [(Some("there"), false), (None, true)] {
        let run = store.run(escalated.id).await.unwrap();
        let retried = change(run.retry(&Decision { machine, ..decision("ann", at(4)) }).unwrap());
        store.commit(&retried, None).await.unwrap();
        let given = store.claim(&claim).await.unwrap();
        assert_eq!(given.map(|(it, _)| it.id), is_free.then_some(escalated.id), "{machine:?}");
    }
}

pub(crate) async fn a_creator_may_hold_from_the_start(backend: &impl Backend) {
    let store = backend.open().await;
    let run = Run { status: Status::Running, ..new_run(at(0)) };
    let lease = store.create(&creation(&run), Some(("me", MINUTE))).await.unwrap().unwrap();
    assert_eq!((lease.run_id, lease.worker.as_str()), (run.id, "me"));
    assert_eq!(store.claim(&Claim::of("w", None, at(1), Duration::from_secs(59))).await.unwrap(), None);
    let started = run.attempt_started(Author::Agent("a".to_owned()), None, at(1)).unwrap();
    store.commit(&started, Some(&lease)).await.unwrap();
    assert_eq!(store.take_back(at(2), &["me".to_owned()]).await.unwrap(), [run.id]);
}

pub(crate) async fn no_run_is_claimed_twice(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let mut due = BTreeSet::new();
    for idx in 0..24 {
        due.insert(queued(&*handles[0], at(idx)).await.id);
    }
    let workers: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                let worker = format!("w{idx}");
                let mut got = Vec::new();
                while let Some((run, lease)) =
                    store.claim(&Claim::of(&worker, None, at(100), Duration::from_secs(100))).await.unwrap()
                {
                    got.push(run.id);
                    let told = run.attempt_started(Author::Agent("a".to_owned()), None, at(101)).unwrap();
                    store.commit(&told, Some(&lease)).await.unwrap();
                }
                got
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), due.len());
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), due);
}

pub(crate) async fn a_stalled_worker_is_fenced_off(backend: &impl Backend) {
    let (slow, quick) = (backend.open().await, backend.open().await);
    let run = queued(&*slow, at(0)).await;
    let (seen_by_slow, stale) = taken(&*slow, &run, "same name", at(1)).await;
    backend.pass(2 * MINUTE).await;
    assert_eq!(quick.take_back(at(100), &[]).await.unwrap(), [run.id]);
    let (seen_by_quick, lease) = taken(&*quick, &run, "same name", at(101)).await;
    assert_ne!(stale.token, lease.token);

    let late = seen_by_slow.attempt_started(Author::Agent("a".to_owned()), None, at(102)).unwrap();
    assert!(matches!(slow.commit(&late, Some(&stale)).await, Err(StoreError::Conflict)));
    // Not even with the right version: it is the token that counts.
    let late = seen_by_quick.attempt_started(Author::Agent("a".to_owned()), None, at(102)).unwrap();
    assert!(matches!(slow.commit(&late, Some(&stale)).await, Err(StoreError::Conflict)));
    assert!(matches!(slow.put_output(run.id, &output("base.log"), Some(&stale)).await, Err(StoreError::Conflict)));
    assert!(!slow.heartbeat(&stale, at(103), MINUTE).await.unwrap());
    assert_eq!(slow.run(run.id).await.unwrap(), seen_by_quick);
    assert_eq!(slow.attempts(run.id).await.unwrap(), []);
    assert_eq!(slow.outputs(run.id).await.unwrap(), []);

    quick.commit(&late, Some(&lease)).await.unwrap();
    quick.put_output(run.id, &output("base.log"), Some(&lease)).await.unwrap();
}

pub(crate) async fn a_lease_is_good_for_its_run_alone(backend: &impl Backend) {
    let store = backend.open().await;
    let (mine, other) = (queued(&*store, at(0)).await, queued(&*store, at(1)).await);
    let (_, lease) = taken(&*store, &mine, "w", at(2)).await;
    let (other, _) = taken(&*store, &other, "w", at(2)).await;
    let told = other.attempt_started(Author::Agent("a".to_owned()), None, at(3)).unwrap();
    let forged = Lease { run_id: other.id, ..lease.clone() };
    for lease in [lease, forged] {
        assert!(matches!(store.commit(&told, Some(&lease)).await, Err(StoreError::Conflict)));
        assert!(matches!(store.put_output(other.id, &output("o"), Some(&lease)).await, Err(StoreError::Conflict)));
    }
}

pub(crate) async fn an_abort_ends_the_lease(backend: &impl Backend) {
    let (worker, operator) = (backend.open().await, backend.open().await);
    let run = queued(&*worker, at(0)).await;
    let (run, lease) = taken(&*worker, &run, "w", at(1)).await;
    let abort = change(run.abort(&[], &decision("ann", at(2))).unwrap());
    operator.commit(&abort, None).await.unwrap();
    assert!(!worker.heartbeat(&lease, at(30), MINUTE).await.unwrap());
    let late = run.attempt_started(Author::Agent("a".to_owned()), None, at(3)).unwrap();
    assert!(matches!(worker.commit(&late, Some(&lease)).await, Err(StoreError::Conflict)));
    assert!(matches!(worker.put_output(run.id, &output("o"), Some(&lease)).await, Err(StoreError::Conflict)));
    assert_eq!(operator.leases().await.unwrap(), []);
    assert_eq!(operator.take_back(at(999), &["w".to_owned()]).await.unwrap(), []);
    assert_eq!(operator.run(run.id).await.unwrap().status, Status::Aborted);
}

pub(crate) async fn a_heartbeat_extends_and_never_shortens(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let (_, lease) = taken(&*store, &run, "w", at(0)).await;
    assert!(store.heartbeat(&lease, at(0), 5 * MINUTE).await.unwrap());
    assert!(store.heartbeat(&lease, at(0), 2 * MINUTE).await.unwrap());
    backend.pass(4 * MINUTE).await;
    assert_eq!(store.take_back(at(240), &[]).await.unwrap(), []);
    // Past its time and not yet taken back it is still held, and can be extended.
    backend.pass(2 * MINUTE).await;
    assert!(store.heartbeat(&lease, at(360), 2 * MINUTE).await.unwrap());
    backend.pass(MINUTE).await;
    assert_eq!(store.take_back(at(420), &[]).await.unwrap(), []);
    backend.pass(2 * MINUTE).await;
    assert_eq!(store.take_back(at(540), &[]).await.unwrap(), [run.id]);
    assert!(!store.heartbeat(&lease, at(541), MINUTE).await.unwrap());
}

pub(crate) async fn lost_runs_are_taken_back(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let runs = [queued(&*store, at(0)).await, queued(&*store, at(1)).await, queued(&*store, at(2)).await];
    taken(&*store, &runs[1], "late", at(3)).await;
    backend.pass(2 * MINUTE).await;
    taken(&*store, &runs[0], "dead", at(50)).await;
    let (alive, lease) = taken(&*store, &runs[2], "alive", at(50)).await;

    let mut back = other.take_back(at(70), &["dead".to_owned(), "never heard of".to_owned()]).await.unwrap();
    back.sort();
    let mut due = vec![runs[0].id, runs[1].id];
    due.sort();
    assert_eq!(back, due);
    for id in due {
        let run = store.run(id).await.unwrap();
        assert_eq!((run.status, run.version, run.updated_at), (Status::Queued, 3, at(70)));
        let last = store.events(Some(id), 0, 100).await.unwrap().pop().unwrap();
        assert_eq!((last.kind, last.run_version), (EventType::RunRequeued, 3));
    }
    assert_eq!(store.run(runs[2].id).await.unwrap(), alive);
    assert_eq!(store.leases().await.unwrap(), [(runs[2].id, "alive".to_owned())]);
    assert!(store.heartbeat(&lease, at(70), 2 * MINUTE).await.unwrap());
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(crate) async fn a_lost_run_is_taken_back_once(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let run = queued(&*handles[0], at(0)).await;
    taken(&*handles[0], &run, "w", at(1)).await;
    let reapers: Vec<_> = (0..6)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move { store.take_back(at(900), &["w".to_owned()]).await.unwrap().len() })
        })
        .collect();
    let mut n_taken = 0;
    for reaper in reapers {
        n_taken += reaper.await.unwrap();
    }
    assert_eq!(n_taken, 1);
    assert_eq!(handles[1].run(run.id).await.unwrap().version, 3);
}

/// Nothing in the program makes such a run, but it must not stay `running` for ever either.
pub(crate) async fn a_running_run_without_a_lease_is_taken_back(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    taken(&*store, &run, "w", at(1)).await;
    backend.tamper(Edit::Lease { id: run.id }).await;
    assert_eq!(store.take_back(at(2), &[]).await.unwrap(), [run.id]);
    assert_eq!(store.run(run.id).await.unwrap().status, Status::Queued);
}
