use crate::{Engine, Gpu};

/// GPUs that each replica of an engine gets; none where it names none, where only the machine knows how many there are, or where they do not
/// go round.
pub fn gpus_each(engine: &Engine) -> Option<u32> {
    let is_open = |gpu: &Gpu| matches!(gpu, Gpu::Name(name) if name == "all");
    let count = u32::try_from(engine.gpus.len()).ok().filter(|count| *count > 0)?;
    let goes_round = engine.replicas > 0 && count.is_multiple_of(engine.replicas);
    (goes_round && !engine.gpus.iter().any(is_open)).then(|| count / engine.replicas)
}
