use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A plain HTTP/1.1 client. Every request has a connection of its own, which closes when its answer is dropped:
/// that is how a test goes away in the middle.
#[derive(Clone, Debug)]
pub struct Http {
    address: SocketAddr,
    key: Option<String>,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// An answer that is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub struct Streaming {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
    connection: JoinHandle<()>,
}

// === impl Http ===

impl Http {
    /// Without a key.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, key: None, headers: Vec::new() }
    }

    /// Presents `key` as bearer token.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Sends this header too.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it connects to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// GET, whole answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// POST of JSON, whole answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// Any method and body, whole answer.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_send(method, path, body.into()).await.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// As [`send`](Self::send), for servers that may be gone.
    pub async fn try_send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let streaming = self.try_stream(method, path, body).await?;
        let (status, headers) = (streaming.status, streaming.headers.clone());
        let body = streaming.rest().await?;
        Ok(Answer { status, headers, body })
    }

    /// POST of JSON; returns as soon as the headers are there.
    pub async fn stream(&self, path: &str, body: &Value) -> Streaming {
        let streaming = self.try_stream(Method::POST, path, body.to_string().into()).await;
        streaming.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// As [`stream`](Self::stream), with any method, for servers that may be gone.
    pub async fn try_stream(&self, method: Method, path: &str, body: Bytes) -> Result<Streaming, String> {
        let connecting = TcpStream::connect(self.address).await;
        let stream = connecting.map_err(|e| format!("{}: {e}", self.address))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let response = sender.send_request(self.request(method, path, body)).await.map_err(|e| e.to_string())?;
        let (parts, body) = response.into_parts();
        Ok(Streaming { status: parts.status, headers: parts.headers, body, unread: Vec::new(), connection })
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.address.to_string());
        if !body.is_empty() && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).unwrap()
    }
}

// === impl Answer ===

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in: {}", self.text()))
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// A header as text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This status, else the test fails and shows the body.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

// === impl Streaming ===

impl Streaming {
    /// The next piece of the body as it came from the network; none at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(e.to_string()),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The `data` of the next server-sent event, `[DONE]` included; none at the end.
    pub async fn next_event(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(event) = self.take_event() {
                return Ok(Some(event));
            }
            match self.next_chunk().await? {
                None => return Ok(None),
                Some(chunk) => self.unread.extend_from_slice(&chunk),
            }
        }
    }

    /// The `data` of all events that are left.
    pub async fn events(&mut self) -> Result<Vec<String>, String> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// All that is left of the body.
    pub async fn rest(mut self) -> Result<Bytes, String> {
        let mut body = std::mem::take(&mut self.unread);
        while let Some(chunk) = self.next_chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    fn take_event(&mut self) -> Option<String> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
            let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
            let text = String::from_utf8(frame).unwrap();
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
