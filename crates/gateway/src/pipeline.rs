//! The way of a request, stage by stage.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use ledger::{Entry, NewRequest, Unavailable};
use snapshot::Settings;
use tokio::time::Instant;

mod answer;
mod asked;
mod failed;
mod fall_back;
mod look_up;
mod recall;
mod respond;

pub(crate) use self::recall::recall;

use self::answer::ask;
use self::asked::Asked;
use self::fall_back::fall_back;
use self::look_up::{Lookup, look_up};
use self::respond::replay;
use crate::admit::{Allowance, Scopes, admit, reservation};
use crate::authenticate::{Caller, enter};
use crate::edge::{Body, BodyBounds, BufferPermit, Peer};
use crate::gateway::Gateway;
use crate::load::Load;
use crate::meter::Account;
use crate::rescue::Cause;
use crate::responses::Thread;
use crate::serving::{ModelState, Serving};
use crate::surface::{Api, Via};
use crate::upstream::Outbound;

/// Serves one request to a model.
pub(crate) async fn mediate(
    gateway: &Gateway,
    (via, api): (&Via, Api),
    request_id: &Arc<str>,
    request: Request<Incoming>,
    peer: &Peer,
) -> Result<Response<Body>, Cause> {
    let (head, body) = request.into_parts();
    // Strangers get no memory.
    let serving = gateway.serving()?;
    let caller = enter(&serving, via, &head.headers, &gateway.clock)?;
    let (load, permit) = receive_body(gateway, &serving.settings, api, &head.headers, body).await?;
    let name = via.model().or_else(|| load.model()).ok_or(Cause::NoModel)?;
    let (serving, caller) = enter_again(gateway, via, &head.headers, (serving, caller))?;
    let model = find_model(&serving, &caller, api, name)?;
    let thread = match api {
        Api::Responses => recall::thread(gateway, &caller, &model, load.previous_response())?,
        _ => Thread::default(),
    };
    let holder = (caller.id(), serving.scopes(&caller, &model));
    let (account, allowance) = open_account(gateway, holder, &model, api, request_id, &load).await?;
    let mut response = match look_up(&serving, &caller, &model, api, &load, &head.headers).await {
        Lookup::Answered(kept, result) => replay(&kept, result, account),
        Lookup::Ask(fill) => {
            let outbound = Outbound::new(api, load, head.headers, request_id, permit);
            let (model, outbound, thread) = (&model, &outbound, &thread);
            let asked = Asked { serving: &serving, caller: &caller, model, outbound, thread, peer };
            match ask(gateway, asked, account, fill).await {
                Ok(response) => response,
                // In a box: few requests need it, and all would hold its room.
                Err(failed) => Box::pin(fall_back(gateway, asked, failed)).await?,
            }
        }
    };
    // Last, so that no answer is kept with what was left to somebody else.
    allowance.write(response.headers_mut());
    Ok(response)
}

async fn receive_body(
    gateway: &Gateway,
    settings: &Settings,
    api: Api,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Load, BufferPermit), Cause> {
    let Settings { max_body_bytes: max, max_buffered_bytes: max_sum, .. } = *settings;
    Load::receive(api, headers, body, &gateway.buffers, BodyBounds { max, max_sum }).await
}

/// A body can take its time. What was changed meanwhile holds: a key that was blocked is blocked.
fn enter_again(
    gateway: &Gateway,
    via: &Via,
    headers: &HeaderMap,
    (then, caller): (Arc<Serving>, Caller),
) -> Result<(Arc<Serving>, Caller), Cause> {
    let serving = gateway.serving()?;
    if Arc::ptr_eq(&then, &serving) && !caller.has_expired(&gateway.clock) {
        return Ok((serving, caller));
    }
    let caller = enter(&serving, via, headers, &gateway.clock)?;
    Ok((serving, caller))
}

/// The model that the caller means by `asked`, if the caller may use it and it has this API.
fn find_model(serving: &Serving, caller: &Caller, api: Api, asked: &str) -> Result<Arc<ModelState>, Cause> {
    let name = caller.resolve(asked);
    let model = serving.model(name).ok_or_else(|| Cause::ModelNotFound(asked.to_owned()))?;
    // The real name decides: no alias leads past the allow-list.
    if !caller.may_use(&model.model.name) {
        return Err(Cause::ModelNotAllowed(asked.to_owned()));
    }
    let model_type = model.model.model_type;
    if !api.serves(model_type) {
        return Err(Cause::WrongApi { model: model.model.name.clone(), model_type, path: api.path() });
    }
    Ok(model.clone())
}

/// Admits the request and writes that down: from here on it ends in exactly one event.
async fn open_account(
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
    let request = NewRequest {
        request_id: request_id.clone(),
        key,
        model: model.model.name.clone(),
        surface: Cow::Borrowed(api.as_str()),
        stream: load.stream(),
        price,
        prompt_tokens_estimate: demand.prompt_tokens,
        reserved: reserved.cost,
    };
    let metrics = model.metrics.begin(api);
    match write_down(gateway, request).await {
        Ok(entry) => Ok((Account::new(entry, ticket, metrics, (load.meter(api), demand), started), allowance)),
        Err(unavailable) => {
            ticket.cancel();
            metrics.cancel();
            Err(Cause::Books(unavailable.to_string()))
        }
    }
}

/// Enters a request in the books, in one go with those that came together with it.
async fn write_down(gateway: &Gateway, request: NewRequest) -> Result<Entry, Unavailable> {
    let prepared = gateway.books.prepare(request)?;
    tokio::task::yield_now().await;
    prepared.written()
}
