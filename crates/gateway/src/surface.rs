use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::authenticate::Route;

mod api;
mod recall;

pub(crate) use api::{Api, Events, Meter};
pub(crate) use recall::Recall;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// A model's API.
    Model(Via, Api),
    /// A response that an engine keeps.
    Response(Via, Recall),
    /// The list of models.
    Models(Via),
    /// One model of that list.
    OneModel(Via, String),
    /// `/health`: open and cheap.
    Health,
    /// `/health/liveliness` and `/health/liveness`.
    Liveness,
    /// `/health/readiness`.
    Readiness,
    /// `/metrics`.
    Metrics,
    /// LiteLLM's management paths: forwarded to the manager.
    Management,
    /// Known path, wrong method; holds the right one.
    WrongMethod(&'static str),
    /// Nothing is there.
    Unknown,
}

/// Which way a path leads to models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// `/v1/…`, and the same without `/v1`: the body names the model.
    Mediated,
    /// `/models/<name>/v1/…`: the path names the model.
    Direct(String),
    /// `/open/<name>/v1/…`: the path names the model, and no key is asked for.
    Open(String),
}

// === impl Surface ===

impl Surface {
    /// Reads method and path. Paths work with and without `/v1`, as LiteLLM's users write them.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let (via, bare) = Via::of(path);
        if let Some(api) = Api::at(bare) {
            return expect(method, &Method::POST, "POST", Self::Model(via, api));
        }
        if let Some(recall) = Recall::at(bare) {
            return recall.asked(method, via);
        }
        let get = |surface| expect(method, &Method::GET, "GET", surface);
        match bare {
            "/models" => get(Self::Models(via)),
            _ if via != Via::Mediated => match bare.strip_prefix("/models/").and_then(decode) {
                Some(name) => get(Self::OneModel(via, name)),
                None => Self::Unknown,
            },
            "/health" => get(Self::Health),
            "/health/liveliness" | "/health/liveness" => get(Self::Liveness),
            "/health/readiness" => get(Self::Readiness),
            "/metrics" => get(Self::Metrics),
            _ if is_management(bare) => Self::Management,
            _ => match bare.strip_prefix("/models/").and_then(decode) {
                Some(name) => get(Self::OneModel(via, name)),
                None => Self::Unknown,
            },
        }
    }
}

// === impl Via ===

impl Via {
    /// The way, and the path below it without its version.
    fn of(path: &str) -> (Self, &str) {
        let named = |prefix: &str, via: fn(String) -> Self| {
            // A name may hold anything, also `/v1/`; what follows the last one is the path.
            let (name, _) = path.strip_prefix(prefix)?.rsplit_once("/v1/")?;
            Some((via(decode(name)?), &path[prefix.len() + name.len() + "/v1".len()..]))
        };
        named("/models/", Self::Direct).or_else(|| named("/open/", Self::Open)).unwrap_or_else(|| {
            let bare = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/'));
            (Self::Mediated, bare.unwrap_or(path))
        })
    }

    /// The kind of way.
    pub(crate) const fn route(&self) -> Route {
        match self {
            Self::Mediated => Route::Mediated,
            Self::Direct(_) => Route::Direct,
            Self::Open(_) => Route::Open,
        }
    }

    /// The model that the path names.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Self::Mediated => None,
            Self::Direct(name) | Self::Open(name) => Some(name),
        }
    }
}

fn expect(method: &Method, right: &Method, name: &'static str, surface: Surface) -> Surface {
    let is_head_of_get = method == Method::HEAD && right == Method::GET;
    if method == right || is_head_of_get { surface } else { Surface::WrongMethod(name) }
}

fn is_management(path: &str) -> bool {
    const PREFIXES: [&str; 2] = ["/key/", "/team/"];
    const PATHS: [&str; 3] = ["/spend/logs", "/global/spend", "/model/info"];
    PREFIXES.iter().any(|prefix| path.starts_with(prefix)) || PATHS.contains(&path)
}

/// A model's name out of a path; names may hold `/`, percent-encoded or not.
fn decode(segment: &str) -> Option<String> {
    let name = percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_work_with_and_without_version() {
        let mediated = |api| Surface::Model(Via::Mediated, api);
        for path in ["/v1/chat/completions", "/chat/completions"] {
            assert_eq!(Surface::of(&Method::POST, path), mediated(Api::ChatCompletions));
            assert_eq!(Surface::of(&Method::GET, path), Surface::WrongMethod("POST"));
        }
        for (path, api) in [("/rerank", Api::Rerank), ("/v2/rerank", Api::Rerank), ("/v1/tokenize", Api::Tokenize)] {
            assert_eq!(Surface::of(&Method::POST, path), mediated(api));
        }
        let one = |name: &str| Surface::OneModel(Via::Mediated, name.to_owned());
        assert_eq!(Surface::of(&Method::GET, "/v1/models/Qwen%2FQwen3-8B"), one("Qwen/Qwen3-8B"));
        assert_eq!(Surface::of(&Method::GET, "/v1/models/a/b"), one("a/b"));
        assert_eq!(Surface::of(&Method::GET, "/models/a/b"), one("a/b"));
        assert_eq!(Surface::of(&Method::POST, "/key/generate"), Surface::Management);
        assert_eq!(Surface::of(&Method::HEAD, "/health"), Surface::Health);
        for path in ["/", "/v1", "/v1/", "/v1/models/", "/v1chat/completions", "/v1/v1/models", "/models/%ff"] {
            assert_eq!(Surface::of(&Method::GET, path), Surface::Unknown, "{path}");
        }
    }

    #[test]
    fn a_path_can_name_the_model() {
        let (direct, open) = (|name: &str| Via::Direct(name.to_owned()), |name: &str| Via::Open(name.to_owned()));
        for (path, via) in [
            ("/models/m/v1/chat/completions", direct("m")),
            ("/models/Qwen%2FQwen3-8B/v1/chat/completions", direct("Qwen/Qwen3-8B")),
            ("/models/a/v1/b/v1/chat/completions", direct("a/v1/b")),
            ("/open/a/b/v1/chat/completions", open("a/b")),
        ] {
            assert_eq!(Surface::of(&Method::POST, path), Surface::Model(via, Api::ChatCompletions), "{path}");
        }
        assert_eq!(Surface::of(&Method::GET, "/open/m/v1/models"), Surface::Models(open("m")));
        assert_eq!(Surface::of(&Method::GET, "/models/m/v1/models/m"), Surface::OneModel(direct("m"), "m".into()));
        assert_eq!(Surface::of(&Method::GET, "/open/m/v1/completions"), Surface::WrongMethod("POST"));
        for path in ["/open/m/v1/health", "/models/m/v1/metrics", "/open/m/v1/key/list", "/open//v1/models", "/open/m"]
        {
            assert_eq!(Surface::of(&Method::GET, path), Surface::Unknown, "{path}");
        }
        assert_eq!(Surface::of(&Method::POST, "/open/m/v1/key/generate"), Surface::Unknown);
    }
}
