use std::fmt;

use http::StatusCode;
use serde::Deserialize;

/// The server answered with an error (`application/problem+json`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ApiFault {
    /// HTTP status.
    pub(crate) status: u16,
    title: String,
    detail: String,
    errors: Vec<Fault>,
}

/// One of several faults in what was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    path: String,
    message: String,
}

/// An error as clients of models get it (`OpenAI`'s).
#[derive(Deserialize)]
struct OfModels {
    error: ModelError,
}

#[derive(Deserialize)]
struct ModelError {
    message: String,
}

/// Nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {what}: {why}{advice}")]
pub(crate) struct Unreachable {
    /// Socket or address.
    pub(crate) what: String,
    /// What the system said.
    pub(crate) why: String,
    /// What to do, with the punctuation in front; may be empty.
    pub(crate) advice: String,
}

// === impl ApiFault ===

impl ApiFault {
    /// From an answer that is no success; one that is no problem document is shown as it is, cut.
    pub(crate) fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let mut fault = serde_json::from_slice::<Self>(body).unwrap_or_default();
        fault.status = status.as_u16();
        if let Ok(OfModels { error: ModelError { message } }) = serde_json::from_slice(body) {
            "this port answers requests to models, not commands".clone_into(&mut fault.title);
            fault.detail = format!("{message}\n  --server takes the address of the admin port (7860 unless set)");
            return fault;
        }
        if fault.title.is_empty() {
            status.canonical_reason().unwrap_or("error").clone_into(&mut fault.title);
            if fault.detail.is_empty() {
                fault.detail = String::from_utf8_lossy(body).chars().take(500).collect();
            }
        }
        fault
    }
}

impl ApiFault {
    /// The same with other paths.
    pub(crate) fn map_paths(mut self, of: impl Fn(&str) -> String) -> Self {
        for fault in &mut self.errors {
            fault.path = of(&fault.path);
        }
        self
    }
}

impl std::error::Error for ApiFault {}

impl fmt::Display for ApiFault {
    /// Title and detail on the first line, then each fault on a line with its path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.detail.is_empty() && self.detail != self.title {
            write!(f, ": {}", self.detail)?;
        }
        for fault in &self.errors {
            // A message of several lines (a snippet of the document) stays below its first one.
            let message = fault.message.trim_end().replace('\n', "\n  ");
            if fault.path.is_empty() {
                write!(f, "\n  {message}")?;
            } else {
                write!(f, "\n  {}: {message}", fault.path)?;
            }
        }
        if self.status == StatusCode::UNAUTHORIZED && !self.detail.contains("--server") {
            f.write_str("\n  set ENGINEHOUSE_TOKEN (or ENGINEHOUSE_TOKEN_FILE) to an API token or the master key")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_with_each_fault_and_its_path() {
        let body = br#"{"type":"about:blank","title":"Invalid document","status":422,"detail":"2 faults","errors":[
            {"path":"models[0].name","message":"`open` is reserved"},{"path":"","message":"no models\n^ here"}]}"#;
        let shown = ApiFault::from_answer(StatusCode::UNPROCESSABLE_ENTITY, body).to_string();
        assert_eq!(shown, "Invalid document: 2 faults\n  models[0].name: `open` is reserved\n  no models\n  ^ here");
    }

    #[test]
    fn an_answer_of_another_kind_is_shown_as_it_is() {
        let fault = ApiFault::from_answer(StatusCode::BAD_GATEWAY, b"<html>oops</html>");
        assert_eq!(fault.to_string(), "Bad Gateway: <html>oops</html>");
    }

    #[test]
    fn the_port_of_models_is_told_from_that_of_commands() {
        let body =
            br#"{"error":{"message":"Invalid API key","type":"invalid_request_error","code":"invalid_api_key"}}"#;
        let shown = ApiFault::from_answer(StatusCode::UNAUTHORIZED, body).to_string();
        assert!(shown.starts_with("this port answers requests to models, not commands: Invalid API key\n"), "{shown}");
        assert!(shown.ends_with("--server takes the address of the admin port (7860 unless set)"), "{shown}");
    }

    #[test]
    fn a_missing_token_is_named() {
        let fault = ApiFault::from_answer(StatusCode::UNAUTHORIZED, b"{}");
        assert!(fault.to_string().contains("ENGINEHOUSE_TOKEN"));
    }
}
