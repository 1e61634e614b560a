use crate::{Engine, fault::Scope, gpus_each, limits};

/// Over how many GPUs an engine is spread, against those that it gets.
pub(super) fn check(here: &mut Scope<'_>, engine: &Engine) {
    let Some(size) = engine.tensor_parallel_size else { return };
    let mut here = here.field("tensor_parallel_size");
    if !(1..=limits::GPUS).contains(&size) {
        here.fault(format!("tensor_parallel_size is {size}; give 1 to {}", limits::GPUS));
    } else if let Some(gpus) = gpus_each(engine).filter(|gpus| *gpus < size) {
        here.fault(format!(
            "tensor_parallel_size is {size}, but each replica gets {gpus} of the `gpus`; name {} of them, or set it to {gpus}",
            u64::from(size) * u64::from(engine.replicas)
        ));
    }
}
