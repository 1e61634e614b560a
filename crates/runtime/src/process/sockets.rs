use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use super::{Handle, group};
use crate::Listener;

mod tcp;
mod unix;

/// The kernel's number of a socket.
type Inode = u64;

/// Whether what listens there belongs to the handle's group.
pub fn listens(handle: &Handle, listener: &Listener) -> bool {
    let listening = listening(listener);
    if listening.is_empty() {
        return false;
    }
    let own = owned(handle);
    match listener {
        // Several programs may share a port (`SO_REUSEPORT`), and the kernel deals connections out among them.
        Listener::Port(_) | Listener::Address(_) => listening.iter().all(|inode| own.contains(inode)),
        // A listener whose file was removed still stands under its path, beside the one that took its place.
        Listener::Socket(_) => listening.iter().any(|inode| own.contains(inode)),
    }
}

/// The sockets that get the connections made there.
pub(super) fn listening(listener: &Listener) -> Vec<Inode> {
    match listener {
        Listener::Port(port) => tcp::listening(*port),
        Listener::Socket(path) => unix::listening(path),
        // Of a container; no process of ours listens there.
        Listener::Address(_) => Vec::new(),
    }
}

/// The ports on which something listens that others can reach, of tables as `/proc/net/tcp`.
pub fn listening_ports(tables: &str) -> BTreeSet<u16> {
    tcp::open(tables)
}

/// The sockets that the group holds.
fn owned(handle: &Handle) -> HashSet<Inode> {
    let members = group::members(handle).unwrap_or_default();
    members.into_iter().flat_map(|pid| held(Path::new(&format!("/proc/{pid}/fd")))).collect()
}

fn held(fds: &Path) -> Vec<Inode> {
    let Ok(entries) = fs::read_dir(fds) else { return Vec::new() };
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}
