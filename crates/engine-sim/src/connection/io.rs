use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;

use super::wire::{Mode, Wire};

/// Length of `HTTP/1.1 200 OK`.
const STATUS_LINE: usize = 15;

/// An accepted connection that writes as its [`Wire`] says.
pub(crate) struct Io {
    socket: Socket,
    wire: Wire,
    waiting: Option<Pin<Box<Sleep>>>,
}

/// The two kinds of socket that the server listens on.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

// === impl Io ===

impl Io {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, wire: Wire::default(), waiting: None }
    }

    /// The handle that decides how this connection writes.
    pub(super) fn wire(&self) -> Wire {
        self.wire.clone()
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.waiting {
            ready!(sleep.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    /// Writes at most `limit` bytes, and waits for `pause` before the next write.
    fn poll_some(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
        limit: usize,
        pause: Duration,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.socket.poll_write(cx, &buf[..buf.len().min(limit)]))?;
        self.waiting = Some(Box::pin(tokio::time::sleep(pause)));
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_wait(cx));
        match self.wire.mode() {
            Mode::Plain => self.socket.poll_write(cx, buf),
            Mode::Drip(gap) => self.poll_some(cx, buf, 1, gap),
            Mode::Pause(pause) => {
                let written = ready!(self.poll_some(cx, buf, STATUS_LINE, pause))?;
                self.wire.set(Mode::Plain);
                Poll::Ready(Ok(written))
            }
            Mode::CutNext => {
                let half = (buf.len() / 2).max(1);
                let written = ready!(self.poll_some(cx, buf, half, Duration::ZERO))?;
                self.wire.set(Mode::Closed);
                Poll::Ready(Ok(written))
            }
            Mode::Closed => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.is_none() && self.wire.mode() == Mode::Plain {
            return self.socket.poll_write_vectored(cx, bufs);
        }
        let joined: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &joined)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

// === impl Socket ===

impl Socket {
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }
}
