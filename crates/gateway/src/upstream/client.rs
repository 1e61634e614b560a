use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use snapshot::Address;

use super::Fault;
use super::dial::Dial;
use super::segments::Segments;

/// Idle connections are closed before uvicorn's keep-alive of 5 s closes them under a request.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections kept for one replica.
const MAX_IDLE: usize = 1_024;

/// The connections to one replica.
#[derive(Clone)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<Dial>, Segments>,
    scheme: Scheme,
    authority: Authority,
}

// === impl Client ===

impl Client {
    /// A pool to `address`; nothing is connected yet.
    pub(crate) fn new(address: &Address, connect_timeout: Duration) -> Self {
        let dial = Dial::new(address.clone(), connect_timeout);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(dial);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(connector);
        let (scheme, authority) = match address {
            Address::Http(authority) => (Scheme::HTTP, authority.parse().ok()),
            Address::Https(authority) => (Scheme::HTTPS, authority.parse().ok()),
            Address::Unix(_) => (Scheme::HTTP, None),
        };
        Self { pool, scheme, authority: authority.unwrap_or_else(|| Authority::from_static("localhost")) }
    }

    /// A pool to the Unix socket at `path`.
    pub(crate) fn unix(path: &Path, connect_timeout: Duration) -> Self {
        Self::new(&Address::Unix(path.to_owned()), connect_timeout)
    }

    /// The address of `path` there; the root if it is no path.
    pub(crate) fn uri(&self, path: &str) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Sends `request`, whose URI is one of [`uri`](Self::uri)'s, and waits for the head of the answer.
    pub(crate) async fn send(&self, request: Request<Segments>) -> Result<Response<Incoming>, Fault> {
        self.pool.request(request).await.map_err(|error| Fault::of_client(&error))
    }

    /// The status that `path` answers with.
    pub(crate) async fn get(&self, path: &str) -> Result<StatusCode, Fault> {
        let mut request = Request::new(Segments::new(Vec::new()));
        *request.uri_mut() = self.uri(path);
        Ok(self.send(request).await?.status())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}://{})", self.scheme, self.authority)
    }
}

/// Trusts the public web's certificate authorities; made once, as it holds some hundred of them.
fn tls() -> &'static rustls::ClientConfig {
    static TLS: LazyLock<rustls::ClientConfig> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_or_else(
            |error| unreachable!("aws-lc supports the default protocol versions: {error}"),
            |builder| builder.with_webpki_roots().with_no_client_auth(),
        )
    });
    &TLS
}
