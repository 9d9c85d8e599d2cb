//! Reading: what was stored comes back, whole and in order, wherever one asks from.
use crate::backlog_contract::home::Home;
use crate::store_contract::fixtures::{at, creation, full_attempt, full_run, new_run, queued};
use paramedic::backlog::{BacklogError, Live, Output};
use paramedic::domain::{EventType, NewEvent, Run, RunId, RunQuery, Status, Summary, Transition, Verdict};
use paramedic::store::StoredOutput;
use std::time::{Duration, Instant};

pub(super) async fn pages_tile_the_list(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    for n in 0..230 {
        queued(store, at(n)).await;
    }
    let (all, total) = backlog.runs(&RunQuery::default()).await.unwrap();
    assert_eq!((all.len(), total), (230, 230));
    assert!(all.is_sorted_by(|one, other| one.updated_at >= other.updated_at));
    for (offset, limit) in [(0, 20), (20, 20), (7, 3), (60, 150), (0, 101), (225, 50), (230, 10), (999, 5), (200, 0)] {
        let query = RunQuery { offset, limit, ..RunQuery::default() };
        let (found, total) = backlog.runs(&query).await.unwrap();
        let is_asked = |at: u64| offset <= at && (limit == 0 || at < offset + limit);
        let expected: Vec<&Run> = (0..).zip(&all).filter(|(at, _)| is_asked(*at)).map(|(_, it)| it).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{offset} {limit}");
        assert_eq!(total, 230);
    }
}

pub(super) async fn filters_filter(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    assert_eq!(backlog.runs(&RunQuery::default()).await.unwrap(), (Vec::new(), 0));
    for n in 0..3 {
        queued(store, at(n)).await;
    }
    let other = Run { repository: "a b/ü&c=1%".to_owned(), ..new_run(at(9)) };
    store.create(&creation(&other), None).await.unwrap();
    let fixed = home.place().fixed(at(20), "playbook", Verdict::Ok).await;
    let ids = async |status, repository: Option<&str>| {
        let query = RunQuery { status, repository: repository.map(str::to_owned), ..RunQuery::default() };
        let (runs, total) = backlog.runs(&query).await.unwrap();
        assert_eq!(runs.len() as u64, total);
        runs.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some(Status::Fixed), None).await, [fixed.id]);
    assert_eq!(ids(None, Some("a b/ü&c=1%")).await, [other.id]);
    assert_eq!(ids(Some(Status::Queued), Some("acme/shop")).await.len(), 3);
    assert_eq!(ids(Some(Status::Aborted), None).await, []);
    assert_eq!(ids(None, Some("nobody/nothing")).await, []);
}

pub(super) async fn a_run_reads_back_whole(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    let run = full_run(at(0));
    let attempt = full_attempt(1, at(1));
    let events = vec![NewEvent::new(EventType::RunCreated, "human:ann", "created")];
    let all = Transition { run: run.clone(), attempt: Some(attempt.clone()), events, releases_lease: false };
    store.create(&all, None).await.unwrap();
    let detail = backlog.run(run.id).await.unwrap();
    assert_eq!((&detail.run, &detail.attempts), (&run, &vec![attempt]));
    assert_eq!(detail.events.len(), 1);
    assert_eq!(detail.events[0].digest, detail.events[0].expected_digest());
    let here = home.place().embedded(false);
    assert_eq!(here.run(run.id).await.unwrap(), detail);
    let unknown = backlog.run(RunId::random()).await.unwrap_err();
    assert!(matches!(unknown, BacklogError::NotFound(_)), "{unknown:?}");
    assert_eq!(here.run(RunId::random()).await.unwrap_err(), unknown);
}

pub(super) async fn a_run_is_found_by_its_beginning(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    let here = home.place().embedded(false);
    let empty = backlog.resolve("latest").await.unwrap_err();
    assert!(matches!(empty, BacklogError::NotFound(_)), "{empty:?}");
    let ids = ["aaaa1111", "aaaa2222", "bbbb1111"].map(|it| format!("{it}-0000-4000-8000-000000000000"));
    for (n, id) in (0..).zip(&ids) {
        let run = Run { id: id.parse().unwrap(), ..new_run(at(n)) };
        store.create(&creation(&run), None).await.unwrap();
    }
    for (text, expected) in
        [("aaaa1", &ids[0]), ("AAAA2", &ids[1]), ("b", &ids[2]), ("latest", &ids[2]), (ids[0].as_str(), &ids[0])]
    {
        assert_eq!(backlog.resolve(text).await.unwrap().to_string(), *expected, "{text}");
    }
    for text in ["aaaa", "cccc", "zz", "../me", "a b", "00000000-0000-4000-8000-000000000000", "ä", "latest "] {
        let error = backlog.resolve(text).await.unwrap_err();
        assert!(matches!(error, BacklogError::NotFound(_) | BacklogError::Invalid(_)), "{text}: {error:?}");
        assert_eq!(here.resolve(text).await.unwrap_err(), error, "{text}");
    }
}

pub(super) async fn outputs_keep_every_byte(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    let run = queued(store, at(0)).await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (n, name, bytes) in
        [(0_u32, "base.log", every_byte.clone()), (1, "a b/ü%2F?#.log", b"x".to_vec()), (2, "empty", Vec::new())]
    {
        let output =
            StoredOutput { name: name.to_owned(), bytes, dropped_bytes: u64::from(n) * 7, created_at: at(n.into()) };
        store.put_output(run.id, &output, None).await.unwrap();
    }
    let names = backlog.outputs(run.id).await.unwrap();
    let expected = [("base.log", 100_000), ("a b/ü%2F?#.log", 1), ("empty", 0)];
    assert_eq!(names, expected.map(|(name, n)| (name.to_owned(), n)));
    let output = backlog.output(run.id, "base.log").await.unwrap().unwrap();
    assert_eq!(output, Output { name: "base.log".to_owned(), bytes: every_byte, dropped_bytes: 0 });
    let odd = backlog.output(run.id, "a b/ü%2F?#.log").await.unwrap().unwrap();
    assert_eq!((odd.bytes.as_slice(), odd.dropped_bytes), (&b"x"[..], 7));
    assert_eq!(backlog.output(run.id, "empty").await.unwrap().unwrap().bytes, b"");
    for name in ["nothing", "", ".", "..", "../../me", "base.log/"] {
        assert_eq!(backlog.output(run.id, name).await.unwrap(), None, "{name}");
    }
    assert_eq!(backlog.output(RunId::random(), "base.log").await.unwrap(), None);
    let unknown = backlog.outputs(RunId::random()).await.unwrap_err();
    assert!(matches!(unknown, BacklogError::NotFound(_)), "{unknown:?}");
}

pub(super) async fn what_is_printed_now_is_told(home: &impl Home) {
    let backlog = home.of("ann");
    let run = queued(home.place().store(), at(0)).await;
    assert_eq!(backlog.live(run.id).await.unwrap(), None);
    let live = Live { phase: "proving".to_owned(), tail: "one\ntwo ü\n".to_owned(), updated_at: at(3) };
    home.place().engine.live.write(run.id, &live);
    assert_eq!(backlog.live(run.id).await.unwrap(), Some(live));
}

pub(super) async fn events_come_in_order(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("root"));
    for n in 0..600 {
        queued(store, at(n)).await;
    }
    let stored = store.events(None, 0, 10_000).await.unwrap();
    assert!(stored.len() > 1_000);
    assert_eq!(backlog.events(0, 10_000).await.unwrap(), stored);
    assert_eq!(backlog.events(3, 5).await.unwrap(), stored[3..8]);
    assert_eq!(backlog.events(stored.len() as u64, 5).await.unwrap(), []);
}

pub(super) async fn counts_and_the_chain_are_told(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("root"));
    queued(store, at(0)).await;
    home.place().fixed(at(20), "playbook", Verdict::Ok).await;
    let counted = Summary { workers: Some(0), ..store.summary().await.unwrap() };
    assert_eq!(backlog.summary().await.unwrap(), counted);
    let repositories = backlog.repositories().await.unwrap();
    assert_eq!(repositories, store.repositories(10).await.unwrap());
    assert_eq!(repositories.len(), 2);
    let audit = backlog.verify().await.unwrap();
    assert_eq!((audit.problems.as_slice(), audit.events), (&[][..], store.last_seq().await.unwrap()));
    assert_eq!(audit, store.verify().await.unwrap());
}

pub(super) async fn news_wake_who_waits(home: &impl Home) {
    let (store, backlog) = (home.place().store(), home.of("ann"));
    queued(store, at(0)).await;
    let newest = store.last_seq().await.unwrap();
    let since = Instant::now();
    while backlog.newest(0).await.unwrap() != newest {
        assert!(since.elapsed() < Duration::from_secs(30), "the newest number never came");
    }
    // Nothing new: it waits, and says the same.
    let since = Instant::now();
    assert_eq!(backlog.newest(newest).await.unwrap(), newest);
    assert!(since.elapsed() > Duration::from_millis(500));
    let waiting = tokio::spawn({
        let backlog = backlog.clone();
        async move {
            let since = Instant::now();
            while backlog.newest(newest).await.unwrap() == newest {
                assert!(since.elapsed() < Duration::from_secs(30), "the news never came");
            }
            backlog.newest(newest).await.unwrap()
        }
    });
    queued(store, at(1)).await;
    assert!(waiting.await.unwrap() > newest);
}
