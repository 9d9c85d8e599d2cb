//! The connections: accepted, bounded, watched, and ended in good order.
use crate::http::places::{Place, Places};
use crate::http::router::router;
use crate::http::stalling::Stalling;
use crate::http::stream::STREAM;
use crate::http::tls::Tls;
use crate::http::{Service, Settings};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use futures::TryFutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use listenfd::ListenFd;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Bytes of a connection that are held before they are understood; `bounds` refuses less than this with words.
const MAX_BUFFER: usize = 64 * 1024;
const MAX_HEADERS: usize = 1_024;
/// How long to wait when the system has no more files for us.
const PAUSE: Duration = Duration::from_millis(200);
/// How long, and how long of silence, what is left of a refused body is taken in, so that the client gets to read why.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_SILENCE: Duration = Duration::from_secs(1);

/// Why the server cannot be there.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address itself makes no sense.
    #[error("`{0}` is no address to listen on; write it like 127.0.0.1:7171")]
    Address(String),
    #[error("cannot listen on {address}: {why}")]
    Listen { address: String, why: String },
    #[error("{0}")]
    Tls(String),
}

/// A server that has its address, and does not accept anybody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Server {
    /// Listens where the settings say, or on the socket that the service manager handed over.
    pub async fn bind(settings: &Settings) -> Result<Self, ServeError> {
        let address = settings.listen.clone();
        let tls = settings.tls.as_ref().map(|(certificate, key)| Tls::read(certificate, key)).transpose();
        let tls = tls.map_err(ServeError::Tls)?;
        let failed = |error: io::Error| {
            let why = match error.kind() {
                ErrorKind::AddrInUse => "something else listens there; choose another with --listen".to_owned(),
                _ => error.to_string(),
            };
            ServeError::Listen { address: address.clone(), why }
        };
        let listener = if let Some(listener) = handed_over().map_err(failed)? {
            listener
        } else {
            check_address(&address)?;
            TcpListener::bind(&address).await.map_err(failed)?
        };
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address as people and clients write it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns the certificate in force, to have it read anew.
    pub fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// Serves until the service's `shutdown` fires, then lets requests and decisions under way finish for the time of grace.
    pub async fn run(self, service: Service) {
        let shutdown = service.shutdown.clone();
        let feed = service.feed.clone();
        let follower = tokio::spawn({
            let (backlog, shutdown) = (service.backlog.clone(), shutdown.clone());
            async move { feed.follow(backlog, shutdown).await }
        });
        let serving = Arc::new(Serving {
            router: router(&service),
            settings: service.settings.clone(),
            tls: self.tls,
            shutdown: shutdown.clone(),
        });
        let connections = TaskTracker::new();
        let Settings { max_connections, max_connections_per_address, .. } = *service.settings;
        let places = Places::new(max_connections, max_connections_per_address, service.guard.proxies());
        shutdown.run_until_cancelled(accept(&self.listener, &places, &connections, &serving)).await;
        drop(self.listener);
        connections.close();
        service.tasks.close();
        let all = async {
            connections.wait().await;
            service.tasks.wait().await;
        };
        if timeout(service.settings.grace, all).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        let _ = follower.await;
    }
}

fn handed_over() -> io::Result<Option<TcpListener>> {
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

/// Whether this is `HOST:PORT`; whether there is such a host is found out by listening.
pub fn check_address(address: &str) -> Result<(), ServeError> {
    let parts = address.rsplit_once(':');
    let is_fine = parts.is_some_and(|(host, port)| {
        let is_host = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-".contains(&it));
        let is_ip = address.parse::<SocketAddr>().is_ok();
        !host.is_empty() && (is_host || is_ip) && port.parse::<u16>().is_ok()
    });
    if is_fine { Ok(()) } else { Err(ServeError::Address(address.chars().filter(|it| !it.is_control()).collect())) }
}

/// What every connection needs.
struct Serving {
    router: Router,
    settings: Arc<Settings>,
    tls: Option<Tls>,
    shutdown: CancellationToken,
}

async fn accept(listener: &TcpListener, places: &Places, connections: &TaskTracker, serving: &Arc<Serving>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without a place nobody else is accepted: the system keeps them waiting.
                let Some(free) = places.free().await else { return };
                if let Some(place) = places.give(free, peer.ip()) {
                    let must_leave = place.must_leave();
                    let serving = Box::pin(connection(stream, peer, serving.clone(), place));
                    connections.spawn(async move {
                        must_leave.run_until_cancelled(serving).await;
                    });
                } else {
                    tracing::debug!(%peer, "this address has all the connections it may have");
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // No files or no memory left: others must end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

async fn connection(stream: TcpStream, peer: SocketAddr, serving: Arc<Serving>, place: Place) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = &serving.tls else { return serve(stream, peer, &serving, place).await };
    match timeout(serving.settings.head_timeout, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, &serving, place).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
        Err(_) => tracing::debug!(%peer, "TLS took too long"),
    }
}

async fn serve<T>(io: T, peer: SocketAddr, serving: &Serving, place: Place)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = Stalling::new(io, serving.settings.stall_timeout);
    let is_endless = io.is_endless();
    let routes = service_fn(|mut request: hyper::Request<Incoming>| {
        place.speaks();
        request.extensions_mut().insert(ConnectInfo(peer));
        let is_endless = is_endless.clone();
        serving.router.clone().oneshot(request).inspect_ok(move |answer| {
            let is_stream = answer.headers().get(CONTENT_TYPE).is_some_and(|it| it == STREAM);
            is_endless.store(is_stream, Ordering::Relaxed);
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Whoever says that they will send nothing more still gets their answer.
        .half_close(true)
        .header_read_timeout(serving.settings.head_timeout)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), routes);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            ended = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = serving.shutdown.cancelled(), if !is_stopping => {
                is_stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Says that nothing more comes, and takes in for a while what the other side still sends: closing at once would throw away the answer on its way.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let mut left = vec![0; 16 * 1024];
    let take = async {
        if io.shutdown().await.is_err() {
            return;
        }
        while let Ok(Ok(1..)) = timeout(LINGER_SILENCE, io.read(&mut left)).await {}
    };
    let _ = timeout(LINGER, take).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports() {
        for fine in ["127.0.0.1:0", "0.0.0.0:7171", "[::1]:80", "localhost:7171", "ci-1.example.org:443"] {
            assert!(check_address(fine).is_ok(), "{fine}");
        }
        for wrong in ["", ":80", "localhost", "127.0.0.1", "127.0.0.1:99999", "http://x:1", "::1:80", "a b:1", "x:"] {
            assert!(check_address(wrong).is_err(), "{wrong}");
        }
    }
}
