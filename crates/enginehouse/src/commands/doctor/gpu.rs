use std::path::Path;

use hardware::Inventory;

use super::Check;
use crate::commands::gpu::inventory;

const NAME: &str = "gpu";
/// Present with NVIDIA hardware, whether or not a driver is there: the vendor's number among PCI devices.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const NVIDIA_VENDOR: &str = "0x10de";

/// Whether there are NVIDIA GPUs and their driver. None is a normal state: endpoints and CPU engines need none.
pub(super) async fn check() -> Check {
    match inventory().await {
        Ok(inventory) => judge(&inventory, hardware(Path::new(PCI_DEVICES))),
        Err(error) => Check::fail(NAME, error.to_string(), "engines on GPUs cannot start", "gpus.md#trouble"),
    }
}

/// `devices` are the GPUs that the kernel sees.
fn judge(inventory: &Inventory, devices: usize) -> Check {
    let Inventory { source, driver, gpus, lost, notes, .. } = inventory;
    if let Some(first) = lost.first() {
        let message = format!("{} of {} GPUs do not answer: {}", lost.len(), lost.len() + gpus.len(), first.reason);
        return Check::warn(
            NAME,
            message,
            "look at `dmesg`; a restart of the machine may bring it back",
            "gpus.md#trouble",
        );
    }
    if !gpus.is_empty() {
        let driver = driver.as_deref().unwrap_or("of unknown version");
        let names = names(inventory);
        return Check::ok(NAME, format!("{names}; NVIDIA driver {driver}, told by {}", source.as_str()));
    }
    if devices == 0 {
        return Check::info(NAME, "no NVIDIA GPU in this machine");
    }
    let message = format!("{devices} NVIDIA device(s) that cannot be used: {}", notes.join("; "));
    Check::warn(NAME, message, "install NVIDIA's driver if engines are to use them", "gpus.md#trouble")
}

/// `2 x NVIDIA A100, 1 x NVIDIA H100`.
fn names(inventory: &Inventory) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for gpu in &inventory.gpus {
        match counts.iter_mut().find(|(name, _)| *name == gpu.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((&gpu.name, 1)),
        }
    }
    counts.iter().map(|(name, count)| format!("{count} x {name}")).collect::<Vec<_>>().join(", ")
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
    use ambient::Timestamp;

    use super::*;

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

    #[test]
    fn hardware_that_nobody_can_use_is_worth_a_look() {
        let none = Inventory::empty(Timestamp::from_micros(0), vec!["NVML: it is broken".to_owned()]);
        assert!(judge(&none, 0).to_string().starts_with("info  gpu         no NVIDIA GPU"));
        assert!(
            judge(&none, 2)
                .to_string()
                .starts_with("warn  gpu         2 NVIDIA device(s) that cannot be used: NVML: it is broken")
        );
    }
}
