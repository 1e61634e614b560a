use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;

use super::mig;
use crate::text::plain;
use crate::{Gpu, GpuProcess, Memory, system};

/// Processes that are listed of one GPU.
const MOST_PROCESSES: usize = 256;

/// One GPU. What it cannot tell is left out; one that is lost is an error.
pub(super) fn read(device: &Device<'_>, index: u32, root: &Path) -> Result<Gpu, NvmlError> {
    let pci = optional(device.pci_info())?.map(|pci| plain(&pci.bus_id));
    Ok(Gpu {
        index,
        uuid: plain(&device.uuid()?),
        name: plain(&device.name()?),
        memory: memory(device, root)?,
        numa_node: pci.as_deref().and_then(|pci| system::numa_node(root, pci)),
        pci,
        nvlink_peers: Vec::new(),
        nvswitch: false,
        mig: mig::read(device)?,
        processes: processes(device)?,
    })
}

/// Where the GPU has none of its own, NVML says that it does not support the question.
fn memory(device: &Device<'_>, root: &Path) -> Result<Option<Memory>, NvmlError> {
    match device.memory_info() {
        Ok(info) => Ok(Some(Memory { total: info.total, used: info.used, free: info.free, unified: false })),
        Err(NvmlError::NotSupported) => Ok(system::unified_memory(root)),
        Err(error) => optional(Err(error)),
    }
}

fn processes(device: &Device<'_>) -> Result<Vec<GpuProcess>, NvmlError> {
    let found = optional(device.running_compute_processes())?.unwrap_or_default();
    let processes = found.into_iter().take(MOST_PROCESSES).map(|process| GpuProcess {
        pid: process.pid,
        memory: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    });
    Ok(processes.collect())
}

/// None for what this GPU, or this version of the library, does not tell; an error where the GPU itself is gone.
pub(super) fn optional<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired)) => Err(error),
        Err(_) => Ok(None),
    }
}
