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

/// The models that the caller may use, under the caller's own names too; where the path names one, that one.
pub(crate) fn list_models<'a>(serving: &'a Serving, caller: &'a Caller, via: &'a Via) -> Result<Response<Body>, Cause> {
    let data = match via.model() {
        None => {
            let mine = serving.listed.iter().filter(|state| caller.may_use(&state.model.name));
            let own = caller.aliases().filter_map(|(alias, _)| Entry::named(serving, caller, alias));
            // What a key calls otherwise is its own.
            let shown = serving.aliases.iter().filter(|(alias, of)| !of.hidden && caller.resolve(alias) == &***alias);
            let everybody_s = shown.filter_map(|(alias, _)| Entry::named(serving, caller, alias));
            mine.map(|state| Entry::of(state)).chain(own).chain(everybody_s).collect()
        }
        Some(name) if serving.model(caller.resolve(name)).is_none() => {
            return Err(Cause::ModelNotFound(name.to_owned()));
        }
        Some(name) => Entry::named(serving, caller, name).into_iter().collect(),
    };
    Ok(json(StatusCode::OK, &List { object: "list", data }))
}

/// One model, if the caller may use it and the path means no other.
pub(crate) fn one_model(serving: &Serving, caller: &Caller, via: &Via, name: &str) -> Result<Response<Body>, Cause> {
    let is_meant = via.model().is_none_or(|meant| meant == name);
    let entry = Entry::named(serving, caller, name).filter(|_| is_meant);
    entry.map(|entry| json(StatusCode::OK, &entry)).ok_or_else(|| Cause::ModelNotFound(name.to_owned()))
}

// === impl Entry ===

impl<'a> Entry<'a> {
    /// The model that the caller means by `name`, if the caller may use it.
    fn named(serving: &'a Serving, caller: &Caller, name: &'a str) -> Option<Self> {
        let state = serving.model(caller.resolve(name))?;
        if !caller.may_use(&state.model.name) {
            return None;
        }
        Some(Self { id: name, ..Self::of(state) })
    }

    fn of(state: &'a ModelState) -> Self {
        Self { id: &state.model.name, object: "model", created: state.model.created, owned_by: "enginehouse" }
    }
}
