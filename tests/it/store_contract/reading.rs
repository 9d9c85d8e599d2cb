//! Reading: lists, prefixes, pages, counts and outputs.
use crate::store_contract::backend::Backend;
use crate::store_contract::fixtures::ODD;
use crate::store_contract::fixtures::at;
use crate::store_contract::fixtures::change;
use crate::store_contract::fixtures::creation;
use crate::store_contract::fixtures::decision;
use crate::store_contract::fixtures::fixed;
use crate::store_contract::fixtures::new_run;
use crate::store_contract::fixtures::queued;
use crate::store_contract::fixtures::taken;
use paramedic::domain::Reason;
use paramedic::domain::Run;
use paramedic::domain::RunId;
use paramedic::domain::RunQuery;
use paramedic::domain::Status;
use paramedic::domain::Summary;
use paramedic::domain::Verdict;
use paramedic::store::StoreError;
use paramedic::store::StoredOutput;

pub(crate) async fn runs_are_found_by_prefix(backend: &impl Backend) {
    let store = backend.open().await;
    let ids = [
        "abcd1234-5678-4000-8000-00000000000a",
        "abcd1234-5678-4000-8000-00000000000b",
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
    ]
    .map(|it| it.parse::<RunId>().unwrap());
    for (idx, id) in ids.into_iter().enumerate() {
        let run = Run { id, ..new_run(at(idx.try_into().unwrap())) };
        store.create(&creation(&run), None).await.unwrap();
    }
    let found = async |prefix: &str| store.find(prefix, 10).await.unwrap();
    assert_eq!(found("abcd").await, [ids[1], ids[0]]);
    assert_eq!(found("ABCD12345").await, [ids[1], ids[0]]);
    assert_eq!(found("abcd1234-5678-4000-8000-00000000000a").await, [ids[0]]);
    assert_eq!(found("abcd1234567840008000-00000000000b").await, [ids[1]]);
    assert_eq!(found("f").await, [ids[2]]);
    assert_eq!(found(&"f".repeat(12)).await, [ids[2]]);
    assert_eq!(found("latest").await, [ids[2]]);
    assert_eq!(store.find("abcd", 1).await.unwrap(), [ids[1]]);
    let too_long = ids[0].to_string() + "0";
    for nothing in ["", "-", "0", "abce", "%", "a%", "_bcd", "*", "abcd*", ODD, "LATEST", too_long.as_str()] {
        assert_eq!(found(nothing).await, [], "{nothing:?}");
    }
}

pub(crate) async fn latest_is_the_one_created_last(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.find("latest", 5).await.unwrap(), []);
    let old = queued(&*store, at(0)).await;
    let new = queued(&*store, at(0)).await;
    let abort = change(old.abort(&[], &decision("ann", at(9))).unwrap());
    store.commit(&abort, None).await.unwrap();
    assert_eq!(store.find("latest", 5).await.unwrap(), [new.id]);
    assert_eq!(store.find("latest", 0).await.unwrap(), []);
}

pub(crate) async fn pages_tile_the_list(backend: &impl Backend) {
    let store = backend.open().await;
    let mut all = Vec::new();
    for idx in 0..7 {
        let repository = if idx % 2 == 0 { "acme/shop" } else { "acme/till" };
        let run = Run { repository: repository.to_owned(), ..new_run(at(idx / 2)) };
        store.create(&creation(&run), None).await.unwrap();
        all.push(run);
    }
    let (changed, _) = taken(&*store, &all[0], "w", at(50)).await;
    all[0] = changed;
    all.sort_by_key(|it| (std::cmp::Reverse(it.updated_at), it.id));

    let (listed, total) = store.runs(&RunQuery::default()).await.unwrap();
    assert_eq!((&listed, total), (&all, 7));
    let mut paged = Vec::new();
    for offset in [0, 3, 6, 9] {
        let query = RunQuery { offset, limit: 3, ..RunQuery::default() };
        let (page, total) = store.runs(&query).await.unwrap();
        assert_eq!(total, 7);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let huge = RunQuery { offset: u64::MAX, limit: u64::MAX, ..RunQuery::default() };
    assert_eq!(store.runs(&huge).await.unwrap(), (Vec::new(), 7));

    let query = RunQuery { repository: Some("acme/till".to_owned()), ..RunQuery::default() };
    let (till, total) = store.runs(&query).await.unwrap();
    assert_eq!((till.len(), total), (3, 3));
    assert!(till.iter().all(|it| it.repository == "acme/till"));
    let query = RunQuery { status: Some(Status::Running), limit: 1, ..RunQuery::default() };
    assert_eq!(store.runs(&query).await.unwrap(), (vec![all[0].clone()], 1));
    let query = RunQuery { status: Some(Status::Queued), repository: Some(ODD.to_owned()), ..RunQuery::default() };
    assert_eq!(store.runs(&query).await.unwrap(), (Vec::new(), 0));
}

pub(crate) async fn events_come_in_order_from_any_place(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.last_seq().await.unwrap(), 0);
    let (one, two) = (queued(&*store, at(0)).await, queued(&*store, at(1)).await);
    let abort = change(one.abort(&[], &decision("ann", at(2))).unwrap());
    store.commit(&abort, None).await.unwrap();
    let seqs = async |run, after, limit| {
        let events = store.events(run, after, limit).await.unwrap();
        events.into_iter().map(|it| it.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(None, 0, 100).await, [1, 2, 3, 4, 5]);
    assert_eq!(seqs(None, 2, 2).await, [3, 4]);
    assert_eq!(seqs(Some(one.id), 0, 100).await, [1, 2, 5]);
    assert_eq!(seqs(Some(one.id), 1, 1).await, [2]);
    assert_eq!(seqs(Some(two.id), 4, 100).await, [0; 0]);
    assert_eq!(seqs(None, u64::MAX, u32::MAX).await, [0; 0]);
    assert_eq!(backend.open().await.last_seq().await.unwrap(), 5);
}

pub(crate) async fn the_summary_counts(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.summary().await.unwrap(), Summary::default());
    queued(&*store, at(0)).await;
    let running = queued(&*store, at(0)).await;
    taken(&*store, &running, "w", at(1)).await;
    fixed(&*store, at(2), Verdict::Ok).await;
    let approved = fixed(&*store, at(3), Verdict::Ok).await;
    let attempts = store.attempts(approved.id).await.unwrap();
    store.commit(&change(approved.approve(&attempts, &decision("ann", at(20))).unwrap()), None).await.unwrap();
    let escalated = queued(&*store, at(4)).await;
    let (escalated, lease) = taken(&*store, &escalated, "w", at(5)).await;
    let given_up = escalated.escalated(Reason::Exhausted, "no luck", at(6)).unwrap();
    store.commit(&given_up, Some(&lease)).await.unwrap();
    let expected = Summary {
        queued: 1,
        running: 1,
        fixed: 1,
        escalated: 1,
        resolved: 1,
        total: 5,
        ai_success_rate: 66.67,
        ..Summary::default()
    };
    assert_eq!(store.summary().await.unwrap(), expected);
}

pub(crate) async fn outputs_keep_every_byte(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let run = queued(&*store, at(0)).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(70_000).collect();
    let base = StoredOutput {
        name: "base.log".to_owned(),
        bytes: every_byte,
        dropped_bytes: u64::from(u32::MAX) + 1,
        created_at: at(1),
    };
    let first = StoredOutput {
        name: "test_output_attempt_1.log".to_owned(),
        bytes: Vec::new(),
        dropped_bytes: 0,
        created_at: at(2),
    };
    store.put_output(run.id, &first, None).await.unwrap();
    store.put_output(run.id, &base, None).await.unwrap();
    assert_eq!(other.output(run.id, "base.log").await.unwrap(), Some(base.clone()));
    assert_eq!(other.output(run.id, &first.name).await.unwrap(), Some(first.clone()));
    assert_eq!(other.output(run.id, "nothing").await.unwrap(), None);
    assert_eq!(other.outputs(run.id).await.unwrap(), [("base.log".to_owned(), 70_000), (first.name.clone(), 0)]);

    let again = StoredOutput { bytes: b"shorter".to_vec(), created_at: at(3), ..base };
    store.put_output(run.id, &again, None).await.unwrap();
    assert_eq!(other.output(run.id, "base.log").await.unwrap(), Some(again));
    assert_eq!(other.outputs(run.id).await.unwrap().len(), 2);

    let stranger = new_run(at(0));
    assert!(matches!(store.put_output(stranger.id, &first, None).await, Err(StoreError::NotFound)));
    assert_eq!(store.outputs(stranger.id).await.unwrap(), []);
}

pub(crate) async fn an_output_has_a_limit(backend: &impl Backend) {
    let store = backend.open().await;
    let run = queued(&*store, at(0)).await;
    let limit = paramedic::store::MAX_STORED_BYTES;
    let mut output = StoredOutput { name: "o".to_owned(), bytes: vec![0; limit], dropped_bytes: 0, created_at: at(1) };
    store.put_output(run.id, &output, None).await.unwrap();
    output.bytes.push(0);
    let result = store.put_output(run.id, &output, None).await;
    assert!(matches!(&result, Err(StoreError::Broken(why)) if why.contains("too large")), "{result:?}");
    assert_eq!(store.outputs(run.id).await.unwrap(), [("o".to_owned(), limit as u64)]);
}
