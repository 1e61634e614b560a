//! May it run now: rate, parallel requests and budget over all scopes that apply, all or nothing.
//!
//! A request that is rejected consumes nothing. One that is admitted holds a [`Ticket`], which gives back
//! its place and settles its reservation on every way out, by `Drop` at the latest.

mod reservation;
mod scope;
mod window;

use std::sync::Arc;
use std::time::Duration;

use ledger::Nanos;
use snapshot::Limits;
use tokio::time::Instant;

pub(crate) use reservation::reservation;
pub(crate) use scope::Scope;
pub(crate) use window::Window;

/// A scope that applies to a request, with its limits and its name as they are now.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) scope: Arc<Scope>,
    pub(crate) limits: Limits,
    /// How people know it, as `key 'ci'`.
    pub(crate) name: Arc<str>,
}

/// Why a request may not run now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} of {scope} reached")]
pub(crate) struct Rejection {
    /// Whose limit it is, as people know it.
    pub(crate) scope: String,
    /// Which limit it is.
    pub(crate) limit: Limit,
    /// When it is worth trying again; none where waiting does not help.
    pub(crate) retry_after: Option<Duration>,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Requests a minute.
    Rpm(u64),
    /// Requests at once.
    Parallel(u64),
    /// What it may spend.
    Budget(Nanos),
}

/// The right to run, held while a request runs.
#[derive(Debug)]
pub(crate) struct Ticket {
    scopes: Vec<Arc<Scope>>,
    reserved: Nanos,
    /// What the request cost; until it is settled, nothing.
    cost: Nanos,
}

/// Takes a place in every scope, or in none.
pub(crate) fn admit(scopes: &[Applied], reserved: Nanos, now: Instant) -> Result<Ticket, Rejection> {
    // Every request has its scopes in the same order (key, team, model, global), so that locks cannot cross.
    let mut held: Vec<_> = scopes.iter().map(|applied| (applied, applied.scope.lock())).collect();
    for (Applied { limits, name, .. }, counters) in &held {
        counters.check(limits, reserved, now).map_err(|(limit, retry_after)| Rejection {
            scope: name.to_string(),
            limit,
            retry_after,
        })?;
    }
    for (_, counters) in &mut held {
        counters.take(reserved, now);
    }
    drop(held);
    let scopes = scopes.iter().map(|applied| applied.scope.clone()).collect();
    Ok(Ticket { scopes, reserved, cost: Nanos::ZERO })
}

// === impl Ticket ===

impl Ticket {
    /// Ends the request: its cost takes the place of its reservation.
    pub(crate) fn settle(mut self, cost: Nanos) {
        self.cost = cost;
    }

    /// Takes the request back as if it had never come: it could not be written down.
    pub(crate) fn cancel(mut self) {
        for scope in std::mem::take(&mut self.scopes) {
            scope.lock().give_back_whole(self.reserved);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        for scope in &self.scopes {
            scope.lock().give_back(self.reserved, self.cost);
        }
    }
}

// === impl Limit ===

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rpm(limit) => write!(f, "limit of {limit} requests per minute"),
            Self::Parallel(limit) => write!(f, "limit of {limit} parallel requests"),
            Self::Budget(limit) => write!(f, "budget of {limit}"),
        }
    }
}

#[cfg(test)]
mod tests;
