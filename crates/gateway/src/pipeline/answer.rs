use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::time::{Instant, sleep};

use super::Asked;
use super::respond::respond;
use crate::admit::{Allowance, Limit, Rejection};
use crate::cache::Fill;
use crate::edge::{Body, BodyFault};
use crate::gateway::Gateway;
use crate::load::{Form, FormFault};
use crate::meter::Account;
use crate::rescue::Cause;
use crate::route::{Patience, Pick, choose, pinned};
use crate::serving::ModelState;
use crate::upstream::{Fault, MaxBytes, attempt};

/// Wait before a replica is asked again that has just failed; longer each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Tries replicas until one answers; nothing was sent to the client yet, so each can take over from the last.
pub(super) async fn answer(
    gateway: &Gateway,
    asked: Asked<'_>,
    mut account: Account,
    fill: Option<Fill>,
) -> Result<Response<Body>, Cause> {
    let Asked { settings, retries, model, outbound, .. } = asked;
    let max = MaxBytes { answer: settings.max_response_bytes, sum: settings.max_buffered_bytes };
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut last = None;
    for attempt_number in 0..=retries {
        let mut began = Instant::now();
        let pick = match &asked.thread.replica {
            Some(replica) => pinned(model, replica, began),
            None => choose(model, &tried, &gateway.rng, began),
        };
        let Some(pick) = pick else { break };
        if tried.contains(&pick.replica.replica.id) {
            // Nothing else is left: give it a moment, unless it asked for more than that.
            if last.as_ref().is_some_and(Cause::asks_to_wait) {
                break;
            }
            sleep(PAUSE * attempt_number).await;
            began = Instant::now();
        }
        let result = attempt(outbound, &pick, max, &asked.peer.timer).await;
        account.attempted(&pick, result.as_ref().map(|answered| answered.status().as_u16()), began);
        match result {
            Ok(answered) => {
                return Ok(respond(asked, pick, answered, account, fill));
            }
            Err(fault) => {
                if fault.blames_replica() {
                    pick.replica.failed(Patience::of(settings), Instant::now());
                }
                tried.push(pick.replica.replica.id.clone());
                let is_retryable = fault.is_retryable() && !outbound.load.form().is_some_and(Form::is_spent);
                if let Fault::Upload(fault) = fault {
                    return Err(upload_broke(fault, account));
                }
                last = Some(upstream_cause(model, &pick, fault));
                if !is_retryable {
                    break;
                }
            }
        }
    }
    let cause = last.unwrap_or_else(|| unserved(model));
    account.failed(cause.status().as_u16());
    Err(cause)
}

/// The client's request broke while an engine received it. One that has gone is not told.
fn upload_broke(fault: FormFault, mut account: Account) -> Cause {
    let is_gone = matches!(fault, FormFault::Body(BodyFault::Broken));
    let cause = Cause::Upload(fault);
    if !is_gone {
        account.failed(cause.status().as_u16());
    }
    cause
}

/// Why there was nobody to ask.
fn unserved(model: &ModelState) -> Cause {
    let now = Instant::now();
    let full = model.deployments.iter().find(|deployment| !deployment.has_room(now));
    match full.and_then(|deployment| deployment.deployment.rpm) {
        Some(limit) => Cause::Rejected(Rejection {
            scope: format!("the deployments of model '{}'", model.model.name).into(),
            limit: Limit::Rpm(limit),
            retry_after: Some(Duration::from_secs(1)),
            allowance: Allowance::default(),
        }),
        None => Cause::NoReplica(model.model.name.clone()),
    }
}

fn upstream_cause(model: &ModelState, pick: &Pick, fault: Fault) -> Cause {
    let deployment = pick.deployment.deployment.id.clone();
    let model = model.model.name.clone();
    tracing::warn!(model_name = %model, %deployment, fault = fault.as_str(), "deployment `{deployment}` {fault}");
    Cause::Upstream { model, deployment, fault }
}
