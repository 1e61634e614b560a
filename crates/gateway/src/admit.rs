//! May it run now: rate, tokens, parallel requests and budget over all scopes that apply, all or nothing.
//!
//! A request that is rejected consumes nothing. One that is admitted holds a [`Ticket`], which gives back
//! its place and settles its reservation on every way out, by `Drop` at the latest.

mod allowance;
mod budget;
mod rejection;
mod reservation;
mod scope;
mod table;
mod window;

use std::sync::Arc;

use ambient::{Clock, Timestamp};
use ledger::Nanos;
use snapshot::{Limits, Spent};
use tokio::time::Instant;

pub(crate) use allowance::Allowance;
pub(crate) use rejection::{Limit, Rejection};
pub(crate) use reservation::reservation;
pub(crate) use scope::Scope;
pub(crate) use table::{Kind, ScopeTable};
pub(crate) use window::Window;

/// Kinds of scopes: key, team, model, everything.
const KINDS: usize = 4;

/// Where the model stands among them.
const MODEL: usize = 2;

/// A scope that applies to a request, with its limits and its name as they are now.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) scope: Arc<Scope>,
    pub(crate) limits: Limits,
    /// How people know it, as `key 'ci'`.
    pub(crate) name: Arc<str>,
}

/// The scopes that apply to one request, always in the order key, team, model, everything: so locks cannot cross, and
/// the narrowest limit is named first.
pub(crate) type Scopes = [Option<Arc<Applied>>; KINDS];

/// What a request may use, by estimate: set aside while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reserved {
    /// Tokens of prompt and answer.
    pub(crate) tokens: u64,
    pub(crate) cost: Nanos,
}

/// A moment on both clocks: windows go by the one that never jumps, budgets by the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'c> {
    pub(crate) instant: Instant,
    /// Asked only where it matters: that takes as long as all the rest.
    pub(crate) clock: &'c Clock,
}

/// The right to run, held while a request runs.
#[derive(Debug)]
pub(crate) struct Ticket {
    scopes: Scopes,
    /// The window that each scope has counted the request in.
    windows: [Option<Instant>; KINDS],
    reserved: Reserved,
    /// What the request used; until it is settled, nothing.
    used: Reserved,
    clock: Clock,
}

// === impl Applied ===

impl Applied {
    /// Goes on under the same limits in a new snapshot, by which `spent` was spent.
    pub(crate) fn follow(&self, spent: &Spent, now: Timestamp) {
        // Only budgets with a period have something to follow.
        if self.limits.budget_period.is_some() {
            self.scope.follow(&self.limits, spent, now);
        }
    }
}

/// Takes a place in every scope, or in none. Also says what is left afterwards.
pub(crate) fn admit(scopes: Scopes, reserved: Reserved, clock: &Clock) -> Result<(Ticket, Allowance), Rejection> {
    admit_at(scopes, reserved, Moment { instant: Instant::now(), clock })
}

fn admit_at(scopes: Scopes, reserved: Reserved, now: Moment<'_>) -> Result<(Ticket, Allowance), Rejection> {
    let mut held = scopes.each_ref().map(|applied| applied.as_ref().map(|applied| (applied, applied.scope.lock())));
    let refused = held.iter_mut().flatten().find_map(|(applied, counters)| {
        let (limit, retry_after) = counters.check(&applied.limits, reserved, now).err()?;
        Some((applied.name.clone(), limit, retry_after))
    });
    if let Some((scope, limit, retry_after)) = refused {
        let mut allowance = Allowance::default();
        for (applied, counters) in held.iter().flatten() {
            allowance.narrow(&applied.limits, counters, now.instant);
        }
        return Err(Rejection { scope, limit, retry_after, allowance });
    }
    let windows = held.each_mut().map(|held| held.as_mut().map(|(_, counters)| counters.take(reserved, now.instant)));
    let mut allowance = Allowance::default();
    for (applied, counters) in held.iter().flatten() {
        allowance.narrow(&applied.limits, counters, now.instant);
    }
    drop(held);
    Ok((Ticket { scopes, windows, reserved, used: Reserved::default(), clock: now.clock.clone() }, allowance))
}

// === impl Ticket ===

impl Ticket {
    /// Ends the request: what it used takes the place of what was set aside.
    pub(crate) fn settle(mut self, tokens: u64, cost: Nanos) {
        self.used = Reserved { tokens, cost };
    }

    /// Another model serves the request: it gets a place there, `reserved` is set aside everywhere in place of what was,
    /// and the model before gives its place back. All or nothing: where that does not fit, all stays as it was.
    pub(crate) fn move_to(&mut self, model: &Arc<Applied>, reserved: Reserved) -> Result<(), Rejection> {
        self.move_at(model, reserved, Instant::now())
    }

    fn move_at(&mut self, model: &Arc<Applied>, reserved: Reserved, instant: Instant) -> Result<(), Rejection> {
        let now = Moment { instant, clock: &self.clock };
        let mut scopes = self.scopes.clone();
        scopes[MODEL] = Some(model.clone());
        let mut held = scopes.each_ref().map(|applied| applied.as_ref().map(|applied| (applied, applied.scope.lock())));
        for (kind, (applied, counters)) in held.iter_mut().enumerate().filter_map(|(n, held)| Some((n, held.as_mut()?)))
        {
            let checked = match self.windows[kind].filter(|_| kind != MODEL) {
                Some(window) => counters.check_exchange(&applied.limits, (self.reserved, window), reserved, now),
                None => counters.check(&applied.limits, reserved, now),
            };
            if let Err((limit, retry_after)) = checked {
                return Err(Rejection {
                    scope: applied.name.clone(),
                    limit,
                    retry_after,
                    allowance: Allowance::default(),
                });
            }
        }
        let mut windows = self.windows;
        for (kind, (_, counters)) in held.iter_mut().enumerate().filter_map(|(n, held)| Some((n, held.as_mut()?))) {
            match self.windows[kind].filter(|_| kind != MODEL) {
                Some(window) => counters.exchange((self.reserved, window), reserved),
                None => windows[kind] = Some(counters.take(reserved, now.instant)),
            }
        }
        drop(held);
        // Alone, so that locks of two models are never held together.
        if let (Some(before), Some(window)) = (&self.scopes[MODEL], self.windows[MODEL]) {
            before.scope.lock().give_back(self.reserved, Reserved::default(), window, &self.clock);
        }
        (self.scopes, self.windows, self.reserved) = (scopes, windows, reserved);
        Ok(())
    }

    /// Takes the request back as if it had never come: it could not be written down.
    pub(crate) fn cancel(mut self) {
        let windows = self.windows;
        for (applied, window) in std::mem::take(&mut self.scopes).iter().flatten().zip(windows.into_iter().flatten()) {
            applied.scope.lock().give_back_whole(self.reserved, window);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        for (applied, window) in self.scopes.iter().flatten().zip(self.windows.into_iter().flatten()) {
            applied.scope.lock().give_back(self.reserved, self.used, window, &self.clock);
        }
    }
}

#[cfg(test)]
mod tests;
