use std::sync::Arc;

use crate::authenticate::Caller;
use crate::edge::Peer;
use crate::meter::Account;
use crate::responses::Thread;
use crate::route::Need;
use crate::serving::{ModelState, Serving};
use crate::upstream::{Outbound, Reason};

/// A request on its way to an engine of a model.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) serving: &'a Serving,
    pub(super) caller: &'a Caller,
    pub(super) model: &'a Arc<ModelState>,
    pub(super) outbound: &'a Outbound,
    pub(super) thread: &'a Thread,
    pub(super) peer: &'a Peer,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// What it wants of a deployment.
    pub(super) fn need(&self, account: &Account) -> Need<'static> {
        let of_key = self.caller.routing().and_then(|routing| routing.strategy);
        let strategy = of_key.unwrap_or(self.model.model.strategy);
        let settings = &self.serving.settings.routing;
        let need = Need::new(strategy, account.prompt_tokens(), self.outbound.load.stream(), settings);
        Need { tracks: self.serving.tracks, ..need }
    }

    /// Further tries after one that failed for this reason. A key's own number holds whatever the policies say.
    pub(super) fn retries(&self, reason: Reason, is_retryable: bool) -> u32 {
        let settings = &self.serving.settings;
        let any = |count: u32| if is_retryable { count } else { 0 };
        if let Some(of_key) = self.caller.retries() {
            return any(of_key);
        }
        let model = &self.model.model;
        let by_reason =
            reason.in_policy(&model.retry_policy).or_else(|| reason.in_policy(&settings.routing.retry_policy));
        by_reason.unwrap_or_else(|| any(model.retries.unwrap_or(settings.retries)))
    }

    /// Whether a refusal of the request itself is not the end: another model may take it, or it is tried again.
    pub(super) fn minds_refusals(&self) -> bool {
        let [of_model, of_all] = [&self.model.model.retry_policy, &self.serving.settings.routing.retry_policy];
        let tries = |reason: Reason| reason.in_policy(of_model).or_else(|| reason.in_policy(of_all)).is_some();
        self.has_others() || tries(Reason::BadRequest) || tries(Reason::ContentPolicy)
    }

    /// The models that are to take over from this one after it failed for `reason`.
    pub(super) fn others(&self, reason: Reason) -> &'a [Arc<str>] {
        let (caller, model): (&'a Caller, &'a ModelState) = (self.caller, self.model);
        match caller.routing() {
            Some(routing) if routing.disable_fallbacks => &[],
            Some(routing) if routing.fallbacks.contains_key(&model.model.name) => &routing.fallbacks[&model.model.name],
            _ => reason.among(&model.model.fallbacks),
        }
    }

    fn has_others(&self) -> bool {
        !self.model.model.fallbacks.is_empty()
            || self.caller.routing().is_some_and(|routing| routing.fallbacks.contains_key(&self.model.model.name))
    }
}
