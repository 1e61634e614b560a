use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::segments::Segments;
use crate::edge::BufferPermit;
use crate::load::Load;
use crate::route::Pick;
use crate::surface::Api;

/// A client's request as it goes to an engine: kept until the answer begins, so that it can be repeated.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) api: Api,
    pub(crate) load: Load,
    headers: HeaderMap,
    /// The body's share of the memory for bodies.
    permit: BufferPermit,
}

/// Headers that end here: about this connection, or secrets between the client and us.
static DROPPED: [&str; 22] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
    // Compressed answers could not be metered.
    "accept-encoding",
    "authorization",
    "x-api-key",
    "api-key",
    "x-litellm-api-key",
    "cookie",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(
        api: Api,
        load: Load,
        mut headers: HeaderMap,
        request_id: &Arc<str>,
        permit: BufferPermit,
    ) -> Self {
        // Headers that `Connection` names are about this connection too.
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').filter_map(|name| name.trim().parse().ok()))
            .collect();
        strip(&mut headers, &DROPPED);
        for name in named {
            headers.remove(name);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        Self { api, load, headers, permit }
    }

    /// A look at the response called `id`, which this request has made.
    pub(crate) fn look_at_response(&self, id: &str, request_id: &Arc<str>) -> Self {
        let load = Load::Recall { method: Method::GET, path: format!("/{}", utf8_percent_encode(id, PLAIN)) };
        Self::new(Api::Responses, load, HeaderMap::new(), request_id, self.room())
    }

    /// Room for the answer, in the memory that the request is held in too.
    pub(crate) fn room(&self) -> BufferPermit {
        self.permit.sibling()
    }

    /// The request for one replica. Boxed: it goes through many hands, each of which would hold all of it.
    pub(super) fn to(&self, pick: &Pick) -> Box<Request<Segments>> {
        let deployment = &pick.deployment.deployment;
        let mut request = Box::new(Request::new(self.load.to(self.api, &deployment.upstream_model)));
        let (method, uri) = match &self.load {
            Load::Recall { method, path, .. } => (method.clone(), pick.replica.uri_below(self.api, path)),
            Load::Json { .. } | Load::Form(_) => (Method::POST, pick.replica.uri(self.api)),
        };
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        if let Some(value) = &pick.deployment.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        request
    }
}

/// Takes `names` out of `headers`. Most are not there: to look through what is there costs less than to ask for each.
pub(super) fn strip(headers: &mut HeaderMap, names: &[&str]) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| names.contains(&name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wire::Peek;

    use super::*;

    #[test]
    fn secrets_and_connection_headers_end_here() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-api-key", "cookie", "host", "x-private", "x-kept"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        headers.insert("connection", HeaderValue::from_static("close, X-Private"));
        let body = Bytes::from_static(b"{}");
        let out = Outbound::new(
            Api::Completions,
            Load::Json { peek: Peek::default(), body },
            headers,
            &Arc::from("id-1"),
            BufferPermit::default(),
        );
        let names: Vec<_> = out.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept", "x-request-id"]);
    }
}
