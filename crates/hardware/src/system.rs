//! What the kernel tells beside the driver.

use std::path::Path;

use crate::Memory;

/// The machine's own memory, as a GPU that shares it can use it: what the page cache has counts as free, because the kernel
/// gives it up.
pub(crate) fn unified_memory(root: &Path) -> Option<Memory> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    let (total, free) = (bytes("MemTotal")?, bytes("MemAvailable")?);
    Some(Memory { total, used: total.saturating_sub(free), free, unified: true })
}

/// The node of the machine's memory next to a device, by its PCI id as NVIDIA writes it (`00000000:1B:00.0`).
pub(crate) fn numa_node(root: &Path, pci: &str) -> Option<u32> {
    let (domain, rest) = pci.split_once(':')?;
    // NVIDIA writes eight digits of the domain, the kernel four.
    let domain = domain.get(domain.len().checked_sub(4)?..)?;
    let fits = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    if !domain.chars().chain(rest.chars()).all(fits) {
        return None;
    }
    let folder = root.join("sys/bus/pci/devices").join(format!("{domain}:{rest}").to_ascii_lowercase());
    // -1 where there is no such node.
    std::fs::read_to_string(folder.join("numa_node")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_cache_counts_as_free() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let text = "MemTotal:       125000000 kB\nMemFree:          1000000 kB\nMemAvailable:   120000000 kB\nCached: 119000000 kB\n";
        std::fs::write(root.path().join("proc/meminfo"), text).unwrap();
        let memory = unified_memory(root.path()).unwrap();
        assert_eq!((memory.total, memory.free), (125_000_000 << 10, 120_000_000 << 10));
        assert_eq!((memory.used, memory.unified), (5_000_000 << 10, true));
        assert_eq!(unified_memory(Path::new("/nowhere")), None);
    }

    #[test]
    fn the_kernel_finds_a_device_by_nvidias_id() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/bus/pci/devices/0000:1b:00.0");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("numa_node"), "1\n").unwrap();
        assert_eq!(numa_node(root.path(), "00000000:1B:00.0"), Some(1));
        std::fs::write(folder.join("numa_node"), "-1\n").unwrap();
        assert_eq!(numa_node(root.path(), "00000000:1B:00.0"), None);
        assert_eq!(numa_node(root.path(), "0:1B/../..:00.0"), None);
    }
}
