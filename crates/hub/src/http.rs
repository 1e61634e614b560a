//! Requests to the Hub: redirects are followed by hand, because the token must stay with the endpoint; what may pass is
//! tried again.

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use url::Url;

use crate::{Endpoint, HubError, Patience, Token};

mod redirect;
mod retry;

pub(crate) use retry::{Failure, Tries};

/// Bytes that one answer of the API may have.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// How long a connection may take.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(15);

/// Talks to one endpoint, and to where that sends us.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    endpoint: Endpoint,
    token: Option<HeaderValue>,
    patience: Patience,
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    /// Who gave it.
    pub(crate) host: String,
    /// Whether that is the endpoint itself.
    pub(crate) is_endpoint: bool,
}

// === impl Http ===

impl Http {
    pub(crate) fn new(endpoint: Endpoint, token: Option<&Token>, patience: Patience) -> Result<Self, HubError> {
        let token = token.map(|token| {
            // The token is visible ASCII, which every header can carry.
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector()?);
        Ok(Self { client, endpoint, token: token.flatten(), patience })
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Gets `url`, from byte `from` on if given, wherever that leads. Any status but those of redirects is an answer.
    pub(crate) async fn get(&self, url: &Url, from: Option<u64>) -> Result<Answer, Failure> {
        let mut url = url.clone();
        let mut hops = redirect::Hops::new(&self.endpoint);
        loop {
            let host = url.host_str().unwrap_or_default().to_owned();
            let response = self.send(&url, from).await?;
            match hops.follow(&url, &response).map_err(Failure::is_final)? {
                Some(next) => url = next,
                None => return Ok(Answer { response, host, is_endpoint: self.endpoint.is_origin_of(&url) }),
            }
        }
    }

    async fn send(&self, url: &Url, from: Option<u64>) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::get(url.as_str());
        request = request.header(header::USER_AGENT, concat!("enginehouse/", env!("CARGO_PKG_VERSION")));
        // A compressed range would not be a range of the file.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token.as_ref().filter(|_| self.endpoint.is_origin_of(url)) {
            request = request.header(header::AUTHORIZATION, token);
        }
        if let Some(from) = from.filter(|from| *from > 0) {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let host = url.host_str().unwrap_or_default();
        let unreachable = |why: String| Failure::passing(HubError::Unreachable { host: host.to_owned(), why });
        let request = request.body(Empty::new()).map_err(|error| unreachable(error.to_string()).into_final())?;
        match timeout(self.patience.stall, self.client.request(request)).await {
            Err(_) => Err(unreachable(format!("no answer within {:?}", self.patience.stall))),
            Ok(Err(error)) => Err(unreachable(innermost(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Whether it is a page for people.
    pub(crate) fn is_html(&self) -> bool {
        let kind = self.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
    }

    /// All of a JSON body.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(self, patience: &Patience) -> Result<T, Failure> {
        let host = self.host.clone();
        let bytes = self.bytes(patience, MAX_ANSWER_BYTES).await?;
        let odd = |why: String| Failure::is_final(HubError::NotAHub { host, why });
        serde_json::from_slice(&bytes).map_err(|error| odd(format!("its answer cannot be read: {error}")))
    }

    /// All of a body of at most `most` bytes.
    pub(crate) async fn bytes(self, patience: &Patience, most: usize) -> Result<Vec<u8>, Failure> {
        let host = self.host.clone();
        let odd = |why: String| Failure::is_final(HubError::NotAHub { host: host.clone(), why });
        if self.is_html() {
            return Err(odd("it sent a page for people".to_owned()));
        }
        let collected = Limited::new(self.response.into_body(), most).collect();
        match timeout(patience.stall, collected).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(odd(format!("its answer has more than {most} bytes")))
            }
            Ok(Err(error)) => {
                let why = format!("the answer broke off: {error}");
                Err(Failure::passing(HubError::Unreachable { host, why }))
            }
            Err(_) => {
                let why = "the answer did not end".to_owned();
                Err(Failure::passing(HubError::Unreachable { host, why }))
            }
        }
    }

    /// The next piece of the body; none at its end.
    pub(crate) async fn chunk(&mut self, patience: &Patience) -> Result<Option<Bytes>, Failure> {
        loop {
            let cut = |why: String| Failure::passing(HubError::Unreachable { host: self.host.clone(), why });
            let frame = timeout(patience.stall, self.response.body_mut().frame()).await;
            let frame = match frame.map_or_else(|_| Either::Left(()), Either::Right) {
                Either::Left(()) => return Err(cut(format!("nothing came for {:?}", patience.stall))),
                Either::Right(None) => return Ok(None),
                Either::Right(Some(Err(error))) => return Err(cut(innermost(&error))),
                Either::Right(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

/// What is really wrong stands at the end of the chain.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn connector() -> Result<HttpsConnector<HttpConnector>, HubError> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| HubError::Tls(error.to_string()))?.with_webpki_roots().with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT));
    http.set_nodelay(true);
    // One connection a file: a stream of its own each, so that none waits for the window of another.
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}
