use spec::{Engine, UnifiedMemory};

use super::{Device, Origin, Share, resolve};

/// The arguments that only the machine tells: how many GPUs `all` are, and what goes where GPU and machine share memory.
pub(crate) fn fitted(engine: &Engine, devices: &[Device], share: Share, unified: &UnifiedMemory) -> Vec<String> {
    let mut args = Vec::new();
    if !engine.command.is_empty() {
        return args;
    }
    if resolve::is_all(engine) && engine.tensor_parallel_size.is_none() && devices.len() > 1 {
        args.extend(["--tensor-parallel-size".to_owned(), devices.len().to_string()]);
    }
    if devices.iter().any(Device::is_unified) {
        if share.origin == Origin::UnifiedMemory {
            args.extend(["--gpu-memory-utilization".to_owned(), share.value.to_string()]);
        }
        args.extend(unified.args.iter().cloned());
    }
    args
}
