use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use snapshot::KeyHash;

use super::Problem;
use crate::{Actor, Manager};

/// Lets pass who presents the master key, and tells the handlers who it is.
pub(super) async fn require_master_key(State(manager): State<Manager>, mut request: Request, next: Next) -> Response {
    // Hashes are compared, not keys: how long that takes tells nothing about the key.
    let presented = bearer(request.headers()).map(KeyHash::of);
    match manager.inner().outlet.master_key() {
        Some(master) if presented == Some(master) => {
            let actor = Actor::master(remote(&request));
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        _ => Problem::unauthorized("present the master key as `Authorization: Bearer sk-…`").into_response(),
    }
}

/// Address of whoever is connected; none where there is no network.
fn remote(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_behind_bearer() {
        let token = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer sk-x").as_deref(), Some("sk-x"));
        assert_eq!(token("bearer  sk-x ").as_deref(), Some("sk-x"));
        assert_eq!(token("Basic sk-x"), None);
        assert_eq!(token("sk-x"), None);
    }
}
