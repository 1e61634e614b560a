//! Who asks: a key out of the headers, looked up in memory.

use std::sync::Arc;

use ambient::Timestamp;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use snapshot::KeyHash;

use crate::rescue::Cause;
use crate::serving::{KeyState, Serving};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// The holder of the master key: everything, without limits.
    Master,
    /// The holder of a virtual key that is neither blocked nor expired.
    Virtual(Arc<KeyState>),
}

/// Headers that can carry a key besides `Authorization`. LiteLLM's own goes first, because
/// its users send it where `Authorization` is already taken by something else.
const KEY_HEADERS: [&str; 3] = ["x-litellm-api-key", "x-api-key", "api-key"];

/// Finds out who asks.
pub(crate) fn authenticate(serving: &Serving, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Cause> {
    let hash = KeyHash::of(presented(headers)?);
    if serving.master_key == Some(hash) {
        return Ok(Caller::Master);
    }
    let key = serving.keys.get(&hash).ok_or(Cause::UnknownKey)?;
    if key.key.blocked {
        return Err(Cause::KeyBlocked);
    }
    match key.key.expires_at {
        Some(at) if at <= now => Err(Cause::KeyExpired(at)),
        _ => Ok(Caller::Virtual(key.clone())),
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
    /// Whether the caller may use `model`.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        match self {
            Self::Master => true,
            Self::Virtual(key) => key.key.models.is_empty() || key.key.models.iter().any(|allowed| allowed == model),
        }
    }

    /// The id under which the caller's requests stand in the books.
    pub(crate) fn id(&self) -> Arc<str> {
        match self {
            Self::Master => snapshot::MASTER_KEY_ID.into(),
            Self::Virtual(key) => key.key.id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_no_key_is_refused() {
        for pairs in [&[][..], &[("authorization", "Basic x")], &[("authorization", "Bearer ")], &[("api-key", " ")]] {
            assert!(of(pairs).is_err(), "{pairs:?}");
        }
    }
}
