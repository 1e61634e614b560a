use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::device::optional;
use crate::text::plain;
use crate::{Memory, Mig, Slice};

/// Slices that are read of one GPU: more than any can have.
const MOST_SLICES: u32 = 16;
/// What NVML says for a mode that is switched on.
const ENABLED: u32 = 1;

/// How a GPU is cut; none where it cannot be.
pub(super) fn read(device: &Device<'_>) -> Result<Option<Mig>, NvmlError> {
    let Some(mode) = optional(device.mig_mode())? else { return Ok(None) };
    let mut mig = Mig { enabled: mode.current == ENABLED, slices: Vec::new() };
    if !mig.enabled {
        return Ok(Some(mig));
    }
    let most = optional(device.mig_device_count())?.unwrap_or(0).min(MOST_SLICES);
    for index in 0..most {
        // Places that hold no slice say so.
        let Some(found) = optional(device.mig_device_by_index(index))? else { continue };
        if let Some(slice) = slice(&found)? {
            mig.slices.push(slice);
        }
    }
    Ok(Some(mig))
}

/// None for one that was removed since.
fn slice(device: &Device<'_>) -> Result<Option<Slice>, NvmlError> {
    let Some(uuid) = optional(device.uuid())? else { return Ok(None) };
    let attributes = optional(device.attributes())?;
    let measured = optional(device.memory_info())?;
    let memory = measured.map(|info| Memory { total: info.total, used: info.used, free: info.free, unified: false });
    let nominal = attributes.as_ref().map(|attributes| {
        let total = attributes.memory_size_mb << 20;
        Memory { total, used: 0, free: total, unified: false }
    });
    // Newer drivers end the name with it, as `NVIDIA A100-SXM4-40GB MIG 1g.5gb`.
    let name = optional(device.name())?.unwrap_or_default();
    let named = name.rsplit_once("MIG ").map(|(_, profile)| plain(profile));
    let counted = attributes.map(|attributes| {
        let gib = (attributes.memory_size_mb.saturating_add(512)) >> 10;
        format!("{}g.{gib}gb", attributes.gpu_instance_slice_count)
    });
    let profile = named.or(counted).unwrap_or_default();
    Ok(Some(Slice { uuid: plain(&uuid), profile, memory: memory.or(nominal) }))
}
