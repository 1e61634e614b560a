use http::{Response, StatusCode};
use serde::Serialize;

use super::json;
use crate::authenticate::Caller;
use crate::edge::Body;
use crate::rescue::Cause;
use crate::serving::{ModelState, Serving};

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

/// The models that the caller may use.
pub(crate) fn list_models(serving: &Serving, caller: &Caller) -> Response<Body> {
    let mine = serving.listed.iter().filter(|state| caller.may_use(&state.model.name));
    json(StatusCode::OK, &List { object: "list", data: mine.map(|state| Entry::of(state)).collect() })
}

/// One model, if the caller may use it.
pub(crate) fn one_model(serving: &Serving, caller: &Caller, name: &str) -> Result<Response<Body>, Cause> {
    let state = serving.models.get(name).filter(|_| caller.may_use(name));
    let state = state.ok_or_else(|| Cause::ModelNotFound(name.to_owned()))?;
    Ok(json(StatusCode::OK, &Entry::of(state)))
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn of(state: &'a ModelState) -> Self {
        Self { id: &state.model.name, object: "model", created: state.model.created, owned_by: "enginehouse" }
    }
}
