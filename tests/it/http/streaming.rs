//! The stream: every event once and in order, from whichever process, across servers; and readers that cannot hurt others.
use super::served::{Client, Inside, Served, VIEWER, answer, database, refusal, runs, tell};
use crate::store_contract::fixtures::{at, queued};
use crate::support::{PATIENCE, World};
use futures::StreamExt;
use paramedic::domain::{Digest, EventType, NewEvent, RunId};
use paramedic::http::Settings;
use paramedic::store::{Operators, Store};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// One listener.
struct Listener {
    events: futures::stream::BoxStream<'static, eventsource_stream::Event>,
}

impl Listener {
    async fn connect(client: &Client, query: &str, last: Option<u64>) -> Self {
        use eventsource_stream::Eventsource;
        let mut request = client.request(Method::GET, &format!("/stream{query}"), VIEWER);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        let events = response.bytes_stream().eventsource().take_while(|it| std::future::ready(it.is_ok()));
        let mut listener = Self { events: events.map(Result::unwrap).boxed() };
        let greeting = listener.next().await.unwrap();
        assert_eq!((greeting.1["type"].as_str(), greeting.0), (Some("stream.connected"), None));
        listener
    }

    /// Returns number and data of the next message, `None` at the end.
    async fn next(&mut self) -> Option<(Option<u64>, Value)> {
        let event = tokio::time::timeout(PATIENCE, self.events.next()).await.unwrap()?;
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let number = data["seq"].as_u64();
        if let Some(seq) = number {
            assert_eq!(event.id, seq.to_string());
            assert_eq!(data["type"], data["eventType"]);
        }
        Some((number, data))
    }

    /// Returns the messages of the next `n` events.
    async fn messages(&mut self, n: usize) -> Vec<(u64, String)> {
        let mut messages = Vec::new();
        while messages.len() < n {
            if let (Some(seq), data) = self.next().await.unwrap() {
                messages.push((seq, data["message"].as_str().unwrap().to_owned()));
            }
        }
        messages
    }
}

fn texts(messages: &[(u64, String)]) -> Vec<&str> {
    messages.iter().map(|(_, text)| text.as_str()).collect()
}

#[tokio::test]
async fn events_of_other_processes_are_told_and_resumed_across_servers() {
    let world = World::new();
    let store = database(&world).await;
    let run = queued(&store, at(10)).await;
    let other = queued(&store, at(11)).await;
    let one = Served::start(&world, &[]);
    let two = Served::start(&world, &[]);

    let mut all = Listener::connect(&one.client(), "", None).await;
    let mut only = Listener::connect(&one.client(), &format!("?runId={}", run.id), None).await;
    for (id, text) in [(run.id, "a"), (other.id, "b"), (RunId::NONE, "secret"), (run.id, "c"), (other.id, "d")] {
        tell(&store, id, text).await;
    }
    let told = all.messages(4).await;
    assert_eq!(texts(&told), ["a", "b", "c", "d"], "facts about no run are not told");
    assert_eq!(texts(&only.messages(2).await), ["a", "c"]);

    // The listener comes back elsewhere, while more happens.
    let last = told[1].0;
    drop(all);
    tell(&store, run.id, "e").await;
    let mut resumed = Listener::connect(&two.client(), "", Some(last)).await;
    tell(&store, run.id, "f").await;
    assert_eq!(texts(&resumed.messages(4).await), ["c", "d", "e", "f"], "none lost, none twice");
    let mut by_query = Listener::connect(&two.client(), &format!("?after={last}"), None).await;
    assert_eq!(texts(&by_query.messages(4).await), ["c", "d", "e", "f"]);

    // From the beginning of a long history, which no server keeps.
    let mut history = Listener::connect(&one.client(), "?after=0", None).await;
    let seqs: Vec<u64> = history.messages(10).await.iter().map(|it| it.0).collect();
    assert!(seqs.is_sorted() && seqs[0] == 6, "{seqs:?}");
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    for (query, expected) in [
        ("runId=x", (400, "invalid", Some("runId"))),
        ("runId=00000000-0000-4000-8000-000000000000", (404, "not_found", None)),
        ("after=x", (400, "invalid", Some("after"))),
        ("since=1", (400, "invalid", Some("since"))),
    ] {
        assert_eq!(refusal(&client.get(&format!("/stream?{query}"), VIEWER).await), expected, "{query}");
    }
    let request = client.request(Method::GET, "/stream", VIEWER).header("Last-Event-ID", "abc");
    assert_eq!(refusal(&answer(request.send().await.unwrap()).await), (400, "invalid", Some("Last-Event-ID")));
    // A number from another database: told from now on.
    let mut listener = Listener::connect(&client, "", Some(1_000_000)).await;
    let store = database_again(&world).await;
    let run = queued(&store, at(10)).await;
    tell(&store, run.id, "x").await;
    assert_eq!(listener.messages(3).await[2].1, "x");
}

async fn database_again(world: &World) -> paramedic::store::sqlite::SqliteStore {
    paramedic::store::sqlite::SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap()
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_is_alive_until_its_operator_is_revoked() {
    let world = World::new();
    let store = database(&world).await;
    let settings = Settings { heartbeat: Duration::from_millis(50), ..Settings::default() };
    let inside = Inside::start(&world, settings).await;
    let mut listener = Listener::connect(&inside.client(), "", None).await;
    for _ in 0..2 {
        let (number, data) = listener.next().await.unwrap();
        assert_eq!((number, data["type"].as_str()), (None, Some("stream.heartbeat")));
    }
    let mut vera = store.operator_by_token(&Digest::of(VIEWER)).await.unwrap().unwrap();
    vera.revoked_at = Some(at(100));
    let fact = NewEvent::new(EventType::OperatorRevoked, "system", "revoked");
    store.update_operator(&vera, &fact, at(100)).await.unwrap();
    while listener.next().await.is_some() {}
    inside.stop().await;
}

#[tokio::test]
async fn streams_are_bounded_and_end_when_the_server_stops() {
    let world = World::new();
    database(&world).await;
    let inside = Inside::start(&world, Settings { max_streams: 2, ..Settings::default() }).await;
    let client = inside.client();
    let mut first = Listener::connect(&client, "", None).await;
    let second = Listener::connect(&client, "", None).await;
    let response = client.request(Method::GET, "/stream", VIEWER).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(&answer(response).await), (503, "unavailable", None));
    drop(second);
    let mut third = loop {
        let response = client.request(Method::GET, "/stream", VIEWER).send().await.unwrap();
        if response.status() == 200 {
            break response;
        }
    };
    inside.stop().await;
    assert!(first.next().await.is_none(), "a stream ends in good order");
    while third.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_reader_that_stopped_reading_holds_nobody_up() {
    let world = World::new();
    let store = database(&world).await;
    let run = runs(&store).await;
    let inside = Inside::start(&world, Settings { stall_timeout: Duration::from_secs(1), ..Settings::default() }).await;
    let client = inside.client();
    // It asks for everything, and takes only the beginning.
    let stuck = client.request(Method::GET, "/stream?after=0", VIEWER).send().await.unwrap();
    let mut reader = Listener::connect(&client, "", None).await;
    let long = "x".repeat(64 * 1024);
    let n_events = 400;
    let write = async {
        for no in 0..n_events {
            let fact =
                NewEvent::new(EventType::AttemptThinking, "system", format!("{no}")).with(json!({ "long": long }));
            store.note(run.id, &[fact], at(200)).await.unwrap();
        }
    };
    let ((), told) = tokio::join!(write, reader.messages(n_events));
    assert_eq!(told.last().unwrap().1, (n_events - 1).to_string());
    assert!(told.windows(2).all(|it| it[0].0 + 1 == it[1].0));
    // The stuck one was let go of; the server can stop at once.
    inside.stop().await;
    drop(stuck);
}
