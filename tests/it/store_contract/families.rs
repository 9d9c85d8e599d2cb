//! What is followed across commits: sightings of one failure, versions of a family with their facts, what is due, and snapshots.
use crate::store_contract::backend::Backend;
use crate::store_contract::fixtures::ODD;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::fixed;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use crate::store_contract::sharing::arrival;
use paramedic::domain::CiRef;
use paramedic::domain::Digest;
use paramedic::domain::EventType;
use paramedic::domain::Family;
use paramedic::domain::MergeFacts;
use paramedic::domain::MergedBy;
use paramedic::domain::NewEvent;
use paramedic::domain::Run;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::domain::Status;
use paramedic::domain::Tracking;
use paramedic::domain::Verdict;
use paramedic::domain::family_key;
use paramedic::store::Arrival;
use paramedic::store::FamilySighting;
use paramedic::store::Store;
use paramedic::store::StoreError;
use paramedic::store::StoredOutput;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Returns a sighting of the failure `hash` at `commit`.
pub(crate) fn sighting(hash: &str, commit: &str, delivery: &str, second: i64) -> Arrival {
    let mut arrival = arrival(&format!("{hash} {commit}"), Some(delivery));
    arrival.creation.run = Run { commit_sha: commit.to_owned(), ..new_run(at(second)) };
    arrival.family = Some(FamilySighting {
        error_hash: hash.to_owned(),
        url: Some(format!("https://forge.test/{delivery}")),
        began_at: at(second),
        live_for: Duration::from_hours(24),
    });
    arrival
}

fn key(hash: &str) -> Digest {
    family_key("acme/shop", hash)
}

async fn n_runs(store: &dyn Store) -> u64 {
    store.runs(&RunQuery::default()).await.unwrap().1
}

async fn is_intact(store: &dyn Store) {
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

/// Stores the next version of a family after `edit`.
async fn put(store: &dyn Store, hash: &str, edit: impl FnOnce(&mut Family)) -> Family {
    let mut family = store.family(&key(hash)).await.unwrap().unwrap().next();
    edit(&mut family);
    store.put_family(&family, &[], at(50)).await.unwrap();
    family
}

pub(crate) async fn fifty_equal_failures_are_one_run(backend: &impl Backend) {
    let store = backend.open().await;
    let first = store.arrive(&[sighting("h", "c0", "d0", 0)]).await.unwrap()[0];
    let batch: Vec<_> = (1..50).map(|it| sighting("h", &format!("c{}", it / 2), &format!("d{it}"), it * 30)).collect();
    for half in batch.chunks(25) {
        let arrived = store.arrive(half).await.unwrap();
        assert!(arrived.iter().all(|it| it.is_duplicate && it.run_id == first.run_id));
    }
    // A delivery that came before is no sighting.
    assert!(store.arrive(&[sighting("h", "c9", "d7", 9_000)]).await.unwrap()[0].is_duplicate);
    let family = store.family(&key("h")).await.unwrap().unwrap();
    assert_eq!((family.run_id, family.count, family.version), (first.run_id, 50, 3));
    assert_eq!((family.last_seen_at, family.due_at), (at(49 * 30), Some(at(49 * 30))));
    assert_eq!(family.last_url.as_deref(), Some("https://forge.test/d49"));
    assert_eq!((n_runs(&*store).await, store.delivery("d7").await.unwrap()), (1, Some(first.run_id)));
    let told = store.events(Some(first.run_id), 0, 1_000).await.unwrap();
    let n_told = told.iter().filter(|it| it.kind == EventType::RunRecurred).count();
    assert!((23..=26).contains(&n_told), "{n_told}");
    assert_eq!(store.delivery("none").await.unwrap(), None);
    is_intact(&*store).await;
}

pub(crate) async fn the_same_failure_from_two_processes_at_once_is_one_run(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let senders: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                for round in 0..6 {
                    let mut names = ["a", "b", "c"].map(|it| format!("{it}{round}"));
                    names.rotate_left(idx % 3);
                    let batch = names.map(|it| sighting(&it, &format!("c{idx}"), &format!("{idx} {it}"), round));
                    store.arrive(&batch).await.unwrap();
                    store.make_due(&[batch[0].creation.run.id], at(round)).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(n_runs(&*handles[0]).await, 18);
    let families = handles[1].families("acme/shop", 99).await.unwrap();
    assert_eq!((families.len(), families.iter().all(|it| it.count == 8)), (18, true));
    is_intact(&*handles[1]).await;
}

pub(crate) async fn what_came_to_rest_takes_in_for_a_while(backend: &impl Backend) {
    let store = backend.open().await;
    let run = store.arrive(&[sighting("h", "c0", "d0", 0)]).await.unwrap()[0].run_id;
    put(&*store, "h", |it| it.skipped = Some("because".to_owned())).await;
    let abort = change(store.run(run).await.unwrap().abort(&[], &decision("ann", at(10))).unwrap());
    store.commit(&abort, None).await.unwrap();
    let day = 24 * 60 * 60;
    assert!(store.arrive(&[sighting("h", "c1", "d1", day)]).await.unwrap()[0].is_duplicate);
    // The same commit is the same run for ever; another one is a new run after that.
    assert!(store.arrive(&[sighting("h", "c0", "d2", 2 * day)]).await.unwrap()[0].is_duplicate);
    let later = store.arrive(&[sighting("h", "c2", "d3", 2 * day)]).await.unwrap()[0];
    assert!(!later.is_duplicate);
    let family = store.family_of_run(later.run_id).await.unwrap().unwrap();
    assert_eq!((family.count, family.skipped), (4, None));
    assert_eq!(store.family_of_run(run).await.unwrap(), None);
    is_intact(&*store).await;
}

/// A run that is of no trusted branch is never published: it does not stand for what the others have.
pub(crate) async fn what_a_trusted_branch_has_is_no_forks(backend: &impl Backend) {
    let store = backend.open().await;
    let run = fixed(&*store, at(0), Verdict::Ok).await;
    let mut fork = change(run.deny(&store.attempts(run.id).await.unwrap(), &decision("ann", at(5))).unwrap());
    fork.run.order.ci = Some(ci(true));
    store.commit(&fork, None).await.unwrap();
    store.put_family(&Family::first_seen(&fork.run, "h", None, at(6)), &[], at(6)).await.unwrap();
    let mut again = sighting("h", "c1", "d1", 20);
    again.creation.run.order.ci = Some(ci(true));
    assert!(store.arrive(&[again]).await.unwrap()[0].is_duplicate);
    let mut ours = sighting("h", "c2", "d2", 30);
    ours.creation.run.order.ci = Some(ci(false));
    let arrived = store.arrive(&[ours, sighting("h", "c3", "d3", 31)]).await.unwrap();
    assert_eq!((arrived[0].is_duplicate, arrived[1].is_duplicate), (false, true));
    assert_eq!(arrived[1].run_id, arrived[0].run_id);
    assert_eq!(store.family(&key("h")).await.unwrap().unwrap().run_id, arrived[0].run_id);
    is_intact(&*store).await;
}

fn ci(is_fork: bool) -> CiRef {
    CiRef {
        run_id: 1,
        attempt: 1,
        workflow_id: 1,
        workflow: "CI".to_owned(),
        workflow_path: String::new(),
        event: "push".to_owned(),
        url: String::new(),
        is_fork,
        is_trusted: !is_fork,
        default_branch: "main".to_owned(),
    }
}

pub(crate) async fn what_is_back_after_a_merge_is_new(backend: &impl Backend) {
    let store = backend.open().await;
    let run = fixed(&*store, at(0), Verdict::Ok).await;
    let family = Family::first_seen(&run, "h", None, at(1));
    store.put_family(&family, &[], at(1)).await.unwrap();
    assert!(store.arrive(&[sighting("h", "c1", "d1", 20)]).await.unwrap()[0].is_duplicate);
    let issue = Tracking {
        number: 4,
        url: String::new(),
        is_open: true,
        told_count: 1,
        comment: Some((9, "2025-03-01".to_owned())),
        told_status: None,
    };
    put(&*store, "h", |it| it.issue = Some(issue.clone())).await;
    let merge = MergeFacts { number: 1, commit: "feed", patch: &Digest::of("p"), by: MergedBy::Forge(Some("mona")) };
    store.commit(&run.merged(&merge, at(30)).unwrap(), None).await.unwrap();
    let back = store.arrive(&[sighting("h", "c2", "d2", 31)]).await.unwrap()[0];
    assert!(!back.is_duplicate && back.run_id != run.id);
    let family = store.family(&key("h")).await.unwrap().unwrap();
    assert_eq!((family.run_id, family.issue, family.count), (back.run_id, Some(issue), 3));
    is_intact(&*store).await;
}

/// Where a report without a family made the run, the first sighting makes its family.
pub(crate) async fn a_run_that_was_there_gets_its_family(backend: &impl Backend) {
    let store = backend.open().await;
    let plain = Arrival { family: None, ..sighting("h", "c0", "d0", 0) };
    let run = store.arrive(&[plain]).await.unwrap()[0].run_id;
    assert_eq!(store.family(&key("h")).await.unwrap(), None);
    let batch = [sighting("h", "c0", "d1", 100), sighting("h", "c1", "d2", 200)];
    assert!(store.arrive(&batch).await.unwrap().iter().all(|it| it.is_duplicate && it.run_id == run));
    let family = store.family_of_run(run).await.unwrap().unwrap();
    assert_eq!((family.version, family.count, n_runs(&*store).await), (1, 2, 1));
    is_intact(&*store).await;
}

pub(crate) async fn of_many_writers_of_a_family_one_wins(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let run = queued(&*handles[0], at(0)).await;
    let family = Family { last_url: Some(ODD.to_owned()), ..Family::first_seen(&run, ODD, None, at(0)) };
    let fact = NewEvent::new(EventType::IssueOpened, "system", ODD).with(json!({ "number": 4 }));
    handles[0].put_family(&family, std::slice::from_ref(&fact), at(1)).await.unwrap();
    assert_eq!(handles[1].family(&family.key).await.unwrap(), Some(family.clone()));
    let again = handles[1].put_family(&family, std::slice::from_ref(&fact), at(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    let writers: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            let next = Family { count: u64::try_from(idx).unwrap(), ..family.next() };
            let fact = fact.clone();
            tokio::spawn(async move { store.put_family(&next, &[fact], at(2)).await.is_ok() })
        })
        .collect();
    let mut n_won = 0;
    for writer in writers {
        n_won += u32::from(writer.await.unwrap());
    }
    // Who lost told nothing either.
    assert_eq!((n_won, handles[0].last_seq().await.unwrap()), (1, 4));
    let gap = Family { version: 9, ..family.clone() };
    assert!(matches!(handles[0].put_family(&gap, &[fact], at(3)).await, Err(StoreError::Conflict)));
    assert_eq!(handles[1].last_seq().await.unwrap(), 4);
    is_intact(&*handles[0]).await;
}

pub(crate) async fn a_family_is_looked_at_when_it_is_due(backend: &impl Backend) {
    let store = backend.open().await;
    let mut runs = Vec::new();
    for (idx, due) in [Some(at(30)), Some(at(10)), None, Some(at(20))].into_iter().enumerate() {
        let run = queued(&*store, at(0)).await;
        let family = Family { due_at: due, ..Family::first_seen(&run, &format!("h{idx}"), None, at(0)) };
        store.put_family(&family, &[], at(i64::try_from(idx).unwrap())).await.unwrap();
        runs.push(run.id);
    }
    let due = async |second, limit| {
        let due = store.due(at(second), limit).await.unwrap();
        due.into_iter().map(|it| it.error_hash).collect::<Vec<_>>()
    };
    assert_eq!(due(9, 9).await, Vec::<String>::new());
    assert_eq!(due(20, 9).await, ["h1", "h3"]);
    assert_eq!(due(99, 2).await, ["h1", "h3"]);
    store.make_due(&[runs[2], RunId::random()], at(5)).await.unwrap();
    store.make_due(&[], at(1)).await.unwrap();
    assert_eq!(due(99, 9).await, ["h2", "h1", "h3", "h0"]);
    assert_eq!(store.family_of_run(runs[2]).await.unwrap().unwrap().version, 1);
    let put = put(&*store, "h2", |it| it.due_at = None).await;
    assert_eq!((put.version, due(99, 9).await.len()), (2, 3));
    let newest: Vec<_> = store.families("acme/shop", 2).await.unwrap().into_iter().map(|it| it.error_hash).collect();
    assert_eq!(newest, ["h2", "h3"]);
    assert_eq!(store.families("acme/other", 2).await.unwrap(), []);
}

pub(crate) async fn snapshots_are_replaced(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let doc = json!({ "seen": ODD, "n": 1.5 });
    store.put_snapshot("github:b", &json!(1), at(0)).await.unwrap();
    store.put_snapshot(&format!("github:{ODD}"), &doc, at(1)).await.unwrap();
    other.put_snapshot("github:b", &json!([2]), at(2)).await.unwrap();
    other.put_snapshot("git", &json!(0), at(3)).await.unwrap();
    let all = store.snapshots("github:").await.unwrap();
    let expected = [(format!("github:{ODD}"), doc, at(1)), ("github:b".to_owned(), json!([2]), at(2))];
    assert_eq!(all, expected);
    assert_eq!(store.snapshots("%").await.unwrap(), []);
    let huge = json!("x".repeat(5 * 1024 * 1024));
    assert!(store.put_snapshot("huge", &huge, at(4)).await.is_err());
    assert_eq!((store.snapshots("huge").await.unwrap(), store.last_seq().await.unwrap()), (Vec::new(), 0));
}

pub(crate) async fn old_outputs_of_what_came_to_rest_are_removed(backend: &impl Backend) {
    let store = backend.open().await;
    let output = |name: &str, second| StoredOutput {
        name: name.to_owned(),
        bytes: name.into(),
        dropped_bytes: 0,
        created_at: at(second),
    };
    let (ended, held) = (fixed(&*store, at(0), Verdict::Ok).await, queued(&*store, at(0)).await);
    taken(&*store, &held, "w", at(1)).await;
    for run in [ended.id, held.id] {
        for (name, second) in [("old.md", 0), ("new.md", 100), ("kept.log", 0)] {
            store.put_output(run, &output(name, second), None).await.unwrap();
        }
    }
    let names = ["old.md", "new.md", ODD];
    assert_eq!(store.prune_outputs("acme/other", &names, at(50)).await.unwrap(), 0);
    assert_eq!(store.prune_outputs("acme/shop", &[], at(50)).await.unwrap(), 0);
    assert_eq!(store.prune_outputs("acme/shop", &names, at(50)).await.unwrap(), 1);
    let left: Vec<_> = store.outputs(ended.id).await.unwrap().into_iter().map(|it| it.0).collect();
    assert_eq!(left, ["kept.log", "new.md"]);
    assert_eq!(store.outputs(held.id).await.unwrap().len(), 3);
    assert_eq!(store.run(ended.id).await.unwrap().status, Status::Fixed);
}
