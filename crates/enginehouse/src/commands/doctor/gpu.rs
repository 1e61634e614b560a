use std::path::Path;

use super::Check;

const NAME: &str = "gpu";
/// Written by NVIDIA's kernel driver.
const DRIVER: &str = "/proc/driver/nvidia/version";
/// Present with NVIDIA hardware, whether or not a driver is there: the vendor's number among PCI devices.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const NVIDIA_VENDOR: &str = "0x10de";

/// Whether there are NVIDIA GPUs and their driver. None is a normal state: endpoints and CPU engines need none.
pub(super) fn check() -> Check {
    match (std::fs::read_to_string(DRIVER).ok(), hardware(Path::new(PCI_DEVICES))) {
        (Some(driver), _) => Check::ok(NAME, format!("NVIDIA driver {}", version(&driver))),
        (None, 0) => Check::info(NAME, "no NVIDIA GPU in this machine"),
        (None, devices) => Check::warn(
            NAME,
            format!("{devices} NVIDIA device(s), but no driver"),
            "install NVIDIA's driver if engines are to use them",
            "operations.md#gpu",
        ),
    }
}

/// `570.86.15` out of the driver's banner.
fn version(banner: &str) -> &str {
    let looks_like = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    banner.split_whitespace().find(looks_like).unwrap_or("of unknown version")
}

/// Display controllers (PCI class 03) of NVIDIA.
fn hardware(devices: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(devices) else { return 0 };
    let word = |folder: &Path, file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let is_gpu =
        |folder: &Path| word(folder, "vendor").trim() == NVIDIA_VENDOR && word(folder, "class").starts_with("0x03");
    entries.flatten().filter(|entry| is_gpu(&entry.path())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_the_banner() {
        let banner = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build";
        assert_eq!(version(banner), "570.86.15");
        assert_eq!(version(""), "of unknown version");
    }

    #[test]
    fn gpus_are_counted_and_other_devices_of_the_vendor_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, vendor, class) in
            [("a", "0x10de\n", "0x030200\n"), ("b", "0x10de\n", "0x040300\n"), ("c", "0x8086\n", "0x030000\n")]
        {
            let device = folder.path().join(name);
            std::fs::create_dir(&device).unwrap();
            std::fs::write(device.join("vendor"), vendor).unwrap();
            std::fs::write(device.join("class"), class).unwrap();
        }
        assert_eq!(hardware(folder.path()), 1);
    }
}
