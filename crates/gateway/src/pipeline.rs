//! The way of a request, stage by stage.

mod recall;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use ledger::NewRequest;
use snapshot::Settings;
use tokio::time::{Instant, sleep};
use wire::{Edit, json_string, splice};

use crate::admit::{Allowance, Limit, Rejection, Scopes, admit, reservation};
use crate::authenticate::{Caller, enter};
use crate::cache::{Control, Fill, Found, Kept, Owner, Question};
use crate::edge::{Body, BodyBounds, BodyFault, BufferPermit, Peer};
use crate::gateway::Gateway;
use crate::load::{Form, FormFault, Load};
use crate::meter::{Account, Relay, Report, Source};
use crate::rescue::Cause;
use crate::responses::Thread;
use crate::route::{Patience, Pick, choose, pinned};
use crate::serving::{ModelState, Serving};
use crate::surface::{Api, Via};
use crate::upstream::{Answered, Fault, MaxBytes, Outbound, attempt};

pub(crate) use recall::recall;

/// Wait before a replica is asked again that has just failed; longer each time.
const PAUSE: Duration = Duration::from_millis(100);

/// What the response cache had for a request, where it is switched on: `hit`, `coalesced` or `miss`.
const CACHE_RESULT: HeaderName = HeaderName::from_static("x-enginehouse-cache");

/// A request on its way to an engine.
#[derive(Clone, Copy)]
struct Asked<'a> {
    settings: &'a Settings,
    /// Further tries after a failed one.
    retries: u32,
    model: &'a Arc<ModelState>,
    outbound: &'a Outbound,
    thread: &'a Thread,
    peer: &'a Peer,
}

/// Serves one request to a model.
pub(crate) async fn mediate(
    gateway: &Gateway,
    (via, api): (&Via, Api),
    request_id: &Arc<str>,
    request: Request<Incoming>,
    peer: &Peer,
) -> Result<Response<Body>, Cause> {
    let (head, body) = request.into_parts();
    let (load, permit) = receive_known(gateway, via, api, &head.headers, body).await?;
    let name = via.model().or_else(|| load.model()).ok_or(Cause::NoModel)?;

    // A body can take its time. What was changed meanwhile holds: a key that was blocked is blocked.
    let serving = gateway.serving()?;
    let caller = enter(&serving, via, &head.headers, gateway.clock.now())?;
    let model = find_model(&serving, &caller, api, name)?;
    let thread = match api {
        Api::Responses => recall::thread(gateway, &caller, &model, load.previous_response())?,
        _ => Thread::default(),
    };
    let holder = (caller.id(), serving.scopes(&caller, &model));
    let (account, allowance) = open_account(gateway, holder, &model, api, request_id, &load)?;
    let mut response = match look_up(&serving, &caller, &model, api, &load, &head.headers).await {
        Lookup::Answered(kept, result) => replay(&kept, result, account),
        Lookup::Ask(fill) => {
            let outbound = Outbound::new(api, load, head.headers, request_id, permit);
            let retries = caller.retries().unwrap_or(serving.settings.retries);
            let (settings, model, outbound, thread) = (&serving.settings, &model, &outbound, &thread);
            answer(gateway, Asked { settings, retries, model, outbound, thread, peer }, account, fill).await?
        }
    };
    // Last, so that no answer is kept with what was left to somebody else.
    allowance.write(response.headers_mut());
    Ok(response)
}

/// What the response cache says.
enum Lookup {
    /// The answer, and how it came to be there.
    Answered(Arc<Kept>, &'static str),
    /// It has none; if it is switched on, it wants the one that comes.
    Ask(Option<Fill>),
}

/// Looks for an answer that was given before.
async fn look_up(
    serving: &Serving,
    caller: &Caller,
    model: &ModelState,
    api: Api,
    load: &Load,
    headers: &HeaderMap,
) -> Lookup {
    let Load::Json { peek, body } = load else { return Lookup::Ask(None) };
    let Some(cache) = serving.cache.as_ref().filter(|_| api.is_cacheable()) else { return Lookup::Ask(None) };
    let key = caller.id();
    let owner = cache.namespace().map_or(Owner::Key(&key), Owner::Namespace);
    let targets: Vec<_> = model.targets().collect();
    let digest = Question { owner, api, model: &model.model.name, targets: &targets, body }.digest();
    // Who waits for another's stream would see its first token with the last one.
    let may_wait = !peek.stream;
    let (result, lookup) = match cache.clone().look(digest, Control::of(headers), may_wait).await {
        Found::Hit(kept) => ("hit", Lookup::Answered(kept, "hit")),
        Found::Coalesced(kept) => ("coalesced", Lookup::Answered(kept, "coalesced")),
        Found::Miss(fill) => ("miss", Lookup::Ask(Some(fill))),
    };
    model.metrics.cache_asked(result);
    lookup
}

/// An answer that was given before, at no cost.
fn replay(kept: &Kept, result: &'static str, mut account: Account) -> Response<Body> {
    let mut headers = kept.headers.clone();
    headers.insert(CACHE_RESULT, HeaderValue::from_static(result));
    account.relayed(kept.body.len(), 0);
    account.was_cached(StatusCode::OK.as_u16());
    build(StatusCode::OK, headers, Body::full(kept.body.clone()))
}

/// The body, if one asks who may: strangers get no memory.
async fn receive_known(
    gateway: &Gateway,
    via: &Via,
    api: Api,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Load, BufferPermit), Cause> {
    let serving = gateway.serving()?;
    enter(&serving, via, headers, gateway.clock.now())?;
    let Settings { max_body_bytes: max, max_buffered_bytes: max_sum, .. } = serving.settings;
    Load::receive(api, headers, body, &gateway.buffers, BodyBounds { max, max_sum }).await
}

/// The model that the caller means by `asked`, if the caller may use it and it has this API.
fn find_model(serving: &Serving, caller: &Caller, api: Api, asked: &str) -> Result<Arc<ModelState>, Cause> {
    let name = caller.resolve(asked);
    let model = serving.models.get(name).ok_or_else(|| Cause::ModelNotFound(asked.to_owned()))?;
    // The real name decides: no alias leads past the allow-list.
    if !caller.may_use(name) {
        return Err(Cause::ModelNotAllowed(asked.to_owned()));
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
    (key, scopes): (Arc<str>, Scopes),
    model: &ModelState,
    api: Api,
    request_id: &Arc<str>,
    load: &Load,
) -> Result<(Account, Allowance), Cause> {
    let demand = load.demand(api);
    let price = model.model.price;
    let reserved = reservation(&demand, model.model.context_length, &price);
    let started = Instant::now();
    let (ticket, allowance) = admit(scopes, reserved, &gateway.clock)?;
    let opened = gateway.books.admit(NewRequest {
        request_id: request_id.clone(),
        key,
        model: model.model.name.clone(),
        surface: Cow::Borrowed(api.as_str()),
        stream: load.stream(),
        price,
        prompt_tokens_estimate: demand.prompt_tokens,
        reserved: reserved.cost,
    });
    match opened {
        Ok(entry) => {
            Ok((Account::new(entry, ticket, model.metrics.begin(api), (load.meter(api), demand), started), allowance))
        }
        Err(unavailable) => {
            ticket.cancel();
            Err(Cause::Books(unavailable.to_string()))
        }
    }
}

/// Tries replicas until one answers; nothing was sent to the client yet, so each can take over from the last.
async fn answer(
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
        let now = Instant::now();
        let pick = match &asked.thread.replica {
            Some(replica) => pinned(model, replica, now),
            None => choose(model, &tried, &gateway.rng, now),
        };
        let Some(pick) = pick else { break };
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

/// What goes to the client. A whole answer is settled before it is sent, a stream before its last byte.
fn respond(
    asked: Asked<'_>,
    pick: Pick,
    answered: Answered,
    mut account: Account,
    fill: Option<Fill>,
) -> Response<Body> {
    let Asked { settings, model, outbound, thread, peer, .. } = asked;
    let deployment = &pick.deployment.deployment;
    account.answering(answered.status().as_u16());
    match answered {
        Answered::Refused { status, headers, body } => {
            pick.replica.succeeded();
            account.failed(status.as_u16());
            build(status, headers, Body::full(openai_shaped(status, body)))
        }
        Answered::Whole { status, mut headers, body, answer, permit } => {
            pick.replica.succeeded();
            let report = Report::of(&answer, &body, outbound.api.meter());
            let bills = thread.bills(&answer, &body, model, &pick);
            let edits = answer.model.filter(|_| *model.model.name != *deployment.upstream_model);
            let body = match edits {
                Some(span) => splice(&body, vec![Edit { span, text: json_string(&model.model.name) }]).concat().into(),
                None => body,
            };
            // Without a count that can be believed, four bytes of text make a token, as they do of a prompt.
            let estimate = if outbound.api.generates() { body.len() as u64 / 4 } else { 0 };
            let tokens = answer.usage.map_or(estimate, |usage| usage.completion_tokens);
            account.relayed(body.len(), tokens);
            if bills {
                account.completed(report);
            } else {
                account.completed_free();
            }
            if let Some(fill) = fill {
                fill.keep(status, &headers, &body);
                headers.insert(CACHE_RESULT, HeaderValue::from_static("miss"));
            }
            build(status, headers, Body::held(body, permit))
        }
        Answered::Stream { is_events, status, mut headers, first, rest } => {
            let bounds = (deployment.timeouts.between_bytes, deployment.timeouts.total);
            let upstream_model = deployment.upstream_model.clone();
            let deployment = deployment.id.clone();
            let keeper = thread.streams(model, &pick);
            let (model, peer, patience) = (model.clone(), peer.clone(), Patience::of(settings));
            let source = Source { model, deployment, replica: pick.replica, patience, _busy: pick.busy, peer };
            let mut relay = if is_events {
                let kind = (outbound.api.events(), outbound.load.hides_usage(outbound.api));
                Relay::events((first, rest), source, &upstream_model, kind, account, bounds)
            } else {
                Relay::opaque((first, rest), source, is_text(&headers), account, bounds)
            };
            relay.keep(keeper);
            if let Some(fill) = fill.filter(|_| status == StatusCode::OK) {
                relay.record(fill.record(headers.clone(), outbound.room(), settings.max_buffered_bytes));
                headers.insert(CACHE_RESULT, HeaderValue::from_static("miss"));
            }
            build(status, headers, Body::Relay(Box::new(relay)))
        }
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/"))
}

fn build(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An engine's refusal as it is where SDKs can read it, else in OpenAI's shape.
fn openai_shaped(status: StatusCode, body: Bytes) -> Bytes {
    if wire::ErrorBody::is_openai(&body) {
        return body;
    }
    let message = wire::ErrorBody::message_of(&body, 1_000)
        .unwrap_or_else(|| format!("The engine refused the request with status {}.", status.as_u16()));
    wire::ErrorBody { message, kind: "invalid_request_error", param: None, code: "invalid_request" }.to_json()
}
