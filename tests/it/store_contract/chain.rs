//! The audit chain: intact however many write, and no edit goes unnoticed.
use crate::store_contract::backend::Backend;
use crate::store_contract::backend::Edit;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::fixed;
use crate::store_contract::fixtures::patch;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use crate::store_contract::fixtures::with_patch;
use paramedic::domain::Author;
use paramedic::domain::Event;
use paramedic::domain::EventType;
use paramedic::domain::NewEvent;
use paramedic::domain::Run;
use paramedic::domain::Status;
use paramedic::domain::Verdict;
use paramedic::store::Store;
use serde_json::json;
use std::sync::Arc;

/// Stores two runs, one with an attempt, and returns the fixed one. Its events are 1 to 5, those of the other 6 and 7.
async fn history(store: &dyn Store) -> Run {
    let run = fixed(store, at(0), Verdict::Ok).await;
    queued(store, at(30)).await;
    assert_eq!(store.last_seq().await.unwrap(), 7);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    run
}

/// Makes the edit and expects exactly these problems, each told by its beginning.
async fn expect_problems(backend: &impl Backend, edits: impl IntoIterator<Item = Edit>, expected: &[&str]) {
    for edit in edits {
        backend.tamper(edit).await;
    }
    let problems = backend.open().await.verify().await.unwrap().problems;
    let is_as_expected =
        problems.len() == expected.len() && problems.iter().zip(expected).all(|(it, e)| it.starts_with(e));
    assert!(is_as_expected, "{problems:#?}");
}

pub(crate) async fn an_empty_chain_is_intact(backend: &impl Backend) {
    let audit = backend.open().await.verify().await.unwrap();
    assert_eq!((audit.events, audit.head, audit.problems), (0, Event::genesis().to_string(), Vec::new()));
}

pub(crate) async fn an_untouched_chain_is_intact(backend: &impl Backend) {
    let store = backend.open().await;
    let run = history(&*store).await;
    let attempts = store.attempts(run.id).await.unwrap();
    store.commit(&change(run.deny(&attempts, &decision("ann", at(40))).unwrap()), None).await.unwrap();
    let run = store.run(run.id).await.unwrap();
    store.commit(&change(run.retry(&decision("ann", at(41))).unwrap()), None).await.unwrap();
    taken(&*store, &run, "w", at(42)).await;
    let audit = backend.open().await.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    let last = store.events(None, 8, 9).await.unwrap().pop().unwrap();
    assert_eq!((audit.events, audit.head), (9, last.digest.to_string()));
}

pub(crate) async fn many_writers_make_one_chain(backend: &impl Backend) {
    let handles = [backend.open().await, backend.open().await];
    let writers: Vec<_> = (0..8)
        .map(|idx| {
            let store = Arc::clone(&handles[idx % 2]);
            tokio::spawn(async move {
                for round in 0..5 {
                    let run = queued(&*store, at(round)).await;
                    let (run, lease) = taken(&*store, &run, "w", at(round)).await;
                    let told = run.attempt_started(Author::Agent("a".to_owned()), None, at(round)).unwrap();
                    store.commit(&told, Some(&lease)).await.unwrap();
                }
            })
        })
        .collect();
    // An audit in the midst of writing sees one moment, never half of a change.
    let audit = handles[0].verify().await.unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    for writer in writers {
        writer.await.unwrap();
    }
    let audit = handles[1].verify().await.unwrap();
    assert_eq!((audit.events, audit.problems), (8 * 5 * 3, Vec::new()));
    let seqs: Vec<_> = handles[0].events(None, 0, 1000).await.unwrap().iter().map(|it| it.seq).collect();
    assert_eq!(seqs, (1..=120).collect::<Vec<_>>());
}

pub(crate) async fn an_edited_message_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let edit = Edit::Message { seq: 3, text: "nothing happened" };
    expect_problems(backend, [edit], &["event 3: its content does not match"]).await;
}

pub(crate) async fn an_edited_payload_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let edit = Edit::Payload { seq: 5, json: "{\"patchDigest\":null}" };
    expect_problems(backend, [edit], &["event 5: its content does not match"]).await;
    let edit = Edit::Payload { seq: 5, json: "{]" };
    expect_problems(backend, [edit], &["event 5: cannot be read", "run"]).await;
}

/// Whoever edits an event may compute its digest anew; then the next one no longer follows it.
pub(crate) async fn an_edit_with_a_new_digest_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    history(&*store).await;
    let digest_with = async |seq: u64, text: &str| {
        let mut event = store.events(None, seq - 1, 1).await.unwrap().pop().unwrap();
        text.clone_into(&mut event.message);
        event.expected_digest().to_string()
    };
    let digest = digest_with(3, "forged").await;
    let edits = [Edit::Message { seq: 3, text: "forged" }, Edit::Digest { seq: 3, digest }];
    expect_problems(backend, edits, &["event 4: does not follow"]).await;
}

pub(crate) async fn an_edited_last_event_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    history(&*store).await;
    let mut event = store.events(None, 6, 1).await.unwrap().pop().unwrap();
    "forged".clone_into(&mut event.message);
    let digest = event.expected_digest().to_string();
    let edits = [Edit::Message { seq: 7, text: "forged" }, Edit::Digest { seq: 7, digest }];
    expect_problems(backend, edits, &["event 7: is not the one that was stored last"]).await;
}

pub(crate) async fn a_forged_end_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let edit = Edit::Head { digest: "0".repeat(64) };
    expect_problems(backend, [edit], &["event 7: is not the one that was stored last"]).await;
}

pub(crate) async fn a_deleted_event_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let expected = ["event 3: is missing", "event 4: does not follow"];
    expect_problems(backend, [Edit::DeleteEvent { seq: 3 }], &expected).await;
    let expected = ["events 2 to 3: are missing", "event 4: does not follow"];
    expect_problems(backend, [Edit::DeleteEvent { seq: 2 }], &expected).await;
}

pub(crate) async fn a_deleted_beginning_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let expected = ["event 1: is missing", "event 2: does not follow"];
    expect_problems(backend, [Edit::DeleteEvent { seq: 1 }], &expected).await;
}

/// Also after others wrote on: what is new must not hide the gap.
pub(crate) async fn a_deleted_tail_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    history(&*store).await;
    let edits = [Edit::DeleteEvent { seq: 7 }];
    expect_problems(backend, edits, &["the chain was 7 events long, now its last is event 6"]).await;
    queued(&*store, at(60)).await;
    expect_problems(backend, [], &["event 7: is missing", "event 8: does not follow"]).await;
}

pub(crate) async fn a_deleted_chain_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    let edits = (1..=7).map(|seq| Edit::DeleteEvent { seq });
    let expected = ["the chain was 7 events long", "run", "run"];
    expect_problems(backend, edits, &expected).await;
}

pub(crate) async fn swapped_events_are_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    backend.tamper(Edit::SwapEvents { one: 3, other: 6 }).await;
    let problems = backend.open().await.verify().await.unwrap().problems;
    for expected in
        ["event 3: does not follow", "event 3: its content", "event 6: does not follow", "event 6: its content"]
    {
        assert!(problems.iter().any(|it| it.starts_with(expected)), "{expected}: {problems:#?}");
    }
}

pub(crate) async fn an_inserted_event_is_found(backend: &impl Backend) {
    history(&*backend.open().await).await;
    backend.tamper(Edit::InsertAfter { seq: 6 }).await;
    let problems = backend.open().await.verify().await.unwrap().problems;
    for expected in ["event 7: does not follow", "event 8: its content", "the chain was 7 events long"] {
        assert!(problems.iter().any(|it| it.starts_with(expected)), "{expected}: {problems:#?}");
    }
}

pub(crate) async fn a_run_set_back_is_found(backend: &impl Backend) {
    let run = history(&*backend.open().await).await;
    let id = run.id;
    for status in [Status::Queued, Status::Running, Status::Escalated, Status::Resolved, Status::Aborted] {
        let expected = format!("run {id}: is {status}, which does not follow");
        expect_problems(backend, [Edit::RunStatus { id, status }], &[&expected]).await;
    }
    let edits = [Edit::RunStatus { id, status: Status::Fixed }, Edit::RunVersion { id, version: run.version - 1 }];
    let expected = format!("run {id}: is at version {}, but event 5 tells of version {}", run.version - 1, run.version);
    expect_problems(backend, edits, &[&expected]).await;
}

pub(crate) async fn a_first_key_made_final_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    let run = fixed(&*store, at(0), Verdict::NeedsTwoKeys).await;
    let attempts = store.attempts(run.id).await.unwrap();
    store.commit(&change(run.approve(&attempts, &decision("ann", at(20))).unwrap()), None).await.unwrap();
    expect_problems(backend, [], &[]).await;
    let expected = format!("run {}: is resolved, which does not follow", run.id);
    expect_problems(backend, [Edit::RunStatus { id: run.id, status: Status::Resolved }], &[&expected]).await;
}

pub(crate) async fn a_changed_patch_is_found(backend: &impl Backend) {
    let id = history(&*backend.open().await).await.id;
    let edit = Edit::Patch { id, attempt_no: 1, text: "evil" };
    let expected = [
        format!("run {id}: the patch of attempt 1 does not match its digest"),
        format!("run {id}: the patch of attempt 1 is not the one that event 4"),
    ];
    expect_problems(backend, [edit], &expected.each_ref().map(String::as_str)).await;
    let edit = Edit::PatchWithDigest { id, attempt_no: 1, text: "evil" };
    expect_problems(backend, [edit], &[&expected[1]]).await;
}

pub(crate) async fn the_last_proposal_counts(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let (run, lease) = taken(&*store, &run, "w", at(1)).await;
    let mut told = run.attempt_started(Author::Agent("a".to_owned()), None, at(2)).unwrap();
    store.commit(&told, Some(&lease)).await.unwrap();
    for text in ["first", "second"] {
        let patch = patch(text);
        let fact = NewEvent::new(EventType::AttemptProposed, "a", "proposed")
            .with(json!({ "attempt": 1, "patchDigest": patch.digest() }));
        let attempt = with_patch(told.attempt.clone().unwrap(), patch);
        told = told.run.attempt_updated(attempt, vec![fact], at(3)).unwrap();
        store.commit(&told, Some(&lease)).await.unwrap();
    }
    expect_problems(backend, [], &[]).await;
}

pub(crate) async fn a_deleted_attempt_is_found(backend: &impl Backend) {
    let id = history(&*backend.open().await).await.id;
    let expected =
        [format!("run {id}: attempt 1 is gone, but event 4"), format!("run {id}: counts 1 attempts, but 0 are stored")];
    let expected = expected.each_ref().map(String::as_str);
    expect_problems(backend, [Edit::DeleteAttempt { id, attempt_no: 1 }], &expected).await;
}

pub(crate) async fn a_deleted_or_ruined_run_is_found(backend: &impl Backend) {
    let id = history(&*backend.open().await).await.id;
    backend.tamper(Edit::RunGarbage { id }).await;
    let store = backend.open().await;
    let problems = store.verify().await.unwrap().problems;
    assert!(problems[0].contains("its document cannot be read"), "{problems:#?}");
    backend.tamper(Edit::DeleteRun { id }).await;
    let problems = store.verify().await.unwrap().problems;
    assert!(problems.iter().any(|it| *it == format!("run {id}: is gone, but event 5 tells of it")), "{problems:#?}");
}

pub(crate) async fn problems_are_bounded(backend: &impl Backend) {
    let store = backend.open().await;
    for idx in 0..70 {
        queued(&*store, at(idx)).await;
    }
    for seq in 1..=140 {
        backend.tamper(Edit::Message { seq, text: "x" }).await;
    }
    let problems = store.verify().await.unwrap().problems;
    assert_eq!(problems.len(), 100);
    assert_eq!(problems[99], "and 41 more");
}
