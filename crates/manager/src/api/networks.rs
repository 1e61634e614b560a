//! From where the admin port may be reached.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;

use super::Problem;

/// The networks that the admin port answers; none restricts nothing. This machine is always answered: who is on it
/// can also open the control socket, and a proxy on it has to keep a list of its own.
#[derive(Clone, Debug, Default)]
pub struct AllowedNetworks(Arc<[IpNet]>);

// === impl AllowedNetworks ===

impl AllowedNetworks {
    fn allows(&self, address: IpAddr) -> bool {
        // A socket for both protocols shows addresses of IPv4 as ones of IPv6.
        let address = address.to_canonical();
        self.0.is_empty() || address.is_loopback() || self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for AllowedNetworks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// Lets pass requests from `networks`. Before anything else, so that strangers cannot even try passwords.
pub(super) async fn require_allowed(State(networks): State<AllowedNetworks>, request: Request, next: Next) -> Response {
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    if remote.is_none_or(|remote| networks.allows(remote)) {
        return next.run(request).await;
    }
    Problem::forbidden("the admin port does not answer this address; the operator can allow it with `--admin-allow`")
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::TestApp;

    fn networks(all: &[&str]) -> AllowedNetworks {
        all.iter().map(|network| network.parse::<IpNet>().unwrap()).collect()
    }

    #[test]
    fn who_is_in_no_network_is_not_answered() {
        let some = networks(&["10.1.0.0/16", "2001:db8::/32"]);
        let allows = |address: &str| some.allows(address.parse().unwrap());
        for address in
            ["10.1.0.1", "10.1.255.255", "::ffff:10.1.2.3", "2001:db8::7", "127.0.0.1", "::1", "::ffff:127.0.0.1"]
        {
            assert!(allows(address), "{address}");
        }
        for address in ["10.2.0.1", "::ffff:10.2.0.1", "2001:db9::7", "192.168.0.1"] {
            assert!(!allows(address), "{address}");
        }
        assert!(networks(&[]).allows("192.168.0.1".parse().unwrap()), "no list restricts nothing");
    }

    #[tokio::test]
    async fn the_admin_port_is_shut_to_other_networks_also_for_who_knows_the_master_key() {
        let app = TestApp::on_new_home().open().await;
        let router = app.manager.admin_router("0.0.0.0:7860".parse().unwrap(), networks(&["10.1.0.0/16"]));
        let status = async |from: &str, path: &str| {
            let mut request = Request::get(path).header("host", "127.0.0.1:7860");
            request = request.header("authorization", "Bearer sk-test-master-key");
            let mut request = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(from.parse().unwrap(), 5_000)));
            router.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        assert_eq!(status("10.1.2.3", "/api/v1/status").await, 200);
        assert_eq!(status("127.0.0.1", "/api/v1/status").await, 200);
        for path in ["/api/v1/status", "/api/v1/session", "/metrics", "/api/openapi.json", "/"] {
            assert_eq!(status("10.2.2.3", path).await, 403, "{path}");
        }
    }
}
