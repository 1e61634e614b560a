use hardware::Inventory;
use serde::Serialize;
use spec::{Document, Engine};
use utoipa::ToSchema;

use super::{Device, Origin, of_replica, share};
use crate::reconciler::Desired;

/// One GPU, or slice, of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Placed {
    /// Its GPUs.
    pub(crate) gpus: Vec<GpuMemory>,
    /// Share of each GPU's memory that it takes.
    pub(crate) gpu_memory_utilization: f64,
    /// Who says so.
    pub(crate) origin: Origin,
}

/// The memory that a replica of an engine has. An error says which GPU is not there.
pub(crate) fn memory_of(engine: &Engine, number: u32, inventory: &Inventory) -> Result<Vec<GpuMemory>, String> {
    Ok(of_replica(engine, number, inventory)?.iter().map(GpuMemory::of).collect())
}

/// Where a replica is put; none where it asks for no GPU, or for one that is not there.
pub(crate) fn placed(document: &Document, desired: &Desired, inventory: &Inventory) -> Option<Placed> {
    let devices = of_replica(&desired.engine, desired.number, inventory).ok()?;
    let share = share(&desired.engine, &desired.words(), &devices, &document.defaults.unified_memory);
    let gpus = memory_of(&desired.engine, desired.number, inventory).ok().filter(|gpus| !gpus.is_empty())?;
    Some(Placed { gpus, gpu_memory_utilization: share.value, origin: share.origin })
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
