//! Who asks: a key out of the headers, looked up in memory.

use std::sync::Arc;

use ambient::Clock;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use snapshot::{KeyHash, KeyKind, KeyRouting, Model};

use crate::rescue::Cause;
use crate::serving::{KeyState, Serving};
use crate::surface::Via;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// The holder of the master key: everything, without limits of its own.
    Master,
    /// Anybody, on the open route to this model.
    Anybody(Arc<str>),
    /// The holder of a key, of whatever kind, that is neither blocked nor expired.
    Key(Arc<KeyState>),
}

/// Which way a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v1/*`: for the master key and virtual keys.
    Mediated,
    /// `/models/<name>/v1/*`: for the master key and direct-route keys.
    Direct,
    /// `/open/<name>/v1/*`: for everybody.
    Open,
}

/// Headers that can carry a key besides `Authorization`. LiteLLM's own goes first, because
/// its users send it where `Authorization` is already taken by something else.
const KEY_HEADERS: [&str; 3] = ["x-litellm-api-key", "x-api-key", "api-key"];

/// Id under which the requests of open routes stand in the books.
const OPEN_ID: &str = "open";

/// Lets in who may go `via` there: with a key that is good for it, or without one to a model that is open.
pub(crate) fn enter(serving: &Serving, via: &Via, headers: &HeaderMap, clock: &Clock) -> Result<Caller, Cause> {
    let Via::Open(name) = via else {
        let caller = authenticate(serving, headers, clock)?;
        caller.may_enter(via.route())?;
        return Ok(caller);
    };
    if !serving.open_routes {
        return Err(Cause::OpenRoutesShut);
    }
    // Strangers are not told which models there are besides.
    let model = serving.models.get(name.as_str()).filter(|state| state.model.open_access);
    let model = model.ok_or_else(|| Cause::ModelNotFound(name.clone()))?;
    Ok(Caller::Anybody(model.model.name.clone()))
}

/// Finds out who asks.
pub(crate) fn authenticate(serving: &Serving, headers: &HeaderMap, clock: &Clock) -> Result<Caller, Cause> {
    let hash = KeyHash::of(presented(headers)?);
    if serving.master_key == Some(hash) {
        return Ok(Caller::Master);
    }
    let key = serving.keys.get(&hash).ok_or(Cause::UnknownKey)?;
    if key.is_blocked() {
        return Err(Cause::KeyBlocked);
    }
    if key.team.as_ref().is_some_and(|team| team.team.blocked) {
        return Err(Cause::TeamBlocked);
    }
    match key.key.expires_at {
        Some(at) if at <= clock.now() => Err(Cause::KeyExpired(at)),
        _ => Ok(Caller::Key(key.clone())),
    }
}

fn presented(headers: &HeaderMap) -> Result<&str, Cause> {
    let own = headers.get(KEY_HEADERS[0]);
    let bearer = headers.get(AUTHORIZATION);
    let other = || KEY_HEADERS[1..].iter().find_map(|name| headers.get(*name));
    let value = match (own, bearer) {
        (Some(value), _) => strip_bearer(value.to_str().map_err(|_| Cause::UnknownKey)?).unwrap_or_else(|text| text),
        (None, Some(value)) => {
            strip_bearer(value.to_str().map_err(|_| Cause::UnknownKey)?).map_err(|_| Cause::NotBearer)?
        }
        (None, None) => other().ok_or(Cause::NoKey)?.to_str().map_err(|_| Cause::UnknownKey)?,
    };
    let key = value.trim();
    if key.is_empty() { Err(Cause::NoKey) } else { Ok(key) }
}

/// What follows `Bearer`, in any case; the whole text as error if it does not start so.
fn strip_bearer(value: &str) -> Result<&str, &str> {
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer ") => Ok(key),
        None if value.eq_ignore_ascii_case("bearer") => Ok(""),
        _ => Err(value),
    }
}

// === impl Caller ===

impl Caller {
    /// Whether the caller's kind of key is good for `route`.
    pub(crate) fn may_enter(&self, route: Route) -> Result<(), Cause> {
        let Self::Key(key) = self else { return Ok(()) };
        match (key.key.kind, route) {
            (KeyKind::Direct, Route::Mediated) => Err(Cause::DirectRouteKey),
            (KeyKind::Virtual, Route::Direct) => Err(Cause::NotADirectRouteKey),
            (KeyKind::Virtual, Route::Mediated) | (KeyKind::Direct, Route::Direct) | (_, Route::Open) => Ok(()),
        }
    }

    /// The model that the caller means by `name`: a key can have names of its own for models.
    pub(crate) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Master | Self::Anybody(_) => name,
            Self::Key(key) => key.resolve(name),
        }
    }

    /// The caller's own names for models.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (&String, &String)> {
        let key = if let Self::Key(key) = self { Some(key) } else { None };
        key.into_iter().flat_map(|key| &key.key.aliases)
    }

    /// Further tries after a failed one, where the caller's differ from those of everybody.
    pub(crate) fn retries(&self) -> Option<u32> {
        match self {
            Self::Master | Self::Anybody(_) => None,
            Self::Key(key) => key.key.retries,
        }
    }

    /// What the caller has in place of what holds for everybody.
    pub(crate) fn routing(&self) -> Option<&KeyRouting> {
        match self {
            Self::Master | Self::Anybody(_) => None,
            Self::Key(key) => key.key.routing.as_deref(),
        }
    }

    /// Whether the caller's key has stopped working by itself.
    pub(crate) fn has_expired(&self, clock: &Clock) -> bool {
        match self {
            Self::Master | Self::Anybody(_) => false,
            Self::Key(key) => key.key.expires_at.is_some_and(|at| at <= clock.now()),
        }
    }

    /// Whether the caller may use the model that is really called `model`.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        match self {
            Self::Master => true,
            Self::Anybody(open) => **open == *model,
            Self::Key(key) => key.allows(model),
        }
    }

    /// Whether `model` may take over for the caller: from an open model only open ones do.
    pub(crate) fn may_fall_back_to(&self, model: &Model) -> bool {
        match self {
            Self::Master => true,
            Self::Anybody(_) => model.open_access,
            Self::Key(key) => key.allows(&model.name),
        }
    }

    /// The id under which the caller's requests stand in the books.
    pub(crate) fn id(&self) -> Arc<str> {
        match self {
            Self::Master => snapshot::MASTER_KEY_ID.into(),
            Self::Anybody(_) => OPEN_ID.into(),
            Self::Key(key) => key.key.id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ambient::Timestamp;
    use snapshot::{Key, Limits, Snapshot, Spent};

    use super::*;
    use crate::metrics::Metrics;

    fn of(pairs: &[(&'static str, &str)]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        presented(&headers).map(str::to_owned).map_err(|cause| cause.to_string())
    }

    #[test]
    fn a_key_is_found_in_every_header_that_clients_use() {
        for pair in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer sk-1"),
            ("x-api-key", "sk-1"),
            ("api-key", "sk-1"),
            ("x-litellm-api-key", "sk-1"),
            ("x-litellm-api-key", "Bearer sk-1"),
        ] {
            assert_eq!(of(&[pair]).unwrap(), "sk-1", "{pair:?}");
        }
        assert_eq!(of(&[("authorization", "Basic x"), ("x-litellm-api-key", "sk-2")]).unwrap(), "sk-2");
    }

    #[test]
    fn each_kind_of_key_is_good_for_its_own_routes() {
        let snapshot = |kind| {
            let key = Key {
                id: "k".into(),
                hash: KeyHash::of("sk"),
                kind,
                alias: None,
                models: Vec::new(),
                limits: Limits::default(),
                aliases: BTreeMap::new(),
                team: None,
                spent: Spent::default(),
                retries: None,
                routing: None,
                expires_at: None,
                blocked: false,
            };
            Snapshot { keys: vec![key], ..Snapshot::default() }
        };
        let caller = |kind| {
            let serving = Serving::next(&Serving::default(), &snapshot(kind), &Metrics::new(), Timestamp::default());
            Caller::Key(serving.keys.get(&KeyHash::of("sk")).unwrap().clone())
        };
        let (virtual_key, direct) = (caller(KeyKind::Virtual), caller(KeyKind::Direct));
        let enters = |caller: &Caller| {
            [Route::Mediated, Route::Direct, Route::Open].map(|route| caller.may_enter(route).is_ok())
        };
        assert_eq!(enters(&Caller::Master), [true, true, true]);
        assert_eq!(enters(&virtual_key), [true, false, true]);
        assert_eq!(enters(&direct), [false, true, true]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for pairs in [&[][..], &[("authorization", "Basic x")], &[("authorization", "Bearer ")], &[("api-key", " ")]] {
            assert!(of(pairs).is_err(), "{pairs:?}");
        }
    }
}
