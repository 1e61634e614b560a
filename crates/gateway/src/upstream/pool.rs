//! Connections to one replica that wait for their next request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Request, Response};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::dial::Dial;
use super::{Fault, Inbound, Segments};

/// Idle connections are closed before uvicorn's keep-alive of 5 s closes them under a request.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections kept for one replica.
const MAX_IDLE: usize = 1_024;

/// The connections to one replica that no request uses.
pub(super) struct Pool {
    dial: Dial,
    idle: Mutex<Idle>,
}

/// Where a connection goes when its request is through.
#[derive(Debug)]
pub(super) struct Place(Weak<Pool>);

/// What became of a request that was to go out on a connection that waits.
pub(super) enum Tried {
    /// No connection was good: nothing of it was sent.
    Unsent(Box<Request<Segments>>),
    /// It was sent.
    Sent(Result<Response<Inbound>, Fault>),
}

#[derive(Debug, Default)]
struct Idle {
    /// With the times since when they wait; the newest, which is the likeliest to be good, at the back.
    waiting: VecDeque<(Box<Connection>, Instant)>,
    /// Whether somebody looks after those that wait too long.
    is_kept: bool,
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(dial: Dial) -> Arc<Self> {
        Arc::new(Self { dial, idle: Mutex::default() })
    }

    /// Sends `request` on a connection that waits, else on a new one. It goes out at most once: to another connection only
    /// where nothing of it was sent.
    pub(super) async fn send(self: &Arc<Self>, request: Box<Request<Segments>>) -> Result<Response<Inbound>, Fault> {
        match self.send_waiting(request).await {
            Tried::Unsent(request) => self.send_anew(request).await,
            Tried::Sent(result) => result,
        }
    }

    /// Sends `request` on a connection that waits, if there is a good one.
    pub(super) async fn send_waiting(self: &Arc<Self>, mut request: Box<Request<Segments>>) -> Tried {
        while let Some(connection) = self.take() {
            match self.exchange(connection, request).await {
                Err(Some(unsent)) => request = unsent,
                Err(None) => return Tried::Sent(Err(Fault::Reset)),
                Ok(response) => return Tried::Sent(Ok(response)),
            }
        }
        Tried::Unsent(request)
    }

    /// Sends `request` on a new connection.
    pub(super) async fn send_anew(
        self: &Arc<Self>,
        request: Box<Request<Segments>>,
    ) -> Result<Response<Inbound>, Fault> {
        // Boxed: a TLS handshake is large, and most requests need none.
        let stream = Box::pin(self.dial.connect()).await.map_err(|error| Fault::Connect(error.to_string()))?;
        let connection = Connection::new(stream).await.map_err(|_| Fault::Reset)?;
        self.exchange(Box::new(connection), request).await.map_err(|_| Fault::Reset)
    }

    /// Sends `request` on `connection`. The error holds it if nothing of it was sent.
    async fn exchange(
        self: &Arc<Self>,
        mut connection: Box<Connection>,
        request: Box<Request<Segments>>,
    ) -> Result<Response<Inbound>, Option<Box<Request<Segments>>>> {
        // Whoever came together goes on together: an engine that sleeps is then woken once for all of them.
        tokio::task::yield_now().await;
        let answer = connection.send(*request).await.map_err(|mut error| error.take_message().map(Box::new))?;
        Ok(answer.map(|body| Inbound::new(body, connection, Place(Arc::downgrade(self)))))
    }

    /// The connection that waits for the shortest time and is good.
    fn take(&self) -> Option<Box<Connection>> {
        loop {
            let (mut connection, since) = self.idle.lock().waiting.pop_back()?;
            if since.elapsed() < IDLE && connection.is_ready() {
                return Some(connection);
            }
        }
    }

    fn give_back(self: &Arc<Self>, connection: Box<Connection>) {
        let mut idle = self.idle.lock();
        if idle.waiting.len() == MAX_IDLE {
            return;
        }
        idle.waiting.push_back((connection, Instant::now()));
        if !std::mem::replace(&mut idle.is_kept, true) {
            tokio::spawn(close_forgotten(Arc::downgrade(self)));
        }
    }

    /// Closes what waits too long; says when to look again, none if nothing waits.
    fn close_old(&self) -> Option<Instant> {
        let mut idle = self.idle.lock();
        let now = Instant::now();
        let young = idle.waiting.iter().position(|(_, since)| *since + IDLE > now).unwrap_or(idle.waiting.len());
        let old: Vec<_> = idle.waiting.drain(..young).collect();
        let next = idle.waiting.front().map(|(_, since)| *since + IDLE);
        idle.is_kept = next.is_some();
        drop(idle);
        // Closing asks the kernel, which nobody has to wait for.
        drop(old);
        next
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("dial", &self.dial).finish_non_exhaustive()
    }
}

/// Closes connections that wait too long, until none is left.
async fn close_forgotten(pool: Weak<Pool>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.close_old()) {
        sleep_until(next).await;
    }
}

// === impl Place ===

impl Place {
    /// Lets the next request have `connection`, if the replica still exists.
    pub(super) fn give_back(self, connection: Box<Connection>) {
        if let Some(pool) = self.0.upgrade() {
            pool.give_back(connection);
        }
    }
}

#[cfg(test)]
mod tests;
