//! Clients that mean no good: they get the right codes, cost little, and hold nobody up.
use super::served::{API, Inside, OPERATOR, Served, VIEWER, database};
use crate::support::{PATIENCE, World, eventually};
use paramedic::http::Settings;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends bytes as they are and returns what came back until the server ended the connection.
async fn raw(url: &str, bytes: &[u8]) -> String {
    let mut stream = connect(url).await;
    stream.write_all(bytes).await.unwrap();
    read_all(&mut stream).await
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.unwrap()
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(headers: &str) -> String {
    let path = format!("{API}/runs/00000000-0000-4000-8000-000000000000/actions/abort");
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR}\r\nContent-Type: application/json\r\n{headers}\r\n"
    )
}

#[tokio::test]
async fn heads_are_bounded() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let many = |n: usize| (0..n).map(|it| format!("x-{it}: 1\r\n")).collect::<Vec<_>>().concat();
    let close = "Connection: close\r\n";
    for (request, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n{close}\r\n", "a".repeat(60_000)), 414),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n{close}\r\n", "a".repeat(200_000)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}{}\r\n", many(150)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}{}\r\n", many(1_000)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}{}\r\n", many(50_000)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}x: {}\r\n\r\n", "a".repeat(40_000)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}x: {}\r\n\r\n", "a".repeat(10_000_000)), 431),
        ("\0\0\0\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n bad : x\r\n\r\n".to_owned(), 400),
    ] {
        let mut stream = connect(&served.url).await;
        // The server may stop listening before it has heard everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {request:.80}: {answer:.300}");
    }
    for request in [
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(20_000)),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n", many(1_000)),
    ] {
        let answer = raw(&served.url, request.as_bytes()).await;
        assert!(answer.contains("\"error\"") && answer.contains("x-content-type-options: nosniff"), "{answer:.500}");
    }
    assert_eq!(served.client().get("/runs", VIEWER).await.0, 200, "still answering others");
}

#[tokio::test]
async fn bodies_are_bounded_before_and_while_they_come() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    // Refused by what the head says, before a byte of it is sent.
    let answer = raw(&served.url, post("Content-Length: 1000000000\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("\"too_large\""), "{answer}");

    // The same for one who sends it all the same, and for one who does not say how much comes.
    for head in ["Content-Length: 100000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (mut reader, mut writer) = connect(&served.url).await.into_split();
        writer.write_all(post(head).as_bytes()).await.unwrap();
        let flood = tokio::spawn(async move {
            let piece = [format!("{:x}\r\n", 65_536).into_bytes(), vec![b' '; 65_536], b"\r\n".to_vec()].concat();
            let mut n_sent = 0;
            while n_sent < 100_000_000 && writer.write_all(&piece).await.is_ok() {
                n_sent += piece.len();
            }
        });
        let mut answer = vec![0; 12];
        tokio::time::timeout(PATIENCE, reader.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413", "{head}");
        drop(reader);
        flood.await.unwrap();
    }
    let peak = peak_kib(served.child.id());
    assert!(peak < 300 * 1024, "{peak} KiB at most");
    assert_eq!(served.client().get("/runs", VIEWER).await.0, 200);
}

/// The most memory a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn bodies_of_all_kinds_get_the_right_code() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    for (body, status) in [
        (&b"\xff\xfe{}"[..], 400),
        (b"{\"note\": \"\xc3\x28\"}", 400),
        (&deep, 400),
        (b"{\"note\":\"a\",\"note\":", 400),
        (b"{}", 404),
        (b"", 404),
    ] {
        let mut request = post(&format!("Connection: close\r\nContent-Length: {}\r\n", body.len())).into_bytes();
        request.extend_from_slice(body);
        let answer = raw(&served.url, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    for chunk in ["zz\r\n", "fffffffffffffffffff\r\n", "-1\r\n"] {
        let answer = raw(&served.url, (post("Transfer-Encoding: chunked\r\n") + chunk).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{chunk}: {answer}");
    }
    // Both at once is how requests are smuggled.
    let both = post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")
        + "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = connect(&served.url).await;
    stream.write_all(both.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn slow_clients_are_let_go_of() {
    let world = World::new();
    database(&world).await;
    let settings = Settings {
        head_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(300),
        ..Settings::default()
    };
    let inside = Inside::start(&world, settings).await;
    // A head that never ends, however often a little of it comes.
    let mut stream = connect(&inside.url).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let ended = async {
        let mut byte = [0; 1];
        while tokio::time::timeout(Duration::from_millis(20), stream.read(&mut byte)).await.is_err() {
            let _ = stream.write_all(b"x: y\r\n").await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    // A body that does not come.
    let answer = raw(&inside.url, post("Content-Length: 100\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A connection that is not used.
    let answer = raw(&inside.url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    inside.stop().await;
}

#[tokio::test]
async fn a_crowd_of_idle_connections_does_not_shut_others_out() {
    let world = World::new();
    database(&world).await;
    let settings = Settings { max_connections: 8, head_timeout: Duration::from_millis(500), ..Settings::default() };
    let inside = Inside::start(&world, settings).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(&inside.url).await;
        stream.write_all(b"GET /runs HTTP/1.1\r\n").await.unwrap();
        crowd.push(stream);
    }
    assert_eq!(inside.client().get("/runs", VIEWER).await.0, 200);
    inside.stop().await;
    drop(crowd);
}

#[tokio::test]
async fn whoever_says_nothing_gives_way() {
    let world = World::new();
    database(&world).await;
    // Nobody is let go of by time.
    let head_timeout = Duration::from_mins(10);
    let inside = Inside::start(&world, Settings { max_connections: 8, head_timeout, ..Settings::default() }).await;
    let client = inside.client();
    assert_eq!(client.get("/runs", VIEWER).await.0, 200);
    let mut crowd = Vec::new();
    for n in 0..40 {
        let mut stream = connect(&inside.url).await;
        stream.write_all(&b"GET /runs HTTP/1.1\r\n"[..n % 18]).await.unwrap();
        crowd.push(stream);
        assert_eq!(inside.client().get("/runs", VIEWER).await.0, 200);
    }
    assert_eq!(client.get("/runs", VIEWER).await.0, 200);
    drop(client);
    inside.stop().await;
}

/// Waits until somebody who says nothing, and came only now, has had to give way.
async fn silence_is_over(world: &World) {
    let crowded = Inside::start(world, Settings { max_connections: 1, ..Settings::default() }).await;
    let mut silent = connect(&crowded.url).await;
    let next = connect(&crowded.url).await;
    assert_eq!(read_all(&mut silent).await, "");
    drop(next);
    crowded.stop().await;
}

#[tokio::test]
async fn the_last_place_is_as_good_as_any() {
    let world = World::new();
    database(&world).await;
    let inside = Inside::start(&world, Settings { max_connections: 2, ..Settings::default() }).await;
    let client = inside.client();
    assert_eq!(client.get("/runs", VIEWER).await.0, 200);
    // The other connection stays open. Nobody waits for this one's place, however long it takes.
    let mut last = connect(&inside.url).await;
    assert_eq!(client.get("/runs", VIEWER).await.0, 200);
    silence_is_over(&world).await;
    last.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(client);
    inside.stop().await;
}

/// Bodies of 24 MiB whose signature has the right form: they must be read, a few at once, and none of them leaves memory behind.
#[test]
fn many_large_bodies_take_no_more_than_their_room() {
    use std::io::{Read, Write};
    const BODY: usize = 24 << 20;
    let world = World::new();
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "0"]);
    command.env("CI_HEALING_WEBHOOK_SECRET", "a secret");
    let served = Served::started(command);
    let post = |is_chunked: bool| {
        let mut stream = std::net::TcpStream::connect(served.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let framed =
            if is_chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {BODY}") };
        let signature = "0".repeat(64);
        let head = format!(
            "POST {API}/webhook HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256={signature}\r\n{framed}\r\n\r\n"
        );
        let piece = if is_chunked { format!("10000\r\n{}\r\n", " ".repeat(1 << 16)) } else { " ".repeat(1 << 16) };
        // The server may say no before it has heard everything.
        let _ = stream.write_all(head.as_bytes());
        let _ = (0..BODY >> 16).try_for_each(|_| stream.write_all(piece.as_bytes()));
        let _ = stream.write_all(if is_chunked { b"0\r\n\r\n" } else { b"" });
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).map(|()| String::from_utf8_lossy(&answer).into_owned())
    };
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for n in 0..24 {
                scope.spawn(move || {
                    let answer = post(n % 2 == 0);
                    let is_refused = |it: &str| ["HTTP/1.1 401", "HTTP/1.1 503"].contains(&it);
                    assert!(answer.as_deref().map_or(true, is_refused), "{answer:?}");
                });
            }
        });
    }
    let peak = peak_kib(served.child.id());
    assert!(peak < 400 * 1024, "{peak} KiB at most");
}

#[tokio::test]
async fn a_server_without_files_comes_back() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(served.child.id()).unwrap());
    let n_open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    let limited = std::process::Command::new("prlimit")
        .args([format!("--pid={pid}"), format!("--nofile={}:{}", n_open + 5, n_open + 5)])
        .status()
        .unwrap();
    assert!(limited.success());
    let mut crowd = Vec::new();
    for _ in 0..30 {
        crowd.push(connect(&served.url).await);
    }
    drop(crowd);
    let answered = eventually("an answer", || {
        let mut stream = std::net::TcpStream::connect(served.url.trim_start_matches("http://")).ok()?;
        use std::io::{Read, Write};
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    });
    assert!(answered.ends_with("ok\n"));
}
