use std::collections::BTreeSet;
use std::fs;

use super::Docker;
use crate::process::listening_ports;
use crate::runtime::blocking;

// === impl Docker ===

impl Docker {
    /// TCP ports on which something in a container listens for others than itself; none where that cannot be seen: the daemon
    /// is on another machine, or this process sees no processes but its own.
    pub async fn ports(&self, container: &str) -> Option<BTreeSet<u16>> {
        if !self.host().starts_with("unix://") {
            return None;
        }
        let pid = self.pid(container).await.ok()??;
        let id = container.to_owned();
        blocking(move || read(pid, &id)).await
    }
}

fn read(pid: i64, container: &str) -> Option<BTreeSet<u16>> {
    let of = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    // Where this process runs in a container itself, numbers of processes mean others.
    if !of("cgroup").ok()?.contains(container) {
        return None;
    }
    let tables = of("net/tcp").ok()? + &of("net/tcp6").unwrap_or_default();
    Some(listening_ports(&tables))
}
