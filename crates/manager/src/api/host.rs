use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header;
use http::uri::Authority;

use super::Problem;

/// Lets pass requests that name the admin port by its address or as this machine. A page of a foreign site whose
/// name was made to lead here (DNS rebinding) names that site.
pub(super) async fn require_own_host(State(own): State<SocketAddr>, request: Request, next: Next) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let named = named.or(request.uri().authority().map(Authority::as_str));
    if named.is_some_and(|host| is_own(host, own.ip())) {
        return next.run(request).await;
    }
    Problem::misdirected("name the admin port by its IP address, or as localhost").into_response()
}

fn is_own(host: &str, own: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    // Where all addresses of the machine are listened on, each of them is its own.
    name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || own.is_unspecified() || address == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_refused() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        for host in ["localhost", "localhost:7860", "127.0.0.1:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST:1"] {
            assert!(is_own(host, loopback), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:7860", "10.0.0.5:7860", "", "127.0.0.1.evil.example", "0x7f.1"]
        {
            assert!(!is_own(host, loopback), "{host}");
        }
        assert!(is_own("10.0.0.5:7860", "10.0.0.5".parse().unwrap()));
        assert!(is_own("10.0.0.5:7860", "0.0.0.0".parse().unwrap()));
        assert!(!is_own("gpu1:7860", "0.0.0.0".parse().unwrap()));
    }
}
