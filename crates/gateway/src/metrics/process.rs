//! What this process takes of its machine, under the names that every Prometheus client gives it.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Read from `/proc` at each scrape; what cannot be read stays as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    resident_memory: Gauge,
    open_fds: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

// === impl Process ===

impl Process {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let process = Self::default();
        let memory = process.resident_memory.clone();
        registry.register_with_unit("process_resident_memory", "Memory in use", Unit::Bytes, memory);
        registry.register("process_open_fds", "Open files and connections", process.open_fds.clone());
        let cpu = process.cpu.clone();
        registry.register_with_unit("process_cpu", "Processor time used since the start", Unit::Seconds, cpu);
        process
    }

    pub(super) fn observe(&self) {
        if let Some(bytes) = resident_bytes() {
            self.resident_memory.set(bytes);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set(i64::try_from(entries.count()).unwrap_or(i64::MAX));
        }
        if let Some(seconds) = cpu_seconds() {
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
    }
}

/// The second field of `statm`, in pages.
fn resident_bytes() -> Option<i64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    i64::try_from(pages * rustix::param::page_size() as u64).ok()
}

/// Fields 14 and 15 of `stat` (user and system time in ticks), counted behind the name in parentheses, which can
/// hold anything.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(f64::from);
    #[expect(clippy::cast_precision_loss, reason = "100 on every Linux")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Some((ticks()? + ticks()?) / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_files() {
        let process = Process::register(&mut Registry::default());
        process.observe();
        assert!(process.resident_memory.get() > 1 << 20);
        assert!(process.open_fds.get() >= 3);
        assert!((0.0..1e6).contains(&process.cpu.get()));
    }
}
