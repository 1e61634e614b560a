//! A client's socket, shared between hyper, which reads and writes it, and who has to know whether the client is
//! still there.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::timer::LazyTimer;

/// Time that a client may take nothing of what is sent to it.
const WRITE_STALL: Duration = Duration::from_secs(60);

/// Time between two looks at a client that has sent more than its request.
const LOOK: Duration = Duration::from_millis(50);

/// The client's end of a connection, as requests see it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    stream: Arc<OwnedWriteHalf>,
    /// When the answer that is being sent has to be over. hyper does not ask a body for more while the client takes
    /// nothing, so the socket has to keep this time.
    deadline: Arc<Mutex<Option<Instant>>>,
    /// For its requests, of which one runs at a time, to wait for engines.
    pub(crate) timer: LazyTimer,
}

/// The connection as hyper reads and writes it.
#[derive(Debug)]
pub(super) struct Socket {
    /// hyper's alone: reading through it notes that a socket is empty without asking it once more.
    reader: OwnedReadHalf,
    peer: Peer,
    /// Runs while a write is stuck.
    stuck: Option<Pin<Box<Sleep>>>,
}

// === impl Peer ===

impl Peer {
    /// Sets, or takes away, the time at which the answer has to be over.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock() = deadline;
    }

    fn stream(&self) -> &TcpStream {
        (*self.stream).as_ref()
    }

    /// Waits until the client has closed its end.
    ///
    /// hyper notices by itself as long as nothing but the request was sent. A client that sent more (a stray line
    /// break, the next request) before it left would not be noticed until its answer is ready.
    pub(crate) async fn gone(self) {
        loop {
            match self.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => sleep(LOOK).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

// === impl Socket ===

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        let peer = Peer { stream: Arc::new(writer), deadline: Arc::default(), timer: LazyTimer::default() };
        Self { reader, peer, stuck: None }
    }

    /// The client, for its requests to watch.
    pub(super) fn peer(&self) -> Peer {
        self.peer.clone()
    }

    /// Writes as much as the client takes; fails when it takes nothing for too long.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let stream = self.peer.stream();
            if stream.poll_write_ready(cx)?.is_pending() {
                return self.wait(cx);
            }
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.stuck = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let deadline = *self.peer.deadline.lock();
        let timer = self.stuck.get_or_insert_with(|| {
            let stalled = Instant::now() + WRITE_STALL;
            Box::pin(sleep_until(deadline.map_or(stalled, |deadline| deadline.min(stalled))))
        });
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client that has gone already cannot be told; that is no failure.
        let _ = shutdown(self.peer.stream(), Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
