//! `nvidia-smi`, where the library cannot be used: in some containers, or with a library of another architecture.

use std::ffi::OsStr;
use std::path::Path;

use ambient::Timestamp;

use crate::{Inventory, Source, system};

mod query;
mod run;
mod slices;

/// Its usual name.
pub(crate) const PROGRAM: &str = "nvidia-smi";

/// `nvidia-smi` cannot tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("nvidia-smi: {0} cannot be run")]
    Absent(String),
    #[error("nvidia-smi: it did not end within {0} s")]
    Hangs(u64),
    #[error("nvidia-smi: it printed more than {0} bytes")]
    TooMuch(u64),
    #[error("nvidia-smi: {0}")]
    Failed(String),
    #[error("nvidia-smi: it printed what nobody can read")]
    Unreadable,
}

/// What GPUs there are.
pub(crate) fn read(program: &OsStr, root: &Path, now: Timestamp) -> Result<Inventory, Error> {
    let (mut gpus, driver) = query::gpus(&run::run(program, query::GPUS)?)?;
    for gpu in &mut gpus {
        gpu.numa_node = gpu.pci.as_deref().and_then(|pci| system::numa_node(root, pci));
        // It prints `[N/A]` where the GPU has no memory of its own.
        gpu.memory = gpu.memory.or_else(|| system::unified_memory(root));
    }
    if gpus.iter().any(crate::Gpu::is_sliced) {
        slices::note(&mut gpus, &run::run(program, slices::LIST)?);
    }
    // The programs are worth knowing, and worth nothing without the rest.
    if let Ok(text) = run::run(program, query::PROCESSES) {
        query::note_processes(&mut gpus, &text);
    }
    Ok(Inventory { source: Source::NvidiaSmi, driver, gpus, ..Inventory::empty(now, Vec::new()) })
}
