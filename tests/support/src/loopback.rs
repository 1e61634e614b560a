use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// A loopback address that nobody listens on. All of 127.0.0.0/8 is ours on Linux, so tests that run at once, in one
/// process or in many, do not meet; ports can then be the ones in the documentation.
pub fn fresh_address() -> IpAddr {
    loop {
        // Randomly keyed for each value: enough to pick one address of sixteen million.
        let [_, a, b, c, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
        let address = Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254));
        if TcpListener::bind((address, 0)).is_ok() {
            return IpAddr::V4(address);
        }
    }
}
