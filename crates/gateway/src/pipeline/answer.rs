use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::time::{Instant, sleep};

use super::Asked;
use super::failed::{Failed, Failure};
use super::respond::respond;
use crate::admit::{Allowance, Limit, Rejection};
use crate::cache::Fill;
use crate::edge::{Body, BodyFault};
use crate::gateway::Gateway;
use crate::load::{Form, FormFault};
use crate::meter::Account;
use crate::rescue::Cause;
use crate::route::{Need, Observed, Patience, Pick, choose, pinned};
use crate::serving::ModelState;
use crate::upstream::{Answered, Fault, MaxBytes, Reason, attempt};

/// Wait before a replica is asked again that has just failed; longer each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Tries replicas of the model until one answers; nothing was sent to the client yet, so each can take over from the last.
pub(super) async fn ask(
    gateway: &Gateway,
    asked: Asked<'_>,
    mut account: Account,
    fill: Option<Fill>,
) -> Result<Response<Body>, Box<Failed>> {
    let Asked { serving, model, outbound, .. } = asked;
    let settings = &serving.settings;
    let max = MaxBytes { answer: settings.max_response_bytes, sum: settings.max_buffered_bytes };
    let need = asked.need(&account);
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut last = None;
    for attempt_number in 0.. {
        let mut began = Instant::now();
        let pick = match &asked.thread.replica {
            Some(replica) => pinned(model, replica, need, began),
            None => choose(model, need.after(&tried), &gateway.rng, began),
        };
        let Some(pick) = pick else { break };
        if tried.contains(&pick.replica.replica.id) {
            // Nothing else is left: give it a moment, unless it asked for more than that.
            if last.as_ref().is_some_and(Failure::asks_to_wait) {
                break;
            }
            sleep(PAUSE * attempt_number).await;
            began = Instant::now();
        }
        let result = attempt(outbound, &pick, max, &asked.peer.timer).await;
        account.attempted(&pick, result.as_ref().map(|answered| answered.status().as_u16()), began);
        let failure = match result {
            Ok(Answered::Refused { status, headers, body }) if asked.minds_refusals() => {
                pick.replica.succeeded();
                Failure::Refused { reason: Reason::of_refusal(status, &body), status, headers, body }
            }
            Ok(answered) => {
                let is_stream = matches!(answered, Answered::Stream { .. });
                account.tell(Observed::of(&pick, need.tracks, began, is_stream));
                return Ok(respond(asked, pick, answered, account, fill, attempt_number));
            }
            Err(Fault::Upload(fault)) => return Err(upload_broke(fault, account)),
            Err(fault) => blame(asked, &pick, need, fault),
        };
        if let Some(taken) = pick.taken {
            pick.deployment.used(taken, 0);
        }
        tried.push(pick.replica.replica.id.clone());
        let is_spent = outbound.load.form().is_some_and(Form::is_spent);
        let retries = if is_spent { 0 } else { asked.retries(failure.reason(), failure.is_retryable()) };
        last = Some(failure);
        if attempt_number >= retries {
            break;
        }
    }
    let failure = last.unwrap_or_else(|| unserved(model, need));
    // Only the replica that made a response knows it, and what was sent cannot be sent again.
    let may_go_on = asked.thread.replica.is_none() && !outbound.load.form().is_some_and(Form::is_spent);
    Err(Box::new(Failed { account, failure, may_go_on }))
}

/// The client's request broke while an engine received it. One that has gone is not told.
fn upload_broke(fault: FormFault, account: Account) -> Box<Failed> {
    let is_gone = matches!(fault, FormFault::Body(BodyFault::Broken));
    let cause = Cause::Upload(fault);
    let failure = if is_gone { Failure::Gone(cause) } else { Failure::Cause(cause, Reason::BadRequest, false) };
    Box::new(Failed { account, failure, may_go_on: false })
}

/// Takes down a failure of a replica.
fn blame(asked: Asked<'_>, pick: &Pick, need: Need<'_>, fault: Fault) -> Failure {
    let (reason, now) = (Reason::of_fault(&fault), Instant::now());
    if fault.blames_replica() {
        pick.replica.failed(Patience::with(&asked.serving.settings, reason), now);
    }
    if reason == Reason::Timeout && need.tracks.latency {
        pick.deployment.latencies().timed_out(now);
    }
    let is_retryable = fault.is_retryable();
    Failure::Cause(upstream_cause(asked.model, pick, fault), reason, is_retryable)
}

/// Why there was nobody to ask.
fn unserved(model: &ModelState, need: Need<'_>) -> Failure {
    let now = Instant::now();
    let name = &model.model.name;
    let full = model.deployments.iter().find(|deployment| !deployment.has_room(need.prompt_tokens, now));
    if let Some(full) = full {
        let limit = match (full.deployment.rpm, full.deployment.tpm) {
            (Some(limit), None) => Limit::Rpm(limit),
            (_, limit) => Limit::Tpm { limit: limit.unwrap_or_default(), wanted: need.prompt_tokens },
        };
        let cause = Cause::Rejected(Rejection {
            scope: format!("the deployments of model '{name}'").into(),
            limit,
            retry_after: Some(Duration::from_secs(1)),
            allowance: Allowance::default(),
        });
        return Failure::Cause(cause, Reason::RateLimit, false);
    }
    let longest = model.deployments.iter().filter_map(|deployment| deployment.deployment.max_input_tokens).max();
    match longest {
        Some(most) if !model.deployments.iter().any(|deployment| need.fits(deployment)) => {
            let cause = Cause::TooLong { model: name.clone(), tokens: need.prompt_tokens, most };
            Failure::Cause(cause, Reason::ContextWindow, false)
        }
        _ => Failure::Cause(Cause::NoReplica(name.clone()), Reason::NoDeployment, false),
    }
}

fn upstream_cause(model: &ModelState, pick: &Pick, fault: Fault) -> Cause {
    let deployment = pick.deployment.deployment.id.clone();
    let model = model.model.name.clone();
    tracing::warn!(model_name = %model, %deployment, fault = fault.as_str(), "deployment `{deployment}` {fault}");
    Cause::Upstream { model, deployment, fault }
}
