//! The line to a server: who is refused, what a broken answer means, and that a decision is sent once.
use crate::backlog_contract::home::{Decision, Home, Running, There};
use crate::store_contract::fixtures::{at, queued};
use crate::support::eventually_answered;
use paramedic::backlog::remote::{Access, Remote};
use paramedic::backlog::{ActionKind, Backlog, BacklogError};
use paramedic::domain::{EventType, Role, RunId, RunQuery, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What somebody answers who is no server of ours; `None` hangs up.
type Script = fn(usize) -> Option<Vec<u8>>;

/// Listens on a port, counts the requests that came whole, and answers by the script, whatever is asked. Each connection is for one request.
async fn impostor(script: Script) -> (Remote, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let n_requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let n = counted.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = script(n) {
                let _ = stream.write_all(&answer).await;
            }
            let _ = stream.shutdown().await;
        }
    });
    let access = Access { address, token: Some("t0ken".to_owned()), ..Access::default() };
    (Remote::new(&access, false).unwrap(), n_requests)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    body.len() >= length.map_or(0, |it| it.parse().unwrap())
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn abort() -> paramedic::backlog::ActionRequest {
    Decision::of(ActionKind::Abort).request("ann")
}

#[tokio::test]
async fn a_decision_whose_answer_is_lost_is_sent_once_and_said_to_be_uncertain() {
    let scripts: [Script; 3] = [
        |_| None,
        |_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{".to_vec()),
        |_| Some(http("502 Bad", "<html>")),
    ];
    for script in scripts {
        let (remote, n_requests) = impostor(script).await;
        let error = remote.act(RunId::random(), abort()).await.unwrap_err();
        assert!(
            matches!(&error, BacklogError::Unreachable(it) if it.contains("not known, look at the run")),
            "{error}"
        );
        assert_eq!(n_requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_decision_that_was_not_sent_is_said_to_be_so() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let access = Access { address: format!("http://{port}"), ..Access::default() };
    let error = Remote::new(&access, false).unwrap().act(RunId::random(), abort()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BacklogError::Unreachable(_)), "{text}");
    assert!(
        text.contains("nothing was sent") && text.contains("refused") && text.contains(&port.to_string()),
        "{text}"
    );
}

#[tokio::test]
async fn a_read_is_tried_once_more() {
    let (remote, n_requests) = impostor(|n| {
        let summary =
            r#"{"queued":1,"running":0,"fixed":0,"escalated":0,"resolved":0,"aborted":0,"total":1,"aiSuccessRate":0.0}"#;
        (n > 0).then(|| http("200 OK", summary))
    })
    .await;
    assert_eq!(remote.summary().await.unwrap().total, 1);
    assert_eq!(n_requests.load(Ordering::SeqCst), 2);
    let (remote, n_requests) = impostor(|_| None).await;
    assert!(matches!(remote.summary().await, Err(BacklogError::Unreachable(_))));
    assert_eq!(n_requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn who_is_asked_for_patience_waits_once() {
    let (remote, n_requests) =
        impostor(|_| Some(b"HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
    let since = Instant::now();
    assert!(matches!(remote.summary().await, Err(BacklogError::Unreachable(_))));
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert_eq!(n_requests.load(Ordering::SeqCst), 2);
    assert!(matches!(remote.act(RunId::random(), abort()).await, Err(BacklogError::Unreachable(_))));
    assert_eq!(n_requests.load(Ordering::SeqCst), 3, "a decision is not tried again");
}

#[tokio::test]
async fn what_is_no_answer_of_ours_is_said_to_be_so() {
    let scripts: [Script; 4] = [
        |_| Some(http("200 OK", "<html>hello")),
        |_| Some(http("404 Not Found", "<html>")),
        |_| Some(http("200 OK", r#"{"data":7}"#)),
        |_| Some(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec()),
    ];
    for script in scripts {
        let (remote, _) = impostor(script).await;
        let error = remote.runs(&RunQuery::default()).await.unwrap_err();
        assert!(matches!(error, BacklogError::Failed(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let (remote, n_requests) = impostor(|_| Some(http("200 OK", r#"{"data":[],"total":18446744073709551615}"#))).await;
    assert_eq!(remote.runs(&RunQuery::default()).await.unwrap().0, []);
    assert_eq!(n_requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let (remote, _) = impostor(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 68157440\r\n\r\n".to_vec();
        answer.resize(answer.len() + 68_157_440, b' ');
        Some(answer)
    })
    .await;
    let error = remote.output(RunId::random(), "base.log").await.unwrap_err();
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_none_or_floods_is_down() {
    let scripts: [Script; 3] = [
        |_| Some(http("200 OK", "hello")),
        |_| Some(http("401 No", r#"{"error":{"code":"unauthenticated","message":"who are you"}}"#)),
        |_| Some([&b"HTTP/1.1 200 OK\r\n\r\ndata: "[..], &vec![b'x'; 2 * 1024 * 1024]].concat()),
    ];
    for script in scripts {
        let (remote, _) = impostor(script).await;
        let since = Instant::now();
        while remote.newest(0).await.is_ok() {
            assert!(since.elapsed() < Duration::from_secs(30));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_told_and_kept() {
    let home: There = There::fresh().await;
    let run = home.place().queued(at(0)).await;
    let me = async |name: &str| home.of(name).me().await.unwrap().unwrap();
    assert_eq!(
        (me("vic").await.role, me("ann").await.role, me("root").await.role),
        (Role::Viewer, Role::Operator, Role::Admin)
    );
    assert_eq!(me("vic").await.name, "vic");
    assert_eq!(home.of("vic").run(run.id).await.unwrap().run.id, run.id);
    let refused = home.decide("vic", run.id, Decision::of(ActionKind::Abort)).await.unwrap_err();
    assert!(matches!(&refused, BacklogError::Refused(it) if it.contains("viewer")), "{refused:?}");
    assert!(matches!(home.of("ann").verify().await, Err(BacklogError::Refused(_))));
    for token in [None, Some("pmd_wrong"), Some("x")] {
        let error = home.with(token, false).run(run.id).await.unwrap_err();
        assert!(matches!(&error, BacklogError::NotAuthenticated(it) if it.contains("PARAMEDIC_TOKEN")), "{error:?}");
        let error = home.with(token, false).act(run.id, abort()).await.unwrap_err();
        assert!(matches!(error, BacklogError::NotAuthenticated(_)), "{error:?}");
    }
    assert_eq!(home.of("ann").run(run.id).await.unwrap().run, run);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_go_on_across_a_restart() {
    let home: There = There::fresh().await;
    let remote = home.with(Some(home.token("ann")), false);
    queued(home.place().store(), at(0)).await;
    let before = eventually_answered(async || remote.newest(0).await.ok().filter(|it| *it > 0)).await;
    let address = home.server.address();
    let place = home.leave().await;
    let error = eventually_answered(async || remote.newest(before).await.err()).await;
    assert!(matches!(&error, BacklogError::Unreachable(_)), "{error:?}");
    assert!(matches!(remote.summary().await, Err(BacklogError::Unreachable(_))));
    queued(place.store(), at(1)).await;
    let newest = place.store().last_seq().await.unwrap();
    let _again = Running::start(&place, &address).await;
    eventually_answered(async || remote.newest(before).await.ok().filter(|it| *it == newest)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_counts_once() {
    let home: There = There::fresh().await;
    let run = home.place().fixed(at(0), "playbook", Verdict::Ok).await;
    home.decide("ann", run.id, Decision::of(ActionKind::Approve)).await.unwrap();
    let events = home.of("ann").run(run.id).await.unwrap().events;
    assert_eq!(events.iter().filter(|it| it.kind == EventType::RunApproved).count(), 1);
}
