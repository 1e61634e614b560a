use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request};
use wire::{Edit, Peek, StreamOptions, json_string, splice};

use super::segments::Segments;
use crate::edge::BufferPermit;
use crate::route::Pick;
use crate::surface::Api;

/// A client's request as it goes to an engine: kept until the answer begins, so that it can be repeated.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) api: Api,
    pub(crate) peek: Peek,
    body: Bytes,
    headers: HeaderMap,
    /// The body's share of the memory for bodies.
    permit: BufferPermit,
}

/// Headers that end here: about this connection, or secrets between the client and us.
static DROPPED: [HeaderName; 22] = [
    header::HOST,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::CONTENT_LENGTH,
    // Compressed answers could not be metered.
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-litellm-api-key"),
    header::COOKIE,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(
        api: Api,
        peek: Peek,
        body: Bytes,
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
        Self { api, peek, body, headers, permit }
    }

    /// Room for the answer, in the memory that the request is held in too.
    pub(crate) fn room(&self) -> BufferPermit {
        self.permit.sibling()
    }

    /// Whether usage must be asked of the engine, and then kept from the client.
    pub(crate) fn hides_usage(&self) -> bool {
        let asked = self.peek.stream_options.as_ref().is_some_and(|options| options.include_usage);
        self.peek.stream && self.api.has_stream_options() && !asked
    }

    /// The request for one replica.
    pub(super) fn to(&self, pick: &Pick) -> Request<Segments> {
        let deployment = &pick.deployment.deployment;
        let mut request = Request::new(Segments::new(splice(&self.body, self.edits(&deployment.upstream_model))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = pick.replica.uri(self.api);
        *request.headers_mut() = self.headers.clone();
        if let Some(value) = &pick.deployment.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        request
    }

    /// What must change in the body: the model's name there, and usage in streams.
    fn edits(&self, upstream_model: &str) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(2);
        let mut missing = String::new();
        match &self.peek.model {
            Some(model) if model.value != upstream_model => {
                edits.push(Edit { span: model.span.clone(), text: json_string(upstream_model) });
            }
            Some(_) => {}
            // The path named it.
            None => missing.extend([r#""model":"#, &serde_json::Value::from(upstream_model).to_string(), ","]),
        }
        match &self.peek.stream_options {
            _ if !self.hides_usage() => {}
            Some(options) => edits.push(ask_for_usage(options)),
            None => missing += r#""stream_options":{"include_usage":true},"#,
        }
        if !missing.is_empty() {
            edits.push(self.insert(missing));
        }
        edits
    }

    /// Puts members, each with a comma behind it, at the head of the body.
    fn insert(&self, mut members: String) -> Edit {
        // Right after the `{`, which a body that was peeked at has.
        let start = self.body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        if self.body[start..].trim_ascii_start().starts_with(b"}") {
            members.pop();
        }
        Edit { span: start..start, text: members.into() }
    }
}

fn ask_for_usage(options: &StreamOptions) -> Edit {
    match &options.include_usage_span {
        Some(span) => Edit { span: span.clone(), text: Bytes::from_static(b"true") },
        None if options.is_null || options.is_empty => {
            Edit { span: options.span.clone(), text: Bytes::from_static(br#"{"include_usage":true}"#) }
        }
        None => {
            let start = options.span.start + 1;
            Edit { span: start..start, text: Bytes::from_static(br#""include_usage":true,"#) }
        }
    }
}

/// Takes `names` out of `headers`. Most are not there: to look through what is there costs less than to ask for each.
pub(super) fn strip(headers: &mut HeaderMap, names: &[HeaderName]) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| names.contains(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &'static str, upstream_model: &str) -> String {
        let peek = Peek::parse(body.as_bytes()).unwrap();
        let body = Bytes::from_static(body.as_bytes());
        let id = Arc::from("r");
        let out =
            Outbound::new(Api::ChatCompletions, peek, body.clone(), HeaderMap::new(), &id, BufferPermit::default());
        String::from_utf8(splice(&body, out.edits(upstream_model)).concat()).unwrap()
    }

    #[test]
    fn only_what_must_change_changes() {
        let same = r#"{ "model":"a", "x":[1, 2.50],"stream":false }"#;
        assert_eq!(sent(same, "a"), same);
        assert_eq!(sent(r#"{"x":1e2,"model": "a"}"#, "org/b\""), r#"{"x":1e2,"model": "org/b\""}"#);
    }

    #[test]
    fn a_model_that_only_the_path_names_is_put_in() {
        assert_eq!(sent("{}", "a"), r#"{"model":"a"}"#);
        assert_eq!(sent(" { } ", "a\"b"), r#" {"model":"a\"b" } "#);
        assert_eq!(
            sent(r#"{"stream":true}"#, "a"),
            r#"{"model":"a","stream_options":{"include_usage":true},"stream":true}"#
        );
    }

    #[test]
    fn usage_is_asked_for_in_streams() {
        for (body, expected) in [
            (
                r#"{"model":"a","stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":null}"#,
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{"x":1}}"#,
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":false}}"#,
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            assert_eq!(sent(body, "a"), expected);
        }
        let asked = r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(sent(asked, "a"), asked);
    }

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
            Peek::default(),
            body,
            headers,
            &Arc::from("id-1"),
            BufferPermit::default(),
        );
        let names: Vec<_> = out.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept", "x-request-id"]);
    }
}
