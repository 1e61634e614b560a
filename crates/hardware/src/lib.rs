//! The GPUs of this machine. A [`Probe`] reads them once: through NVML, NVIDIA's own library, and where that cannot be used
//! through `nvidia-smi`. A machine without a GPU is a normal state. A [`Sampler`] reads again and again on a thread of its own,
//! because a driver that is in trouble may never answer.

mod inventory;
mod nvml;
mod probe;
mod sampler;
mod smi;
mod system;
mod text;

pub use inventory::{Gpu, GpuProcess, Inventory, LostGpu, Memory, Mig, Slice, Source};
pub use probe::{NVIDIA_SMI, NVML, Probe};
pub use sampler::{Sampler, Ticket};
