use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::claim;
use super::lease::Lease;
use crate::{Cause, Error, Result};

/// How long our own callers wait for each other.
const QUEUE: Duration = Duration::from_secs(15);
/// How long the server may take to accept a connection and let us in.
const CONNECT: Duration = Duration::from_secs(3);
/// How much later than the server we give a statement up.
const GRACE: Duration = Duration::from_secs(2);

/// A few connections of one kind, made when they are wanted.
///
/// Unlike sqlx's pool it says at once why a connection cannot be had, and never hands on one whose transaction or answer
/// is in doubt.
#[derive(Debug)]
pub(super) struct Connections {
    name: &'static str,
    options: PgConnectOptions,
    /// How long one statement may take.
    bound: Duration,
    /// Whether each connection takes the database for this manager alone.
    claims: bool,
    /// The session that took it last.
    claimed: Mutex<Option<claim::Session>>,
    most: u32,
    slots: Semaphore,
    /// At most as many as there are slots.
    pub(super) idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) connection: PgConnection,
    /// Whether a transaction was left open, without trouble.
    pub(super) open: bool,
}

// === impl Connections ===

impl Connections {
    pub(super) fn new(name: &'static str, (options, millis): (PgConnectOptions, u64), most: u32) -> Self {
        let bound = Duration::from_millis(millis) + GRACE;
        let slots = Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX));
        Self { name, options, bound, claims: false, claimed: Mutex::default(), most, slots, idle: Mutex::default() }
    }

    pub(super) fn claiming(self, claims: bool) -> Self {
        Self { claims, ..self }
    }

    /// A connection for one caller.
    pub(super) async fn lease(&self) -> Result<Lease<'_>> {
        let slot = match timeout(QUEUE, self.slots.acquire()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_closed)) => return Err(Error::new(self.name, Cause::Away, "the store is closed")),
            Err(_) => return Err(Error::new(self.name, Cause::Locked, "all connections are busy")),
        };
        if let Some(idle) = self.take() {
            let mut lease = Lease::new(self, idle.connection, slot, self.bound, true);
            if !idle.open || lease.roll_back().await.is_ok() {
                return Ok(lease);
            }
            return self.renew(lease).await;
        }
        let connection = self.connect().await?;
        Ok(Lease::new(self, connection, slot, self.bound, false))
    }

    /// A new connection in place of one whose server has gone. The others that are idle have lost it too.
    pub(super) async fn renew<'c>(&'c self, lease: Lease<'c>) -> Result<Lease<'c>> {
        self.idle.lock().clear();
        let slot = lease.give_up();
        let connection = self.connect().await?;
        Ok(Lease::new(self, connection, slot, self.bound, false))
    }

    fn take(&self) -> Option<Idle> {
        self.idle.lock().pop()
    }

    async fn connect(&self) -> Result<PgConnection> {
        let connected = timeout(CONNECT, self.options.connect()).await;
        let mut connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Error::from_sqlx(self.name, &error)),
            Err(_) => return Err(Error::new(self.name, Cause::Away, "the server does not let us in in time")),
        };
        if self.claims {
            let former = self.claimed.lock().clone();
            let session = claim::take(self.name, &mut connection, former).await?;
            *self.claimed.lock() = session;
        }
        Ok(connection)
    }

    pub(super) async fn close(&self) {
        // Whoever has one now gives it back first.
        let _ = timeout(QUEUE, self.slots.acquire_many(self.most)).await;
        self.slots.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for Idle { connection, .. } in idle {
            let _ = timeout(CONNECT, connection.close()).await;
        }
    }
}
