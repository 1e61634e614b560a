use std::sync::Arc;

use http::HeaderMap;

use crate::authenticate::Caller;
use crate::cache::{Control, Fill, Found, Kept, Owner, Question};
use crate::load::Load;
use crate::serving::{ModelState, Serving};
use crate::surface::Api;

/// What the response cache says.
pub(super) enum Lookup {
    /// The answer, and how it came to be there.
    Answered(Arc<Kept>, &'static str),
    /// It has none; if it is switched on, it wants the one that comes.
    Ask(Option<Fill>),
}

/// Looks for an answer that was given before.
pub(super) async fn look_up(
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
