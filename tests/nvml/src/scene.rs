use serde::{Deserialize, Serialize};

/// A machine with GPUs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// What `nvmlInit` answers; 0 is success.
    pub init: u32,
    /// Milliseconds that `nvmlInit` takes.
    pub delay_ms: u64,
    /// Version of the driver.
    pub driver: String,
    /// Version of CUDA, as 12080.
    pub cuda: i32,
    /// The GPUs.
    pub devices: Vec<Device>,
}

/// A GPU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// `GPU-…`.
    pub uuid: String,
    /// Product.
    pub name: String,
    /// As `00000000:1B:00.0`.
    pub pci: String,
    /// Bytes of its memory; none: it has none of its own.
    pub total: Option<u64>,
    /// Bytes that are taken.
    pub used: u64,
    /// PCI ids at the other ends of its links.
    pub links: Vec<String>,
    /// Whether it can be cut, and is; none: it cannot.
    pub mig: Option<bool>,
    /// Its slices.
    pub slices: Vec<Slice>,
    /// Process ids and bytes of what computes on it.
    pub processes: Vec<(u32, u64)>,
    /// Whether it fell off the bus.
    pub lost: bool,
}

/// A slice of a GPU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slice {
    /// `MIG-…`.
    pub uuid: String,
    /// As `1g.10gb`.
    pub profile: String,
    /// Bytes of its memory.
    pub total: u64,
    /// Bytes that are taken.
    pub used: u64,
}
