use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a file needs to know beside the document.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Number of the revision that the document is.
    pub revision: u64,
    /// SHA-256 of the document, in hex.
    pub digest: &'a str,
    /// Where Enginehouse listens for clients.
    pub client: SocketAddr,
    /// Where Enginehouse listens for administrators.
    pub admin: SocketAddr,
}

// === impl Facts ===

impl Facts<'_> {
    /// The client port as programs on the same machine reach it.
    pub(crate) fn client_here(&self) -> SocketAddr {
        here(self.client)
    }

    /// The admin port as programs on the same machine reach it.
    pub(crate) fn admin_here(&self) -> SocketAddr {
        here(self.admin)
    }
}

/// Who listens on all addresses is reached on the loopback one.
fn here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_on_the_loopback_one() {
        let here = |text: &str| here(text.parse().unwrap()).to_string();
        assert_eq!(here("0.0.0.0:4000"), "127.0.0.1:4000");
        assert_eq!(here("[::]:4000"), "[::1]:4000");
        assert_eq!(here("10.0.0.7:4000"), "10.0.0.7:4000");
    }
}
