use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::socket::Socket;
use crate::gateway::Gateway;
use crate::timer::LazyTimer;

/// Client connections at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;

/// Time that a client may take to send the head of a request.
const HEAD_BOUND: Duration = Duration::from_secs(30);

/// Bytes that the head of a request may have.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Wait after a failed accept: it fails for lack of file descriptors, which only time gives back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts clients until `cancel`; then waits until the requests that run have ended.
pub(crate) async fn accept_forever(gateway: Arc<Gateway>, listener: TcpListener, cancel: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = cancel.cancelled() => break,
            (accepted, place) = accepted => match accepted {
                Ok((stream, _)) => serve(gateway.clone(), stream, &graceful, place),
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Serves one connection until it ends; `graceful` ends it after its running request.
fn serve(gateway: Arc<Gateway>, stream: TcpStream, graceful: &GracefulShutdown, place: impl Send + 'static) {
    // A delayed small write would cost up to 40 ms per request.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream);
    let peer = socket.peer();
    let service = service_fn(move |request| {
        let (gateway, peer) = (gateway.clone(), peer.clone());
        async move { gateway.respond(request, peer).await }
    });
    let connection = http1::Builder::new()
        .timer(LazyTimer::default())
        .header_read_timeout(HEAD_BOUND)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A connection that breaks is the client's business, and its requests are settled by Drop.
        let _ = connection.await;
        drop(place);
    });
}
