use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use snapshot::Address;

use super::dial::Dial;
use super::pool::{Pool, Tried};
use super::{Fault, Inbound, Segments};

/// The connections to one replica.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Arc<Pool>,
    host: HeaderValue,
}

// === impl Client ===

impl Client {
    /// A pool to `address`; nothing is connected yet.
    pub(crate) fn new(address: &Address, connect_timeout: Duration) -> Self {
        Self { pool: Pool::new(Dial::new(address.clone(), connect_timeout)), host: host(address) }
    }

    /// A pool to the Unix socket at `path`.
    pub(crate) fn unix(path: &Path, connect_timeout: Duration) -> Self {
        Self::new(&Address::Unix(path.to_owned()), connect_timeout)
    }

    /// The address of `path` there; the root if it is no path.
    pub(crate) fn uri(path: &str) -> Uri {
        path.parse::<PathAndQuery>().map(Uri::from).unwrap_or_default()
    }

    /// Sends `request`, whose URI is one of [`uri`](Self::uri)'s, and waits for the head of the answer.
    pub(crate) async fn send(&self, request: Request<Segments>) -> Result<Response<Inbound>, Fault> {
        self.pool.send(self.addressed(Box::new(request))).await
    }

    /// As [`send`](Self::send), for a request that `make` makes again while it can. A connection that had waited may be
    /// closed just when it is used; that says nothing of the replica, so a new one is tried before anybody is blamed.
    pub(crate) async fn send_repeatable(
        &self,
        make: impl Fn() -> Option<Box<Request<Segments>>>,
    ) -> Result<Response<Inbound>, Fault> {
        let Some(request) = make() else { return Err(Fault::Reset) };
        match self.pool.send_waiting(self.addressed(request)).await {
            Tried::Unsent(request) => self.pool.send_anew(request).await,
            Tried::Sent(Err(Fault::Reset)) => match make() {
                Some(request) => self.pool.send_anew(self.addressed(request)).await,
                None => Err(Fault::Reset),
            },
            Tried::Sent(result) => result,
        }
    }

    fn addressed(&self, mut request: Box<Request<Segments>>) -> Box<Request<Segments>> {
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }

    /// The status that `path` answers with.
    pub(crate) async fn get(&self, path: &str) -> Result<StatusCode, Fault> {
        let mut request = Request::new(Segments::new(Vec::new()));
        *request.uri_mut() = Self::uri(path);
        Ok(self.send(request).await?.status())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.host)
    }
}

/// What the replica is called in requests: without the port where it is the scheme's own.
fn host(address: &Address) -> HeaderValue {
    let name = match address {
        Address::Http(authority) => authority.strip_suffix(":80").unwrap_or(authority),
        Address::Https(authority) => authority.strip_suffix(":443").unwrap_or(authority),
        Address::Unix(_) => "localhost",
    };
    HeaderValue::from_str(name).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_a_port_where_it_is_not_the_scheme_s_own() {
        assert_eq!(host(&Address::Http("a:80".into())), "a");
        assert_eq!(host(&Address::Http("a:8080".into())), "a:8080");
        assert_eq!(host(&Address::Http("a:443".into())), "a:443");
        assert_eq!(host(&Address::Https("[::1]:443".into())), "[::1]");
        assert_eq!(host(&Address::Unix("/run/x.sock".into())), "localhost");
    }

    #[test]
    fn what_is_no_path_is_the_root() {
        assert_eq!(Client::uri("/v1/a?b=c"), "/v1/a?b=c");
        assert_eq!(Client::uri("a b"), "/");
    }
}
