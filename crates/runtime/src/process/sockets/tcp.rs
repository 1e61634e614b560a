use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Inode;

/// One line of `/proc/net/tcp` or `tcp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    address: IpAddr,
    port: u16,
    listens: bool,
    inode: Inode,
}

/// The sockets that get the connections made to 127.0.0.1 at this port.
pub(super) fn listening(port: u16) -> Vec<Inode> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    receivers(&[read("/proc/net/tcp"), read("/proc/net/tcp6")].concat(), port)
}

/// The ports of such tables on which something listens that others can reach.
pub(super) fn open(tables: &str) -> BTreeSet<u16> {
    let open = tables.lines().filter_map(parse).filter(|line| line.listens && !line.address.is_loopback());
    open.map(|line| line.port).collect()
}

/// Of several listeners at one port the kernel takes those with the most exact address.
fn receivers(tables: &str, port: u16) -> Vec<Inode> {
    let listeners: Vec<Line> =
        tables.lines().filter_map(parse).filter(|line| line.listens && line.port == port).collect();
    let exactness = |address| match address {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => 3,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => 2,
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => 1,
        _ => 0,
    };
    let best = listeners.iter().map(|line| exactness(line.address)).max().unwrap_or(0);
    let receives = |line: &&Line| best > 0 && exactness(line.address) == best;
    listeners.iter().filter(receives).map(|line| line.inode).collect()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`, numbers in hexadecimal up to `st`.
fn parse(line: &str) -> Option<Line> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Line { address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, listens, inode })
}

/// Words of 32 bits in the machine's byte order; an IPv4 address in IPv6 clothes is one of IPv4.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes it on a little-endian machine.
    fn line(address: &str, port: u16, state: &str, inode: u64) -> String {
        format!(
            "   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 {inode} 1 0\n"
        )
    }

    const LOOPBACK: &str = "0100007F";
    const ANY: &str = "00000000";
    const ANY_6: &str = "00000000000000000000000000000000";
    const LOOPBACK_IN_6: &str = "0000000000000000FFFF00000100007F";
    const LAN: &str = "0201A8C0";

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses() {
        assert_eq!(parse_address(LOOPBACK), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(parse_address(LAN), Some(IpAddr::from([192, 168, 1, 2])));
        assert_eq!(parse_address(LOOPBACK_IN_6), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(parse_address(ANY_6), Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        assert_eq!(parse_address("00000000000000000000000001000000"), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(parse_address("0"), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_most_exact_listener_receives() {
        let title =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let table = [
            title.to_owned(),
            line(LOOPBACK, 8000, "01", 1),
            line(LOOPBACK, 8001, "0A", 2),
            line(LAN, 8000, "0A", 3),
            line(ANY_6, 8000, "0A", 4),
        ];
        assert_eq!(receivers(&table.concat(), 8000), [4]);
        let any = [table.concat(), line(ANY, 8000, "0A", 5), line(ANY, 8000, "0A", 6)].concat();
        assert_eq!(receivers(&any, 8000), [5, 6]);
        assert_eq!(receivers(&[any, line(LOOPBACK_IN_6, 8000, "0A", 7)].concat(), 8000), [7]);
        assert_eq!(receivers(&line(LAN, 8000, "0A", 3), 8000), [0; 0]);
        assert_eq!(open(&[table.concat(), line(LAN, 80, "0A", 8)].concat()), [80, 8000].into());
    }
}
