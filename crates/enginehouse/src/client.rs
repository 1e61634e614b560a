//! The admin API as the commands use it, wherever the service is: on this home, elsewhere, or not running at all.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Globals;
use crate::home::Home;

mod fault;
mod local;
mod remote;
#[cfg(test)]
mod tests;

pub(crate) use fault::{ApiFault, Unreachable};

/// Bytes that one answer may have.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// A request ready to be sent: path and query, and a JSON body or none.
type ApiRequest = Request<http_body_util::Full<Bytes>>;

/// The admin API.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    /// A server that runs on this home.
    Local(local::Local),
    /// A server elsewhere.
    Remote(remote::Remote),
}

/// What came back, whatever carried it.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: Bytes,
}

// === impl Client ===

impl Client {
    /// To the server that `--server` names, else to the one that runs on the home.
    pub(crate) fn connect(globals: &Globals) -> anyhow::Result<Self> {
        let transport = match &globals.server {
            Some(url) => Transport::Remote(remote::Remote::new(url)?),
            None => Transport::Local(local::Local::new(Home::resolve(globals)?.control_socket())),
        };
        Ok(Self { transport })
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Sends `body` to `path`.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Changes what is at `path`.
    pub(crate) async fn patch(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Deletes what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> anyhow::Result<Value> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(http_body_util::Full::new(body.unwrap_or_default()))?;
        let answer = match &self.transport {
            Transport::Local(local) => local.send(request).await?,
            Transport::Remote(remote) => remote.send(request).await?,
        };
        answer.into_value()
    }
}

// === impl Answer ===

impl Answer {
    fn into_value(self) -> anyhow::Result<Value> {
        if !self.status.is_success() {
            return Err(ApiFault::from_answer(self.status, &self.body).into());
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let parsed = serde_json::from_slice(&self.body);
        parsed.map_err(|e| anyhow::anyhow!("the answer is not JSON ({e}): is this the admin port of Enginehouse?"))
    }
}

/// Reads the parts of an answer that a command shows.
pub(crate) fn view<T: DeserializeOwned>(answer: &Value) -> anyhow::Result<T> {
    T::deserialize(answer)
        .map_err(|e| anyhow::anyhow!("the server's answer is not understood ({e}): is it another version?"))
}

/// One segment of a path, percent-encoded; names may hold `/`.
pub(crate) fn segment(name: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A query string from pairs, with its `?`; empty for none.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let text = query.extend_pairs(pairs).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}
