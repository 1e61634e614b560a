use http::{Response, StatusCode};
use serde::Serialize;

use super::json;
use crate::authenticate::Caller;
use crate::edge::Body;
use crate::rescue::Cause;
use crate::serving::{ModelState, Serving};
use crate::surface::Via;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

/// A model in OpenAI's shape.
#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

/// The models that the caller may use; where the path names one, that one.
pub(crate) fn list_models(serving: &Serving, caller: &Caller, via: &Via) -> Result<Response<Body>, Cause> {
    if let Some(name) = via.model()
        && !serving.models.contains_key(name)
    {
        return Err(Cause::ModelNotFound(name.to_owned()));
    }
    let is_meant = |state: &ModelState| via.model().is_none_or(|name| *state.model.name == *name);
    let mine = serving.listed.iter().filter(|state| is_meant(state) && caller.may_use(&state.model.name));
    Ok(json(StatusCode::OK, &List { object: "list", data: mine.map(|state| Entry::of(state)).collect() }))
}

/// One model, if the caller may use it and the path means no other.
pub(crate) fn one_model(serving: &Serving, caller: &Caller, via: &Via, name: &str) -> Result<Response<Body>, Cause> {
    let is_meant = via.model().is_none_or(|meant| meant == name);
    let state = serving.models.get(name).filter(|_| is_meant && caller.may_use(name));
    let state = state.ok_or_else(|| Cause::ModelNotFound(name.to_owned()))?;
    Ok(json(StatusCode::OK, &Entry::of(state)))
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn of(state: &'a ModelState) -> Self {
        Self { id: &state.model.name, object: "model", created: state.model.created, owned_by: "enginehouse" }
    }
}
