//! Accepting connections: how many, how long each may be silent, how they end.

use super::stall::StallGuard;
use crate::error::{Error, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// What a connection that is one too many is told.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 108\r\n\r\n\
    {\"type\":\"conclave:unavailable\",\"title\":\"Too many connections\",\
\"status\":503,\"detail\":\"try again in a second\"}";
/// Connections that are told so at once.
const REFUSALS_MAX: usize = 64;
/// Pause after the system refused a connection, for want of file descriptors as a rule.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may go on once the service is told to end.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Open at once.
    pub(super) connections_max: usize,
    /// Until the head of a request is there.
    pub(super) head_timeout: Duration,
    /// Without a byte written, while there is something to write.
    pub(super) stall_timeout: Duration,
}

/// Binds an address.
///
/// # Errors
/// `Unavailable` when it is taken, `Invalid` when it is not this machine's.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let message = format!("cannot listen on {listen}: choose another address with --listen");
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::unavailable(format!(
                "{listen} is in use: is another conclave running? Otherwise {}",
                "choose another address with --listen"
            )),
            _ => Error::invalid(message).caused_by(error),
        }
    })
}

/// Serves until `ended`, then lets open requests finish.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    ended: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(affordable(bounds.connections_max)));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let graceful = GracefulShutdown::new();
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let watcher = graceful.watcher();
                let connection = connection(stream, peer, router.clone(), bounds);
                tokio::spawn(async move {
                    // A peer that breaks off is no error of ours.
                    let _ignored = watcher.watch(connection).await;
                    drop(place);
                });
            }
            // Those who are told so are bounded, too: a flood finds its connections closed.
            Err(_) => {
                if let Ok(told) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        refuse(stream).await;
                        drop(told);
                    });
                }
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open at the end: they are cut");
    }
}

/// Connections that leave enough of what this process may open to the log: a service whose clients
/// take every descriptor could not write any more.
fn affordable(connections_max: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(open_files) = open_files_max(&limits) else { return connections_max };
    let affordable = connections_max.min((open_files / 2).max(1));
    if affordable < connections_max {
        tracing::warn!(
            "{open_files} open files are allowed here: {affordable} connections instead of the \
             {connections_max} of http.connections_max (raise it with `ulimit -n` or LimitNOFILE)"
        );
    }
    affordable
}

/// The soft limit in the text of `/proc/self/limits`.
fn open_files_max(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// One connection, from its first request to its last answer.
fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
) -> impl GracefulConnection<Error = hyper::Error> {
    // Small answers are not held back for an acknowledgement.
    let _ignored = stream.set_nodelay(true);
    let service = router.map_request(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false);
    let stream = StallGuard::new(stream, bounds.stall_timeout);
    http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

async fn refuse(mut stream: TcpStream) {
    let told = tokio::time::timeout(Duration::from_secs(1), stream.write_all(FULL)).await;
    if matches!(told, Ok(Ok(()))) {
        let _ignored = stream.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_found() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n";
        assert_eq!(open_files_max(limits), Some(1_024));
        assert_eq!(open_files_max("Max open files  unlimited  unlimited  files"), None);
        assert_eq!(open_files_max(""), None);
    }

    #[test]
    fn the_answer_to_one_connection_too_many_is_whole() {
        let text = std::str::from_utf8(FULL).expect("it is text");
        let (head, body) = text.split_once("\r\n\r\n").expect("it has a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{} bytes", body.len());
        let problem: super::super::problem::Problem =
            serde_json::from_str(body).expect("it is a problem");
        assert_eq!(problem.status, 503);
    }
}
