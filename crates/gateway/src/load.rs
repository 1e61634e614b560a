//! What a request brings: a JSON body, held whole, a form, which passes, or nothing.

mod form;
mod held;

use bytes::Bytes;
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use wire::{Edit, Peek, json_string, splice};

use crate::demand::Demand;
use crate::edge::{BodyBounds, BufferPermit, Buffers, receive};
use crate::rescue::Cause;
use crate::surface::{Api, Meter};
use crate::upstream::Segments;

pub(crate) use form::{Form, FormFault};

/// What a request brings.
#[derive(Debug)]
pub(crate) enum Load {
    /// A JSON object, all there.
    Json {
        /// Its fields.
        peek: Peek,
        /// Its bytes.
        body: Bytes,
    },
    /// Nothing: a response is asked for by its id.
    Recall {
        /// What is to be done with it.
        method: Method,
        /// Path and query below that of its API.
        path: String,
    },
    /// A form, of which at least the model's name is there.
    Form(Box<Form>),
}

// === impl Load ===

impl Load {
    /// Receives a request's body, or as much of it as tells the model's name.
    pub(crate) async fn receive(
        api: Api,
        headers: &HeaderMap,
        body: Incoming,
        buffers: &Buffers,
        bounds: BodyBounds,
    ) -> Result<(Self, BufferPermit), Cause> {
        let Some(dialect) = api.dialect() else {
            let (form, permit) = Box::pin(Form::receive(headers, body, buffers, bounds)).await?;
            return Ok((Self::Form(Box::new(form)), permit));
        };
        let (body, permit) = receive(headers, body, buffers, bounds).await?;
        let peek = Peek::parse_as(dialect, &body)?;
        Ok((Self::Json { peek, body }, permit))
    }

    /// The model that it names.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Self::Json { peek, .. } => peek.model.as_ref().map(|model| model.value.as_str()),
            Self::Recall { .. } => None,
            Self::Form(form) => form.model(),
        }
    }

    /// Whether it asks for a stream. A form may do so in a part that is still to come.
    pub(crate) fn stream(&self) -> bool {
        match self {
            Self::Json { peek, .. } => peek.stream,
            Self::Recall { path, .. } => path.contains("stream=true"),
            Self::Form(form) => form.stream(),
        }
    }

    /// What it asks for.
    pub(crate) fn demand(&self, api: Api) -> Demand {
        match self {
            Self::Json { peek, body } => Demand::of(api, peek, body.len()),
            Self::Recall { .. } => Demand::default(),
            Self::Form(form) => form.demand(api),
        }
    }

    /// Whether usage must be asked of the engine, and then kept from the client.
    pub(crate) fn hides_usage(&self, api: Api) -> bool {
        let Self::Json { peek, .. } = self else { return false };
        let asked = peek.stream_options.as_ref().is_some_and(|options| options.include_usage);
        peek.stream && api.has_stream_options() && !asked
    }

    /// The body for an engine that knows the model as `upstream_model`.
    pub(crate) fn to(&self, api: Api, upstream_model: &str) -> Segments {
        match self {
            Self::Json { peek, body } => {
                Segments::new(splice(body, edits(peek, body, upstream_model, self.hides_usage(api))))
            }
            Self::Recall { .. } => Segments::new(Vec::new()),
            Self::Form(form) => form.to(upstream_model),
        }
    }

    /// What it is billed by.
    pub(crate) fn meter(&self, api: Api) -> Meter {
        match self {
            // It is billed where it was made.
            Self::Recall { .. } => Meter::Nothing,
            _ => api.meter(),
        }
    }

    /// The response that it goes on from.
    pub(crate) fn previous_response(&self) -> Option<&str> {
        match self {
            Self::Json { peek, .. } => peek.previous_response_id.as_deref(),
            Self::Recall { .. } | Self::Form(_) => None,
        }
    }

    /// Whether it names a response: then that may not be there, for which nobody is to blame.
    pub(crate) fn names_response(&self) -> bool {
        matches!(self, Self::Recall { .. }) || self.previous_response().is_some()
    }

    /// The form, if it is one.
    pub(crate) fn form(&self) -> Option<&Form> {
        match self {
            Self::Json { .. } | Self::Recall { .. } => None,
            Self::Form(form) => Some(form),
        }
    }
}

/// What must change in a JSON body: the model's name there, and usage in streams.
fn edits(peek: &Peek, body: &Bytes, upstream_model: &str, hides_usage: bool) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(2);
    match &peek.model {
        Some(model) if model.value == upstream_model => {}
        Some(model) => edits.push(Edit { span: model.span.clone(), text: json_string(upstream_model) }),
        None => edits.push(insert_model(body, upstream_model)),
    }
    if hides_usage {
        edits.push(ask_for_usage(peek, body));
    }
    edits
}

/// `model` as first member, where the path and not the body names it.
fn insert_model(body: &Bytes, upstream_model: &str) -> Edit {
    let start = after_brace(body);
    let is_empty = body[start..].trim_ascii_start().starts_with(b"}");
    let comma = if is_empty { "" } else { "," };
    let name = json_string(upstream_model);
    Edit { span: start..start, text: [b"\"model\":", name.as_ref(), comma.as_bytes()].concat().into() }
}

fn ask_for_usage(peek: &Peek, body: &Bytes) -> Edit {
    let Some(options) = &peek.stream_options else {
        // It has `stream`, so a comma fits.
        let start = after_brace(body);
        let text = Bytes::from_static(br#""stream_options":{"include_usage":true},"#);
        return Edit { span: start..start, text };
    };
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

/// Right after the `{`, which a body that was peeked at has.
fn after_brace(body: &[u8]) -> usize {
    body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &'static str, upstream_model: &str) -> String {
        let peek = Peek::parse(body.as_bytes()).unwrap();
        let body = Bytes::from_static(body.as_bytes());
        let load = Load::Json { peek: peek.clone(), body: body.clone() };
        let hides = load.hides_usage(Api::ChatCompletions);
        String::from_utf8(splice(&body, edits(&peek, &body, upstream_model, hides)).concat()).unwrap()
    }

    #[test]
    fn only_what_must_change_changes() {
        let same = r#"{ "model":"a", "x":[1, 2.50],"stream":false }"#;
        assert_eq!(sent(same, "a"), same);
        assert_eq!(sent(r#"{"x":1e2,"model": "a"}"#, "org/b\""), r#"{"x":1e2,"model": "org/b\""}"#);
    }

    #[test]
    fn a_model_that_is_missing_is_put_in() {
        assert_eq!(sent(r#" { "x":1}"#, "b"), r#" {"model":"b", "x":1}"#);
        assert_eq!(sent(" { } ", "a\"b"), r#" {"model":"a\"b" } "#);
        assert_eq!(sent("{ }", "b"), r#"{"model":"b" }"#);
        let stream = sent(r#"{"stream":true}"#, "b");
        assert_eq!(stream, r#"{"model":"b","stream_options":{"include_usage":true},"stream":true}"#);
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
}
