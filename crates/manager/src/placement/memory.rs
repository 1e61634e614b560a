use hardware::Inventory;
use serde::{Deserialize, Serialize};
use spec::Document;
use utoipa::ToSchema;

use super::{Device, Origin, of_replica, share};
use crate::reconciler::Desired;

/// One GPU, or slice, of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct GpuMemory {
    /// Index of the GPU.
    pub(crate) index: u32,
    /// Product, with the size of the slice.
    pub(crate) name: String,
    /// Of the GPU or the slice.
    pub(crate) uuid: String,
    /// Bytes of its memory; none where nobody could tell.
    pub(crate) total_bytes: Option<u64>,
    /// Whether GPU and machine share it.
    pub(crate) unified: bool,
}

/// Where a replica is put.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Placed {
    /// Its GPUs.
    pub(crate) gpus: Vec<GpuMemory>,
    /// Share of each GPU's memory that it takes.
    pub(crate) gpu_memory_utilization: f64,
    /// Who says so.
    pub(crate) origin: Origin,
}

/// Where a replica would be put now; none where it asks for no GPU, or for one that is not there.
pub(crate) fn placed(document: &Document, desired: &Desired, inventory: &Inventory) -> Option<Placed> {
    let devices = of_replica(&desired.engine, desired.number, inventory).ok()?;
    Placed::on(document, desired, &devices)
}

// === impl Placed ===

impl Placed {
    /// A replica on these devices; none where there are none.
    pub(crate) fn on(document: &Document, desired: &Desired, devices: &[Device]) -> Option<Self> {
        let share = share(&desired.engine, &desired.words(), devices, &document.defaults.unified_memory);
        let gpus: Vec<_> = devices.iter().map(GpuMemory::of).collect();
        let placed = Self { gpus, gpu_memory_utilization: share.value, origin: share.origin };
        (!placed.gpus.is_empty()).then_some(placed)
    }
}

// === impl GpuMemory ===

impl GpuMemory {
    fn of(device: &Device) -> Self {
        let name = match &device.profile {
            Some(profile) => format!("{} {profile}", device.name),
            None => device.name.clone(),
        };
        let total_bytes = device.memory.map(|memory| memory.total);
        Self { index: device.index, name, uuid: device.uuid.clone(), total_bytes, unified: device.is_unified() }
    }
}
