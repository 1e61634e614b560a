use spec::{Engine, Spread, UnifiedMemory};

use super::{Device, Origin, Share, resolve};

/// The arguments of an engine with these words that only the machine tells: how many GPUs `all` are, and what goes where GPU and machine share memory.
pub(crate) fn fitted(
    engine: &Engine,
    words: &[String],
    devices: &[Device],
    share: Share,
    unified: &UnifiedMemory,
) -> Vec<String> {
    let mut args = Vec::new();
    if !engine.command.is_empty() {
        return args;
    }
    let shared_by = Spread::read(words).shared_by(devices.len() as u64);
    if resolve::is_all(engine) && engine.tensor_parallel_size.is_none() && shared_by > 1 {
        args.extend(["--tensor-parallel-size".to_owned(), shared_by.to_string()]);
    }
    if devices.iter().any(Device::is_unified) {
        if share.origin == Origin::UnifiedMemory {
            args.extend(["--gpu-memory-utilization".to_owned(), share.value.to_string()]);
        }
        args.extend(unified.args.iter().cloned());
    }
    args
}
