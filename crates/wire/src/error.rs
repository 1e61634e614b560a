use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An error in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// What happened, to which thing, and what to do.
    pub message: String,
    /// OpenAI's class of the error, as `invalid_request_error`.
    pub kind: &'static str,
    /// Field of the request that is at fault.
    pub param: Option<&'static str>,
    /// What programs match on, as `model_not_found`.
    pub code: &'static str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

// === impl ErrorBody ===

impl ErrorBody {
    /// As a response body.
    pub fn to_json(&self) -> Bytes {
        let envelope =
            Envelope { error: Inner { message: &self.message, kind: self.kind, param: self.param, code: self.code } };
        serde_json::to_vec(&envelope).unwrap_or_default().into()
    }

    /// As an event of a stream that cannot go on. The official SDKs raise it as an `APIError`.
    pub fn to_event(&self) -> Bytes {
        [b"data: ", self.to_json().as_ref(), b"\n\n"].concat().into()
    }

    /// The message of an engine's error answer, in whichever of the known shapes; cut to `max` characters.
    pub fn message_of(body: &[u8], max: usize) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            OpenAi { error: Message },
            Plain { error: String },
            Flat { message: String },
            Detail { detail: String },
        }
        #[derive(Deserialize)]
        struct Message {
            message: String,
        }
        let text = match serde_json::from_slice(body).ok()? {
            Shape::OpenAi { error: Message { message } } | Shape::Flat { message } => message,
            Shape::Plain { error: text } | Shape::Detail { detail: text } => text,
        };
        Some(text.chars().take(max).collect())
    }

    /// Whether an engine's error answer already has OpenAI's shape.
    pub fn is_openai(body: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Shape {
            error: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            #[serde(rename = "message")]
            _message: String,
        }
        serde_json::from_slice::<Shape>(body).map(|shape| shape.error).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_openai_s_shape() {
        let error = ErrorBody { message: "No.".into(), kind: "invalid_request_error", param: None, code: "no" };
        let json = r#"{"error":{"message":"No.","type":"invalid_request_error","param":null,"code":"no"}}"#;
        assert_eq!(error.to_json(), json);
        assert_eq!(error.to_event(), format!("data: {json}\n\n"));
        assert!(ErrorBody::is_openai(json.as_bytes()));
    }

    #[test]
    fn finds_the_message_in_known_shapes() {
        for body in
            [r#"{"error":{"message":"m","code":1}}"#, r#"{"error":"m"}"#, r#"{"detail":"m"}"#, r#"{"message":"m"}"#]
        {
            assert_eq!(ErrorBody::message_of(body.as_bytes(), 9).as_deref(), Some("m"), "{body}");
        }
        assert_eq!(ErrorBody::message_of(b"<html>", 9), None);
        assert!(!ErrorBody::is_openai(br#"{"detail":"m"}"#));
    }
}
