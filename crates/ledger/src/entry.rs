use std::sync::Arc;

use crate::books::Desk;
use crate::flight::{Flight, MAX_NAME, cut_name, cut_word};
use crate::{Attempt, Event, MAX_ATTEMPTS, Nanos, Open, Outcome, Price, Progress, Unavailable, Usage, UsageSource};

/// Bytes of a deployment's id in a record at most.
const MAX_DEPLOYMENT: usize = 128;
/// Bytes of a fault in a record at most.
const MAX_FAULT: usize = 32;

/// A request that is not in the books yet, so no engine may see it.
#[derive(Debug)]
pub struct Prepared {
    desk: Arc<Desk>,
    flight: Arc<Flight>,
    /// Whether [`Prepared::written`] was called.
    is_asked: bool,
}

/// An admitted request in the books. It is settled exactly once: by [`Entry::settle`], else when it is dropped.
#[derive(Debug)]
pub struct Entry {
    desk: Arc<Desk>,
    flight: Arc<Flight>,
    attempts: Vec<Attempt>,
    /// What is known with the model that serves it, where that is another one than was asked for.
    moved: Option<Arc<Open>>,
    settled: Option<Nanos>,
}

/// How a request ended, as the gateway saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub outcome: Outcome,
    /// Status the client saw; 0 if none was sent.
    pub status: u16,
    /// What it used.
    pub usage: Usage,
    /// Where `usage` comes from. [`UsageSource::None`] and [`UsageSource::Cache`] cost nothing, whatever the price.
    pub usage_source: UsageSource,
}

// === impl Prepared ===

impl Prepared {
    pub(crate) fn new(desk: Arc<Desk>, flight: Arc<Flight>) -> Self {
        Self { desk, flight, is_asked: false }
    }

    /// Admits the request when it is written down: by this call, unless somebody else's was first.
    pub fn written(mut self) -> Result<Entry, Unavailable> {
        self.is_asked = true;
        self.enter()
    }

    fn enter(&self) -> Result<Entry, Unavailable> {
        if self.flight.admitted.get().is_none() {
            self.desk.flush();
        }
        let lost = || Err(Unavailable::Failing("a record was lost on its way to the spool".into()));
        self.flight.admitted.get().cloned().unwrap_or_else(lost)?;
        Ok(Entry::new(self.desk.clone(), self.flight.clone()))
    }
}

impl Drop for Prepared {
    /// Its record may be written with the others': then it ends as any other that lost its client.
    fn drop(&mut self) {
        if !self.is_asked {
            drop(self.enter());
        }
    }
}

// === impl Entry ===

impl Entry {
    fn new(desk: Arc<Desk>, flight: Arc<Flight>) -> Self {
        Self { desk, flight, attempts: Vec::new(), moved: None, settled: None }
    }

    /// What was known at admission, and which model serves it.
    pub fn open(&self) -> &Open {
        self.moved.as_deref().unwrap_or(&self.flight.open)
    }

    /// From here on `model` serves the request at its own price; the model that was asked for is kept beside it. A crash
    /// before the next checkpoint leaves an event of the model before.
    pub fn move_to(&mut self, model: Arc<str>, price: Price, reserved: Nanos) {
        let asked = &self.flight.open;
        let is_back = asked.model == model;
        let requested = Some(asked.model.clone());
        let moved = Open { model: cut_name(model, MAX_NAME), price, reserved, requested, ..asked.clone() };
        self.moved = (!is_back).then(|| Arc::new(moved));
        self.flight.moved.lock().clone_from(&self.moved);
    }

    /// Where to count what is relayed.
    pub fn progress(&self) -> &Progress {
        &self.flight.progress
    }

    /// Lists a try at a deployment. Past [`MAX_ATTEMPTS`] the last one listed gives way to the newest.
    pub fn attempt(&mut self, attempt: Attempt) {
        self.attempts.truncate(MAX_ATTEMPTS - 1);
        self.attempts.push(Attempt {
            deployment: cut_name(attempt.deployment, MAX_DEPLOYMENT),
            fault: cut_word(attempt.fault, MAX_FAULT),
            ..attempt
        });
    }

    /// Says why the last try listed broke off after it had begun to answer.
    pub fn attempt_broke(&mut self, fault: &'static str) {
        if let Some(last) = self.attempts.last_mut() {
            last.fault = cut_word(fault.into(), MAX_FAULT);
        }
    }

    /// The tries listed so far.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What the request used by estimate: for settlement where the engine reported nothing.
    pub fn estimate(&self) -> (Usage, UsageSource) {
        let progress = &self.flight.progress;
        self.open().estimate(progress.relayed_bytes(), progress.relayed_tokens())
    }

    /// Closes the request at the price of its admission and returns what it cost.
    ///
    /// Only the first call settles; a later one returns the same cost again. When it returns, the close is written, or
    /// waits in memory because that failed.
    pub fn settle(&mut self, settlement: Settlement) -> Nanos {
        let cost = self.settle_with_others(settlement);
        self.desk.flush();
        cost
    }

    /// As [`Self::settle`], but the close is written by the next who writes anything, or in the keeper's next round. A
    /// crash before makes the request `interrupted`, so [`Books::flush`](crate::Books::flush) has to come before the
    /// last byte goes to the client.
    pub fn settle_with_others(&mut self, settlement: Settlement) -> Nanos {
        if let Some(cost) = self.settled {
            return cost;
        }
        let cost = match settlement.usage_source {
            UsageSource::None | UsageSource::Cache => Nanos::ZERO,
            UsageSource::Engine | UsageSource::Estimate => self.open().price.cost(&settlement.usage),
        };
        self.settled = Some(cost);
        self.desk.close(Box::new(Event {
            open: self.open().clone(),
            closed_at: self.desk.now(),
            outcome: settlement.outcome,
            status: settlement.status,
            usage: settlement.usage,
            usage_source: settlement.usage_source,
            cost,
            first_byte_micros: self.flight.progress.first_byte_micros(),
            attempts: std::mem::take(&mut self.attempts),
        }));
        cost
    }
}

impl Drop for Entry {
    /// Who drops a request unsettled has lost its client: billed by estimate if anything was relayed.
    fn drop(&mut self) {
        if self.settled.is_none() {
            let (usage, usage_source) = self.estimate();
            self.settle(Settlement { outcome: Outcome::Disconnected, status: 0, usage, usage_source });
        }
    }
}
