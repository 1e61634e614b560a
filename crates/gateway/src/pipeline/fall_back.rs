//! Another model takes over from one that failed, as long as nothing was sent to the client.

use std::sync::Arc;

use http::Response;

use super::Asked;
use super::answer::ask;
use super::failed::Failed;
use crate::edge::Body;
use crate::gateway::Gateway;
use crate::rescue::Cause;
use crate::serving::ModelState;

/// The models that are still to be asked, each once; the one that was asked for is the first that is not.
#[derive(Debug)]
struct Hops {
    /// Names in the order in which they are asked, the next one last.
    to_come: Vec<Arc<str>>,
    asked: Vec<Arc<str>>,
    most: usize,
}

/// Asks the models that are to take over, one after the other, under the same rules as if they had been asked for: the
/// caller may use them, they have the API, and their limits leave room. Where none answers, the client reads why the
/// model failed that was asked for.
pub(super) async fn fall_back(
    gateway: &Gateway,
    first: Asked<'_>,
    failed: Box<Failed>,
) -> Result<Response<Body>, Cause> {
    let Failed { mut account, failure, may_go_on } = *failed;
    let mut hops = Hops::new(first.model, first.serving.settings.routing.max_fallbacks);
    let mut reason = failure.reason();
    hops.add(first.others(reason));
    let mut at = first.model.clone();
    while let Some(next) = hops.next().filter(|_| may_go_on) {
        let Some(model) = reachable(first, &next) else { continue };
        if let Err(rejection) = account.move_to(&model) {
            tracing::debug!(model_name = %next, "`{next}` cannot take over: {rejection}");
            continue;
        }
        at.metrics.fell_back(&model.metrics, reason.as_str());
        tracing::info!(
            request_id = %account.request_id(), model_name = %at.model.name, fallback = %next, reason = reason.as_str(),
            "`{next}` takes over from `{}`", at.model.name
        );
        hops.took(&next);
        let asked = Asked { model: &model, ..first };
        // Nothing of it is kept: once the model that was asked for is well again, its own answers are wanted.
        match ask(gateway, asked, account, None).await {
            Ok(response) => return Ok(response),
            Err(other) if !other.may_go_on => return other.answer(),
            Err(other) => {
                reason = other.failure.reason();
                hops.add(asked.others(reason));
                account = other.account;
            }
        }
        at = model;
    }
    if account.fallbacks() > 0 {
        account.move_back(first.model);
    }
    Failed { account, failure, may_go_on: false }.answer()
}

/// The model called `name`, if it may take over.
fn reachable(asked: Asked<'_>, name: &str) -> Option<Arc<ModelState>> {
    let model = asked.serving.models.get(name)?;
    let model_type = model.model.model_type;
    let fits = asked.outbound.api.serves(model_type) && asked.model.model.model_type.is_alike(model_type);
    (fits && asked.caller.may_fall_back_to(&model.model)).then(|| model.clone())
}

// === impl Hops ===

impl Hops {
    fn new(asked: &ModelState, most: u32) -> Self {
        Self { to_come: Vec::new(), asked: vec![asked.model.name.clone()], most: most as usize }
    }

    /// What takes over from the model that was asked last comes before all others.
    fn add(&mut self, others: &[Arc<str>]) {
        self.to_come.extend(others.iter().rev().cloned());
    }

    /// The next one that was not asked yet.
    fn next(&mut self) -> Option<Arc<str>> {
        if self.asked.len() > self.most {
            return None;
        }
        while let Some(next) = self.to_come.pop() {
            if !self.asked.contains(&next) {
                return Some(next);
            }
        }
        None
    }

    fn took(&mut self, name: &Arc<str>) {
        self.asked.push(name.clone());
    }
}
