//! git over HTTPS, as GitHub serves it: TLS with a certificate of its own, a token asked for, and git's own server behind it.
use crate::support::github::{Fake, TOKEN};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The server; gone when it is dropped.
pub(crate) struct Https {
    pub(crate) url: String,
    /// What a client must trust.
    pub(crate) certificate: PathBuf,
    _folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

/// Where one repository is for those outside, and on disk.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    git_dir: PathBuf,
}

impl Https {
    /// Serves one repository of the fake at `/owner/name.git`; `/owner/moved.git` leads there.
    pub(crate) fn serve(fake: &Fake, repository: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate(folder.path());
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(&certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let place = Place { path: format!("/{repository}.git/"), git_dir: fake.git_dir(repository) };
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, TlsAcceptor::from(Arc::new(tls)), place) => {}
                }
            });
        });
        Self { url, certificate, _folder: folder, _stop: stop }
    }
}

async fn accept(listener: std::net::TcpListener, tls: TlsAcceptor, place: Place) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((connection, _)) = listener.accept().await {
        let (tls, place) = (tls.clone(), place.clone());
        tokio::spawn(async move {
            let Ok(connection) = tls.accept(connection).await else { return };
            let router = Router::new().fallback(move |request| answer(place.clone(), request));
            let service = TowerToHyperService::new(router);
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn answer(place: Place, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    if let Some((owner, rest)) = path.split_once("/moved.git/") {
        let name = place.path.trim_matches('/').rsplit('/').next().unwrap_or_default();
        let to = format!("{owner}/{name}/{rest}?{query}");
        return (StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)]).into_response();
    }
    let wanted = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    if header(AUTHORIZATION.as_str()) != format!("Basic {wanted}") {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"GitHub\"")]).into_response();
    }
    let Some(rest) = path.strip_prefix(&place.path) else { return StatusCode::NOT_FOUND.into_response() };
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", &place.git_dir).env("PATH_INFO", format!("/{rest}"));
    command.env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "octocat").env("REQUEST_METHOD", head.method.as_str());
    command.env("QUERY_STRING", query).env("CONTENT_TYPE", header("content-type"));
    command.env("CONTENT_LENGTH", body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    tokio::task::spawn_blocking(move || cgi(command, &body)).await.unwrap()
}

/// Runs a program of the Common Gateway Interface (RFC 3875) and returns what it answers.
fn cgi(mut command: Command, body: &[u8]) -> Response {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    let _ = writer.join();
    let end = output.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value.get(..3).unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).unwrap()
}

/// Makes a certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let [certificate, key] = ["crt", "key"].map(|it| folder.join(format!("git.{it}")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=git", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}
