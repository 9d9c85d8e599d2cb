//! What every answer carries, and TLS.
use super::served::{API, Client, Served, VIEWER, database, refusal};
use crate::support::{World, eventually};
use reqwest::{Certificate, Method};
use std::process::Command;

#[tokio::test]
async fn every_answer_is_dressed() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    for (path, status) in [
        ("/runs", 200),
        ("//healthz", 200),
        ("/runs/x", 400),
        ("//nothing", 404),
        ("//docs/", 200),
        ("//openapi.json", 200),
    ] {
        let response =
            client.request(Method::GET, path, VIEWER).header("Origin", "https://evil.example").send().await.unwrap();
        let headers = response.headers();
        assert_eq!(response.status(), status);
        assert_eq!(
            ["x-content-type-options", "x-frame-options", "referrer-policy", "cache-control"]
                .map(|it| headers[it].to_str().unwrap()),
            ["nosniff", "DENY", "no-referrer", "no-store"]
        );
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(!headers["x-request-id"].is_empty());
        assert!(
            !headers.contains_key("access-control-allow-origin") && !headers.contains_key("strict-transport-security")
        );
        assert!(!headers.contains_key("server"));
    }
    for (given, is_taken) in [("abc-1.2_3", true), ("a b", false), ("<x>", false), (&*"x".repeat(65), false)] {
        let response = client.request(Method::GET, "//healthz", "").header("X-Request-Id", given).send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == given, is_taken, "{given}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    for (method, path, allow) in [
        (Method::DELETE, "/runs", "GET,HEAD"),
        (Method::OPTIONS, "/runs", "GET,HEAD"),
        (Method::GET, "/runs/00000000-0000-4000-8000-000000000000/actions/approve", "POST"),
        (Method::PUT, "//healthz", "GET,HEAD"),
    ] {
        let response = client.request(method, path, VIEWER).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, allow), "{path}");
        assert_eq!(super::served::answer(response).await.1["error"]["code"], "method_not_allowed");
    }
    for path in ["//", "//api", "//api/v1/ci-healing", "/runs/", "//v2/ci-healing/runs", "//%00"] {
        assert_eq!(refusal(&client.get(path, VIEWER).await), (404, "not_found", None), "{path}");
    }
    let head = client.request(Method::HEAD, "/runs", VIEWER).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
}

/// Makes a certificate for 127.0.0.1 that signs itself.
fn certificate(world: &World, name: &str) -> (String, String) {
    let [cert, key] = ["crt", "key"].map(|it| world.dir.path().join(format!("{name}.{it}")).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}

fn trusting(url: &str, cert: &str) -> Client {
    let cert = Certificate::from_pem(&std::fs::read(cert).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([cert]).build().unwrap();
    Client { url: url.to_owned(), http }
}

#[tokio::test]
async fn tls_is_spoken_and_its_certificate_read_again() {
    let world = World::new();
    database(&world).await;
    let (cert, key) = certificate(&world, "one");
    let served = Served::start(&world, &["--tls-cert", &cert, "--tls-key", &key]);
    assert!(served.url.starts_with("https://127.0.0.1:"), "{}", served.url);
    let response = trusting(&served.url, &cert).request(Method::GET, "/runs", VIEWER).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().contains_key("strict-transport-security")), (200, true));
    // Who speaks plainly gets nothing.
    let plain = served.url.replace("https://", "http://");
    assert!(reqwest::get(format!("{plain}{API}/runs")).await.is_err());

    let (other, other_key) = certificate(&world, "two");
    std::fs::copy(&other_key, &key).unwrap();
    served.signal(nix::sys::signal::Signal::SIGHUP);
    served.line("stays as it was");
    std::fs::copy(&other, &cert).unwrap();
    served.signal(nix::sys::signal::Signal::SIGHUP);
    served.line("was read again");
    assert_eq!(trusting(&served.url, &other).get("/runs", VIEWER).await.0, 200);
}

#[test]
fn tls_that_cannot_be_is_an_error() {
    let world = World::new();
    let (cert, _) = certificate(&world, "one");
    let (_, key) = certificate(&world, "two");
    for (cert, key, code) in [(&*cert, &*key, 1), ("/nowhere", &key, 1), (&key, &key, 1)] {
        let ran = world.run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    assert_eq!(world.run(&["serve", "--tls-cert", &cert]).code, 2);
}

#[test]
fn a_socket_of_the_service_manager_is_taken() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // What systemd does: the socket is file 3, and the variables name the process.
    let script = format!("exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec {} serve --workers 0", crate::support::PARAMEDIC);
    let shell = world.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdin(std::os::fd::OwnedFd::from(listener)).spawn().unwrap();
    let answered = eventually("an answer", || {
        let text = Command::new("python3")
            .args([
                "-c",
                "import sys,urllib.request;print(urllib.request.urlopen(sys.argv[1],timeout=5).read().decode())",
            ])
            .arg(format!("http://{address}/healthz"))
            .output()
            .unwrap();
        text.status.success().then(|| String::from_utf8_lossy(&text.stdout).trim().to_owned())
    });
    assert_eq!(answered, "ok");
    child.kill().unwrap();
    child.wait().unwrap();
}
