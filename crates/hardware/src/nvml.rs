//! NVML, NVIDIA's library, by its wrapper. It is loaded and let go with every reading: while a program holds it, neither the
//! driver nor a GPU can be reset, and what it says of a machine that changed meanwhile is old.

use std::ffi::OsStr;
use std::path::Path;

use ambient::Timestamp;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use crate::text::plain;
use crate::{Inventory, LostGpu, Source};

mod device;
mod links;
mod mig;

/// Its usual name.
pub(crate) const LIBRARY: &str = "libnvidia-ml.so.1";
/// GPUs that are read: more than any machine holds.
const MOST_GPUS: u32 = 64;

/// NVML cannot tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("NVML: the library {0} cannot be loaded")]
    Absent(String),
    #[error(
        "NVML: the loaded driver and the library have different versions; restart the machine, or reload the driver"
    )]
    Mismatch,
    #[error("NVML: {0}")]
    Other(String),
}

/// What GPUs there are.
pub(crate) fn read(library: &OsStr, root: &Path, now: Timestamp) -> Result<Inventory, Error> {
    let nvml = Nvml::builder().lib_path(library).init().map_err(|error| Error::of(&error, library))?;
    let count = nvml.device_count().map_err(|error| Error::of(&error, library))?.min(MOST_GPUS);
    let cuda = nvml.sys_cuda_driver_version().ok();
    let mut inventory = Inventory {
        source: Source::Nvml,
        driver: nvml.sys_driver_version().ok().map(|version| plain(&version)),
        cuda: cuda.map(|v| format!("{}.{}", cuda_driver_version_major(v), cuda_driver_version_minor(v))),
        ..Inventory::empty(now, Vec::new())
    };
    let mut links = Vec::new();
    for index in 0..count {
        let read = nvml.device_by_index(index).and_then(|device| {
            let gpu = device::read(&device, index, root)?;
            links.push((index, links::remotes(&device)));
            Ok(gpu)
        });
        match read {
            Ok(gpu) => inventory.gpus.push(gpu),
            Err(error) => {
                inventory.lost.push(LostGpu { index, uuid: None, name: None, reason: plain(&error.to_string()) });
            }
        }
    }
    links::join(&mut inventory.gpus, &links);
    Ok(inventory)
}

// === impl Error ===

impl Error {
    fn of(error: &NvmlError, library: &OsStr) -> Self {
        match error {
            NvmlError::LibloadingError(_) => Self::Absent(plain(&library.to_string_lossy())),
            NvmlError::LibRmVersionMismatch => Self::Mismatch,
            other => Self::Other(plain(&other.to_string())),
        }
    }
}
