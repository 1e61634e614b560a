use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

mod api;

pub(crate) use api::{Api, Events, Meter};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// A model's API.
    Mediated(Api),
    /// The list of models.
    Models,
    /// One model of that list.
    OneModel(String),
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

// === impl Surface ===

impl Surface {
    /// Reads method and path. Paths work with and without `/v1`, as LiteLLM's users write them.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let bare = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if let Some(api) = Api::at(bare) {
            return expect(method, &Method::POST, "POST", Self::Mediated(api));
        }
        let get = |surface| expect(method, &Method::GET, "GET", surface);
        match bare {
            "/models" => get(Self::Models),
            "/health" => get(Self::Health),
            "/health/liveliness" | "/health/liveness" => get(Self::Liveness),
            "/health/readiness" => get(Self::Readiness),
            "/metrics" => get(Self::Metrics),
            _ if is_management(bare) => Self::Management,
            _ => match bare.strip_prefix("/models/").and_then(decode) {
                Some(name) => get(Self::OneModel(name)),
                None => Self::Unknown,
            },
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
        for path in ["/v1/chat/completions", "/chat/completions"] {
            assert_eq!(Surface::of(&Method::POST, path), Surface::Mediated(Api::ChatCompletions));
            assert_eq!(Surface::of(&Method::GET, path), Surface::WrongMethod("POST"));
        }
        for (path, api) in [("/rerank", Api::Rerank), ("/v2/rerank", Api::Rerank), ("/v1/tokenize", Api::Tokenize)] {
            assert_eq!(Surface::of(&Method::POST, path), Surface::Mediated(api));
        }
        assert_eq!(Surface::of(&Method::GET, "/v1/models/Qwen%2FQwen3-8B"), Surface::OneModel("Qwen/Qwen3-8B".into()));
        assert_eq!(Surface::of(&Method::GET, "/v1/models/a/b"), Surface::OneModel("a/b".into()));
        assert_eq!(Surface::of(&Method::POST, "/key/generate"), Surface::Management);
        assert_eq!(Surface::of(&Method::HEAD, "/health"), Surface::Health);
        for path in ["/", "/v1", "/v1/", "/v1/models/", "/v1chat/completions", "/v1/v1/models", "/models/%ff"] {
            assert_eq!(Surface::of(&Method::GET, path), Surface::Unknown, "{path}");
        }
    }
}
