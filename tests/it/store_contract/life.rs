//! Writing: a transition is stored whole or not at all, by one writer.
use crate::store_contract::backend::Backend;
use crate::store_contract::fixtures::ODD;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::fixed;
use crate::store_contract::fixtures::full_attempt;
use crate::store_contract::fixtures::full_run;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use paramedic::domain::Author;
use paramedic::domain::Event;
use paramedic::domain::EventType;
use paramedic::domain::NewEvent;
use paramedic::domain::Status;
use paramedic::domain::Transition;
use paramedic::domain::Verdict;
use paramedic::domain::transition::Decided;
use paramedic::store::Claim;
use paramedic::store::Store;
use paramedic::store::StoreError;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is stored of runs, to see that nothing changed.
async fn everything(store: &dyn Store) -> String {
    let (runs, _) = store.runs(&paramedic::domain::RunQuery::default()).await.unwrap();
    let mut of_runs = Vec::new();
    for run in &runs {
        of_runs.push((store.attempts(run.id).await.unwrap(), store.outputs(run.id).await.unwrap()));
    }
    let (leases, events) = (store.leases().await.unwrap(), store.events(None, 0, u32::MAX).await.unwrap());
    format!("{runs:?} {of_runs:?} {leases:?} {events:?}")
}

pub(crate) async fn every_field_reads_back_as_written(backend: &impl Backend) {
    let (writer, reader) = (backend.open().await, backend.open().await);
    let run = full_run(at(0));
    let attempt = full_attempt(1, at(3));
    let payload = json!({ "text": ODD, "sum": 0.1 + 0.2, "tiny": 5e-324, "big": u64::MAX, "least": i64::MIN, "minus": -0.0,
        "list": [null, true, {}], "": "" });
    let events = vec![
        NewEvent::new(EventType::RunCreated, ODD, ODD).with(payload.clone()),
        NewEvent::new(EventType::RunEscalated, "", ""),
    ];
    let transition =
        Transition { run: run.clone(), attempt: Some(attempt.clone()), events: events.clone(), releases_lease: false };
    assert_eq!(writer.create(&transition, None).await.unwrap(), None);

    assert_eq!(reader.run(run.id).await.unwrap(), run);
    assert_eq!(reader.attempts(run.id).await.unwrap(), std::slice::from_ref(&attempt));
    let stored = reader.events(None, 0, 10).await.unwrap();
    assert_eq!(stored.len(), 2);
    for (idx, (stored, new)) in stored.iter().zip(&events).enumerate() {
        assert_eq!(stored.seq, idx as u64 + 1);
        assert_eq!((stored.run_id, stored.run_version, stored.created_at), (run.id, run.version, run.updated_at));
        assert_eq!((stored.kind, &stored.actor, &stored.message), (new.kind, &new.actor, &new.message));
        assert_eq!(stored.payload, new.payload);
        assert_eq!(stored.digest, stored.expected_digest());
    }
    assert_eq!(stored[0].prev, Event::genesis());
    assert_eq!(stored[1].prev, stored[0].digest);

    let mut replaced = attempt;
    replaced.attempt_no = 2;
    replaced.cost_usd = None;
    let next = Transition {
        run: paramedic::domain::Run { version: 2, pending: None, failure: None, not_before: None, ..run.clone() },
        attempt: Some(replaced.clone()),
        events: Vec::new(),
        releases_lease: false,
    };
    writer.commit(&next, None).await.unwrap();
    assert_eq!(reader.run(run.id).await.unwrap(), next.run);
    assert_eq!(reader.attempts(run.id).await.unwrap()[1], replaced);
}

pub(crate) async fn a_run_is_created_once(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let before = everything(&*store).await;
    let again = store.create(&creation(&run), Some(("w", Duration::from_secs(9)))).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    let late = creation(&paramedic::domain::Run { version: 2, ..new_run(at(0)) });
    assert!(matches!(store.create(&late, None).await, Err(StoreError::Conflict)));
    assert_eq!(everything(&*store).await, before);
}

pub(crate) async fn what_is_not_there_is_not_found(backend: &impl Backend) {
    let store = backend.open().await;
    let run = new_run(at(0));
    assert!(matches!(store.run(run.id).await, Err(StoreError::NotFound)));
    let abort = change(run.abort(&[], &decision("ann", at(1))).unwrap());
    assert!(matches!(store.commit(&abort, None).await, Err(StoreError::NotFound)));
    assert_eq!(store.attempts(run.id).await.unwrap(), []);
    assert_eq!(store.events(Some(run.id), 0, 9).await.unwrap(), []);
    assert_eq!(store.claim(&Claim::of("w", Some(run.id), at(1), Duration::from_secs(1))).await.unwrap(), None);
}

pub(crate) async fn only_the_next_version_is_committed(backend: &impl Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let run = queued(&*one, at(0)).await;
    let abort = change(run.abort(&[], &decision("ann", at(1))).unwrap());
    one.commit(&abort, None).await.unwrap();
    let before = everything(&*one).await;

    for version in [0, 1, 2, 4, u64::MAX] {
        let mut wrong = abort.clone();
        wrong.run.version = version;
        let result = other.commit(&wrong, None).await;
        assert!(matches!(result, Err(StoreError::Conflict)), "version {version}: {result:?}");
    }
    assert_eq!(everything(&*other).await, before);

    let retry = change(abort.run.retry(&decision("bob", at(2))).unwrap());
    other.commit(&retry, None).await.unwrap();
    assert_eq!(one.run(run.id).await.unwrap().version, 3);
}

/// The failure comes last, after run, attempt and first event were written: all of it must be undone.
pub(crate) async fn a_failing_commit_writes_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let (run, lease) = taken(&*store, &run, "w", at(1)).await;
    let mut started = run.attempt_started(Author::Agent("a".to_owned()), None, at(2)).unwrap();
    let bottomless = (0..500).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    started.events.push(NewEvent::new(EventType::AttemptThinking, "a", "hm").with(bottomless));
    started.releases_lease = true;
    let before = everything(&*store).await;
    let result = store.commit(&started, Some(&lease)).await;
    assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    assert_eq!(everything(&*store).await, before);

    started.events.pop();
    store.commit(&started, Some(&lease)).await.unwrap();
    assert!(store.verify().await.unwrap().problems.is_empty());
}

/// JSON has no such number: the run would be stored, and never read again.
pub(crate) async fn what_would_not_read_back_is_refused(backend: &impl Backend) {
    let store = backend.open().await;
    let mut run = full_run(at(0));
    run.failure.as_mut().unwrap().confidence = f64::NAN;
    let result = store.create(&creation(&run), None).await;
    assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    assert!(matches!(store.run(run.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.last_seq().await.unwrap(), 0);
}

pub(crate) async fn one_of_many_approvals_wins(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let run = fixed(&*handles[0], at(0), Verdict::Ok).await;
    let approvals = (0..8).map(|idx| {
        let store = Arc::clone(&handles[idx % 2]);
        let id = run.id;
        tokio::spawn(async move {
            let (run, attempts) = (store.run(id).await.unwrap(), store.attempts(id).await.unwrap());
            let by = format!("operator {idx}");
            match run.approve(&attempts, &decision(&by, at(20))) {
                Ok(decided) => store.commit(&change(decided), None).await.is_ok(),
                Err(_) => false,
            }
        })
    });
    let mut wins = 0;
    for approval in approvals.collect::<Vec<_>>() {
        wins += usize::from(approval.await.unwrap());
    }
    assert_eq!(wins, 1);
    let resolved = handles[1].run(run.id).await.unwrap();
    assert_eq!((resolved.status, resolved.approved_by.len()), (Status::Resolved, 1));
    let events = handles[1].events(Some(run.id), 0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|it| it.kind == EventType::RunApproved).count(), 1);
}

pub(crate) async fn a_first_key_is_kept(backend: &impl Backend) {
    let store = backend.open().await;
    let run = fixed(&*store, at(0), Verdict::NeedsTwoKeys).await;
    let attempts = store.attempts(run.id).await.unwrap();
    let first = change(run.approve(&attempts, &decision("ann", at(20))).unwrap());
    store.commit(&first, None).await.unwrap();
    let run = backend.open().await.run(run.id).await.unwrap();
    assert_eq!((run.status, run.approved_by.as_slice()), (Status::Fixed, ["ann".to_owned()].as_slice()));
    assert!(matches!(run.approve(&attempts, &decision("ann", at(21))), Ok(Decided::AlreadyDone(_))));
    let second = change(run.approve(&attempts, &decision("bob", at(21))).unwrap());
    store.commit(&second, None).await.unwrap();
    assert_eq!(store.run(run.id).await.unwrap().status, Status::Resolved);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}
