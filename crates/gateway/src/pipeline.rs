//! The way of a request, stage by stage.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use ledger::NewRequest;
use snapshot::Settings;
use tokio::time::{Instant, sleep};
use wire::{Edit, Peek, json_string, splice};

use crate::admit::{Limit, Rejection, admit, reservation};
use crate::authenticate::{Caller, Route, authenticate};
use crate::edge::{Body, BufferPermit, Peer, receive};
use crate::gateway::Gateway;
use crate::meter::{Account, Relay, Source};
use crate::rescue::Cause;
use crate::route::{Patience, Pick, choose};
use crate::serving::{ModelState, Serving};
use crate::surface::Api;
use crate::upstream::{Answered, Fault, MaxBytes, Outbound, attempt};

/// Wait before a replica is asked again that has just failed; longer each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves one request to a model.
pub(crate) async fn mediate(
    gateway: &Gateway,
    api: Api,
    request_id: &Arc<str>,
    request: Request<Incoming>,
    peer: &Peer,
) -> Result<Response<Body>, Cause> {
    let (head, body) = request.into_parts();
    let (body, permit) = receive_known(gateway, &head.headers, body).await?;
    let peek = Peek::parse(&body)?;

    // A body can take its time. What was changed meanwhile holds: a key that was blocked is blocked.
    let serving = gateway.serving()?;
    let caller = authenticate(&serving, &head.headers, gateway.clock.now())?;
    caller.may_enter(Route::Mediated)?;
    let model = find_model(&serving, &caller, api, &peek)?;
    let account = open_account(gateway, &caller, &model, api, request_id, &peek, body.len())?;
    let outbound = Outbound::new(api, peek, body, head.headers, request_id, permit);
    answer(gateway, &serving.settings, model, &outbound, account, peer).await
}

/// The body, if a valid key asks: strangers get no memory.
async fn receive_known(gateway: &Gateway, headers: &HeaderMap, body: Incoming) -> Result<(Bytes, BufferPermit), Cause> {
    let serving = gateway.serving()?;
    authenticate(&serving, headers, gateway.clock.now())?.may_enter(Route::Mediated)?;
    let Settings { max_body_bytes, max_buffered_bytes, .. } = serving.settings;
    Ok(receive(headers, body, &gateway.buffers, max_body_bytes, max_buffered_bytes).await?)
}

/// The model that the body names, if the caller may use it.
fn find_model(serving: &Serving, caller: &Caller, api: Api, peek: &Peek) -> Result<Arc<ModelState>, Cause> {
    let name = &peek.model.as_ref().ok_or(Cause::NoModel)?.value;
    let model = serving.models.get(name.as_str()).ok_or_else(|| Cause::ModelNotFound(name.clone()))?;
    if !caller.may_use(name) {
        return Err(Cause::ModelNotAllowed(name.clone()));
    }
    let model_type = model.model.model_type;
    if !api.serves(model_type) {
        return Err(Cause::WrongApi { model: model.model.name.clone(), model_type, path: api.path() });
    }
    Ok(model.clone())
}

/// Admits the request and writes that down: from here on it ends in exactly one event.
fn open_account(
    gateway: &Gateway,
    caller: &Caller,
    model: &ModelState,
    api: Api,
    request_id: &Arc<str>,
    peek: &Peek,
    body_bytes: usize,
) -> Result<Account, Cause> {
    let price = model.model.price;
    let (prompt_tokens_estimate, reserved) = reservation(api, peek, body_bytes, model.model.context_length, &price);
    let started = Instant::now();
    let ticket = match caller {
        Caller::Master => None,
        Caller::Key(key) => Some(admit(&key.scopes(), reserved, started)?),
    };
    let opened = gateway.books.admit(NewRequest {
        request_id: request_id.clone(),
        key: caller.id(),
        model: model.model.name.clone(),
        surface: Cow::Borrowed(api.as_str()),
        stream: peek.stream,
        price,
        prompt_tokens_estimate,
        reserved,
    });
    match opened {
        Ok(entry) => Ok(Account::new(entry, ticket, model.metrics.begin(api), started)),
        Err(unavailable) => {
            if let Some(ticket) = ticket {
                ticket.cancel();
            }
            Err(Cause::Books(unavailable.to_string()))
        }
    }
}

/// Tries replicas until one answers; nothing was sent to the client yet, so each can take over from the last.
async fn answer(
    gateway: &Gateway,
    settings: &Settings,
    model: Arc<ModelState>,
    outbound: &Outbound,
    mut account: Account,
    peer: &Peer,
) -> Result<Response<Body>, Cause> {
    let max = MaxBytes { answer: settings.max_response_bytes, sum: settings.max_buffered_bytes };
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut last = None;
    for attempt_number in 0..=settings.retries {
        let Some(pick) = choose(&model, &tried, &gateway.rng, Instant::now()) else { break };
        if tried.contains(&pick.replica.replica.id) {
            // Nothing else is left: give it a moment, unless it asked for more than that.
            if last.as_ref().is_some_and(Cause::asks_to_wait) {
                break;
            }
            sleep(PAUSE * attempt_number).await;
        }
        let began = Instant::now();
        let result = attempt(outbound, &pick, max).await;
        account.attempted(&pick, result.as_ref().map(|answered| answered.status().as_u16()), began);
        match result {
            Ok(answered) => {
                let patience = Patience::of(settings);
                return Ok(respond(model, pick, patience, outbound, answered, account, peer));
            }
            Err(fault) => {
                if fault.blames_replica() {
                    pick.replica.failed(Patience::of(settings), Instant::now());
                }
                tried.push(pick.replica.replica.id.clone());
                let is_retryable = fault.is_retryable();
                last = Some(upstream_cause(&model, &pick, fault));
                if !is_retryable {
                    break;
                }
            }
        }
    }
    let cause = last.unwrap_or_else(|| unserved(&model));
    account.failed(cause.status().as_u16());
    Err(cause)
}

/// Why there was nobody to ask.
fn unserved(model: &ModelState) -> Cause {
    let now = Instant::now();
    let full = model.deployments.iter().find(|deployment| !deployment.has_room(now));
    match full.and_then(|deployment| deployment.deployment.rpm) {
        Some(limit) => Cause::Rejected(Rejection {
            scope: format!("the deployments of model '{}'", model.model.name),
            limit: Limit::Rpm(limit),
            retry_after: Some(Duration::from_secs(1)),
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

/// What goes to the client. A whole answer is settled before it is sent, a stream before its last byte.
fn respond(
    model: Arc<ModelState>,
    pick: Pick,
    patience: Patience,
    outbound: &Outbound,
    answered: Answered,
    mut account: Account,
    peer: &Peer,
) -> Response<Body> {
    let deployment = &pick.deployment.deployment;
    account.answering(answered.status().as_u16());
    match answered {
        Answered::Refused { status, headers, body } => {
            pick.replica.succeeded();
            account.failed(status.as_u16());
            build(status, headers, Body::full(openai_shaped(status, body)))
        }
        Answered::Whole { status, headers, body, answer, permit } => {
            pick.replica.succeeded();
            let edits = answer.model.filter(|_| *model.model.name != *deployment.upstream_model);
            let body = match edits {
                Some(span) => splice(&body, vec![Edit { span, text: json_string(&model.model.name) }]).concat().into(),
                None => body,
            };
            // Without a count that can be believed, four bytes of answer make a token, as they do of a prompt.
            let tokens = answer.usage.map_or(body.len() as u64 / 4, |usage| usage.completion_tokens);
            account.relayed(body.len(), tokens);
            account.completed(answer.usage);
            build(status, headers, Body::held(body, permit))
        }
        Answered::Stream { status, headers, first, rest } => {
            let bounds = (deployment.timeouts.between_bytes, deployment.timeouts.total);
            let upstream_model = deployment.upstream_model.clone();
            let deployment = deployment.id.clone();
            let source =
                Source { model, deployment, replica: pick.replica, patience, _busy: pick.busy, peer: peer.clone() };
            let relay = Relay::new((first, rest), source, &upstream_model, outbound.hides_usage(), account, bounds);
            build(status, headers, Body::Relay(Box::new(relay)))
        }
    }
}

fn build(status: http::StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An engine's refusal as it is where SDKs can read it, else in OpenAI's shape.
fn openai_shaped(status: http::StatusCode, body: Bytes) -> Bytes {
    if wire::ErrorBody::is_openai(&body) {
        return body;
    }
    let message = wire::ErrorBody::message_of(&body, 1_000)
        .unwrap_or_else(|| format!("The engine refused the request with status {}.", status.as_u16()));
    wire::ErrorBody { message, kind: "invalid_request_error", param: None, code: "invalid_request" }.to_json()
}
