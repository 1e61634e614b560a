use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Attempt, Entry, Outcome, Settlement, Usage, UsageSource};
use tokio::time::Instant;

use super::Report;
use crate::admit::{Rejection, Ticket, reservation};
use crate::demand::Demand;
use crate::metrics::RequestMetrics;
use crate::route::{Observed, Pick};
use crate::serving::ModelState;
use crate::surface::Meter;
use crate::upstream::Fault;

/// The target of the lines that tell of each request's end.
pub(crate) const ACCESS_LOG: &str = "access";

/// An admitted request's place in the books, its ticket and its metrics, which end together: by
/// [`Account::settle`], or when it is dropped because the client has gone.
#[derive(Debug)]
pub(crate) struct Account {
    entry: Entry,
    /// Taken at settlement.
    ticket: Option<Ticket>,
    metrics: RequestMetrics,
    meter: Meter,
    demand: Demand,
    started: Instant,
    /// Time spent on engines so far.
    waited: Duration,
    /// When the last try at one ended: the answer goes out right after it.
    tried: Option<Instant>,
    /// Status that was sent to the client; 0 before.
    status: u16,
    /// Whether its end is written with others', before the answer goes out.
    ends_with_others: bool,
    /// Models that it was passed on to.
    fallbacks: u32,
    /// Who wants to know how it went.
    observed: Option<Box<Observed>>,
}

// === impl Account ===

impl Account {
    pub(crate) fn new(
        entry: Entry,
        ticket: Ticket,
        metrics: RequestMetrics,
        (meter, demand): (Meter, Demand),
        started: Instant,
    ) -> Self {
        Self {
            entry,
            ticket: Some(ticket),
            metrics,
            meter,
            demand,
            started,
            waited: Duration::ZERO,
            tried: None,
            status: 0,
            ends_with_others: false,
            fallbacks: 0,
            observed: None,
        }
    }

    /// Another model takes over under its own limits and at its own price; unless they, or those that hold anyway, forbid
    /// that: then all stays as it was.
    pub(crate) fn move_to(&mut self, model: &ModelState) -> Result<(), Rejection> {
        let reserved = reservation(&self.demand, model.model.context_length, &model.model.price);
        if let Some(ticket) = &mut self.ticket {
            ticket.move_to(&model.applied, reserved)?;
        }
        self.metrics.move_to(&model.metrics);
        self.entry.move_to(model.model.name.clone(), model.model.price, reserved.cost);
        self.fallbacks += 1;
        Ok(())
    }

    /// None could take over from `model`, which was asked for: what is told is its failure.
    pub(crate) fn move_back(&mut self, model: &ModelState) {
        self.metrics.move_to(&model.metrics);
        self.entry.move_to(model.model.name.clone(), model.model.price, ledger::Nanos::ZERO);
    }

    /// Models that it was passed on to so far.
    pub(crate) fn fallbacks(&self) -> u32 {
        self.fallbacks
    }

    /// Tokens of the prompt, by estimate.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        self.demand.prompt_tokens
    }

    /// Tells a deployment how it went, when it has ended.
    pub(crate) fn tell(&mut self, observed: Option<Box<Observed>>) {
        self.observed = observed;
    }

    /// Lists a try at a deployment.
    pub(crate) fn attempted(&mut self, pick: &Pick, result: Result<u16, &Fault>, began: Instant) {
        let (status, fault) = match result {
            Ok(status) => (status, ""),
            Err(fault) => (fault.status(), fault.as_str()),
        };
        let now = Instant::now();
        let took = now - began;
        self.waited += took;
        self.tried = Some(now);
        self.metrics.attempted(&pick.deployment, fault);
        self.entry.attempt(Attempt {
            deployment: Arc::clone(&pick.deployment.deployment.id),
            status,
            fault: Cow::Borrowed(fault),
            micros: micros(took),
        });
    }

    /// The head of the answer goes to the client. How long it took apart from the engines: our own overhead.
    pub(crate) fn answering(&mut self, status: u16) -> Duration {
        let after = self.tried.unwrap_or_else(Instant::now) - self.started;
        let overhead = after.saturating_sub(self.waited);
        self.status = status;
        self.entry.progress().first_byte(micros(after));
        self.metrics.first_byte(after, overhead);
        overhead
    }

    /// The answer is whole, so [`Gateway::answer`](crate::gateway::Gateway) will see to it that its end is written down.
    pub(crate) fn answers_whole(&mut self) {
        self.ends_with_others = true;
    }

    /// A piece of the answer goes to the client.
    pub(crate) fn relayed(&self, bytes: usize, tokens: u64) {
        self.entry.progress().relayed(bytes as u64, tokens);
    }

    /// The answer is complete. Where the engine reported no usage that can be believed, it is estimated.
    pub(crate) fn completed(&mut self, report: Report) {
        let (usage, source) = self.bill(report);
        self.settle(Outcome::Completed, usage, source);
    }

    /// The answer was there already: nothing was used.
    pub(crate) fn was_cached(&mut self, status: u16) -> Duration {
        let overhead = self.answering(status);
        self.settle(Outcome::Completed, Usage::default(), UsageSource::Cache);
        overhead
    }

    /// Its end was not seen: what was set aside for it is what it took.
    pub(crate) fn completed_unseen(&mut self) {
        self.settle(Outcome::Completed, self.demand.at_most(None), UsageSource::Estimate);
    }

    /// The id in logs, and towards the engine.
    pub(crate) fn request_id(&self) -> &Arc<str> {
        &self.entry.open().request_id
    }

    fn bill(&self, report: Report) -> (Usage, UsageSource) {
        report.bill(self.meter, &self.demand, self.entry.estimate())
    }

    /// Whether the request has ended in the books already.
    pub(crate) fn is_settled(&self) -> bool {
        self.metrics.is_ended()
    }

    /// No answer could be had: nothing was used.
    pub(crate) fn failed(&mut self, status: u16) {
        self.status = status;
        self.settle(Outcome::Failed, Usage::default(), UsageSource::None);
    }

    /// The answer broke off: what was relayed is billed, by the engine's own count where it gave one.
    pub(crate) fn broke_off(&mut self, report: Report, fault: &'static str) {
        let (usage, source) = self.bill(report);
        self.entry.attempt_broke(fault);
        if let Some(attempt) = self.entry.attempts().last() {
            self.metrics.broke_off(&attempt.deployment, fault);
        }
        self.settle(Outcome::Failed, usage, source);
    }

    fn log(&self, outcome: Outcome, usage: &Usage, took: Duration) {
        let open = self.entry.open();
        tracing::debug!(
            target: ACCESS_LOG,
            request_id = %open.request_id,
            key = %open.key,
            model_name = %open.model,
            endpoint = %open.surface,
            outcome = outcome.as_str(),
            status = self.status,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            duration_ms = took.as_millis(),
            "request ended: {}",
            outcome.as_str()
        );
    }

    fn settle(&mut self, outcome: Outcome, usage: Usage, usage_source: UsageSource) {
        // Only the first call settles: a stream can be dropped after its end.
        if self.is_settled() {
            return;
        }
        let settlement = Settlement { outcome, status: self.status, usage, usage_source };
        let cost = if self.ends_with_others {
            self.entry.settle_with_others(settlement)
        } else {
            self.entry.settle(settlement)
        };
        if let Some(ticket) = self.ticket.take() {
            ticket.settle(usage.total_tokens(), cost);
        }
        if let Some(observed) = self.observed.take() {
            observed.ended(outcome == Outcome::Completed, &usage);
        }
        let took = self.started.elapsed();
        self.metrics.end(outcome, self.status, &usage, took);
        self.log(outcome, &usage, took);
    }
}

impl Drop for Account {
    /// Dropped unsettled: the client has gone.
    fn drop(&mut self) {
        let (usage, source) = self.bill(Report::default());
        self.settle(Outcome::Disconnected, usage, source);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
