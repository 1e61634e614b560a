use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

use super::Wire;
use super::io::{Io, Socket};

/// Pause after a failed `accept` (out of file descriptors, mostly), and between two attempts to bind again.
const RETRY: Duration = Duration::from_millis(20);

/// A bound socket to serve on.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// The listener as the server uses it: it can be shut for a while, so that connecting is refused.
pub(crate) struct Door {
    listener: Option<Listener>,
    address: Option<SocketAddr>,
    orders: mpsc::Receiver<Duration>,
}

/// Shuts a [`Door`].
#[derive(Clone, Debug)]
pub(crate) struct Gate(mpsc::Sender<Duration>);

// === impl Listener ===

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl Listener {
    /// The TCP address, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    async fn accept(&self) -> io::Result<Io> {
        let socket = match self {
            Self::Tcp(listener) => {
                let socket = listener.accept().await?.0;
                socket.set_nodelay(true)?;
                Socket::Tcp(socket)
            }
            Self::Unix(listener) => Socket::Unix(listener.accept().await?.0),
        };
        Ok(Io::new(socket))
    }
}

// === impl Door ===

impl Door {
    pub(crate) fn new(listener: Listener) -> (Self, Gate) {
        let (gate, orders) = mpsc::channel(1);
        (Self { address: listener.address(), listener: Some(listener), orders }, Gate(gate))
    }

    /// Closes the socket for `time`, then binds the same address again.
    async fn shut(&mut self, time: Duration) {
        let Some(address) = self.address else { return };
        self.listener = None;
        tokio::time::sleep(time).await;
        while self.listener.is_none() {
            match TcpListener::bind(address).await {
                Ok(listener) => self.listener = Some(Listener::Tcp(listener)),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

impl axum::serve::Listener for Door {
    type Io = Io;
    type Addr = Option<SocketAddr>;

    async fn accept(&mut self) -> (Io, Option<SocketAddr>) {
        loop {
            let Some(listener) = &self.listener else {
                self.shut(Duration::ZERO).await;
                continue;
            };
            tokio::select! {
                Some(time) = self.orders.recv() => self.shut(time).await,
                accepted = listener.accept() => match accepted {
                    Ok(io) => return (io, self.address),
                    Err(_) => tokio::time::sleep(RETRY).await,
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.address)
    }
}

// === impl Gate ===

impl Gate {
    /// Refuses new connections for `time`. An order while another is being carried out is dropped.
    pub(crate) fn shut_for(&self, time: Duration) {
        let _already_shut = self.0.try_send(time);
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().wire()
    }
}
