//! Responses that an engine keeps: asked for, cancelled or deleted by their id, at the replica that made them.

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{Asked, ask, find_model, open_account};
use crate::authenticate::{Caller, enter};
use crate::edge::{Body, Peer};
use crate::gateway::Gateway;
use crate::load::Load;
use crate::rescue::Cause;
use crate::responses::{Maker, Thread};
use crate::serving::{ModelState, Serving};
use crate::surface::{Api, Recall, Via};
use crate::upstream::Outbound;

/// Serves one request about a response.
pub(crate) async fn recall(
    gateway: &Gateway,
    (via, recall): (&Via, &Recall),
    request_id: &Arc<str>,
    request: Request<Incoming>,
    peer: &Peer,
) -> Result<Response<Body>, Cause> {
    // A body says nothing here: it is dropped unread.
    let (head, _) = request.into_parts();
    let serving = gateway.serving()?;
    let caller = enter(&serving, via, &head.headers, &gateway.clock)?;
    let (model, thread) = find(gateway, &serving, &caller, via, &recall.id)?;
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", recall.path());
    let load = Load::Recall { method: head.method.clone(), path };
    let holder = (caller.id(), serving.scopes(&caller, &model));
    let (account, allowance) = open_account(gateway, holder, &model, Api::Responses, request_id, &load).await?;
    let outbound = Outbound::new(Api::Responses, load, head.headers, request_id, gateway.buffers.permit());
    let (model, outbound, thread) = (&model, &outbound, &thread);
    let asked = Asked { serving: &serving, caller: &caller, model, outbound, thread, peer };
    // Only the replica that made the response knows it: no other model takes over.
    let mut response = ask(gateway, asked, account, None).await.or_else(|failed| failed.answer())?;
    allowance.write(response.headers_mut());
    if head.method == Method::DELETE && response.status().is_success() {
        gateway.responses.remove(&recall.id);
    }
    Ok(response)
}

/// What a request that goes on from `previous`, or from nothing, has to do with responses.
pub(super) fn thread(
    gateway: &Gateway,
    caller: &Caller,
    model: &ModelState,
    previous: Option<&str>,
) -> Result<Thread, Cause> {
    let maker = Some((gateway.responses.clone(), caller.maker()));
    let known = previous.and_then(|id| Some((id, gateway.responses.get(id, Instant::now())?)));
    let replica = match known {
        // Of what is not known an engine knows best.
        None => None,
        Some((id, made)) => {
            let is_there = made.model == model.model.name && has_replica(model, &made.replica);
            let found = caller.owns(&made.maker) && is_there;
            Some(if found { Ok(made.replica.clone()) } else { Err(Cause::NoPreviousResponse(id.to_owned())) }?)
        }
    };
    Ok(Thread { replica, maker })
}

/// The model that made the response called `id`, and how it is reached. To others than its maker it is not there.
fn find(
    gateway: &Gateway,
    serving: &Serving,
    caller: &Caller,
    via: &Via,
    id: &str,
) -> Result<(Arc<ModelState>, Thread), Cause> {
    let not_found = || Cause::NoResponse(id.to_owned());
    let Some(made) = gateway.responses.get(id, Instant::now()) else {
        let (model, replica) = only_replica(serving, caller, via).ok_or_else(not_found)?;
        return Ok((model, Thread { replica: Some(replica), ..Thread::default() }));
    };
    if !caller.owns(&made.maker) || via.model().is_some_and(|name| *name != *made.model) {
        return Err(not_found());
    }
    let model = find_model(serving, caller, Api::Responses, &made.model)?;
    if !has_replica(&model, &made.replica) {
        return Err(not_found());
    }
    Ok((model, Thread { replica: Some(made.replica.clone()), maker: None }))
}

/// The only replica that the caller's responses can come from, if there is only one.
fn only_replica(serving: &Serving, caller: &Caller, via: &Via) -> Option<(Arc<ModelState>, Arc<str>)> {
    let reachable = |model: &&Arc<ModelState>| {
        let name = &*model.model.name;
        Api::Responses.serves(model.model.model_type)
            && caller.may_use(name)
            && via.model().is_none_or(|named| named == name)
    };
    let mut replicas = serving.listed.iter().filter(reachable).flat_map(|model| {
        let deployments = model.deployments.iter();
        deployments.flat_map(|deployment| &deployment.replicas).map(|state| (model.clone(), state.replica.id.clone()))
    });
    let only = replicas.next()?;
    replicas.next().is_none().then_some(only)
}

fn has_replica(model: &ModelState, id: &str) -> bool {
    let mut replicas = model.deployments.iter().flat_map(|deployment| &deployment.replicas);
    replicas.any(|state| *state.replica.id == *id)
}

// === impl Caller ===

impl Caller {
    /// Whom the responses belong to that the caller makes.
    fn maker(&self) -> Maker {
        let team = match self {
            Self::Key(key) => key.team.as_ref().map(|team| team.team.id.clone()),
            Self::Master | Self::Anybody(_) => None,
        };
        Maker { key: self.id(), team }
    }

    /// Whether what `maker` made is the caller's to use: its own, its team's, or anything with the master key.
    fn owns(&self, maker: &Maker) -> bool {
        let own = self.maker();
        matches!(self, Self::Master) || own.key == maker.key || (own.team.is_some() && own.team == maker.team)
    }
}
