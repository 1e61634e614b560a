//! Machines that are wanted often.

use crate::{Device, Scene, Slice};

const GIB: u64 = 1 << 30;

// === impl Scene ===

impl Scene {
    /// A driver, and no GPU.
    pub fn none() -> Self {
        Self { driver: "570.86.15".to_owned(), cuda: 12_080, ..Self::default() }
    }

    /// Eight H100 that an NVSwitch joins.
    pub fn h100x8() -> Self {
        let switch = vec!["00000000:05:00.0".to_owned(); 18];
        let of = |index| Device { links: switch.clone(), mig: Some(false), ..gpu("NVIDIA H100 80GB HBM3", index, 80) };
        Self { devices: (0..8).map(of).collect(), ..Self::none() }
    }

    /// Two A100 that a link joins, and one H100 for itself.
    pub fn mixed() -> Self {
        let mut devices = vec![
            gpu("NVIDIA A100-SXM4-40GB", 0, 40),
            gpu("NVIDIA A100-SXM4-40GB", 1, 40),
            gpu("NVIDIA H100 PCIe", 2, 80),
        ];
        devices[0].links = vec![devices[1].pci.clone()];
        devices[1].links = vec![devices[0].pci.clone()];
        Self { devices, ..Self::none() }
    }

    /// Two A100, the first of which is cut into three slices.
    pub fn mig() -> Self {
        let mut devices = vec![gpu("NVIDIA A100-SXM4-40GB", 0, 40), gpu("NVIDIA A100-SXM4-40GB", 1, 40)];
        devices[0].mig = Some(true);
        devices[1].mig = Some(false);
        let slice = |number: u32, profile: &str, total| Slice {
            uuid: format!("MIG-{number:08x}-0000-5000-8000-000000000000"),
            profile: profile.to_owned(),
            total,
            used: 0,
        };
        devices[0].slices =
            vec![slice(1, "3g.20gb", 19_968 << 20), slice(2, "2g.10gb", 9_856 << 20), slice(3, "1g.5gb", 4_864 << 20)];
        Self { devices, ..Self::none() }
    }

    /// A DGX Spark: its GPU has no memory of its own.
    pub fn gb10() -> Self {
        let device = Device { total: None, ..gpu("NVIDIA GB10", 0, 0) };
        Self { devices: vec![device], driver: "580.95.05".to_owned(), cuda: 13_000, ..Self::none() }
    }

    /// Two H100, the second of which fell off the bus.
    pub fn lost() -> Self {
        let mut scene = Self::h100x8();
        scene.devices.truncate(2);
        scene.devices[1].lost = true;
        scene
    }

    /// The driver was updated and the old one still runs: `NVML_ERROR_LIB_RM_VERSION_MISMATCH`.
    pub fn mismatch() -> Self {
        Self { init: 18, ..Self::h100x8() }
    }
}

fn gpu(name: &str, index: u32, gib: u64) -> Device {
    Device {
        uuid: format!("GPU-{:08x}-1111-2222-3333-444444444444", index + 0x0a00_0000),
        name: name.to_owned(),
        pci: format!("00000000:{:02X}:00.0", 0x10 + index),
        total: Some(gib * GIB),
        used: GIB / 2,
        ..Device::default()
    }
}
