use std::ffi::OsString;
use std::path::PathBuf;

use ambient::Clock;

use crate::{Inventory, nvml, smi};

/// Variable that names another library than [`nvml::LIBRARY`]; empty: none is asked.
pub const NVML: &str = "ENGINEHOUSE_NVML";
/// Variable that names another program than [`smi::PROGRAM`]; empty: none is asked.
pub const NVIDIA_SMI: &str = "ENGINEHOUSE_NVIDIA_SMI";

/// Reads what GPUs there are.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The library that is loaded; none is not asked.
    nvml: Option<OsString>,
    /// The program that is run where the library cannot tell; none is not asked.
    smi: Option<OsString>,
    /// Where the kernel's files are.
    root: PathBuf,
    clock: Clock,
}

// === impl Probe ===

impl Probe {
    /// Of this machine, with other ways to NVIDIA's driver where variables say so.
    pub fn new(variable: impl Fn(&str) -> Option<String>, clock: Clock) -> Self {
        let named = |name: &str, usual: &str| {
            let way = variable(name).unwrap_or_else(|| usual.to_owned());
            (!way.is_empty()).then(|| OsString::from(way))
        };
        Self { nvml: named(NVML, nvml::LIBRARY), smi: named(NVIDIA_SMI, smi::PROGRAM), root: PathBuf::from("/"), clock }
    }

    /// With the kernel's files in another folder.
    #[must_use]
    pub fn rooted(self, root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..self }
    }

    /// Looks once. Blocks, and for ever where the driver does: [`Sampler`](crate::Sampler) bounds it.
    pub fn read(&self) -> Inventory {
        let now = self.clock.now();
        let mut notes = Vec::new();
        if let Some(library) = &self.nvml {
            match nvml::read(library, &self.root, now) {
                Ok(inventory) => return inventory,
                Err(error) => notes.push(error.to_string()),
            }
        }
        if let Some(program) = &self.smi {
            match smi::read(program, &self.root, now) {
                Ok(inventory) => return Inventory { notes, ..inventory },
                Err(error) => notes.push(error.to_string()),
            }
        }
        Inventory::empty(now, notes)
    }

    /// Before anything was read.
    pub(crate) fn nothing(&self) -> Inventory {
        Inventory::empty(self.clock.now(), Vec::new())
    }
}
